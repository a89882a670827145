"""What every ``ObjectStore`` must do, in memory and on a real bucket."""

import hashlib
import secrets
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest

from lf_export_pipeline.adapters.s3.object_store import S3ObjectStore
from lf_export_pipeline.core.errors import UploadLostError
from lf_export_pipeline.core.ports import ObjectStore
from lf_export_pipeline.core.stored_objects import BegunUpload, StoredObject, UploadedPart
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
    stored = store.upload(key, Pieces(pieces), "text/csv; charset=utf-8", size)
    assert (stored.sha256, stored.size) == (hashlib.sha256(b"".join(pieces)).hexdigest(), size)
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


MIB = 1 << 20
PARTS = [bytes([number]) * (5 * MIB) for number in range(3)] + [b"the end"]


@pytest.fixture
def upload(store: ObjectStore, key: str) -> Iterator[BegunUpload]:
    begun = store.begin(key, "text/csv")
    yield begun
    store.abort(begun)


def send(store: ObjectStore, upload: BegunUpload, parts: list[bytes]) -> list[UploadedPart]:
    numbered = enumerate(parts, 1)
    return [store.send_part(upload, number, memoryview(data)) for number, data in numbered]


def complete(store: ObjectStore, upload: BegunUpload, sent: list[UploadedPart]) -> None:
    store.complete(upload, sent, 5 * MIB, sum(map(len, PARTS)))


def test_parts_are_listed_until_they_are_one_object(
    store: ObjectStore, upload: BegunUpload, key: str
) -> None:
    assert store.listed_parts(upload) == set()
    sent = send(store, upload, PARTS)
    assert store.listed_parts(upload) == {(part.number, part.etag) for part in sent}
    assert [part.number for part in sent] == [1, 2, 3, 4]
    assert [part.sha256 for part in sent] == [hashlib.sha256(part).hexdigest() for part in PARTS]
    assert all(part.is_proven for part in sent)
    assert (store.head(key), store.is_complete(upload)) == (None, False)

    complete(store, upload, sent)

    assert store.head(key) == StoredObject(key, sum(map(len, PARTS)), "text/csv")
    assert (store.listed_parts(upload), store.is_complete(upload)) == (None, True)
    assert store.incomplete_uploads(key) == []


def test_an_upload_can_be_completed_twice_and_is_no_other_one(
    store: ObjectStore, upload: BegunUpload, key: str
) -> None:
    sent = send(store, upload, PARTS)
    complete(store, upload, sent)
    complete(store, upload, sent)
    other = store.begin(key, "text/csv")
    assert not store.is_complete(other)
    store.abort(other)


def test_a_part_that_is_sent_again_takes_the_place_of_the_one_before(
    store: ObjectStore, upload: BegunUpload
) -> None:
    send(store, upload, [bytes([9]) * (5 * MIB)] * 2)
    complete(store, upload, send(store, upload, PARTS))
    assert store.is_complete(upload)


def test_parts_that_nobody_names_are_dropped(store: ObjectStore, upload: BegunUpload) -> None:
    send(store, upload, [*PARTS, b"read again, they are fewer"])
    complete(store, upload, send(store, upload, PARTS))
    assert store.listed_parts(upload) is None


def test_an_upload_that_was_aborted_takes_nothing_more(
    store: ObjectStore, upload: BegunUpload, key: str
) -> None:
    sent = send(store, upload, PARTS)
    store.abort(upload)
    assert (store.listed_parts(upload), store.is_complete(upload)) == (None, False)
    with pytest.raises(UploadLostError):
        send(store, upload, PARTS)
    with pytest.raises(UploadLostError):
        complete(store, upload, sent)
    assert store.head(key) is None
    store.abort(upload)


def test_a_link_names_the_object(store: ObjectStore, key: str) -> None:
    store.upload(key, BytesIO(b"1"), "text/plain", 1)
    link = store.signed_url(key, timedelta(hours=1), "lf.csv")
    assert next(iter(store.keys_of_link(link))) == key


@pytest.mark.parametrize("url", ["", "https://elsewhere.test/bucket/a.csv", "https://[broken/a"])
def test_other_links_name_no_object(store: ObjectStore, url: str) -> None:
    assert [*store.keys_of_link(url)] == []


def test_an_object_is_saved_as_a_file(store: ObjectStore, key: str, tmp_path: Path) -> None:
    data, come = secrets.token_bytes(1000), list[int]()
    store.upload(key, BytesIO(data), "text/plain", len(data))
    (tmp_path / "saved").write_bytes(b"what was there before")
    store.download(key, tmp_path / "saved", come.append)
    assert ((tmp_path / "saved").read_bytes(), sum(come)) == (data, len(data))
