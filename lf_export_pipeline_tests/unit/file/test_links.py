"""Which object a link leads to: to keep what a row offers, and to delete what has expired."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from lf_export_pipeline.adapters.s3.object_store import S3ObjectStore
from lf_export_pipeline.file.attempt_folder import AttemptFolder
from lf_export_pipeline.file.cleanup import discard_object
from lf_export_pipeline.file.links import key_of_link, leads_to
from lf_export_pipeline.file.object_keys import OBJECT, ObjectKey
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.fakes import MemoryObjectStore, MemorySpool
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.world import ENVIRONMENT

NAME = "1931774400123-lf-traces-export-project-1.csv"
S3 = "LANGFUSE_S3_BATCH_EXPORT"
SIGNING = {
    f"{S3}_ACCESS_KEY_ID": "key",
    f"{S3}_SECRET_ACCESS_KEY": "secret",
    f"{S3}_BUCKET": "bkt",
    f"{S3}_REGION": "af-south-1",
}
SERVICES: Mapping[str, dict[str, str]] = {
    "aws": {},
    "aws, elsewhere": {f"{S3}_REGION": "eusc-de-east-1"},
    "aws, by path": {f"{S3}_REGION": "eu-west-1", f"{S3}_FORCE_PATH_STYLE": "true"},
    "aws, as an endpoint": {f"{S3}_ENDPOINT": "https://s3.eu-west-1.amazonaws.com"},
    "own service": {f"{S3}_ENDPOINT": "http://minio:9000", f"{S3}_FORCE_PATH_STYLE": "true"},
    "endpoint with a path": {
        f"{S3}_ENDPOINT": "https://abc.supabase.co/storage/v1/s3",
        f"{S3}_FORCE_PATH_STYLE": "true",
    },
    "endpoint with a path, bucket in the host": {f"{S3}_ENDPOINT": "https://s3.test/storage/v1"},
    "endpoint with a slash": {f"{S3}_ENDPOINT": "https://abc.supabase.co/storage/v1/s3/"},
    "external endpoint with a path": {
        f"{S3}_ENDPOINT": "http://minio:9000",
        f"{S3}_EXTERNAL_ENDPOINT": "https://files.test/of%20exports",
    },
    "bucket named as its host": {f"{S3}_ENDPOINT": "http://bkt.test:9000"},
}


def settings_with(prefix: str = "", **changes: str) -> Settings:
    return Settings.load(ENVIRONMENT | SIGNING | {f"{S3}_PREFIX": prefix} | changes)


@pytest.mark.parametrize("prefix", ["", "exports/", "/exports/", "bkt/", "a b+ö%41?#/../"])
@pytest.mark.parametrize("service", SERVICES)
def test_a_link_of_ours_leads_to_its_object(service: str, prefix: str) -> None:
    files, key = S3ObjectStore(settings_with(prefix, **SERVICES[service])), f"{prefix}{NAME}"

    link = files.signed_url(key, timedelta(hours=1), "lf.csv")

    assert leads_to(link, key)
    assert key_of_link(link, files, prefix) == key
    assert not leads_to(link, key.replace("123-lf", "124-lf"))


@pytest.mark.parametrize("service", SERVICES)
def test_an_object_that_a_row_offers_is_not_discarded(service: str) -> None:
    settings, key = settings_with("exports/", **SERVICES[service]), f"exports/{NAME}"
    folder, files = AttemptFolder(MemorySpool(), "export-1/run"), MemoryObjectStore()
    folder.write(OBJECT, ObjectKey(key=key))
    files.objects = {key: b"what the user downloads"}
    link = S3ObjectStore(settings).signed_url(key, timedelta(hours=1), "lf.csv")

    assert discard_object(folder, files, export_row(status="COMPLETED", url=link)) is None

    assert set(files.objects) == {key}


@pytest.mark.parametrize(
    "url",
    [
        "https://bkt.s3.amazonaws.com/old/{}",  # another prefix than now
        "https://bkt.s3.amazonaws.com/bkt/{}",
        "https://s3.amazonaws.com/bkt/old/{}",
        "https://other.s3.amazonaws.com/{}",  # another bucket than now
        "https://other.s3.amazonaws.com/bkt/{}",
        "https://s3.amazonaws.com/other/{}",
        "https://s3.amazonaws.com/other/bkt/{}",
        "http://minio:9000/bkt/{}",  # another service than now
        "https://bkt.minio/{}",
        "https://s3.amazonaws.com/bkt/report.csv",
        "https://[broken/bkt/{}",
        "",
    ],
)
def test_a_link_to_anything_else_names_no_key(url: str) -> None:
    assert key_of_link(url.format(NAME), S3ObjectStore(settings_with()), "") is None


def test_without_a_bucket_no_link_is_ours() -> None:
    link = f"https://s3.amazonaws.com/{NAME}"

    assert key_of_link(link, S3ObjectStore(settings_with(**{f"{S3}_BUCKET": ""})), "") is None


def test_a_link_that_cannot_be_read_leads_nowhere() -> None:
    assert not leads_to("https://[broken", NAME)
