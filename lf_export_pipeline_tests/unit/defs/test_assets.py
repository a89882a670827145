"""The assets: one per table, with where its rows come from, and no partitions that mislead."""

import dagster as dg
import pytest

from lf_export_pipeline.core.tables import table_names, table_source
from lf_export_pipeline.definitions import defs
from lf_export_pipeline.defs.assets import export_asset_key
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.world import World

TABLES = sorted(set(table_names()) - {"numbers"})


def test_every_table_says_where_its_rows_come_from() -> None:
    assert len(TABLES) == 8
    assert all(table_source(table).reads for table in TABLES)


@pytest.mark.parametrize("table", TABLES)
def test_asset_of_a_table_has_its_sources_an_owner_and_no_partitions(table: str) -> None:
    graph = defs.resolve_asset_graph()
    node = graph.get(export_asset_key(table))

    assert node.parent_keys
    assert all(key.path[0] == "langfuse" for key in node.parent_keys)
    assert node.owners
    assert not node.is_partitioned


def test_event_names_the_export_and_who_requested_it() -> None:
    world = World(export_row())
    with dg.DagsterInstance.ephemeral() as instance:
        (event,) = world.run(instance).get_asset_materialization_events()

    facts = {name: value.value for name, value in event.materialization.metadata.items()}
    assert event.materialization.partition is None
    assert (facts["export"], facts["name"], facts["user"]) == ("export-1", "My numbers", "u-alice")
