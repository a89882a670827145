"""The columns that filters on spans can name, for both exports that read ``events_full``."""

from lf_export_pipeline.core.query.compiler import FilterColumn, FilterTable, NumberKind, ValueType
from lf_export_pipeline.core.query.expressions import sum_of_any_keys
from lf_export_pipeline.core.tables.event_reading import EVENTS, IS_ROOT, TRACE_NAME
from lf_export_pipeline.core.tables.event_scores import SCORE_COLUMNS

_OPTIONS = "stringOptions"
_TEXT, _ARRAY = ValueType.STRING, ValueType.STRING_ARRAY


def _options(names: tuple[str, ...], column: str) -> FilterColumn:
    return FilterColumn(names, f"t.{column}", _TEXT, names[0], _OPTIONS)


def _text(names: tuple[str, ...], column: str) -> FilterColumn:
    return FilterColumn(names, f"t.{column}", _TEXT, names[0])


def _or_nothing(names: tuple[str, ...], column: str, ui_type: str = "string") -> FilterColumn:
    return FilterColumn(names, f"t.{column}", _TEXT, names[0], ui_type, empty_equals_null=True)


def _number(names: tuple[str, ...], expression: str, *, nullable: bool = False) -> FilterColumn:
    return FilterColumn(names, expression, ValueType.NUMBER, names[0], nullable=nullable)


def _seconds(names: tuple[str, ...], expression: str) -> FilterColumn:
    kind = NumberKind.FLOAT
    return FilterColumn(
        names, expression, ValueType.NUMBER, names[0], number_kind=kind, nullable=True
    )


def _boolean(names: tuple[str, ...], condition: str) -> FilterColumn:
    return FilterColumn(names, f"({condition})", ValueType.BOOLEAN, names[0])


def _time(names: tuple[str, ...], expression: str, *, nullable: bool = False) -> FilterColumn:
    return FilterColumn(names, expression, ValueType.DATETIME, names[0], nullable=nullable)


def _total(column: str) -> str:
    return f"if(mapContains(t.{column}, 'total'), t.{column}['total'], NULL)"


def _since_start(column: str) -> str:
    return f"dateDiff('millisecond', t.start_time, t.{column}) / 1000"


def _metadata(name: str) -> str:
    return f"t.metadata_values[indexOf(t.metadata_names, '{name}')]"


_RULE = _metadata("evaluation_rule_id")
_RULE_ID = f"if(notEmpty({_RULE}), {_RULE}, {_metadata('job_configuration_id')})"
_TOKENS_PER_SECOND = (
    f"{sum_of_any_keys('t.usage_details', 'output')} / ({_since_start('end_time')})"
)

