"""What the observations of a trace add up to, for filters on traces such as latency, cost or level.

Langfuse shows and filters these in its traces table but drops such filters from an export, which
then holds more than the user asked for. Here they mean what they mean in the table.
"""

from lf_export_pipeline.core.query.compiler import FilterColumn, NumberKind, ValueType
from lf_export_pipeline.core.query.expressions import sum_of_any_keys
from lf_export_pipeline.core.query.key_scan import NEWEST, versions_of

ALIAS = "o"

_VERSION_KEY = "cityHash64(t.id)"


def observation_totals(project: str, traces: str | None) -> str:
    """A query with one row per trace (``key``) that has observations.

    An observation counts for the trace that its newest version names.

    Args:
        project: The placeholder of the project id.
        traces: A query for the ids of the traces that matter, though there may be rows of others;
            None: all of the project's.
    """
    meant = f"t.trace_id IN ({traces})"
    versions = versions_of("observations", _VERSION_KEY, project, meant) if traces else "1"
    newest = (
        "SELECT argMax(tuple(t.trace_id, t.level, t.start_time, t.end_time, t.usage_details, "
        f"t.cost_details, t.is_deleted), ({', '.join(NEWEST)})) AS v "
        f"FROM observations AS t WHERE t.project_id = {project} AND {versions} GROUP BY t.id"
    )
    return (
        "SELECT key, error_count, warning_count, default_count, debug_count, "
        "multiIf(error_count > 0, 'ERROR', warning_count > 0, 'WARNING', "
        "default_count > 0, 'DEFAULT', 'DEBUG') AS level, usage, cost, "
        "toNullable(dateDiff('millisecond', "
        "least(first_start, ifNull(first_end, first_start)), "
        "greatest(last_start, ifNull(last_end, last_start))) / 1000) AS latency FROM ("
        "SELECT v.1 AS key, countIf(v.2 = 'ERROR') AS error_count, "
        "countIf(v.2 = 'WARNING') AS warning_count, "
        "countIf(v.2 = 'DEFAULT') AS default_count, countIf(v.2 = 'DEBUG') AS debug_count, "
        "sumMap(mapApply((k, n) -> (k, toDecimal128(n, 0)), v.5)) AS usage, sumMap(v.6) AS cost, "
        "min(v.3) AS first_start, min(v.4) AS first_end, "
        f"max(v.3) AS last_start, max(v.4) AS last_end FROM ({newest}) WHERE v.7 = 0 GROUP BY key)"
    )


def _total(column: str) -> str:
    return f"if(mapContains({ALIAS}.{column}, 'total'), {ALIAS}.{column}['total'], NULL)"


def _number(names: tuple[str, ...], expression: str, *, nullable: bool = False) -> FilterColumn:
    return FilterColumn(
        names, expression, ValueType.NUMBER, names[0], nullable=nullable, relation=ALIAS
    )


_LATENCY = FilterColumn(
    ("latency", "Latency (s)"),
    f"{ALIAS}.latency",
    ValueType.NUMBER,
    "latency",
    number_kind=NumberKind.FLOAT,
    nullable=True,
    relation=ALIAS,
)


OBSERVATION_COLUMNS = (
    FilterColumn(
        ("level", "Level"),
        f"{ALIAS}.level",
        ValueType.STRING,
        "level",
        "stringOptions",
        relation=ALIAS,
    ),
    _number(("warningCount", "Warning Level Count"), f"{ALIAS}.warning_count"),
    _number(("errorCount", "Error Level Count"), f"{ALIAS}.error_count"),
    _number(("defaultCount", "Default Level Count"), f"{ALIAS}.default_count"),
    _number(("debugCount", "Debug Level Count"), f"{ALIAS}.debug_count"),
    _number(("inputTokens", "Input Tokens"), sum_of_any_keys(f"{ALIAS}.usage", "input")),
    _number(("outputTokens", "Output Tokens"), sum_of_any_keys(f"{ALIAS}.usage", "output")),
    _number(("totalTokens", "Total Tokens"), _total("usage"), nullable=True),
    _number(("tokens", "Tokens"), _total("usage"), nullable=True),
    _LATENCY,
    _number(("inputCost", "Input Cost ($)"), sum_of_any_keys(f"{ALIAS}.cost", "input")),
    _number(("outputCost", "Output Cost ($)"), sum_of_any_keys(f"{ALIAS}.cost", "output")),
    _number(("totalCost", "Total Cost ($)"), f"{ALIAS}.cost['total']"),
)
