"""What every ``Bucket`` must do: a folder, one in memory, and a real one."""

import hashlib
import secrets
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from lf_export_pipeline.adapters.object_folder import ObjectFolder
from lf_export_pipeline.adapters.s3.object_store import S3ObjectStore
from lf_export_pipeline.core.errors import ConfigurationError
from lf_export_pipeline.core.ports import Bucket
from lf_export_pipeline.core.stored_objects import UploadedObject
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.fakes import MemoryObjectStore, Pieces

pytestmark = pytest.mark.services


@pytest.fixture(params=["folder", "memory", "bucket"])
def bucket(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> Bucket:
    if request.param == "folder":
        return ObjectFolder(tmp_path / "lake")
    return MemoryObjectStore() if request.param == "memory" else S3ObjectStore(settings)


@pytest.fixture
def prefix() -> str:
    return f"lake-contract/{secrets.token_hex(8)}/"


def put(bucket: Bucket, key: str, data: bytes) -> UploadedObject:
    return bucket.upload(key, BytesIO(data), "application/json", len(data))


def test_an_object_is_there_whole_and_can_be_replaced(bucket: Bucket, prefix: str) -> None:
    key = f"{prefix}a/project=a%2Fb/day=2026-01-01/data.parquet"
    written = put(bucket, key, b"one")
    assert (written.sha256, written.size) == (hashlib.sha256(b"one").hexdigest(), 3)
    first = bucket.head(key)
    assert first is not None
    assert written.etag == first.etag
    assert (bucket.read(key), first and first.size) == (b"one", 3)
    put(bucket, key, b"two")
    second = bucket.head(key)
    assert second is not None
    assert (bucket.read(key), first.etag == second.etag) == (b"two", False)
    put(bucket, key, b"one")
    again = bucket.head(key)
    assert again is not None
    assert again.etag == first.etag


def test_what_is_not_there_is_none_and_can_be_deleted(bucket: Bucket, prefix: str) -> None:
    key = f"{prefix}nothing"
    assert (bucket.read(key), bucket.head(key)) == (None, None)
    bucket.delete(key)
    put(bucket, key, b"x")
    bucket.delete(key)
    assert bucket.read(key) is None


def test_objects_and_folders_are_listed_below_a_prefix(bucket: Bucket, prefix: str) -> None:
    keys = [f"{prefix}t/project=a/1", f"{prefix}t/project=a/2", f"{prefix}t/project=b/1"]
    for key in (*keys, f"{prefix}other/project=c/1"):
        put(bucket, key, b"x")
    assert [each.key for each in bucket.listed(f"{prefix}t/")] == keys
    assert [*bucket.folders(f"{prefix}t/")] == ["project=a", "project=b"]
    assert [*bucket.listed(f"{prefix}none/")] == []
    assert [*bucket.folders(f"{prefix}none/")] == []
    heads = [bucket.head(key) for key in keys]
    assert [head.etag for head in heads if head] == [
        each.etag for each in bucket.listed(f"{prefix}t/")
    ]


def test_a_source_that_fails_leaves_the_object_that_was_there(bucket: Bucket, prefix: str) -> None:
    key = f"{prefix}a/data.parquet"
    put(bucket, key, b"before")

    class Failing(Pieces):
        def readinto(self, _: memoryview, /) -> int:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        bucket.upload(key, Failing([b""]), "application/json", 1)
    assert bucket.read(key) == b"before"
    assert [each.key for each in bucket.listed(f"{prefix}a/")] == [key]


class Watched(Pieces):
    """One piece, with something done in the middle."""

    def __init__(self, data: bytes, meanwhile: Callable[[], object]) -> None:
        super().__init__([data, data])
        self._meanwhile = meanwhile

    def readinto(self, buffer: memoryview, /) -> int:
        self._meanwhile()
        return super().readinto(buffer)


@pytest.mark.parametrize("next_call", ["upload", "delete"])
def test_what_a_dead_process_has_left_of_an_object_goes_with_it(
    tmp_path: Path, next_call: str
) -> None:
    folder, draft = ObjectFolder(tmp_path), tmp_path / "a" / ".data.parquet.0a1b.part"
    draft.parent.mkdir()
    draft.write_bytes(b"rows that were erased")
    if next_call == "upload":
        put(folder, "a/data.parquet", b"x")
    else:
        folder.delete("a/data.parquet")
    assert not draft.exists()


def test_what_another_process_is_writing_is_left_to_it(tmp_path: Path) -> None:
    folder = ObjectFolder(tmp_path)
    put(folder, "a", b"before")
    written = folder.upload("a", Watched(b"x", lambda: folder.delete("a")), "text/plain", 2)
    assert (written.size, folder.read("a")) == (2, b"xx")
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


def test_a_folder_that_may_not_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ConfigurationError, match="change LF_EXPORT_LAKE_URL"):
        put(ObjectFolder(tmp_path / "file" / "lake"), "a", b"x")


@pytest.mark.parametrize("key", ["../a", "a//b", "a/../../b", ""])
def test_keys_stay_in_the_folder(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="no key"):
        put(ObjectFolder(tmp_path), key, b"x")
