"""The columns of an observations export, and what each holds; the same for both sources."""

from lf_export_pipeline.core.query.columns import Kind, OutputColumn
from lf_export_pipeline.core.request.model import ExportFormat

_TEXT, _QUOTED, _JSON, _MAYBE = Kind.TEXT, Kind.QUOTED, Kind.JSON, Kind.MAYBE_JSON

_COLUMNS = (
    ("id", _TEXT),
    ("traceId", _TEXT),
    ("startTime", _QUOTED),
    ("endTime", _QUOTED),
    ("projectId", _TEXT),
    ("parentObservationId", _TEXT),
    ("type", _TEXT),
    ("environment", _TEXT),
    ("name", _TEXT),
    ("level", _TEXT),
    ("statusMessage", _TEXT),
    ("version", _TEXT),
    ("createdAt", _QUOTED),
    ("updatedAt", _QUOTED),
    ("input", _MAYBE),
    ("output", _MAYBE),
    ("metadata", _JSON),
    ("model", _TEXT),
    ("internalModelId", _TEXT),
    ("modelParameters", _MAYBE),
    ("completionStartTime", _QUOTED),
    ("promptId", _TEXT),
    ("promptName", _TEXT),
    ("promptVersion", _JSON),
    ("latency", Kind.DOUBLE),
    ("timeToFirstToken", Kind.DOUBLE),
    ("providedUsageDetails", _JSON),
    ("usageDetails", _JSON),
    ("costDetails", _JSON),
    ("providedCostDetails", _JSON),
    ("inputCost", Kind.DOUBLE),
    ("outputCost", Kind.DOUBLE),
    ("totalCost", Kind.DOUBLE),
    ("inputUsage", _JSON),
    ("outputUsage", _JSON),
    ("totalUsage", _JSON),
    ("usagePricingTierId", _TEXT),
    ("usagePricingTierName", _TEXT),
    ("toolDefinitions", _JSON),
    ("toolCalls", _JSON),
    ("toolCallNames", _JSON),
    ("traceName", _TEXT),
    ("traceTags", _JSON),
    ("traceTimestamp", _TEXT),
    ("userId", _TEXT),
    ("toolDefinitionsCount", _JSON),
    ("toolCallsCount", _JSON),
    ("modelId", _TEXT),
    ("inputPrice", _QUOTED),
    ("outputPrice", _QUOTED),
    ("totalPrice", _QUOTED),
    ("comments", Kind.PRETTY_JSON),
)


def observation_columns(file_format: ExportFormat) -> tuple[OutputColumn, ...]:
    """The columns in the order of the file.

    Langfuse parses inputs and outputs for JSON and JSONL only, so in CSV they are plain text.
    """
    plain = {"input", "output"} if file_format is ExportFormat.CSV else set()
    return tuple(
        OutputColumn(name=name, kind=_TEXT if name in plain else kind) for name, kind in _COLUMNS
    )
