"""The columns that filters on legacy observations can name."""

from lf_export_pipeline.core.query.compiler import FilterColumn, FilterTable, NumberKind, ValueType
from lf_export_pipeline.core.query.expressions import sum_of_any_keys
from lf_export_pipeline.core.query.score_columns import SCORE_FILTER_COLUMNS
from lf_export_pipeline.core.tables.observation_traces import TRACE_COLUMNS

_OPTIONS = "stringOptions"


def _text(
    names: tuple[str, ...], column: str, ui_type: str = "string", *, nullable: bool = False
) -> FilterColumn:
    return FilterColumn(
        names, f"t.{column}", ValueType.STRING, names[0], ui_type, nullable=nullable
    )


def _number(names: tuple[str, ...], expression: str, *, nullable: bool = False) -> FilterColumn:
    return FilterColumn(names, expression, ValueType.NUMBER, names[0], nullable=nullable)


def _seconds(names: tuple[str, ...], expression: str) -> FilterColumn:
    return FilterColumn(
        names,
        expression,
        ValueType.NUMBER,
        names[0],
        number_kind=NumberKind.FLOAT,
        nullable=True,
    )


def _total(column: str) -> str:
    return f"if(mapContains(t.{column}, 'total'), t.{column}['total'], NULL)"


def _since_start(column: str) -> str:
    return f"dateDiff('millisecond', t.start_time, t.{column}) / 1000"


FILTER_TABLE = FilterTable(
    "observations",
    (
        *TRACE_COLUMNS,
        _text(("environment", "Environment"), "environment", _OPTIONS),
        _text(("id", "ID"), "id", _OPTIONS),
        _text(("type", "Type"), "type", _OPTIONS),
        _text(("name", "Name"), "name", _OPTIONS),
        _text(("traceId", "Trace ID"), "trace_id"),
        _text(
            ("parentObservationId", "Parent Observation ID"), "parent_observation_id", nullable=True
        ),
        FilterColumn(("startTime", "Start Time"), "t.start_time", ValueType.DATETIME, "startTime"),
        FilterColumn(
            ("endTime", "End Time"), "t.end_time", ValueType.DATETIME, "endTime", nullable=True
        ),
        _seconds(
            ("timeToFirstToken", "Time To First Token (s)"), _since_start("completion_start_time")
        ),
        _seconds(("latency", "Latency (s)"), _since_start("end_time")),
        _seconds(
            ("tokensPerSecond", "Tokens per second"),
            f"{sum_of_any_keys('t.usage_details', 'output')} / ({_since_start('end_time')})",
        ),
        _number(("inputCost", "Input Cost ($)"), sum_of_any_keys("t.cost_details", "input")),
        _number(("outputCost", "Output Cost ($)"), sum_of_any_keys("t.cost_details", "output")),
        _number(("totalCost", "Total Cost ($)"), _total("cost_details"), nullable=True),
        _text(("level", "Level"), "level", _OPTIONS),
        _text(("statusMessage", "Status Message"), "status_message", nullable=True),
        _text(("model", "Model"), "provided_model_name", _OPTIONS, nullable=True),
        _text(("modelId", "Model ID"), "internal_model_id", _OPTIONS, nullable=True),
        _number(("inputTokens", "Input Tokens"), sum_of_any_keys("t.usage_details", "input")),
        _number(("outputTokens", "Output Tokens"), sum_of_any_keys("t.usage_details", "output")),
        _number(("totalTokens", "Total Tokens"), _total("usage_details"), nullable=True),
        _number(("tokens", "Tokens"), _total("usage_details"), nullable=True),
        FilterColumn(("metadata", "Metadata"), "t.metadata", ValueType.STRING_MAP, "metadata"),
        *SCORE_FILTER_COLUMNS,
        _text(("version", "Version"), "version", nullable=True),
        _text(("promptName", "Prompt Name"), "prompt_name", _OPTIONS, nullable=True),
        _number(("promptVersion", "Prompt Version"), "t.prompt_version", nullable=True),
        _number(("toolDefinitions", "Available Tools"), "length(t.tool_definitions)"),
        _number(("toolCalls", "Tool Calls"), "length(t.tool_calls)"),
        FilterColumn(
            ("toolNames", "Tool Names"),
            "mapKeys(t.tool_definitions)",
            ValueType.STRING_ARRAY,
            "toolNames",
        ),
        FilterColumn(
            ("calledToolNames", "Called Tool Names"),
            "t.tool_call_names",
            ValueType.STRING_ARRAY,
            "calledToolNames",
        ),
    ),
)
