"""Uploads that were begun and not finished, on a real bucket."""

import secrets
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest

from lf_export_pipeline.adapters.s3.object_store import S3ObjectStore
from lf_export_pipeline.settings import Settings

pytestmark = pytest.mark.services


@pytest.fixture
def prefix() -> str:
    return f"incomplete-{secrets.token_hex(6)}/"


def begin(store: S3ObjectStore, key: str) -> str:
    upload = store._client.create_multipart_upload(Bucket=store.bucket, Key=key)["UploadId"]
    store._client.upload_part(
        Bucket=store.bucket, Key=key, UploadId=upload, PartNumber=1, Body=b"x" * (5 << 20)
    )
    return upload


def test_uploads_are_found_by_their_prefix_and_can_be_aborted_twice(
    settings: Settings, prefix: str
) -> None:
    store = S3ObjectStore(settings)
    upload_id = begin(store, f"{prefix}a.csv")
    other = begin(store, f"other-{prefix}b.csv")

    (found,) = store.incomplete_uploads(prefix)

    assert (found.key, found.upload_id) == (f"{prefix}a.csv", upload_id)
    assert abs(datetime.now(UTC) - found.started_at) < timedelta(minutes=5)
    store.abort(found)
    store.abort(found)
    assert store.incomplete_uploads(prefix) == []
    (left,) = store.incomplete_uploads(f"other-{prefix}")
    assert left.upload_id == other
    store.abort(left)


def test_finished_uploads_are_none(settings: Settings, prefix: str) -> None:
    store = S3ObjectStore(settings)
    store.upload(f"{prefix}a.csv", BytesIO(b"x" * (18 << 20)), "text/csv", 18 << 20)

    assert store.incomplete_uploads(prefix) == []
    store.delete(f"{prefix}a.csv")
