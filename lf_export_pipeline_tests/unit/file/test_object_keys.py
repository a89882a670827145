"""Keys that no other attempt has, also in a bucket that does not say of each if it is taken."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import dagster as dg
import pytest

from lf_export_pipeline.core.errors import AccessRefusedError, ConfigurationError
from lf_export_pipeline.core.parsing import parse_request
from lf_export_pipeline.core.stored_objects import StoredObject
from lf_export_pipeline.file.attempt_folder import AttemptFolder
from lf_export_pipeline.file.object_keys import is_export_key, is_key_of, object_key
from lf_export_pipeline_tests.fakes import MemoryObjectStore, MemorySpool
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.world import World

NOW = datetime(2031, 3, 20, 12, tzinfo=UTC)


class TellsOnlyWhatIsThere(MemoryObjectStore):
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


def key_of(export_id: str, root_run: str) -> str:
    """The key that an attempt chooses, in a bucket where the others have not finished theirs."""
    query: dict[str, object] = {"tableName": "traces", "filter": [], "orderBy": None}
    request = parse_request(export_row(export_id, query=query))
    attempt = AttemptFolder.of(MemorySpool(), export_id, root_run).path
    return object_key(request, "exports/", "csv", NOW, attempt=attempt)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("cfdfonbamm5ac8zma5j3o8uer", "run-1"), ("cre1omctonnibw16vnlapc1l5", "run-2")),
        (("cfdfonbamm5ac8zma5j3o8uer", "run-1"), ("cfdfonbamm5ac8zma5j3o8uer", "run-2")),
    ],
    ids=["two exports", "two attempts at one export"],
)
def test_uploads_that_begin_at_the_same_instant_have_keys_of_their_own(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    assert key_of(*one) != key_of(*other)


def test_a_key_is_langfuses_name_with_eight_digits_of_the_attempt() -> None:
    milliseconds = int(NOW.timestamp() * 1000)
    keys = {key_of("export-1", f"run-{number}") for number in range(1_000)}

    assert len(keys) == 1_000
    form = rf"exports/{milliseconds}-lf-traces-export-project-1-[0-9a-f]{{8}}\.csv"
    assert all(re.fullmatch(form, key) and is_export_key(key, "exports/") for key in keys)


def test_export_is_made_where_missing_objects_are_hidden(world: World) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = world.run(instance)

    assert result.success
    assert world.state.status == "COMPLETED"
    assert len(world.files.objects) == 1


def test_a_second_attempt_has_an_object_of_its_own(world: World) -> None:
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


@pytest.mark.parametrize(
    ("project", "in_key"),
    [
        ("project-1", "project-1"),
        ("a,b é", "a,b é"),
        ("a/../b\\%", "a%2F..%2Fb%5C%25"),
        ("a\r\nb\x7f", "a%0D%0Ab%7F"),
        ("x" * 5_000, "x" * 200),
    ],
)
def test_any_project_has_a_key_that_is_known_again_as_one_of_its_own(
    project: str, in_key: str
) -> None:
    query: dict[str, object] = {"tableName": "traces", "filter": [], "orderBy": None}
    request = parse_request(export_row("export-1", query=query, project_id=project))
    key = object_key(request, "exports/", "csv", NOW, attempt="export-1/run")
    name, digits = key.removesuffix(".csv").partition("-export-")[2].rsplit("-", 1)
    assert (name, len(digits)) == (in_key, 8)
    assert is_key_of(key, "exports/", "traces", project)
    assert is_key_of(key.replace(f"-{digits}", ""), "exports/", "traces", project)  # Langfuse's
    for table, other in (("scores", project), ("traces", f"{project[:9]}-other")):
        assert not is_key_of(key, "exports/", table, other)
    assert not is_key_of(key, "other/", "traces", project)
