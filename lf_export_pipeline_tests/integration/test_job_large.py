"""Each exportable table through the real job: 50,000 rows in many chunks are those of one chunk."""

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

import boto3
import dagster as dg
import pytest

from lf_export_localstack.sample.rows import (
    clickhouse_client,
    insert_postgres_rows,
    postgres_transaction,
)
from lf_export_localstack.services.seaweedfs_service import BUCKET, REGION
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_localstack.stack.stack_addresses import StackAddresses
from lf_export_pipeline.core.tables import table_names
from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.defs.resources import open_resources
from lf_export_pipeline.lifecycle.in_process import run_export
from lf_export_pipeline.settings import Settings

pytestmark = [pytest.mark.services, pytest.mark.long]

ROWS = 50_000
SETTINGS = {"LF_EXPORT_PREVIEW": "false", "NEXTAUTH_URL": "http://127.0.0.1:3000"}
ONE_CHUNK = {"LF_EXPORT_CHUNK_TARGET_MIB": "1024"}
SMALL_CHUNKS = {"LF_EXPORT_CHUNK_TARGET_MIB": "1", "LF_EXPORT_STEP_TARGET_MIB": "1"}
CREATED_AT = "2031-03-20T12:00:00.000Z"

# Neither the ids nor the instants of neighbours are neighbours; some instants are equal.
ID = "concat('id-', hex(cityHash64(number)))"
TIME = (
    "toDateTime64('2031-03-01 00:00:00.000', 3, 'UTC') + toIntervalSecond(number * 7919 % 864000)"
)
TEXT = "concat('row ', toString(number), repeat(' \u00e9\\\\u00e9 \"', 8))"
CLICKHOUSE = {
    "traces": f"id, timestamp, event_ts, input) SELECT {ID}, {TIME}, {TIME}, {TEXT}",
    "observations": "id, trace_id, type, start_time, event_ts, input) "
    f"SELECT {ID}, {ID}, ['SPAN', 'GENERATION'][number % 2 + 1], {TIME}, {TIME}, {TEXT}",
    "events": f"span_id, trace_id, start_time, event_ts, input) "
    f"SELECT {ID}, toString(number % 99), {TIME}, {TIME}, {TEXT}",
    "scores": "id, name, trace_id, value, data_type, timestamp, event_ts, comment) "
    f"SELECT {ID}, toString(number % 5), {ID}, number, 'NUMERIC', {TIME}, {TIME}, {TEXT}",
    "sessions": f"id, session_id, timestamp, event_ts, user_id, tags) "
    f"SELECT {ID}, {ID}, {TIME}, {TIME}, {TEXT}, [{TEXT}]",
    "dataset_run_items": "id, dataset_id, dataset_run_id, dataset_item_id, trace_id, created_at, "
    f"event_ts) SELECT {ID}, 'ds', toString(number % 9), {ID}, {TEXT}, {TIME}, {TIME}",
}
STORED_IN = {
    "events": "events_full",
    "sessions": "traces",
    "dataset_run_items": "dataset_run_items_rmt",
}
_POSTGRES_TIME = "timestamp '2031-03-01' + mod(number * 7919, 864000) * interval '1 second'"
_POSTGRES_TEXT = "'row ' || number || repeat(' \u00e9 \"', 20)"
POSTGRES = {
    "dataset_items": "INSERT INTO dataset_items (id, project_id, dataset_id, created_at, "
    "updated_at, valid_from, input) SELECT md5(number::text), %(project)s, 'ds', "
    f"{_POSTGRES_TIME}, {_POSTGRES_TIME}, {_POSTGRES_TIME}, to_jsonb({_POSTGRES_TEXT}) "
    "FROM generate_series(1, %(rows)s) AS number",
    "audit_logs": "INSERT INTO audit_logs (id, project_id, org_id, resource_type, resource_id, "
    "action, created_at, updated_at, before) SELECT md5(number || %(project)s), %(project)s, "
    f"'org', 'trace', 'r', 'create', {_POSTGRES_TIME}, {_POSTGRES_TIME}, {_POSTGRES_TEXT} "
    "FROM generate_series(1, %(rows)s) AS number",
}


