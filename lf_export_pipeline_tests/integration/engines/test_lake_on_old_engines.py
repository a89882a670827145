"""A lake that follows rows in old engines of ClickHouse."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lf_export_localstack.sample.rows import clickhouse_client
from lf_export_pipeline.defs.resources import open_resources
from lf_export_pipeline_tests.integration.lake.histories import (
    DAYS,
    MOVED_DAYS,
    VARIED,
    Daemon,
    History,
)
from lf_export_pipeline_tests.integration.lake.lake_world import LakeWorld, lake_settings
from lf_export_pipeline_tests.isolated_stack import IsolatedStack

pytestmark = [pytest.mark.services, pytest.mark.long]

FIRST, SECOND, LAST = DAYS
ROW = {"id": "a", "day": FIRST, "version": 2, "varied": "SPAN", "is_deleted": 0}
OTHER = {**ROW, "id": "ü/c", "day": LAST}


@pytest.mark.parametrize("table", list(VARIED))
def test_a_lake_heals_after_each_kind_of_change(
    on_engine: IsolatedStack, table: str, tmp_path: Path
) -> None:
    settings = lake_settings(on_engine.environment(), tmp_path, moved_days=str(MOVED_DAYS))
    with clickhouse_client(on_engine.addresses()) as client, open_resources(settings) as ports:
        world = LakeWorld(on_engine.addresses(), client, ports["reader"], settings)  # type: ignore[arg-type]
        history = History(world, table)
        daemon = Daemon(history)
        changes: dict[str, Callable[[], None]] = {
            "a row": lambda: history.insert(ROW),
            "a row far away": lambda: history.insert(OTHER),
            "a new version": lambda: history.insert({**ROW, "version": 3, "varied": "TOOL"}),
            "a late row with an old version": lambda: history.insert({**ROW, "version": 1}),
            "an edit in place": lambda: history.edit("a"),
            "another day": lambda: history.insert({**ROW, "day": SECOND, "version": 4}),
            "a merge": history.merge,
            "a deletion marker": lambda: history.insert({**OTHER, "version": 5, "is_deleted": 1}),
            "a deletion": lambda: history.delete(0),
        }
        for name, change in changes.items():
            change()
            daemon.settle()
            assert history.lake() == history.truth(), name
            assert daemon.rewritten() == [], name
