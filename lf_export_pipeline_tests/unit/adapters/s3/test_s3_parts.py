import base64
import hashlib
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from lf_export_pipeline.adapters.s3.checksums import answered, etag_of, sha256_of
from lf_export_pipeline.adapters.s3.known_payload import KnownPayloadAuth
from lf_export_pipeline.adapters.s3.links import content_disposition
from lf_export_pipeline.adapters.s3.part_buffers import Part, PartBody, PartBuffers
from lf_export_pipeline_tests.fakes import Pieces

SIGNED_AT = datetime(2026, 6, 1, tzinfo=UTC)


@given(pieces=st.lists(st.binary(max_size=50)), part_bytes=st.integers(1, 40))
def test_parts_are_full_but_the_last_and_have_their_own_checksums(
    pieces: list[bytes], part_bytes: int
) -> None:
    whole = b"".join(pieces)
    buffers, found = PartBuffers(Pieces(pieces), part_bytes, 2), []
    for part in buffers.filled():
        found.append((bytes(part.data), part.sha256))
        buffers.give_back(part)
    parts = [whole[at : at + part_bytes] for at in range(0, len(whole), part_bytes)] or [b""]
    assert found == [(part, hashlib.sha256(part).digest()) for part in parts]
    assert buffers.sha256 == hashlib.sha256(whole).hexdigest()
    assert buffers.bytes_taken == len(whole)


def test_no_more_buffers_are_made_than_were_allowed() -> None:
    buffers = PartBuffers(Pieces([b"x" * 100]), 10, 2)
    memory = set()
    for part in buffers.filled():
        memory.add(id(part.data.obj))
        buffers.give_back(part)
    assert len(memory) <= 2


@given(data=st.binary(max_size=60), sizes=st.lists(st.integers(1, 70)))
def test_a_body_is_read_as_a_file_without_a_copy(data: bytes, sizes: list[int]) -> None:
    body = PartBody(Part(memoryview(data), b""))
    for _ in range(2):
        pieces = [body.read(size) for size in sizes]
        pieces.append(body.read())
        assert b"".join(pieces) == data
        assert body.tell() == len(body) == len(data)
        assert all(piece.obj is data for piece in pieces)
        assert len(body.read(1)) == 0
        body.seek(0)


@given(data=st.binary(min_size=1, max_size=60))
def test_checksums_of_parts_make_those_that_s3_gives_the_whole(data: bytes) -> None:
    pieces = [data[at : at + 10] for at in range(0, len(data), 10)]
    parts = [
        answered(number, part_of(piece), {"ETag": f'"{md5(piece)}"'})
        for number, piece in enumerate(pieces, 1)
    ]
    assert all(part.is_proven for part in parts)
    etags = b"".join(hashlib.md5(piece).digest() for piece in pieces)
    digests = b"".join(hashlib.sha256(piece).digest() for piece in pieces)
    whole = base64.b64encode(hashlib.sha256(digests).digest()).decode()
    assert etag_of(parts) == f"{md5(etags)}-{len(pieces)}"
    assert sha256_of(parts) == f"{whole}-{len(pieces)}"


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"ETag": '"other"'},
        {"ETag": f'"{"0" * 32}"'},
        {"ChecksumSHA256": "AAAA"},
    ],
)
def test_an_answer_that_names_other_bytes_proves_nothing(answer: dict[str, str]) -> None:
    part = answered(1, part_of(b"data"), answer)
    assert not part.is_proven
    assert etag_of([part]) != md5(b"data")


@given(data=st.binary(max_size=60), scheme=st.sampled_from(["http", "https"]))
def test_a_part_is_signed_as_botocore_signs_it(data: bytes, scheme: str) -> None:
    def signed(kind: type[S3SigV4Auth], body: object) -> Any:
        request = AWSRequest("PUT", f"{scheme}://bucket.test/key", data=body)
        request.context = {"client_config": SimpleNamespace(s3={})}
        with time_machine.travel(SIGNED_AT, tick=False):
            kind(Credentials("id", "secret"), "s3", "eu-west-1").add_auth(request)
        return request.headers["X-Amz-Content-SHA256"], request.headers["Authorization"]

    digest, authorization = signed(KnownPayloadAuth, PartBody(part_of(data)))
    assert digest == hashlib.sha256(data).hexdigest()
    assert (digest, authorization) == signed(S3SigV4Auth, data)


def part_of(data: bytes) -> Part:
    return Part(memoryview(data), hashlib.sha256(data).digest())


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


@pytest.mark.parametrize(
    ("key", "header"),
    [
        ("exports/1-lf.csv", 'attachment; filename="exports/1-lf.csv"'),
        ('a"; filename="b', r'attachment; filename="a\"; filename=\"b"'),
        ("a\\", r'attachment; filename="a\\"'),
        ("a\r\nX-Evil: 1", 'attachment; filename="aX-Evil: 1"'),
        ("é", "attachment; filename=\"?\"; filename*=UTF-8''%C3%A9"),
    ],
)
def test_a_key_stays_inside_the_file_name(key: str, header: str) -> None:
    assert content_disposition(key) == header
