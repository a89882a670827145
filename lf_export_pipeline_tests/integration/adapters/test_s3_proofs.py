"""What has arrived is proven, whatever the service answers, by the cheapest of its answers."""

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse, HTTPHeaders

from lf_export_pipeline.adapters.s3 import checksums
from lf_export_pipeline.adapters.s3.object_store import S3ObjectStore
from lf_export_pipeline.adapters.s3.part_buffers import Part, PartBody
from lf_export_pipeline.core.errors import TransientError
from lf_export_pipeline.settings import Settings

pytestmark = pytest.mark.services

MIB = 1 << 20
PART = 10 * MIB
SIZES = pytest.mark.parametrize("size", [1000, 25 * MIB], ids=["at once", "in parts"])
ASKS = ("x-amz-checksum-algorithm", "x-amz-checksum-sha256")
NO_CHECKSUMS = (
    b"<Error><Code>NotImplemented</Code><Message>Header 'x-amz-checksum-algorithm' with value "
    b"'SHA256' not implemented</Message></Error>"
)

HEX, LETTERS = "0123456789abcdef", "ghijklmnopqrstuv"
TO_LETTERS = str.maketrans(HEX, LETTERS)

Headers = dict[str, str]


def without_checksums(headers: Headers) -> Headers:
    return {name: value for name, value in headers.items() if "x-amz-checksum" not in name}


def with_other_etags(headers: Headers) -> Headers:
    etag = headers.get("etag")
    return {**headers, "etag": etag.translate(TO_LETTERS)} if etag else headers


def with_neither(headers: Headers) -> Headers:
    return with_other_etags(without_checksums(headers))


def with_names_as_go_writes_them(headers: Headers) -> Headers:
    """As proxies like Traefik and Caddy pass them on, and some services answer."""
    return {name.title(): value for name, value in headers.items()}


def with_metadata_of_its_own(headers: Headers) -> Headers:
    return {**headers, "x-amz-meta-mtime": "1795883262.983"}


class Service:
    """The embedded server as another one would answer.

    Attributes:
        asked: The requests that were sent, as botocore calls them.
        told: The checksums of parts and objects that it was told.
    """

    def __init__(self, settings: Settings) -> None:
        self.store = S3ObjectStore(settings)
        self.asked: list[str] = []
        self.told: list[str] = []
        self._client: Any = self.store._client
        self._on("before-send", self._listen)

    def answers_with(self, changed: Callable[[Headers], Headers]) -> None:
        def change(response_dict: dict[str, Any], **_: object) -> None:
            headers = {name.lower(): value for name, value in response_dict["headers"].items()}
            response_dict["headers"] = HTTPHeaders.from_dict(changed(headers))

        self._on("before-parse", change)
        self._client.meta.events.register("before-send.s3.CompleteMultipartUpload", _with_own_etags)

    def passes_over_checksums(self) -> None:
        def forget(params: dict[str, Any], **_: object) -> None:
            for name in ASKS:
                params["headers"].pop(name, None)

        self._on("before-call", forget)

    def takes_no_checksums(self) -> None:
        def refuse(request: Any, **_: object) -> Any:
            if not any(name in request.headers for name in ASKS):
                return None
            return AWSResponse(request.url, 501, HTTPHeaders(), _Raw(NO_CHECKSUMS))

        self._on("before-send", refuse)

    def spoils(self, operation: str, spoil: Callable[[bytes], bytes]) -> None:
        def change(request: Any, **_: object) -> None:
            request.body = spoil(bytes(request.body.read()))

        self._client.meta.events.register(f"before-send.s3.{operation}", change)

    def _listen(self, request: Any, event_name: str, **_: object) -> None:
        self.asked.append(event_name.rpartition(".")[2])
        if told := request.headers.get("x-amz-checksum-sha256"):
            self.told.append(str(told))

    def _on(self, event: str, do: Callable[..., Any]) -> None:
        self._client.meta.events.register(f"{event}.s3", do)


def _with_own_etags(request: Any, **_: object) -> None:
    def own(etag: re.Match[bytes]) -> bytes:
        return etag[0].translate(bytes.maketrans(LETTERS.encode(), HEX.encode()))

    request.body = re.sub(rb"[g-v]{32}", own, request.body)


class _Raw:
    """The body of an answer, as urllib3 hands it over."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        yield self._body


@pytest.fixture
def service(settings: Settings) -> Service:
    return Service(settings)


@pytest.fixture
def key(settings: Settings) -> Iterator[str]:
    name = f"s3 proofs/{secrets.token_hex(8)}.csv"
    yield name
    S3ObjectStore(settings).delete(name)


@pytest.fixture
def md5s(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes MD5 was made of."""
    made: list[int] = []

    def counted(part: Part) -> str:
        made.append(len(part.data))
        return md5(part)

    md5 = checksums._md5
    monkeypatch.setattr(checksums, "_md5", counted)
    return made


@contextmanager
def refused(words: str) -> Iterator[None]:
    with pytest.raises(TransientError, match=words):
        yield


def sent(service: Service, key: str, size: int) -> None:
    service.store.upload(key, BytesIO(secrets.token_bytes(size)), "text/csv", size)
    assert_there(service, key, size)


