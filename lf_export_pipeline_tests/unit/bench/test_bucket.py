"""The bucket of the benchmark, which takes what is uploaded and keeps nothing of it."""

import base64
import hashlib
import threading
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from bench.bucket import Server
from bench.bucket_protocol import Bucket, Request

PLACE: dict[str, Any] = {"Bucket": "exports", "Key": "a/b.csv"}
MEBIBYTE = 1 << 20


@pytest.fixture
def server() -> Iterator[Server]:
    started = Server()
    thread = threading.Thread(target=started.serve)
    thread.start()
    yield started
    started.close()
    thread.join()


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path"},
        retries={"total_max_attempts": 1},
        request_checksum_calculation="when_required",
    )
    made = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id="anybody",
        aws_secret_access_key="anything",
        config=config,
    )
    yield made
    made.close()


def sha256(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_parts_make_an_object_of_their_size_and_leave_nothing_to_read(
    client: Any, server: Server
) -> None:
    data = [b"a" * 5 * MEBIBYTE, b"b" * 100]
    upload = client.create_multipart_upload(**PLACE)["UploadId"]

    sent = [
        client.upload_part(**PLACE, UploadId=upload, PartNumber=number, Body=body)
        for number, body in enumerate(data, 1)
    ]
    listed = client.list_parts(**PLACE, UploadId=upload)["Parts"]
    parts = [{"PartNumber": at, "ETag": part["ETag"]} for at, part in enumerate(sent, 1)]
    client.complete_multipart_upload(**PLACE, UploadId=upload, MultipartUpload={"Parts": parts})

    assert [part["ETag"].strip('"') for part in sent] == [
        hashlib.md5(body, usedforsecurity=False).hexdigest() for body in data
    ]
    assert [(part["PartNumber"], part["Size"]) for part in listed] == [(1, 5 * MEBIBYTE), (2, 100)]
    assert client.head_object(**PLACE)["ContentLength"] == 5 * MEBIBYTE + 100
    assert server.bucket.bytes_taken == 5 * MEBIBYTE + 100
    with pytest.raises(ClientError) as caught:
        client.get_object(**PLACE)
    assert code_of(caught) == "NoSuchKey"


def test_a_part_that_comes_with_its_checksum_is_believed_and_answered_with_it(client: Any) -> None:
    data = [b"a" * 5 * MEBIBYTE, b"b"]
    begun = client.create_multipart_upload(**PLACE, ChecksumAlgorithm="SHA256")
    upload = begun["UploadId"]

    sent = [
        client.upload_part(
            **PLACE, UploadId=upload, PartNumber=number, Body=body, ChecksumSHA256=sha256(body)
        )
        for number, body in enumerate(data, 1)
    ]
    parts = [
        {"PartNumber": at, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]}
        for at, part in enumerate(sent, 1)
    ]
    client.complete_multipart_upload(**PLACE, UploadId=upload, MultipartUpload={"Parts": parts})

    assert begun["ChecksumAlgorithm"] == "SHA256"
    assert [part["ChecksumSHA256"] for part in sent] == [sha256(body) for body in data]
    of_parts = b"".join(hashlib.sha256(body).digest() for body in data)
    found = client.head_object(**PLACE, ChecksumMode="ENABLED")
    assert found["ChecksumSHA256"] == f"{sha256(of_parts)}-2"


def test_an_upload_can_be_found_and_aborted(client: Any) -> None:
    upload = client.create_multipart_upload(**PLACE)["UploadId"]

    found = client.list_multipart_uploads(Bucket="exports")["Uploads"]
    client.abort_multipart_upload(**PLACE, UploadId=upload)

    assert [(one["Key"], one["UploadId"]) for one in found] == [("a/b.csv", upload)]
    assert "Uploads" not in client.list_multipart_uploads(Bucket="exports")
    with pytest.raises(ClientError) as caught:
        client.upload_part(**PLACE, UploadId=upload, PartNumber=1, Body=b"late")
    assert code_of(caught) == "NoSuchUpload"


def test_a_part_that_was_never_sent_completes_nothing(client: Any) -> None:
    upload = client.create_multipart_upload(**PLACE)["UploadId"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": '"none"'}]}

    with pytest.raises(ClientError) as caught:
        client.complete_multipart_upload(**PLACE, UploadId=upload, MultipartUpload=parts)

    assert code_of(caught) == "InvalidPart"


def test_an_object_is_put_at_once_and_deleted(client: Any) -> None:
    client.put_object(**PLACE, Body=b"small")
    size = client.head_object(**PLACE)["ContentLength"]
    client.delete_object(**PLACE)

    assert size == 5
    with pytest.raises(ClientError):
        client.head_object(**PLACE)


def test_what_is_framed_counts_without_its_frame() -> None:
    bucket = Bucket()
    headers = {"content-length": "150", "x-amz-decoded-content-length": "100"}

    bucket.answer(Request("PUT", "/exports/a", headers))

    assert bucket.objects["/exports/a"].size == bucket.bytes_taken == 100


def test_what_no_upload_needs_is_refused() -> None:
    assert Bucket().answer(Request("PATCH", "/exports/a", {})).status == 501
