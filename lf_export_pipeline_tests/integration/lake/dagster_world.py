"""A lake's definitions on an instance of their own, driven as the daemon drives them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import dagster as dg

from lf_export_pipeline.defs.lake.automation import OBSERVE_JOB
from lf_export_pipeline.defs.lake.definitions import lake_definitions
from lf_export_pipeline.defs.lake.observed import DAYS_TAG
from lf_export_pipeline.defs.lake.shape import LakeShape, lake_key
from lf_export_pipeline.lake.tables import LAKE_TABLES
from lf_export_pipeline_tests.integration.lake.lake_world import LakeWorld

NO_RETRY = dg.RetryPolicy(max_retries=0)
NO_TAGS: Mapping[str, str] = MappingProxyType({})
_RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


@dataclass
class DagsterWorld:
    """Observes and heals the lake of a world by Dagster's own means."""

    world: LakeWorld
    instance: dg.DagsterInstance
    cursor: Any = None
    defs: dg.Definitions = field(init=False)

    def __post_init__(self) -> None:
        named = {"lf_export_lake_projects": self.world.project}
        settings = self.world.settings.model_copy(update=named)
        self.defs = lake_definitions(LakeShape.of(settings), lambda: settings, NO_RETRY)

    def observe(self, days: str = "2025-03-01/2025-03-11") -> None:
        """One run of the job that observes."""
        job = self.defs.resolve_job_def(OBSERVE_JOB)
        assert job.execute_in_process(instance=self.instance, tags={DAYS_TAG: days}).success

    def requested(self) -> dict[str, set[str | None]]:
        """What a tick of the automation asks for, by table."""
        found = dg.evaluate_automation_conditions(self.defs, self.instance, cursor=self.cursor)
        self.cursor = found.cursor
        asked = {
            name: found.get_requested_partitions(lake_key(t)) for name, t in LAKE_TABLES.items()
        }
        return {name: set(partitions) for name, partitions in asked.items() if partitions}

    def heal(
        self,
        table: str,
        days: Iterable[str | None],
        tags_added: Mapping[str, str] = NO_TAGS,
        **options: Any,
    ) -> dg.ExecuteInProcessResult:
        """One run of these days, and of those between them."""
        named = sorted(day for day in days if day)
        tags = dict(zip(_RANGE, (named[0], named[-1]), strict=True)) if named else {}
        tags.update(tags_added)
        everything = self.defs.resolve_implicit_global_asset_job_def()
        job = everything.get_subset(asset_selection={lake_key(LAKE_TABLES[table])})
        return job.execute_in_process(instance=self.instance, tags=tags, **options)