def sent_part_by_part(service: Service, key: str, size: int) -> None:
    data, store = memoryview(secrets.token_bytes(size)), service.store
    begun = store.begin(key, "text/csv")
    pieces = [data[at : at + PART] for at in range(0, size, PART)]
    parts = [store.send_part(begun, number, piece) for number, piece in enumerate(pieces, 1)]
    store.complete(begun, parts, PART, size)
    assert_there(service, key, size)


def assert_there(service: Service, key: str, size: int) -> None:
    stored = service.store.head(key)
    assert stored is not None
    assert stored.size == size


@SIZES
def test_by_the_checksum_that_each_part_was_signed_with(
    service: Service, key: str, size: int, md5s: list[int]
) -> None:
    sent(service, key, size)
    assert len(service.told) == max(1, -(-size // (10 * MIB)))
    assert (md5s, "GetObject" in service.asked) == ([], False)


@SIZES
def test_each_byte_is_taken_from_its_buffer_once(
    service: Service, key: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To be sent: the signature needs no second look at it."""
    taken: list[int] = []

    def counted(body: PartBody, size: int = -1) -> memoryview:
        piece = read(body, size)
        taken.append(len(piece))
        return piece

    read = PartBody.read
    monkeypatch.setattr(PartBody, "read", counted)
    sent(service, key, size)
    assert sum(taken) == size


@SIZES
def test_where_etags_are_of_another_kind_by_the_checksum_still(
    service: Service, key: str, size: int, md5s: list[int]
) -> None:
    """AWS encrypts so with a key of KMS."""
    service.answers_with(with_other_etags)
    sent(service, key, size)
    assert (md5s, "GetObject" in service.asked) == ([], False)


@SIZES
@pytest.mark.parametrize("refuses", [True, False], ids=["refuses checksums", "passes them over"])
def test_where_checksums_are_unknown_by_etags(
    service: Service, key: str, size: int, md5s: list[int], *, refuses: bool
) -> None:
    service.answers_with(without_checksums)
    (service.takes_no_checksums if refuses else service.passes_over_checksums)()
    sent(service, key, size)
    assert (sum(md5s), "GetObject" in service.asked) == (size, False)


@SIZES
def test_where_there_is_neither_by_reading_it_back(service: Service, key: str, size: int) -> None:
    service.answers_with(with_neither)
    service.passes_over_checksums()
    sent(service, key, size)
    assert "GetObject" in service.asked


@SIZES
@pytest.mark.parametrize("answers", [dict, without_checksums, with_other_etags, with_neither])
def test_a_byte_that_has_changed_on_its_way_is_noticed(
    service: Service, key: str, size: int, answers: Callable[[Headers], Headers]
) -> None:
    """The embedded server does not compare the body with the signature, but with the checksum."""
    service.answers_with(answers)
    if answers in (without_checksums, with_neither):
        service.passes_over_checksums()
    for operation in ("PutObject", "UploadPart"):
        service.spoils(operation, lambda data: data[:-1] + bytes([data[-1] ^ 1]))
    with refused("BadDigest|other bytes"):
        service.store.upload(key, BytesIO(secrets.token_bytes(size)), "text/csv", size)


Answers = Callable[[Headers], Headers]
PROOFS: dict[str, tuple[Answers, Callable[[Service], None] | None, list[str]]] = {
    "checksums": (dict, None, []),
    "checksums, other ETags": (with_other_etags, None, []),
    "ETags": (without_checksums, Service.passes_over_checksums, []),
    "ETags, checksums refused": (without_checksums, Service.takes_no_checksums, []),
    "reading it back": (with_neither, Service.passes_over_checksums, ["GetObject"]),
}


@pytest.mark.parametrize("proof", PROOFS)
@pytest.mark.parametrize("is_spoilt", [False, True], ids=["as it was sent", "a byte has changed"])
def test_an_object_that_is_sent_part_by_part_is_proven_by(
    service: Service, key: str, proof: str, is_spoilt: bool
) -> None:
    answers, passes, asked = PROOFS[proof]
    service.answers_with(answers)
    if passes:
        passes(service)
    if is_spoilt:
        service.spoils("UploadPart", lambda data: data[:-1] + bytes([data[-1] ^ 1]))
        with refused("BadDigest|other bytes"):
            sent_part_by_part(service, key, 25 * MIB)
    else:
        sent_part_by_part(service, key, 25 * MIB)
        assert [name for name in service.asked if name == "GetObject"] == asked
    for upload in service.store.incomplete_uploads(key):
        service.store.abort(upload)


def test_an_upload_that_was_not_begun_for_want_of_checksums_is_begun_once(
    service: Service, key: str
) -> None:
    service.takes_no_checksums()
    sent(service, key, 11 * MIB)
    assert service.store.incomplete_uploads(key) == []
    assert service.told == []


@pytest.mark.parametrize("answers", [dict, with_names_as_go_writes_them, with_metadata_of_its_own])
def test_an_upload_that_was_completed_before_is_known_by_its_mark(
    service: Service, key: str, answers: Answers
) -> None:
    """The answer to the first request was lost, or whoever sent it was killed."""
    service.answers_with(answers)
    store, data = service.store, secrets.token_bytes(1000)
    begun, other = store.begin(key, "text/csv"), store.begin(key, "text/csv")
    parts = [store.send_part(begun, 1, memoryview(data))]
    store.complete(begun, parts, PART, len(data))
    store.complete(begun, parts, PART, len(data))
    assert store.is_complete(begun)
    assert not store.is_complete(other)
    store.abort(other)
