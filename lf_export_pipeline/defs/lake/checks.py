"""Checks of the lake: that of its rows looks at the days of each run, the others once a day."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import dagster as dg

from lf_export_pipeline.defs.lake.shape import LakeShape, lake_key
from lf_export_pipeline.defs.lake.stores import RESOURCE, LakeStores
from lf_export_pipeline.defs.redacted import redact_unexpected_errors
from lf_export_pipeline.lake.source import LakeTable

if TYPE_CHECKING:
    from lf_export_pipeline.lake.inspection import RowsFound
    from lf_export_pipeline.lake.keys import Place

ROWS, DAYS, OBJECTS, COLUMNS, ERASED = "rows", "days", "objects", "columns", "erased"
DAILY: Final[dg.AutomationCondition[Any]] = dg.AutomationCondition.cron_tick_passed("11 6 * * *")
WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR
ERASURE_DAYS: Final = 90
NAMED_MAX: Final = 10
WITH_TRACE_IDS: Final = frozenset({"traces", "observations", "scores"})

Look = Callable[[LakeShape, LakeTable, LakeStores], dg.AssetCheckResult]


def lake_checks(shape: LakeShape) -> list[dg.AssetChecksDefinition]:
    """Those of all tables."""
    found = []
    for table in shape.tables:
        found.append(_check(shape, table, DAYS, _look_at_days, _DAYS_TEXT))
        found.append(_check(shape, table, OBJECTS, _look_at_objects, _OBJECTS_TEXT))
        found.append(_check(shape, table, COLUMNS, _look_at_columns, _COLUMNS_TEXT))
        if table.name in WITH_TRACE_IDS:
            found.append(_check(shape, table, ERASED, _look_at_erasures, _ERASED_TEXT))
    return found


def freshness_checks(
    shape: LakeShape, written: Sequence[dg.AssetsDefinition]
) -> list[dg.AssetChecksDefinition]:
    """Whether yesterday is there by six in the morning; each day is written, also without rows."""
    pairs = zip(shape.tables, written, strict=True)
    with_days = [asset for table, asset in pairs if table.has_days]
    found = dg.build_time_partition_freshness_checks(
        assets=with_days, deadline_cron="0 6 * * *", timezone="UTC"
    )
    return [each.with_attributes(automation_condition=DAILY) for each in found]  # type: ignore[misc]


_DAYS_TEXT = (
    "Fails when a project and day has rows in Langfuse and no manifest in the lake, or one with "
    "other rows although nothing has changed. Days that have changed since are counted."
)
_OBJECTS_TEXT = "Fails when an object has no manifest, or a manifest not the object it tells of."
_COLUMNS_TEXT = "Warns when Langfuse has a column that the lake does not know, or lacks one."
_ERASED_TEXT = (
    f"Warns when Langfuse still has a trace whose deletion was asked for within {ERASURE_DAYS} "
    "days and more than a day ago: what Langfuse has, the lake has."
)


def rows_check(
    table: LakeTable, found: "RowsFound", looked_at: "Collection[Place]"
) -> dg.AssetCheckResult:
    """Whether what a run has left is right; what has changed meanwhile is seen by the next one.

    Args:
        table: The table.
        found: What there is now.
        looked_at: The projects and days of the run; others have got their first rows meanwhile.
    """
    missing = [place for place in found.missing if place in looked_at]
    return dg.AssetCheckResult(
        check_name=ROWS,
        asset_key=lake_key(table),
        passed=not (found.wrong or missing),
        severity=ERROR,
        metadata={
            "rows": found.rows,
            "changed_meanwhile": len(found.behind) + len(found.missing) - len(missing),
            "wrong": named(found.wrong),
            "missing": named(missing),
        },
    )


def named(places: "Sequence[Place]") -> str:
    """The first of some projects and days."""
    shown = ", ".join(f"{each.project} {each.day}".strip() for each in places[:NAMED_MAX])
    more = len(places) - NAMED_MAX
    return f"{shown} and {more} more" if more > 0 else shown


def _check(
    shape: LakeShape, table: LakeTable, name: str, look: Look, description: str
) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        name=name,
        asset=lake_key(table),
        description=description,
        required_resource_keys={RESOURCE},
        automation_condition=DAILY,
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        with redact_unexpected_errors():
            return look(shape, table, getattr(context.resources, RESOURCE))

    return check


def _look_at_days(shape: LakeShape, table: LakeTable, stores: LakeStores) -> dg.AssetCheckResult:
    from lf_export_pipeline.lake.inspection import rows_found  # noqa: PLC0415 - only in a run

    lake = stores.lake(op="check")
    days = shape.days_until(datetime.now(UTC))
    found = rows_found(lake.observer, lake.manifests, table, days)
    return dg.AssetCheckResult(
        passed=not (found.wrong or found.missing),
        severity=ERROR,
        metadata={
            "rows": found.rows,
            "behind": len(found.behind),
            "missing": named(found.missing),
            "wrong": named(found.wrong),
            "values_that_do_not_fit": sum(found.unfit.values()),
        },
    )


def _look_at_objects(_: LakeShape, table: LakeTable, stores: LakeStores) -> dg.AssetCheckResult:
    from lf_export_pipeline.lake.inspection import unpaired  # noqa: PLC0415

    lake = stores.lake(op="check")
    found = unpaired(lake.objects, lake.manifests, table)
    return dg.AssetCheckResult(
        passed=not (found.objects or found.manifests),
        severity=ERROR,
        metadata={
            "objects_without_manifest": named(found.objects),
            "manifests_without_object": named(found.manifests),
        },
    )


def _look_at_columns(_: LakeShape, table: LakeTable, stores: LakeStores) -> dg.AssetCheckResult:
    from lf_export_pipeline.lake.inspection import columns_found  # noqa: PLC0415

    found = columns_found(stores.lake(op="check").observer, table)
    return dg.AssetCheckResult(
        passed=not (found.added or found.dropped),
        severity=WARN,
        metadata={"added": ", ".join(found.added), "dropped": ", ".join(found.dropped)},
    )


def _look_at_erasures(_: LakeShape, table: LakeTable, stores: LakeStores) -> dg.AssetCheckResult:
    from lf_export_pipeline.lake.inspection import not_erased  # noqa: PLC0415

    found = not_erased(stores.lake(op="check").observer, table, ERASURE_DAYS)
    shown = ", ".join(f"{project} {identity}" for project, identity in found[:NAMED_MAX])
    return dg.AssetCheckResult(
        passed=not found, severity=WARN, metadata={"still_there": len(found), "traces": shown}
    )