@dataclass
class RealJob:
    """The job on a stack, as a run of Dagster."""

    addresses: StackAddresses
    closing: ExitStack
    job: dg.JobDefinition = field(default_factory=lambda: batch_export_job(retries=None))

    def __post_init__(self) -> None:
        self.instance = self.closing.enter_context(dg.DagsterInstance.ephemeral())
        self.s3 = boto3.client(
            "s3",
            endpoint_url=self.addresses.s3_endpoint,
            region_name=REGION,
            aws_access_key_id=self.addresses.credentials.s3_access_key_id,
            aws_secret_access_key=self.addresses.credentials.s3_secret_access_key,
        )

    def file(self, project: str, table: str, changes: Mapping[str, str]) -> tuple[bytes, int]:
        """The bytes of the object, and the number of chunks it was made of."""
        export_id = f"export-{uuid.uuid4().hex}"
        query: Mapping[str, object] = {"tableName": table, "filter": [], "orderBy": None}
        row = {"id": export_id, "project_id": project, "user_id": "u", "name": "n", "query": query}
        times = {"created_at": CREATED_AT, "updated_at": CREATED_AT}
        with postgres_transaction(self.addresses) as connection:
            row |= {"status": "QUEUED", "format": "JSONL", **times}
            insert_postgres_rows(connection, "batch_exports", [json.dumps(row)])
        settings = Settings.load({**self.addresses.environment(), **SETTINGS, **changes})
        with open_resources(settings) as ports:
            result = run_export(self.job, self.instance, export_id, ports)
            stored = ports["export_rows"].get(export_id)  # type: ignore[attr-defined]
        assert (stored.status, stored.log) == ("COMPLETED", None)
        (written,) = result.get_asset_materialization_events()
        key = str(written.materialization.metadata["object_key"].value)
        steps = {event.step_key for event in result.get_step_success_events()}
        chunks = sum("serialize_chunk" in str(step) for step in steps)
        return self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read(), chunks


@pytest.fixture(scope="module")
def real_job(stack: LocalStack) -> Iterator[RealJob]:
    with ExitStack() as closing:
        yield RealJob(stack.addresses(), closing)


def fill(addresses: StackAddresses, table: str) -> str:
    """A new project with 50,000 rows of the table, which the database makes itself."""
    project = f"large-{uuid.uuid4().hex}"
    if table in POSTGRES:
        with postgres_transaction(addresses) as connection, connection.cursor() as cursor:
            cursor.execute(POSTGRES[table], {"project": project, "rows": ROWS})
            # As autovacuum would soon: without statistics, joins are planned for few rows.
            cursor.execute(f"ANALYZE {table}")
        return project
    statement = (
        f"INSERT INTO {STORED_IN.get(table, table)} (project_id, "
        + CLICKHOUSE[table].replace(" SELECT ", " SELECT {project:String}, ", 1)
        + " FROM numbers({rows:UInt64})"
    )
    with clickhouse_client(addresses) as client:
        client.command(statement, parameters={"project": project, "rows": ROWS})
    return project


@pytest.mark.parametrize("table", [*CLICKHOUSE, *POSTGRES])
def test_many_chunks_give_the_bytes_of_one_chunk(real_job: RealJob, table: str) -> None:
    project = fill(real_job.addresses, table)
    whole, one = real_job.file(project, table, ONE_CHUNK)
    pieces, many = real_job.file(project, table, SMALL_CHUNKS)
    assert one == 1
    assert many > 1
    assert hashlib.sha256(pieces).digest() == hashlib.sha256(whole).digest()
    ids = {json.loads(line)["id"] for line in whole.splitlines()}
    assert len(ids) == len(whole.splitlines()) == ROWS


def test_every_table_is_here() -> None:
    assert {*CLICKHOUSE, *POSTGRES} == set(table_names()) - {"numbers"}
