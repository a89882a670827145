"""What every ``ObjectStore`` must do, in memory and on a real bucket."""

import hashlib
import secrets
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO

import pytest

from lf_export_pipeline.adapters.s3.object_store import S3ObjectStore
from lf_export_pipeline.core.ports import ObjectStore, StoredObject
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.fakes import MemoryObjectStore, Pieces

pytestmark = pytest.mark.services


@pytest.fixture(params=["memory", "bucket"])
def store(request: pytest.FixtureRequest, settings: Settings) -> ObjectStore:
    return MemoryObjectStore() if request.param == "memory" else S3ObjectStore(settings)


@pytest.fixture
def key(store: ObjectStore) -> Iterator[str]:
    name = f"contract/{secrets.token_hex(8)}.csv"
    yield name
    store.delete(name)


@pytest.mark.parametrize("pieces", [[], [b""], [b"a", b"", b"bc"], [b"x" * (6 << 20)] * 4])
def test_an_uploaded_object_is_there_whole(
    store: ObjectStore, key: str, pieces: list[bytes]
) -> None:
    size = sum(map(len, pieces))
    sha256 = store.upload(key, Pieces(pieces), "text/csv; charset=utf-8", size)
    assert sha256 == hashlib.sha256(b"".join(pieces)).hexdigest()
    assert store.head(key) == StoredObject(key, size, "text/csv; charset=utf-8")


def test_an_object_that_is_not_there_has_no_head(store: ObjectStore, key: str) -> None:
    assert store.head(key) is None


def test_another_bucket_of_the_service_holds_other_objects(store: ObjectStore, key: str) -> None:
    other = store.of_bucket("lf-another-bucket")
    store.upload(key, BytesIO(b"1"), "text/plain", 1)
    other.upload(key, BytesIO(b"22"), "text/plain", 2)
    assert other.bucket == "lf-another-bucket" != store.bucket
    other.delete(key)
    assert other.head(key) is None
    assert store.head(key) is not None


def test_an_object_can_be_deleted_twice(store: ObjectStore, key: str) -> None:
    store.upload(key, BytesIO(b"1"), "text/plain", 1)
    store.delete(key)
    assert store.head(key) is None
    store.delete(key)


@pytest.mark.parametrize("after", [0, 3, 30])
@pytest.mark.parametrize("error", [KeyError("x"), KeyboardInterrupt()])
def test_pieces_that_fail_leave_nothing(
    store: ObjectStore, key: str, error: BaseException, after: int
) -> None:
    def failing() -> Iterator[bytes]:
        for _ in range(after):
            yield b"x" * (1 << 20)
        raise error

    with pytest.raises(type(error)):
        store.upload(key, Pieces(failing()), "text/plain", 40 << 20)
    assert store.head(key) is None


def test_a_link_names_the_object(store: ObjectStore, key: str) -> None:
    store.upload(key, BytesIO(b"1"), "text/plain", 1)
    assert key in store.signed_url(key, timedelta(hours=1), "lf.csv")
