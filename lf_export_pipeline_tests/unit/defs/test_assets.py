"""The assets: one per table, with where its rows come from, and no partitions that mislead."""

import dagster as dg
import pytest

from lf_export_pipeline.core.tables import table_names, table_source
from lf_export_pipeline.definitions import defs
from lf_export_pipeline.defs.assets import export_asset_key
from lf_export_pipeline.defs.ops.validate_export import ValidateConfig
from lf_export_pipeline.defs.sweep_reports import SweepConfig
from lf_export_pipeline.lifecycle.requeue import RequeueConfig
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


@pytest.mark.parametrize("table", TABLES)
def test_columns_of_a_table_are_shown_and_described_before_its_first_export(table: str) -> None:
    spec = defs.resolve_asset_graph().get(export_asset_key(table))

    schema = spec.metadata["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchema)
    columns = schema.columns
    assert columns[0].name == "id"
    assert len(columns) >= 8
    assert [column.name for column in columns if not column.description] == []


def test_everything_in_the_ui_says_what_it_is() -> None:
    repository = defs.get_repository_def()
    jobs = [job for job in repository.get_all_jobs() if not job.name.startswith("__")]
    ops = [node for job in jobs for node in job.nodes]
    assets = defs.resolve_asset_graph().asset_nodes

    told = {
        **{job.name: job.description for job in jobs},
        **{op.name: op.definition.description for op in ops},
        **{str(asset.key): asset.description for asset in assets},
        **{one.name: one.description for one in repository.sensor_defs},
        **{one.name: one.description for one in repository.schedule_defs},
    }
    assert len(told) > 30
    assert [name for name, description in told.items() if not description] == []


def test_every_field_that_a_launchpad_offers_is_described() -> None:
    for config in (RequeueConfig, SweepConfig, ValidateConfig):
        fields = config.model_fields
        assert [name for name, field in fields.items() if not field.description] == []
