"""The tables of the lake as assets, written when what Langfuse holds was observed to be another."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import dagster as dg

from lf_export_pipeline.core.errors import ExportError
from lf_export_pipeline.core.query.columns import ColumnType
from lf_export_pipeline.defs.column_descriptions import column_description
from lf_export_pipeline.defs.lake.checks import ROWS, rows_check
from lf_export_pipeline.defs.lake.observed import HEALED, version_of
from lf_export_pipeline.defs.lake.shape import (
    GROUP,
    OWNER,
    POOL,
    RUN_TAG,
    LakeShape,
    lake_key,
    source_key,
)
from lf_export_pipeline.defs.lake.stores import RESOURCE, LakeStores
from lf_export_pipeline.defs.redacted import (
    permanent_errors_end_the_step,
    redact_unexpected_errors,
)
from lf_export_pipeline.lake.source import LakeTable

if TYPE_CHECKING:
    from lf_export_pipeline.lake.healing import Healed
    from lf_export_pipeline.lake.keys import Place
    from lf_export_pipeline.lake.opening import Lake

DAYS_PER_RUN: Final = 31
RETRIES: Final = dg.RetryPolicy(max_retries=3, delay=30, backoff=dg.Backoff.EXPONENTIAL)
ANEW_TAG: Final = "lf_export/lake_anew"
"""A run with this tag writes also what has not changed, such as after an edit of payloads."""

_WHEN: Final = dg.AutomationCondition
_ASKED: Final = _WHEN.newly_requested().since(_WHEN.any_deps_updated())
_FAILED: Final = _WHEN.execution_failed() & _WHEN.cron_tick_passed("37 * * * *")
HEAL: Final = ((~_ASKED & ~_WHEN.any_deps_missing()) | _FAILED) & ~_WHEN.in_progress()
"""A day is asked for unless it was since it was last observed to have changed; again each hour, if
it has failed.

