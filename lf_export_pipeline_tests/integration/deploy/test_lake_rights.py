"""The lake with exactly the rights of ``deploy/``, in a bucket and with a key of its own."""

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from lf_export_localstack.sample.rows import postgres_transaction
from lf_export_localstack.sample.sample_project import SampleSize, generate_sample
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.defs.lake.stores import open_stores
from lf_export_pipeline.lake.healing import Action
from lf_export_pipeline.lake.inspection import columns_found, not_erased, rows_found, unpaired
from lf_export_pipeline.lake.opening import Lake
from lf_export_pipeline.lake.tables import LAKE_TABLES
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.integration.deploy.restricted import (
    DEPLOY,
    KEY,
    Restricted,
    bucket_key,
    policy,
    restricted,
    s3_client,
)

pytestmark = pytest.mark.services

PROJECT = "lake-project"
BUCKET = "langfuse-lake"
PROBE = f"{BUCKET}/langfuse/v1/known"
SIZE = SampleSize(traces=60, comments=10, dataset_items=10, audit_logs=10)
OWN = "LF_EXPORT_LAKE_S3"


@pytest.fixture(scope="module")
def access() -> Iterator[Restricted]:
    """A stack of its own, whose servers know the lake's user and no other."""
    folder = Path(tempfile.mkdtemp(prefix="lf-export-lake-rights-"))
    with LocalStack(folder).temporary() as stack:
        environment = stack.environment()
        generate_sample(stack.addresses(), PROJECT, SIZE, until=datetime.now(UTC))
        s3_client(environment).create_bucket(Bucket=BUCKET)
        key = bucket_key(stack, "lake", policy("lake_policy.json"), may_write_to=PROBE)
        with restricted(stack) as found:
            with postgres_transaction(found.owner) as connection, connection.cursor() as cursor:
                cursor.execute((DEPLOY / "sql" / "postgres_lake.sql").read_text())
            lake = {
                "LF_EXPORT_LAKE_URL": f"s3://{BUCKET}/langfuse",
                "LF_EXPORT_LAKE_PROJECTS": PROJECT,
                f"{OWN}_ENDPOINT": environment[f"{KEY}_ENDPOINT"],
                f"{OWN}_REGION": environment[f"{KEY}_REGION"],
                f"{OWN}_FORCE_PATH_STYLE": "true",
                f"{OWN}_ACCESS_KEY_ID": key[f"{KEY}_ACCESS_KEY_ID"],
                f"{OWN}_SECRET_ACCESS_KEY": key[f"{KEY}_SECRET_ACCESS_KEY"],
            }
            yield Restricted(found.environment | lake, found.owner)


@pytest.fixture
def lake(access: Restricted) -> Iterator[Lake]:
    with open_stores(Settings.load(access.environment)) as stores:
        yield stores.lake()


def recent_days() -> list[str]:
    today = datetime.now(UTC).date()
    return [(today - timedelta(days=number)).isoformat() for number in range(60)]


@pytest.mark.parametrize("table", list(LAKE_TABLES))
def test_every_table_is_written_and_checked_with_these_rights(lake: Lake, table: str) -> None:
    known, days = LAKE_TABLES[table], recent_days()
    done = list(lake.healer.heal(known, days))
    if table != "dataset_run_items":
        assert {each.action for each in done} == {Action.WRITTEN}
    again = list(lake.healer.heal(known, days))
    assert {each.action for each in again} <= {Action.UNCHANGED}
    found = rows_found(lake.observer, lake.manifests, known, days)
    assert (found.missing, found.behind, found.wrong) == ([], [], [])
    assert found.rows == sum(each.rows for each in done)
    assert unpaired(lake.objects, lake.manifests, known).manifests == []
    assert columns_found(lake.observer, known).added == []
    if table in ("traces", "observations", "scores"):
        assert not_erased(lake.observer, known, 90) == []


def test_the_key_of_the_lake_opens_nothing_else(access: Restricted) -> None:
    keys = {
        f"{KEY}_ACCESS_KEY_ID": access.environment[f"{OWN}_ACCESS_KEY_ID"],
        f"{KEY}_SECRET_ACCESS_KEY": access.environment[f"{OWN}_SECRET_ACCESS_KEY"],
    }
    lake, exports = s3_client(access.environment | keys), s3_client(access.environment)
    bucket = access.environment[f"{KEY}_BUCKET"]
    for client, place, key in (
        (lake, bucket, "exports/a"),
        (lake, BUCKET, "elsewhere/a"),
        (exports, BUCKET, "langfuse/v1/a"),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            client.put_object(Bucket=place, Key=key, Body=b"x")


def test_no_secret_is_in_the_lake(access: Restricted) -> None:
    """Nor an address: what is stored is for all who read the lake."""
    secrets = [access.environment[f"{OWN}_SECRET_ACCESS_KEY"], access.environment["DATABASE_URL"]]
    secrets += [access.environment["CLICKHOUSE_PASSWORD"], access.environment["CLICKHOUSE_URL"]]
    owner = s3_client({**access.environment, **_owner(access)})
    listed = owner.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    assert listed
    for each in listed:
        data = owner.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read()
        assert not [secret for secret in secrets if secret.encode() in data]
        assert b"X-Amz-Signature" not in data


def _owner(access: Restricted) -> dict[str, str]:
    credentials = access.owner.credentials
    return {
        f"{KEY}_ACCESS_KEY_ID": credentials.s3_access_key_id,
        f"{KEY}_SECRET_ACCESS_KEY": credentials.s3_secret_access_key,
    }
