"""What is S3's alone: links, parts, and answers that get lost."""

import hashlib
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import BytesIO
from threading import Lock
from urllib.parse import parse_qs, urlsplit

import pytest

from lf_export_pipeline.adapters.s3.object_store import S3ObjectStore
from lf_export_pipeline.adapters.s3.s3_client import encryption_of
from lf_export_pipeline.core.errors import ConfigurationError, ExportError, TransientError
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.fakes import Pieces
from lf_export_pipeline_tests.integration.adapters.conftest import SettingsWith
from lf_export_pipeline_tests.integration.adapters.proxy import (
    Lose,
    Meanwhile,
    Refuse,
    Request,
    Spoiler,
    proxy,
)

pytestmark = pytest.mark.services

MIB = 1 << 20
PREFIX = "LANGFUSE_S3_BATCH_EXPORT"


@pytest.fixture
def store(settings: Settings) -> S3ObjectStore:
    return S3ObjectStore(settings)


@pytest.fixture
def key(store: S3ObjectStore) -> Iterator[str]:
    name = f"s3 tests/{secrets.token_hex(8)}-lf.csv"
    yield name
    store.delete(name)


def download(url: str) -> tuple[bytes, str]:
    with urllib.request.urlopen(url, timeout=30) as response:
        return response.read(), response.headers["Content-Disposition"]


def unfinished_uploads(store: S3ObjectStore, key: str) -> list[object]:
    found = store._client.list_multipart_uploads(Bucket=store.bucket)
    return [one for one in found.get("Uploads", []) if one.get("Key") == key]


def test_many_parts_arrive_in_order(store: S3ObjectStore, key: str) -> None:
    data = secrets.token_bytes(43 * MIB + 17)
    pieces = (data[start : start + 700_001] for start in range(0, len(data), 700_001))
    store.upload(key, Pieces(pieces), "text/csv", len(data))
    arrived, _ = download(store.signed_url(key, timedelta(minutes=1), "lf.csv"))
    assert hashlib.sha256(arrived).digest() == hashlib.sha256(data).digest()


