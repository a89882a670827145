"""What is in the columns of the files, for the pages of the assets."""

from collections.abc import Iterable, Mapping

import dagster as dg

from lf_export_pipeline.core.query.columns import Kind, OutputColumn

_SHOWN_TYPES = {Kind.TEXT: "string", Kind.QUOTED: "string", Kind.MAYBE_JSON: "string or json"}

_TIMES = {
    "timestamp": "When it happened.",
    "startTime": "When it began.",
    "endTime": "When it ended; empty if it has not.",
    "completionStartTime": "When the first token came.",
    "createdAt": "When it was created.",
    "updatedAt": "When it was last changed.",
    "validFrom": "Since when this version of the item holds.",
    "traceTimestamp": "When its trace began.",
}
_IDS = {
    "id": "Its id within the project.",
    "traceId": "Id of the trace that it belongs to.",
    "observationId": "Id of the observation that it is about.",
    "parentObservationId": "Id of the observation around it.",
    "sessionId": "Id of the session.",
    "userId": "Id of the user, as the application calls them.",
    "userIds": "Ids of the users of its traces.",
    "projectId": "Id of the project.",
    "orgId": "Id of the organization.",
    "apiKeyId": "Id of the API key that did it.",
    "datasetId": "Id of the dataset.",
    "datasetItemId": "Id of the item of the dataset.",
    "datasetRunId": "Id of the run of a dataset that the score is about.",
    "sourceTraceId": "Id of the trace that the item was made from.",
    "sourceObservationId": "Id of the observation that the item was made from.",
    "promptId": "Id of the version of the prompt.",
    "modelId": "Id of the model's definition in Langfuse.",
    "internalModelId": "Id of the model's definition in Langfuse.",
    "usagePricingTierId": "Id of the pricing tier that was applied.",
    "resourceId": "Id of what was changed.",
}
_NAMES = {
    "name": "Its name.",
    "traceName": "Name of its trace.",
    "datasetName": "Name of the dataset.",
    "promptName": "Name of the prompt.",
    "promptVersion": "Version of the prompt.",
    "model": "Name of the model, as the application gave it.",
    "providedModelName": "Name of the model, as the application gave it.",
    "usagePricingTierName": "Name of the pricing tier that was applied.",
    "authorUserName": "Name of the user of Langfuse who gave the score.",
    "environment": "Such as production or staging.",
    "release": "Release of the application.",
    "version": "Version of what was traced.",
    "tags": "Tags of the trace.",
    "traceTags": "Tags of its trace or traces.",
    "type": "Its kind.",
    "level": "DEBUG, DEFAULT, WARNING or ERROR.",
    "statusMessage": "What the application says about the level.",
    "status": "ACTIVE or ARCHIVED.",
    "source": "Where the score comes from: API, ANNOTATION or EVAL.",
    "dataType": "NUMERIC, CATEGORICAL, BOOLEAN or TEXT.",
    "bookmarked": "Whether it is starred in Langfuse.",
    "public": "Whether everybody who has the link may see it.",
    "htmlSourcePath": "Path of the source in Langfuse's web app.",
}
_CONTENTS = {
    "input": "What went in.",
    "output": "What came out.",
    "expectedOutput": "What should come out.",
    "metadata": "Metadata, as the application gave them.",
    "comments": "Comments made in Langfuse, the oldest first.",
    "comment": "What the author says about the score.",
    "value": "The number; 0 or 1 for a boolean.",
    "stringValue": "The category, the text, or True or False.",
    "modelParameters": "Parameters of the call of the model.",
    "toolDefinitions": "Tools that the model was offered.",
    "toolCalls": "Arguments of the calls of tools.",
    "toolCallNames": "Names of the tools that were called.",
    "before": "What was there before, as JSON.",
    "after": "What was there afterwards, as JSON.",
    "action": "What was done.",
    "resourceType": "Kind of what was changed.",
    "userOrgRole": "Role of who did it, in the organization.",
    "userProjectRole": "Role of who did it, in the project.",
}
_NUMBERS = {
    "latency": "From beginning to end, in seconds.",
    "latencyMs": "From beginning to end, in milliseconds.",
    "timeToFirstToken": "Until the first token, in seconds.",
    "timeToFirstTokenMs": "Until the first token, in milliseconds.",
    "sessionDuration": "From the first observation to the end of the last one, in seconds.",
    "countTraces": "Number of traces.",
    "totalCount": "Number of traces, once more: Langfuse writes both.",
    "totalTokens": "Tokens in all.",
    "inputUsage": "Units that went in, mostly tokens.",
    "outputUsage": "Units that came out, mostly tokens.",
    "totalUsage": "Units in all, mostly tokens.",
    "usageDetails": "Units by kind.",
    "providedUsageDetails": "Units by kind, as the application gave them.",
    "inputCost": "Cost of what went in, in US dollars.",
    "outputCost": "Cost of what came out, in US dollars.",
    "totalCost": "Cost in all, in US dollars.",
    "costDetails": "Cost by kind of unit, in US dollars.",
    "providedCostDetails": "Cost by kind of unit, as the application gave it.",
    "inputPrice": "Price of a unit that goes in, in US dollars.",
    "outputPrice": "Price of a unit that comes out, in US dollars.",
    "totalPrice": "Price of a unit where in and out are not told apart, in US dollars.",
    "toolDefinitionsCount": "Number of tools that the model was offered.",
    "toolCallsCount": "Number of calls of tools.",
}

_OF_ALL: Mapping[str, str] = {**_TIMES, **_IDS, **_NAMES, **_CONTENTS, **_NUMBERS}
_OF_TABLES: Mapping[tuple[str, str], str] = {
    ("traces", "id"): "Id of the trace.",
    ("observations", "id"): "Id of the observation.",
    ("observations", "type"): "SPAN, GENERATION, EVENT, AGENT, TOOL or another kind.",
    ("events", "id"): "Id of the span.",
    ("events", "type"): "SPAN, GENERATION, EVENT, AGENT, TOOL or another kind.",
    ("scores", "id"): "Id of the score.",
    ("scores", "traceId"): "Id of the trace that the score is about.",
    ("scores", "sessionId"): "Id of the session that the score is about.",
    ("sessions", "id"): "Id of the session.",
    ("sessions", "createdAt"): "When its first trace began.",
    ("audit_logs", "userId"): "Id of the user of Langfuse who did it.",
    ("audit_logs", "type"): "USER or API_KEY: who did it.",
}


def base_schema(table: str, columns: Iterable[OutputColumn]) -> list[dg.TableColumn]:
    """The columns that every file of a table has."""
    return [
        dg.TableColumn(
            column.name,
            _SHOWN_TYPES.get(column.kind, "json"),
            description=column_description(table, column.name),
        )
        for column in columns
    ]


def column_description(table: str, column: str) -> str | None:
    """What a base column of a table holds; None for one that nobody has described."""
    return _OF_TABLES.get((table, column)) or _OF_ALL.get(column)
