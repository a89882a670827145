"""Bytes that change in the spool or in the bucket: no such file is published."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

import pytest

from lf_export_localstack.services.seaweedfs_service import BUCKET
from lf_export_pipeline.adapters.spool import DirectorySpool
from lf_export_pipeline_tests.integration.adapters.proxy import (
    Meanwhile,
    Request,
    Spoiler,
    Spoiling,
    proxy,
)
from lf_export_pipeline_tests.integration.job.real_exports import SOME_CHUNKS, RealExports

pytestmark = [pytest.mark.services, pytest.mark.sampled]

PART = re.compile(r"part-\d{5}$")
REST = re.compile(r"rest-\d$")
ONE_CHUNK: dict[str, str] = {}
SPOOL = {"LF_EXPORT_PARTS": "spool"}
AFTERWARDS = {"LF_EXPORT_UPLOAD_AHEAD": "false"}


@contextmanager
def behind_s3(exports: RealExports, spoil: Spoiler) -> Iterator[dict[str, str]]:
    """The environment in which all that is said to the bucket's service can be spoiled."""
    with proxy(exports.addresses.s3_endpoint, spoil) as endpoint:
        yield {"LANGFUSE_S3_BATCH_EXPORT_ENDPOINT": endpoint}


def other_byte(data: bytes) -> bytes:
    return data[:-2] + bytes([data[-2] ^ 1]) + data[-1:]


def cut_short(data: bytes) -> bytes:
    return data[:-1]


def row_twice(data: bytes) -> bytes:
    return data + data.splitlines(keepends=True)[-1]


@pytest.mark.parametrize(
    ("change", "at", "environment"),
    [
        (other_byte, 0, ONE_CHUNK),
        (cut_short, 0, ONE_CHUNK),
        (row_twice, 0, ONE_CHUNK),
        (other_byte, 0, SOME_CHUNKS),
        (other_byte, -1, SOME_CHUNKS | AFTERWARDS),
    ],
    ids=["one byte", "too short", "too long", "first of some, sent ahead", "last of some"],
)
def test_a_part_that_changes_in_the_spool_is_not_published(
    exports: RealExports,
    project: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    change: Callable[[bytes], bytes],
    at: int,
    environment: dict[str, str],
) -> None:
    changed: list[Path] = []
    read = DirectorySpool.open

    def spoil(spool: DirectorySpool, path: str) -> AbstractContextManager[BinaryIO]:
        """Before a part is read again."""
        if not changed and PART.search(path):
            part = sorted(tmp_path.rglob("part-?????"))[at]
            part.write_bytes(change(part.read_bytes()))
            changed.append(part)
        return read(spool, path)

    monkeypatch.setattr(DirectorySpool, "open", spoil)
    ended = exports.run(project, **environment, **SPOOL, LF_EXPORT_SPOOL=str(tmp_path))

    assert len(changed) == 1
    ended.assert_nothing_is_published(f"{changed[0].name} have changed in the spool")


@pytest.mark.parametrize("change", [other_byte, cut_short, row_twice])
@pytest.mark.parametrize("environment", [ONE_CHUNK, SOME_CHUNKS], ids=["one chunk", "chunks"])
def test_a_rest_that_changes_in_the_spool_is_made_again(
    exports: RealExports,
    project: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    change: Callable[[bytes], bytes],
    environment: dict[str, str],
) -> None:
    undisturbed = exports.run(project, **environment)
    changed: list[Path] = []
    read = DirectorySpool.open

    def spoil(spool: DirectorySpool, path: str) -> AbstractContextManager[BinaryIO]:
        """Before the next step goes on behind it."""
        if not changed and REST.search(path):
            rest = next(tmp_path.rglob(path.rpartition("/")[2]))
            rest.write_bytes(change(rest.read_bytes()))
            changed.append(rest)
        return read(spool, path)

    monkeypatch.setattr(DirectorySpool, "open", spoil)
    ended = exports.run(project, **environment, LF_EXPORT_SPOOL=str(tmp_path))

    assert len(changed) == 1
    assert (ended.row.status, ended.data) == ("COMPLETED", undisturbed.data)
    assert ended.uploads == []