def test_a_link_downloads_the_file_under_its_name_without_credentials(
    store: S3ObjectStore, key: str
) -> None:
    store.upload(key, BytesIO(b"id\n1\n"), "text/csv", 5)
    link = store.signed_url(key, timedelta(hours=1), "lf.csv")
    assert download(link) == (b"id\n1\n", 'attachment; filename="lf.csv"')
    asked = parse_qs(urlsplit(link).query)
    assert asked["X-Amz-Expires"] == ["3600"]
    assert asked["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]


def test_a_link_for_something_else_is_refused(store: S3ObjectStore, key: str) -> None:
    store.upload(key, BytesIO(b"1"), "text/plain", 1)
    link = store.signed_url(key, timedelta(hours=1), "lf.csv").replace("-lf.csv", "-other.csv")
    with pytest.raises(urllib.error.HTTPError) as caught:
        download(link)
    with caught.value:
        assert caught.value.code == 403


def test_a_link_is_signed_for_the_external_endpoint(settings_with: SettingsWith, key: str) -> None:
    inside = settings_with().langfuse_s3_batch_export_endpoint
    assert inside is not None
    with proxy(inside, lambda _: None) as outside:
        store = S3ObjectStore(settings_with(**{f"{PREFIX}_EXTERNAL_ENDPOINT": outside}))
        store.upload(key, BytesIO(b"1"), "text/plain", 1)
        link = store.signed_url(key, timedelta(hours=1), "lf.csv")
        assert link.startswith(f"{outside}/{store.bucket}/")
        assert download(link)[0] == b"1"


def test_an_upload_that_is_interrupted_is_aborted(store: S3ObjectStore, key: str) -> None:
    def interrupted() -> Iterator[bytes]:
        yield secrets.token_bytes(25 * MIB)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.upload(key, Pieces(interrupted()), "text/plain", 50 * MIB)
    assert unfinished_uploads(store, key) == []


def test_memory_stays_bounded_when_the_bucket_is_slower_than_the_pieces(
    settings_with: SettingsWith, key: str
) -> None:
    taken, sent = 0, 0
    most_waiting = 0

    counting = Lock()

    def spoil(request: Request) -> None:
        nonlocal sent
        arrived = len(request.body)
        with counting:  # parts arrive side by side
            sent += arrived

    def pieces() -> Iterator[bytes]:
        nonlocal taken, most_waiting
        for _ in range(100):
            taken += MIB
            most_waiting = max(most_waiting, taken - sent)
            yield b"x" * MIB

    with through(settings_with, spoil, BATCH_EXPORT_S3_PART_SIZE_MIB="5") as store:
        store.upload(key, Pieces(pieces()), "text/plain", 100 * MIB)
    assert sent >= 100 * MIB
    assert most_waiting <= 8 * 5 * MIB


def test_a_part_that_fails_is_sent_again(settings_with: SettingsWith, key: str) -> None:
    refused: list[str] = []

    def spoil(request: Request) -> Refuse | None:
        first = "partNumber=2" in request.path and len(refused) < 2
        refused.extend([request.path] if first else [])
        return Refuse(503) if first else None

    data = secrets.token_bytes(25 * MIB)
    with through(settings_with, spoil) as store:
        store.upload(key, BytesIO(data), "text/plain", len(data))
    assert len(refused) == 2
    link = S3ObjectStore(settings_with()).signed_url(key, timedelta(minutes=1), "lf.csv")
    assert download(link)[0] == data


def test_a_part_that_always_fails_ends_the_upload_and_leaves_nothing(
    settings_with: SettingsWith, store: S3ObjectStore, key: str
) -> None:
    def spoil(request: Request) -> Refuse | None:
        return Refuse(503) if "partNumber=2" in request.path else None

    with through(settings_with, spoil) as spoiled, pytest.raises(TransientError):
        spoiled.upload(key, BytesIO(b"x" * (25 * MIB)), "text/plain", 25 * MIB)
    assert store.head(key) is None
    assert unfinished_uploads(store, key) == []


@pytest.mark.parametrize("size", [10, 25 * MIB])
def test_an_upload_whose_last_answer_is_lost_has_succeeded(
    settings_with: SettingsWith, store: S3ObjectStore, key: str, size: int
) -> None:
    lost: list[str] = []

    def spoil(request: Request) -> Lose | None:
        last = request.method == "POST" and "uploadId=" in request.path
        whole = request.method == "PUT" and "partNumber=" not in request.path
        if (last or whole) and not lost:
            lost.append(request.path)
            return Lose()
        return None

    with through(settings_with, spoil) as spoiled:
        spoiled.upload(key, BytesIO(b"x" * size), "text/plain", size)
    assert len(lost) == 1
    stored = store.head(key)
    assert stored is not None
    assert stored.size == size


def test_an_older_object_of_the_same_size_is_not_taken_for_the_new_one(
    settings_with: SettingsWith, store: S3ObjectStore, key: str
) -> None:
    store.upload(key, BytesIO(b"old"), "text/plain", 3)

    def spoil(request: Request) -> Refuse | None:
        return Refuse(503) if request.method == "PUT" else None

    with through(settings_with, spoil) as spoiled, pytest.raises(TransientError):
        spoiled.upload(key, BytesIO(b"new"), "text/plain", 3)


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("SECRET_ACCESS_KEY", "wrong", ConfigurationError("SECRET_ACCESS_KEY")),
        ("ACCESS_KEY_ID", "wrong", ConfigurationError("ACCESS_KEY_ID")),
        ("BUCKET", "", ConfigurationError("No S3 bucket is configured")),
        ("BUCKET", "No Bucket!", ConfigurationError("_BUCKET")),
        ("ENDPOINT", "http://127.0.0.1:9", TransientError("did not answer")),
    ],
)
@pytest.mark.parametrize("size", [10, 25 * MIB])
def test_a_wrong_setting_is_named_and_a_service_that_is_away_is_not(
    settings_with: SettingsWith,
    variable: str,
    value: str,
    expected: ExportError,
    size: int,
) -> None:
    store = S3ObjectStore(settings_with(**{f"{PREFIX}_{variable}": value}))
    with pytest.raises(type(expected), match=str(expected)):
        store.upload("key", BytesIO(b"x" * size), "text/plain", size)


