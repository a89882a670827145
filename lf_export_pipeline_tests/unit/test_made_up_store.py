"""A store is one class and the place that opens it: nothing else asks whose bucket it is."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import dagster as dg
import pytest
from click.testing import CliRunner

from lf_export_pipeline.adapters import object_stores
from lf_export_pipeline.cli import bucket_check, download
from lf_export_pipeline.cli.lake_check import lake
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.defs.resources import resources_on
from lf_export_pipeline.defs.sensors import stores_of
from lf_export_pipeline.lake.opening import open_bucket
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.fakes import MemoryObjectStore
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.world import ENVIRONMENT, World

SETTINGS = Settings.load(ENVIRONMENT | {"LF_EXPORT_LAKE_URL": "s3://lake/here"})


class MadeUpStore(MemoryObjectStore):
    """A service of which the product has not heard; its links are files of this machine."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root

    def signed_url(self, key: str, *_: object) -> str:
        path = self._root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.objects[key])
        return path.as_uri()

    def keys_of_link(self, url: str) -> list[str]:
        root = f"{self._root.as_uri()}/"
        return [unquote(url.removeprefix(root))] if url.startswith(root) else []

    def doubts(self, prefix: str) -> Iterator[str]:
        yield f"nobody else has objects like {prefix.partition('/')[0]}"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeUpStore:
    """A store that is opened where buckets are."""
    made_up = MadeUpStore(tmp_path / "served")
    monkeypatch.setattr(object_stores, "S3ObjectStore", lambda _: made_up)
    return made_up


@pytest.fixture
def exported(store: MadeUpStore) -> ExportRow:
    """An export whose file is there."""
    world = World(export_row())
    world.files = store
    with dg.DagsterInstance.ephemeral() as instance:
        assert world.run(instance).success
    return world.state


def test_exports_are_written_to_it(exported: ExportRow, store: MadeUpStore) -> None:
    (key,) = store.objects
    assert (exported.status, exported.url) == ("COMPLETED", store.signed_url(key))


def test_a_file_in_it_can_be_saved(
    exported: ExportRow, store: MadeUpStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = SimpleNamespace(get=lambda _: exported)
    database = SimpleNamespace(exports=rows, close=lambda: None)
    monkeypatch.setattr(download, "LangfusePostgres", lambda _: database)
    words = [exported.id, "-o", str(tmp_path / "saved.csv")]

    result = CliRunner(env=ENVIRONMENT).invoke(download.download, words)

    assert result.exit_code == 0, result.output
    assert [(tmp_path / "saved.csv").read_bytes()] == [*store.objects.values()]


def test_runs_get_it(store: MadeUpStore) -> None:
    known = resources_on(SETTINGS)
    named = {name: known[name] for name in ("settings", "s3", "files")}
    with dg.build_resources(named) as resources:
        assert resources.files is store


def test_what_ended_attempts_have_left_is_removed_from_it(store: MadeUpStore) -> None:
    with stores_of(SETTINGS) as (_, files):
        assert files is store


def test_the_doctor_tries_it_and_passes_on_its_doubts(store: MadeUpStore) -> None:
    assert bucket_check.bucket(SETTINGS) == (
        "an object was written, downloaded through its link and deleted; but nobody else has "
        "objects like exports"
    )
    assert store.objects == {}


def test_a_lake_can_be_in_it(store: MadeUpStore) -> None:
    assert lake(SETTINGS) == "an object was written, read, listed and deleted"
    bucket, keys = open_bucket(SETTINGS)
    store.objects = {f"here/{name}": b"1" for name in ("a/1", "a/2", "b/1")}
    assert keys.prefix == "here/"
    assert [*bucket.folders("here/")] == ["a", "b"]
