"""The columns of an observations export, and what each holds; the same for both sources."""

from lf_export_pipeline.core.query.columns import ColumnType as _Type
from lf_export_pipeline.core.query.columns import Kind, OutputColumn
from lf_export_pipeline.core.request.model import ExportFormat

_TEXT, _QUOTED, _JSON, _MAYBE = Kind.TEXT, Kind.QUOTED, Kind.JSON, Kind.MAYBE_JSON

_COLUMNS = (
    ("id", _TEXT, _Type.TEXT),
    ("traceId", _TEXT, _Type.TEXT),
    ("startTime", _QUOTED, _Type.INSTANT),
    ("endTime", _QUOTED, _Type.INSTANT),
    ("projectId", _TEXT, _Type.TEXT),
    ("parentObservationId", _TEXT, _Type.TEXT),
    ("type", _TEXT, _Type.TEXT),
    ("environment", _TEXT, _Type.TEXT),
    ("name", _TEXT, _Type.TEXT),
    ("level", _TEXT, _Type.TEXT),
    ("statusMessage", _TEXT, _Type.PAYLOAD),
    ("version", _TEXT, _Type.TEXT),
    ("createdAt", _QUOTED, _Type.INSTANT),
    ("updatedAt", _QUOTED, _Type.INSTANT),
    ("input", _MAYBE, _Type.PAYLOAD),
    ("output", _MAYBE, _Type.PAYLOAD),
    ("metadata", _JSON, _Type.JSON_MAP),
    ("model", _TEXT, _Type.TEXT),
    ("internalModelId", _TEXT, _Type.TEXT),
    ("modelParameters", _MAYBE, _Type.PAYLOAD),
    ("completionStartTime", _QUOTED, _Type.INSTANT),
    ("promptId", _TEXT, _Type.TEXT),
    ("promptName", _TEXT, _Type.TEXT),
    ("promptVersion", _JSON, _Type.INTEGER),
    ("latency", Kind.DOUBLE, _Type.DOUBLE),
    ("timeToFirstToken", Kind.DOUBLE, _Type.DOUBLE),
    ("providedUsageDetails", _JSON, _Type.USAGE_MAP),
    ("usageDetails", _JSON, _Type.USAGE_MAP),
    ("costDetails", _JSON, _Type.COST_MAP),
    ("providedCostDetails", _JSON, _Type.COST_MAP),
    ("inputCost", Kind.DOUBLE, _Type.COST_SUM),
    ("outputCost", Kind.DOUBLE, _Type.COST_SUM),
    ("totalCost", Kind.DOUBLE, _Type.COST),
    ("inputUsage", _JSON, _Type.USAGE),
    ("outputUsage", _JSON, _Type.USAGE),
    ("totalUsage", _JSON, _Type.USAGE),
    ("usagePricingTierId", _TEXT, _Type.TEXT),
    ("usagePricingTierName", _TEXT, _Type.TEXT),
    ("toolDefinitions", _JSON, _Type.TEXT_MAP),
    ("toolCalls", _JSON, _Type.TEXTS),
    ("toolCallNames", _JSON, _Type.TEXTS),
    ("traceName", _TEXT, _Type.TEXT),
    ("traceTags", _JSON, _Type.TEXTS),
    ("traceTimestamp", _TEXT, _Type.INSTANT),
    ("userId", _TEXT, _Type.TEXT),
    ("toolDefinitionsCount", _JSON, _Type.INTEGER),
    ("toolCallsCount", _JSON, _Type.INTEGER),
    ("modelId", _TEXT, _Type.TEXT),
    ("inputPrice", _QUOTED, _Type.DOUBLE),
    ("outputPrice", _QUOTED, _Type.DOUBLE),
    ("totalPrice", _QUOTED, _Type.DOUBLE),
    ("comments", Kind.PRETTY_JSON, _Type.PAYLOAD),
)


def observation_columns(file_format: ExportFormat) -> tuple[OutputColumn, ...]:
    """The columns in the order of the file.

    Langfuse parses inputs and outputs for JSON and JSONL only, so elsewhere they are plain text.
    """
    plain = set() if file_format.embeds_json else {"input", "output"}
    return tuple(
        OutputColumn(name=name, kind=_TEXT if name in plain else kind, type=type_)
        for name, kind, type_ in _COLUMNS
    )