@dataclass
class AfterWriting:
    """Does something to the object of an export, behind the back of the one who has written it.

    Attributes:
        deed: What is done to the object with this key.
        lets_the_store_look: Not before the store has looked at the object, and found it good.
        asked: The methods of all requests.
    """

    deed: Callable[[str], object]
    lets_the_store_look: bool = False
    asked: list[str] = field(default_factory=list)
    _is_written: bool = False

    def __call__(self, request: Request) -> Spoiling:
        self.asked.append(request.method)
        path = urlsplit(request.path)
        key = unquote(path.path).removeprefix(f"/{BUCKET}/")
        is_write = request.method == ("POST" if "uploadId=" in path.query else "PUT")
        is_write = is_write and "partNumber=" not in path.query
        is_look = request.method == "HEAD" and self._is_written
        self._is_written = self.lets_the_store_look and (self._is_written or is_write)
        if is_look if self.lets_the_store_look else is_write:
            self._is_written = False
            return Meanwhile(lambda: self.deed(key))
        return None


@pytest.fixture
def bytes_of(exports: RealExports) -> Callable[[str], bytes]:
    def read(key: str) -> bytes:
        data: bytes = exports.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return data

    return read


@pytest.mark.parametrize("environment", [ONE_CHUNK, SOME_CHUNKS], ids=["one chunk", "chunks"])
@pytest.mark.parametrize(
    ("lets_the_store_look", "cause"),
    [
        (False, r"The bucket holds (\d+) of the (\d+) bytes that were sent"),
        (True, r"The bucket holds ([\d,]+) bytes instead of ([\d,]+) bytes"),
    ],
    ids=["before the store looks", "before the link is made"],
)
def test_an_object_of_another_size_is_not_published(
    exports: RealExports,
    project: str,
    bytes_of: Callable[[str], bytes],
    *,
    environment: dict[str, str],
    lets_the_store_look: bool,
    cause: str,
) -> None:
    def shorten(key: str) -> None:
        exports.s3.put_object(Bucket=BUCKET, Key=key, Body=cut_short(bytes_of(key)))

    with behind_s3(exports, AfterWriting(shorten, lets_the_store_look)) as address:
        ended = exports.run(project, **environment, **address)

    ended.assert_nothing_is_published(cause)
    held, sent = re.findall(cause, ended.causes)[0]
    assert int(sent.replace(",", "")) - int(held.replace(",", "")) == 1


@pytest.mark.parametrize(
    ("lets_the_store_look", "cause"),
    [(False, "The bucket holds none of the"), (True, "The bucket holds nothing instead of")],
)
def test_an_object_that_is_gone_is_not_published(
    exports: RealExports, project: str, lets_the_store_look: bool, cause: str
) -> None:
    def delete(key: str) -> None:
        exports.s3.delete_object(Bucket=BUCKET, Key=key)

    with behind_s3(exports, AfterWriting(delete, lets_the_store_look)) as address:
        ended = exports.run(project, **address)

    ended.assert_nothing_is_published(cause)


def stored_with_another_kind_of_etag(exports: RealExports, key: str, data: bytes) -> None:
    """As an upload of a single part, whose ETag is that of no upload of this pipeline."""
    at = {"Bucket": BUCKET, "Key": key}
    upload = exports.s3.create_multipart_upload(**at)["UploadId"]
    tag = exports.s3.upload_part(**at, UploadId=upload, PartNumber=1, Body=data)["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": tag}]}
    exports.s3.complete_multipart_upload(**at, UploadId=upload, MultipartUpload=parts)


@pytest.mark.parametrize("environment", [ONE_CHUNK, SOME_CHUNKS], ids=["one chunk", "chunks"])
@pytest.mark.parametrize("is_spoilt", [False, True], ids=["same bytes", "other bytes"])
def test_an_object_whose_etag_proves_nothing_is_published_only_if_it_reads_as_it_was_sent(
    exports: RealExports,
    project: str,
    bytes_of: Callable[[str], bytes],
    environment: dict[str, str],
    is_spoilt: bool,
) -> None:
    def store_anew(key: str) -> None:
        data = bytes_of(key)
        kept = other_byte(data) if is_spoilt else data
        stored_with_another_kind_of_etag(exports, key, kept)

    bucket = AfterWriting(store_anew)
    outside = {"LANGFUSE_S3_BATCH_EXPORT_EXTERNAL_ENDPOINT": exports.addresses.s3_endpoint}
    with behind_s3(exports, bucket) as address:
        ended = exports.run(project, **environment, **address, **outside)

    assert "GET" in bucket.asked
    if is_spoilt:
        ended.assert_nothing_is_published("The bucket holds other bytes than those that were sent")
    else:
        assert (ended.row.status, ended.row.log) == ("COMPLETED", None)
