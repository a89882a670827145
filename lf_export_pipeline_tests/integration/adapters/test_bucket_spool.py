"""What a spool in a bucket does beside the contract: uploads that break off, and encryption."""

import secrets

import pytest

from lf_export_pipeline.adapters.s3.multipart_uploads import incomplete_uploads
from lf_export_pipeline.adapters.spool import BucketSpool, open_spool
from lf_export_pipeline_tests.integration.adapters.conftest import SettingsWith
from lf_export_pipeline_tests.integration.adapters.proxy import Refuse, Request, proxy

pytestmark = pytest.mark.services

PREFIX = "LANGFUSE_S3_BATCH_EXPORT"
FORBIDDEN = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"


def bucket_spool(settings_with: SettingsWith, **changes: str) -> BucketSpool:
    place = f"s3://spool-{secrets.token_hex(4)}/deep"
    spool = open_spool(settings_with(LF_EXPORT_SPOOL=place, **changes))
    assert isinstance(spool, BucketSpool)
    spool._client.create_bucket(Bucket=spool._bucket)
    return spool


def begin(spool: BucketSpool, path: str) -> str:
    """Begin the upload of a file, as a process does that is killed before the end."""
    key = spool._key(path)
    spool._client.create_multipart_upload(Bucket=spool._bucket, Key=key)
    return key


def test_a_folder_that_is_removed_takes_along_what_was_begun_in_it(
    settings_with: SettingsWith,
) -> None:
    spool = bucket_spool(settings_with)
    begin(spool, "export-1/run-1/part-00001")
    neighbour = begin(spool, "export-10/run-1/part-00001")

    spool.remove("export-1")

    left = incomplete_uploads(spool._client, spool._bucket, "")
    assert [upload.key for upload in left] == [neighbour]


def test_a_policy_that_hides_uploads_keeps_no_folder_from_being_removed(
    settings_with: SettingsWith,
) -> None:
    refused = []

    def forbid(request: Request) -> Refuse | None:
        if request.method != "GET" or "uploads" not in request.path:
            return None
        refused.append(request.path)
        return Refuse(403, FORBIDDEN)

    inside = settings_with().langfuse_s3_batch_export_endpoint
    assert inside is not None
    with proxy(inside, forbid) as endpoint:
        spool = bucket_spool(settings_with, **{f"{PREFIX}_ENDPOINT": endpoint})
        with spool.create("export-1/run-1/part-00001") as file:
            file.write(b"1")
        spool.remove("export-1")
        assert not spool.exists("export-1/run-1/part-00001")
    assert refused


@pytest.mark.parametrize("size", [10, 20 << 20], ids=["one request", "in parts"])
def test_files_are_encrypted_as_the_exports_are(settings_with: SettingsWith, size: int) -> None:
    spool = bucket_spool(settings_with, **{f"{PREFIX}_SSE": "AES256"})
    with spool.create("export-1/run-1/part-00001") as file:
        file.write(secrets.token_bytes(size))

    key = spool._key("export-1/run-1/part-00001")
    found = spool._client.head_object(Bucket=spool._bucket, Key=key)
    assert found.get("ServerSideEncryption") == "AES256"
