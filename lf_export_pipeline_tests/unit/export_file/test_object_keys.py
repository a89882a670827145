"""Keys in a bucket that does not say of every key whether it is taken."""

from dataclasses import replace

import dagster as dg
import pytest

from lf_export_pipeline.core.errors import AccessRefusedError, ConfigurationError
from lf_export_pipeline.core.ports import StoredObject
from lf_export_pipeline_tests.fakes import MemoryFileStore
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.world import World


class TellsOnlyWhatIsThere(MemoryFileStore):
    """As AWS does for a key that may not list the bucket: what is missing might be hidden."""

    def head(self, key: str) -> StoredObject | None:
        found = super().head(key)
        if found is None:
            raise AccessRefusedError("The bucket refuses access.")
        return found


@pytest.fixture
def world() -> World:
    world = World(export_row())
    world.files = TellsOnlyWhatIsThere()
    return world


def test_export_is_made_where_missing_objects_are_hidden(world: World) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = world.run(instance)

    assert result.success
    assert world.state.status == "COMPLETED"
    assert len(world.files.objects) == 1


def test_object_that_is_there_is_passed_by_also_where_missing_ones_are_hidden(
    world: World,
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        world.run(instance)
        world.rows.rows[world.row.id] = replace(world.row)
        world.run(instance)

    assert len(world.files.objects) == 2


def test_bucket_that_is_wrong_in_another_way_ends_the_export_with_its_sentence(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(_key: str) -> StoredObject | None:
        raise ConfigurationError("The bucket is in another region.")

    monkeypatch.setattr(world.files, "head", wrong)

    with dg.DagsterInstance.ephemeral() as instance:
        world.run(instance)

    assert (world.state.status, world.state.log) == ("FAILED", "The bucket is in another region.")