_ROW_COLUMNS = (
    _options(("environment", "Environment"), "environment"),
    _options(("ingestionApiKey", "API Key"), "ingestion_api_key"),
    _options(("ingestionSdkName", "SDK Name"), "ingestion_sdk_name"),
    _options(("ingestionSdkVersion", "SDK Version"), "ingestion_sdk_version"),
    _options(("ingestionSource", "Ingestion Source"), "source"),
    _options(("type", "Type"), "type"),
    _options(("id", "ID"), "span_id"),
    _options(("name", "Name"), "name"),
    _text(("traceId", "Trace ID"), "trace_id"),
    _time(("startTime", "Start Time"), EVENTS.time),
    _time(("endTime", "End Time"), "t.end_time", nullable=True),
    _seconds(
        ("timeToFirstToken", "Time To First Token (s)"), _since_start("completion_start_time")
    ),
    _seconds(("latency", "Latency (s)"), _since_start("end_time")),
    _seconds(("tokensPerSecond", "Tokens per second"), _TOKENS_PER_SECOND),
    _number(("inputCost", "Input Cost ($)"), sum_of_any_keys("t.cost_details", "input")),
    _number(("outputCost", "Output Cost ($)"), sum_of_any_keys("t.cost_details", "output")),
    _number(("totalCost", "Total Cost ($)"), _total("cost_details"), nullable=True),
    _options(("level", "Level"), "level"),
    _text(("statusMessage", "Status Message"), "status_message"),
    FilterColumn(("model", "Model"), "t.provided_model_name", _TEXT),
    _options(("providedModelName", "Provided Model Name"), "provided_model_name"),
    _options(("modelId", "Model ID"), "model_id"),
    _number(("inputTokens", "Input Tokens"), sum_of_any_keys("t.usage_details", "input")),
    _number(("outputTokens", "Output Tokens"), sum_of_any_keys("t.usage_details", "output")),
    _number(("totalTokens", "Total Tokens"), _total("usage_details"), nullable=True),
    FilterColumn(("tokens", "Tokens"), _total("usage_details"), ValueType.NUMBER, nullable=True),
    FilterColumn(
        ("metadata", "Metadata"),
        "(t.metadata_names, t.metadata_values)",
        ValueType.NAMED_ARRAYS,
        "metadata",
    ),
    FilterColumn(
        ("evaluatorId", "Evaluator ID"), _metadata("evaluator_id"), _TEXT, "evaluatorId", _OPTIONS
    ),
    FilterColumn(("ruleId", "Rule ID"), _RULE_ID, _TEXT, "ruleId", _OPTIONS),
    _text(("version", "Version"), "version"),
    _or_nothing(("release", "Release"), "release"),
    _options(("promptName", "Prompt Name"), "prompt_name"),
    _number(("promptVersion", "Prompt Version"), "t.prompt_version", nullable=True),
    _text(("input", "Input"), "input"),
    _text(("output", "Output"), "output"),
    _text(("sessionId", "Session ID"), "session_id"),
    FilterColumn(
        ("traceName", "Trace Name"), TRACE_NAME, _TEXT, "traceName", _OPTIONS, nullable=True
    ),
    _text(("userId", "User ID"), "user_id"),
    FilterColumn(("traceTags", "Trace Tags"), "t.tags", _ARRAY, "traceTags"),
    FilterColumn(("tags", "Tags"), "t.tags", _ARRAY),
    FilterColumn(("traceEnvironment", "Trace Environment"), "t.environment", _TEXT),
    _boolean(("hasParentObservation", "Has Parent Observation"), "notEmpty(t.parent_span_id)"),
    _boolean(("isRootObservation", "Is Root Observation"), IS_ROOT),
    _boolean(("hasInput", "Has Input"), "notEmpty(t.input)"),
    _boolean(("hasOutput", "Has Output"), "notEmpty(t.output)"),
    FilterColumn(
        ("parentObservationId", "Parent Observation ID"),
        "t.parent_span_id",
        _TEXT,
        empty_equals_null=True,
    ),
    _options(("experimentDatasetId", "Experiment Dataset ID"), "experiment_dataset_id"),
    _or_nothing(("experimentId", "Experiment ID"), "experiment_id", _OPTIONS),
    _options(("experimentName", "Experiment Name"), "experiment_name"),
    _boolean(
        ("isExperimentItemRootSpan", "Is Experiment Item Root Span"),
        "t.experiment_item_root_span_id = t.span_id",
    ),
    _number(("toolDefinitions", "Available Tools"), "length(t.tool_definitions)"),
    _number(("toolCalls", "Tool Calls"), "length(t.tool_calls)"),
    FilterColumn(("toolNames", "Tool Names"), "mapKeys(t.tool_definitions)", _ARRAY, "toolNames"),
    FilterColumn(
        ("calledToolNames", "Called Tool Names"), "t.tool_call_names", _ARRAY, "calledToolNames"
    ),
)
"""Langfuse checks the type of a filter only where its UI defines the column (``checked_as``)."""


def event_filter_table(table_name: str) -> FilterTable:
    """All columns that spans can be filtered by; the table's name is for sentences."""
    return FilterTable(table_name, (*_ROW_COLUMNS, *SCORE_COLUMNS))