``any_deps_updated().since_last_handled()`` would forget a change that is observed in the same tick
in which an earlier run of the day is asked for or ends: of ``since``, the second condition wins.
"""

_WRITTEN: Final = ("written", "emptied")

_TYPES: Final = {
    ColumnType.TEXT: "string",
    ColumnType.PAYLOAD: "string",
    ColumnType.INSTANT: "timestamp[us, UTC]",
    ColumnType.BOOLEAN: "bool",
    ColumnType.INTEGER: "int64",
    ColumnType.DOUBLE: "double",
    ColumnType.COST: "decimal(18, 12)",
    ColumnType.TEXTS: "list<string>",
    ColumnType.TEXT_MAP: "map<string, string>",
    ColumnType.USAGE_MAP: "map<string, int64>",
    ColumnType.COST_MAP: "map<string, decimal(18, 12)>",
}


def lake_asset(
    shape: LakeShape, table: LakeTable, retries: dg.RetryPolicy = RETRIES
) -> dg.AssetsDefinition:
    """The asset of a table; a run makes some of its days equal to what Langfuse holds."""

    @dg.asset(
        key=lake_key(table),
        deps=[source_key(table)],
        partitions_def=shape.partitions(table),
        backfill_policy=dg.BackfillPolicy.multi_run(DAYS_PER_RUN) if table.has_days else None,
        automation_condition=HEAL,
        group_name=GROUP,
        owners=[OWNER],
        kinds={"parquet", "s3" if shape.url.startswith("s3://") else "file"},
        pool=POOL,
        op_tags={RUN_TAG: table.name},
        retry_policy=retries,
        required_resource_keys={RESOURCE},
        check_specs=[
            dg.AssetCheckSpec(
                ROWS,
                asset=lake_key(table),
                blocking=True,
                description="Fails when a day of the run has other rows than Langfuse, although "
                "nothing has changed since it was written.",
            )
        ],
        metadata={
            "dagster/column_schema": dg.TableSchema(_columns(shape, table)),
            "dagster/uri": f"{shape.url.rstrip('/')}/v1/{table.name}",
        },
        description=f"Langfuse's {table.name.replace('_', ' ')} as Parquet, one object per project"
        f"{' and day' if table.has_days else ''}. A run writes only what differs from Langfuse.",
    )
    def heal(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]  # as Dagster reads it
        stores: LakeStores = getattr(context.resources, RESOURCE)
        with permanent_errors_end_the_step(), redact_unexpected_errors():
            return dg.MaterializeResult(check_results=[_heal(context, stores, table)])

    return heal


def _heal(
    context: dg.AssetExecutionContext, stores: LakeStores, table: LakeTable
) -> dg.AssetCheckResult:
    """Day by day, so that what is looked at together is bounded, and a stop loses little.

    Raises:
        ExportError: Of the first day that failed; the others were written, unless too many failed.
    """
    from lf_export_pipeline.lake.healing import FAILURES_MAX  # noqa: PLC0415 - only in a run
    from lf_export_pipeline.lake.inspection import rows_found  # noqa: PLC0415

    days = sorted(context.partition_keys) if table.has_days else [""]
    lake = stores.lake(run_id=context.run.run_id, op=f"lake/{table.name}")
    looked_at: set[Place] = set()
    failed: list[ExportError] = []
    in_a_row = 0  # days on which nothing could be done
    for number, day in enumerate(days, 1):
        done: list[Healed] = []
        try:
            _heal_day(context, lake, table, day, done)
        except ExportError as error:
            context.log.warning("Day %s was not written: %s", day or "(all)", error)
            failed.append(error)
            in_a_row = 0 if any(each.action.value != "unchanged" for each in done) else in_a_row + 1
            if in_a_row == FAILURES_MAX:
                break
        else:
            in_a_row = 0
            looked_at.update(each.place for each in done)
            context.log.info("%s of %s days: %s", number, len(days), told(done))
    if failed:
        raise failed[0]
    return rows_check(table, rows_found(lake.observer, lake.manifests, table, days), looked_at)


def _heal_day(
    context: dg.AssetExecutionContext,
    lake: "Lake",
    table: LakeTable,
    day: str,
    done: "list[Healed]",
) -> None:
    """One day; what was done is known also where it fails in the middle."""
    anew = ANEW_TAG in context.run.tags
    try:
        for each in lake.healer.heal(table, [day] if day else [], anew=anew):
            told_of = (table.name, each.place.project, each.place.day, each.action.value)
            context.log.debug("%s %s %s: %s", *told_of)
            done.append(each)
    finally:
        _tell_of_others(context, table, day, done)
    of_day = [each for each in done if each.place.day == day]
    context.add_asset_metadata(summary(of_day), partition_key=day or None)


def _tell_of_others(
    context: dg.AssetExecutionContext, table: LakeTable, day: str, done: "Sequence[Healed]"
) -> None:
    others = [each for each in done if each.place.day != day]
    for each in others:
        context.log.info(
            "Day %s of %s shares rows with %s: %s.",
            *(each.place.day, each.place.project, day, each.action.value),
        )
    written = {each.place.day for each in others if each.action.value in _WRITTEN}
    for other in sorted(written & {*_partition_keys(context)}) if written else ():
        context.log_event(_written_beside(table, other, day))


def _partition_keys(context: dg.AssetExecutionContext) -> Sequence[str]:
    """Of the asset: an object may be of a day that is no longer one of them."""
    partitions = context.assets_def.partitions_def
    return partitions.get_partition_keys() if partitions else ()


def _written_beside(table: LakeTable, other: str, day: str) -> dg.AssetMaterialization:
    """What is known of a day that was written since it shares rows with the day of a run.

    Not of which version all of its projects are: so the night asks for it.
    """
    metadata = {HEALED: f"written beside {day}"}
    return dg.AssetMaterialization(lake_key(table), partition=other, metadata=metadata)


def told(done: "Sequence[Healed]") -> str:
    """What was done, in a line."""
    counts = Counter(each.action.value for each in done)
    rows, size = sum(each.rows for each in done if each.bytes), sum(each.bytes for each in done)
    actions = ", ".join(f"{number} {action}" for action, number in sorted(counts.items()))
    return f"{actions or 'no rows'}; {rows:,} rows and {size:,} bytes written."


def summary(done: "Sequence[Healed]") -> dict[str, Any]:
    """What the UI plots of a day, and of which version of Langfuse's rows that is."""
    numbers: defaultdict[str, int] = defaultdict(int)
    for each in done:
        numbers["dagster/row_count"] += each.rows
        numbers["projects"] += each.rows > 0
        numbers["bytes_written"] += each.bytes
        numbers["objects_written"] += each.action.value in _WRITTEN
        numbers["unsettled"] += not each.is_settled
    names = ("dagster/row_count", "projects", "bytes_written", "objects_written", "unsettled")
    return {**{name: numbers[name] for name in names}, HEALED: _version(done)}


def _version(done: "Sequence[Healed]") -> str:
    if not all(each.is_settled for each in done):
        return "changed while it was written"
    found = {each.place: each.fingerprint for each in done if each.fingerprint}
    return version_of({place: each for place, each in found.items() if each.rows})


def _columns(shape: LakeShape, table: LakeTable) -> list[dg.TableColumn]:
    types = {
        kind: "string" if name.startswith("map<") and not shape.has_maps else name
        for kind, name in _TYPES.items()
    }
    return [
        dg.TableColumn(
            column.name,
            types[column.type],
            description=column_description(table.name, camel_case(column.name)),
        )
        for column in table.columns
    ]


def camel_case(name: str) -> str:
    """The name of a column of the lake as exports have it."""
    first, *rest = name.split("_")
    return first + "".join(each.capitalize() for each in rest)
