"""What Langfuse holds, as source assets that are observed: a version per day, over all projects."""

import hashlib
import warnings
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final

import dagster as dg

from lf_export_pipeline.core.errors import ConfigurationError
from lf_export_pipeline.defs.lake.shape import GROUP, LakeShape, lake_key, source_key
from lf_export_pipeline.defs.lake.stores import RESOURCE, LakeStores
from lf_export_pipeline.defs.redacted import (
    permanent_errors_end_the_step,
    redact_unexpected_errors,
)
from lf_export_pipeline.lake.source import LakeTable

if TYPE_CHECKING:
    from lf_export_pipeline.lake.fingerprints import Fingerprints

RECENT_DAYS: Final = 35
DAYS_TAG: Final = "lf_export/lake_days"
"""``2026-01-01/2026-02-01``: the days that a run observes, the last one not among them."""

NOTHING: Final = "no rows"
_VERSION_TAG: Final = "dagster/data_version"
_AGAIN: Final = " again "

HEALED: Final = "version_of_langfuse"
"""Metadata of what was written: the version of the rows that a day has in the lake."""


def observed_asset(shape: LakeShape, table: LakeTable) -> dg.SourceAsset:
    """The asset that stands for what Langfuse's tables hold of a table of the lake."""

    @dg.observable_source_asset(
        key=source_key(table),
        partitions_def=shape.partitions(table),
        group_name=GROUP,
        description=f"The rows that Langfuse has for the lake's table {table.name}. Its version "
        "is made of narrow columns, and changes with late rows, new versions, edits and deletions.",
        required_resource_keys={RESOURCE},
        tags={f"dagster/kind/{'postgres' if table.sources[0].is_postgres else 'clickhouse'}": ""},
    )
    def observe(
        context: dg.OpExecutionContext,
    ) -> dg.DataVersionsByPartition | dg.DataVersion:
        with permanent_errors_end_the_step(), redact_unexpected_errors():
            stores: LakeStores = getattr(context.resources, RESOURCE)
            days = days_to_observe(shape, context.run.tags.get(DAYS_TAG), datetime.now(UTC))
            lake = stores.lake(run_id=context.run.run_id, op="observe")
            found = lake.observer.of(table, days if table.has_days else [])
            if not table.has_days:
                return dg.DataVersion(_whole(context, table, found))
            return _by_partition(_news(context, table, days, found))

    return observe


def days_to_observe(shape: LakeShape, asked: str | None, now: datetime) -> list[str]:
    """The days of a run: those that its tag names, or the last ones.

    Raises:
        ConfigurationError: The tag names none, and a run of no days would look as if all were well.
    """
    days = shape.days_until(now)
    if asked is None:
        return days[-RECENT_DAYS:]
    try:
        first, end = map(date.fromisoformat, asked.split("/"))
    except ValueError:
        first = end = date.min
    if first >= end:
        raise ConfigurationError(
            f"The tag {DAYS_TAG} is {asked}; expected the first day and the one behind the last, "
            "such as 2026-01-01/2026-02-01."
        )
    return [day for day in days if first <= date.fromisoformat(day) < end]


def versions_by_day(days: Iterable[str], found: "Fingerprints") -> dict[str, str]:
    """The version of each day, of the fingerprints of its projects."""
    by_day: dict[str, Fingerprints] = {day: {} for day in days}
    for place, fingerprint in found.items():
        if place.day in by_day:
            by_day[place.day][place] = fingerprint
    return {day: version_of(of_day) for day, of_day in by_day.items()}


def version_of(found: "Fingerprints") -> str:
    """One version of the fingerprints of some projects."""
    lines = sorted(f"{place.project}={fingerprint}" for place, fingerprint in found.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32] if lines else NOTHING


def _by_partition(versions: Mapping[str, str]) -> dg.DataVersionsByPartition:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.DataVersionsByPartition(versions)


def _news(
    context: dg.OpExecutionContext, table: LakeTable, days: list[str], found: "Fingerprints"
) -> Mapping[str, str]:
    """The days whose version is another than the last time: the others need no event.

    A run that names its days, as those of the night do, tells also those that the lake was not
    made equal to although they were told: a replica may lag behind the one that was observed.
    """
    versions = versions_by_day(days, found)
    known = context.instance.event_log_storage.get_latest_tags_by_partition(
        source_key(table), dg.DagsterEventType.ASSET_OBSERVATION, [_VERSION_TAG], days
    )
    last = {day: tags.get(_VERSION_TAG, "").partition(_AGAIN)[0] for day, tags in known.items()}
    news = {day: version for day, version in versions.items() if last.get(day) != version}
    if DAYS_TAG in context.run.tags:
        told = {day: version for day, version in versions.items() if day not in news}
        healed = _healed(context.instance, table, told)
        news |= {
            day: _again(context, version)
            for day, version in told.items()
            if healed.get(day, version) != version
        }
    return news


def _healed(
    instance: dg.DagsterInstance, table: LakeTable, days: Collection[str]
) -> dict[str, str]:
    """The versions of days that the lake was last made equal to, as far as runs have told them."""
    latest = instance.event_log_storage.get_latest_storage_id_by_partition(
        lake_key(table), dg.DagsterEventType.ASSET_MATERIALIZATION, {*days}
    )
    if not latest:
        return {}
    asked = dg.AssetRecordsFilter(lake_key(table), storage_ids=[*latest.values()])
    records = instance.fetch_materializations(asked, limit=len(latest)).records
    versions = {record.partition_key or "": _version_in(record) for record in records}
    return {day: version for day, version in versions.items() if version}


def _whole(context: dg.OpExecutionContext, table: LakeTable, found: "Fingerprints") -> str:
    """The version of a table without days, told again at night as that of a day."""
    version = version_of(found)
    if DAYS_TAG in context.run.tags:
        latest = context.instance.fetch_materializations(lake_key(table), limit=1).records
        healed = _version_in(latest[0]) if latest else None
        if healed and healed != version:
            return _again(context, version)
    return version


def _version_in(record: dg.EventLogRecord) -> str | None:
    materialization = record.asset_materialization
    told = materialization.metadata.get(HEALED) if materialization else None
    return str(told.value) if told else None


def _again(context: dg.OpExecutionContext, version: str) -> str:
    """The same version as news: Dagster asks for nothing when it is told the same twice."""
    return f"{version}{_AGAIN}{context.run.run_id}"
