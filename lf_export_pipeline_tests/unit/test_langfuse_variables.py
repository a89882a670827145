"""Langfuse's env file can be copied: each of its variables is read, or listed with the reason.

``langfuse_variables.txt`` holds the names of the variables in Langfuse 4.16's ``.env`` examples,
compose file, self-hosting page and ``env.ts`` of worker and shared package, and in version 2 of its
Helm chart.
"""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from lf_export_pipeline.settings import Settings
from lf_export_pipeline.settings.langfuse_names import READ_BY_LIBRARIES, WITHOUT_EFFECT
from lf_export_pipeline_tests.world import ENVIRONMENT
from tools.configuration_page import document

DOCUMENTED = Path(__file__).with_name("langfuse_variables.txt").read_text().split()
READ = {name.upper() for name in Settings.model_fields}

COMPOSE = {
    "DATABASE_URL": "postgresql://postgres:postgres@postgres:5432/postgres",
    "CLICKHOUSE_MIGRATION_URL": "clickhouse://clickhouse:9000",
    "CLICKHOUSE_URL": "http://clickhouse:8123",
    "CLICKHOUSE_USER": "clickhouse",
    "CLICKHOUSE_PASSWORD": "clickhouse",
    "CLICKHOUSE_CLUSTER_ENABLED": "false",
    "LANGFUSE_USE_AZURE_BLOB": "false",
    "LANGFUSE_USE_OCI_NATIVE_OBJECT_STORAGE": "false",
    "LANGFUSE_S3_BATCH_EXPORT_ENABLED": "false",
    "LANGFUSE_S3_BATCH_EXPORT_BUCKET": "langfuse",
    "LANGFUSE_S3_BATCH_EXPORT_PREFIX": "exports/",
    "LANGFUSE_S3_BATCH_EXPORT_REGION": "auto",
    "LANGFUSE_S3_BATCH_EXPORT_ENDPOINT": "http://minio:9000",
    "LANGFUSE_S3_BATCH_EXPORT_EXTERNAL_ENDPOINT": "http://localhost:9090",
    "LANGFUSE_S3_BATCH_EXPORT_ACCESS_KEY_ID": "minio",
    "LANGFUSE_S3_BATCH_EXPORT_SECRET_ACCESS_KEY": "miniosecret",
    "LANGFUSE_S3_BATCH_EXPORT_FORCE_PATH_STYLE": "true",
    "EMAIL_FROM_ADDRESS": "",
    "SMTP_CONNECTION_URL": "",
    "AWS_PROFILE": "",
    "REDIS_HOST": "redis",
}
CHART = {
    "DATABASE_HOST": "langfuse-postgresql",
    "DATABASE_USERNAME": "postgres",
    "DATABASE_PASSWORD": "postgres",
    "DATABASE_NAME": "postgres_langfuse",
    "DATABASE_PORT": "5432",
    "DIRECT_URL": "postgresql://other",
    "CLICKHOUSE_URL": "http://langfuse-clickhouse:8123",
    "CLICKHOUSE_USER": "default",
    "CLICKHOUSE_PASSWORD": "clickhouse",
    "CLICKHOUSE_DB": "default",
    "LANGFUSE_S3_BATCH_EXPORT_ENABLED": "true",
    "LANGFUSE_S3_BATCH_EXPORT_BUCKET": "langfuse",
    "LANGFUSE_S3_BATCH_EXPORT_FORCE_PATH_STYLE": "true",
    "LANGFUSE_S3_CONCURRENT_READS": "50",
}


def patterns(rows: tuple[tuple[str, str], ...]) -> Iterator[str]:
    for names, _ in rows:
        yield from names.split(", ")


def test_every_variable_of_langfuse_is_read_or_listed_with_its_reason() -> None:
    listed = [*READ, *patterns(READ_BY_LIBRARIES), *patterns(WITHOUT_EFFECT)]
    assert [name for name in DOCUMENTED if not any(fnmatchcase(name, one) for one in listed)] == []


def test_nothing_that_is_read_is_listed_as_without_effect() -> None:
    ignored = list(patterns(WITHOUT_EFFECT))
    elsewhere = READ | set(patterns(READ_BY_LIBRARIES))
    both = [(name, one) for name in elsewhere for one in ignored if fnmatchcase(name, one)]
    assert both == []


def test_no_name_is_listed_that_langfuse_does_not_have() -> None:
    listed = [*patterns(READ_BY_LIBRARIES), *patterns(WITHOUT_EFFECT)]
    assert [one for one in listed if not any(fnmatchcase(name, one) for name in DOCUMENTED)] == []


def test_the_page_names_what_is_listed() -> None:
    page = document()
    assert all(f"`{one}`" in page for one in patterns(READ_BY_LIBRARIES))
    assert all(f"`{one}`" in page for one in patterns(WITHOUT_EFFECT))


@pytest.mark.parametrize("environ", [COMPOSE, CHART], ids=["compose file", "Helm chart"])
def test_what_langfuses_own_files_set_is_taken_as_it_is(environ: dict[str, str]) -> None:
    settings = Settings.load(environ)
    assert settings.langfuse_s3_batch_export_force_path_style
    assert settings.database_url.get_secret_value().startswith("postgresql://postgres:postgres@")


def test_no_variable_without_effect_can_stop_the_start() -> None:
    others = {name: "?" for name in DOCUMENTED if name not in READ}
    assert Settings.load(ENVIRONMENT | others) == Settings.load(ENVIRONMENT)
