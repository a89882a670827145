"""The columns that filters and orders of scores can name."""

from lf_export_pipeline.core.query.compiler import FilterColumn, FilterTable, NumberKind, ValueType
from lf_export_pipeline.core.tables.score_traces import TRACE_COLUMNS

_TEXT, _OPTIONS = ValueType.STRING, "stringOptions"
_EVALUATOR_ID = (
    "coalesce(nullIf(t.metadata['evaluator_id'], ''), t.metadata['job_configuration_id'])"
)
_BOOLEAN_VALUE = (
    "if(t.data_type = 'BOOLEAN' AND notEmpty(t.string_value), lowerUTF8(t.string_value), '')"
)

FILTER_TABLE = FilterTable(
    "scores",
    (
        FilterColumn(("id", "ID"), "t.id", _TEXT),
        FilterColumn(("timestamp", "Timestamp"), "t.timestamp", ValueType.DATETIME, "timestamp"),
        FilterColumn(
            ("environment", "Environment"), "t.environment", _TEXT, "environment", _OPTIONS
        ),
        FilterColumn(("traceId", "Trace ID"), "t.trace_id", _TEXT, "traceId", nullable=True),
        FilterColumn(
            ("observationId", "Observation ID"),
            "t.observation_id",
            _TEXT,
            "observationId",
            nullable=True,
            empty_equals_null=True,
        ),
        FilterColumn(
            ("sessionId", "Session ID"), "t.session_id", _TEXT, "sessionId", nullable=True
        ),
        FilterColumn(("name", "Name"), "t.name", _TEXT, "name", _OPTIONS),
        FilterColumn(
            ("evaluatorId", "Evaluator ID"), _EVALUATOR_ID, _TEXT, "evaluatorId", _OPTIONS
        ),
        FilterColumn(
            ("value", "Value"), "t.value", ValueType.NUMBER, "value", number_kind=NumberKind.FLOAT
        ),
        FilterColumn(
            ("booleanValue", "Boolean Value"),
            _BOOLEAN_VALUE,
            _TEXT,
            "booleanValue",
            _OPTIONS,
            empty_equals_null=True,
        ),
        FilterColumn(("source", "Source"), "t.source", _TEXT, "source", _OPTIONS),
        FilterColumn(("comment", "Comment"), "t.comment", _TEXT, nullable=True),
        FilterColumn(("authorUserId", "Author User ID"), "t.author_user_id", _TEXT, nullable=True),
        FilterColumn(("dataType", "Data Type"), "t.data_type", _TEXT, "dataType", _OPTIONS),
        FilterColumn(
            ("stringValue", "String Value"),
            "t.string_value",
            _TEXT,
            "stringValue",
            _OPTIONS,
            nullable=True,
        ),
        FilterColumn(("metadata", "Metadata"), "t.metadata", ValueType.STRING_MAP, "metadata"),
        *TRACE_COLUMNS,
    ),
)