PAGE = b"<html><body>Forbidden by the proxy</body></html>"
NO_KMS = (
    b"<Error><Code>InvalidRequest</Code><Message>Server side encryption specified but KMS is not "
    b"configured</Message></Error>"
)
FULL = b"<Error><Code>XMinioStorageFull</Code><Message>Please delete a few.</Message></Error>"


@pytest.mark.parametrize("size", [10, 25 * MIB])
@pytest.mark.parametrize(
    ("refusal", "says"),
    [
        (Refuse(200, PAGE, "text/html"), f"{PREFIX}_ENDPOINT"),
        (Refuse(403, PAGE, "text/html; charset=utf-8"), "NO_PROXY"),
        (Refuse(400, NO_KMS, "application/xml"), f"unset {PREFIX}_SSE"),
        (Refuse(507, FULL, "application/xml"), "free some"),
    ],
    ids=["a page", "a proxy's page", "no KMS", "no space"],
)
def test_an_upload_that_can_never_be_is_refused_at_once_with_what_to_do(
    settings_with: SettingsWith, refusal: Refuse, says: str, size: int
) -> None:
    asked: list[str] = []

    def spoil(request: Request) -> Refuse:
        asked.append(request.path)
        return refusal

    with (
        through(settings_with, spoil) as store,
        pytest.raises(ConfigurationError, match=says),
    ):
        store.upload("key", BytesIO(b"x" * size), "text/plain", size)
    assert len(asked) <= 2  # the request, and a look for whether it was done all the same


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("aws:kms", {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "key-1"}),
        ("AES256", {"ServerSideEncryption": "AES256"}),
        ("", {}),
    ],
)
def test_encryption_is_asked_for_as_configured(
    settings_with: SettingsWith, kind: str, asked: dict[str, str]
) -> None:
    settings = settings_with(**{f"{PREFIX}_SSE": kind, f"{PREFIX}_SSE_KMS_KEY_ID": "key-1"})
    assert encryption_of(settings) == asked


@contextmanager
def through(settings_with: SettingsWith, spoil: Spoiler, **changes: str) -> Iterator[S3ObjectStore]:
    """The store through a proxy that spoils some answers."""
    inside = settings_with().langfuse_s3_batch_export_endpoint
    assert inside is not None
    with proxy(inside, spoil) as endpoint:
        yield S3ObjectStore(settings_with(**{f"{PREFIX}_ENDPOINT": endpoint}, **changes))


@pytest.mark.parametrize("size", [11 * MIB, 1000])
def test_an_object_that_holds_other_bytes_of_the_same_number_is_noticed(
    store: S3ObjectStore, settings_with: SettingsWith, key: str, size: int
) -> None:
    data = secrets.token_bytes(size)

    def spoil_what_was_stored() -> None:
        spoilt = data[:-1] + bytes([data[-1] ^ 1])
        store._client.put_object(Bucket=store.bucket, Key=key, Body=spoilt)

    def spoil(request: Request) -> Meanwhile | None:
        is_last = "uploadId" in request.path if size > MIB else True
        is_write = request.method == ("POST" if size > MIB else "PUT")
        return Meanwhile(spoil_what_was_stored) if is_write and is_last else None

    with (
        through(settings_with, spoil) as spoilt,
        pytest.raises(TransientError, match="other bytes"),
    ):
        spoilt.upload(key, BytesIO(data), "text/plain", len(data))
