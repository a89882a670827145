"""The nastiest rows that Langfuse's Postgres can hold, from the sensor's tick to their end."""

import json
import random
import urllib.request
from email import message_from_bytes, policy
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import dagster as dg
import pytest
import sqlalchemy as sa

from lf_export_localstack.sample.rows import clickhouse_client
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.defs.resources import resources_on
from lf_export_pipeline.lifecycle.decision import BAD_ID_MESSAGE
from lf_export_pipeline.lifecycle.in_process import run_export
from lf_export_pipeline.lifecycle.partitions import PARTITIONS_NAME
from lf_export_pipeline_tests.integration.operations.deployment import PROJECTS, Deployment
from lf_export_pipeline_tests.ticks import tick

pytestmark = [pytest.mark.services, pytest.mark.long]

OURS, NEIGHBOUR = PROJECTS
ONE_ROW = {"type": "string", "column": "id", "operator": "ends with", "value": "-00000001"}
GOOD: dict[str, Any] = {
    "project_id": OURS,
    "user_id": "user-ada",
    "name": "hostile rows",
    "format": "JSONL",
    "query": json.dumps({"tableName": "traces", "filter": [], "orderBy": None}),
}
INSERT = """
INSERT INTO batch_exports
       (id, project_id, user_id, created_at, updated_at, name, status, format, query)
VALUES (:id, :project_id, :user_id, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC', :name,
        'QUEUED', :format, CAST(:query AS jsonb))
"""
# The index of batch_exports takes it, that of Dagster's partitions does not.
LONG = "".join(random.Random(7).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=2_680))


class Nasty(NamedTuple):
    """A row that differs from a good one, and the sentence it must end FAILED with, if any."""

    id: str
    values: dict[str, Any]
    sentence: str | None = None


def query(**changes: Any) -> dict[str, Any]:
    return {"query": json.dumps({"tableName": "traces", "filter": [], "orderBy": None} | changes)}


def said(text: str) -> dict[str, Any]:
    return {"query": text}


ROWS = (
    Nasty("", {}, BAD_ID_MESSAGE),
    Nasty(LONG, {}, BAD_ID_MESSAGE),
    Nasty("é" * 100, {}, BAD_ID_MESSAGE),
    Nasty("nasty,comma", {}, BAD_ID_MESSAGE),
    Nasty("nasty...range", {}, BAD_ID_MESSAGE),
    Nasty("nasty\n\x1b[31m\u2028", {}, BAD_ID_MESSAGE),
    Nasty("nasty'; DROP TABLE batch_exports; --", {}),
    Nasty('../../../nasty"?#%2f', {}),
    Nasty(" ", {}),
    Nasty("nasty-no-project", {"project_id": ""}, "The project id is empty."),
    Nasty("nasty-folder", {"project_id": "a/../../../other-prefix/x"}),
    Nasty("nasty-file", {"project_id": '..\\..\\x"; filename="evil.exe'}),
    Nasty("nasty-or", {"project_id": "' OR '1' = '1"}),
    Nasty("nasty-header", {"project_id": "x\r\nX-Evil: 1"}),
    Nasty("nasty-format", {"format": "CSV\r\nX-Evil: 1"}, "The format 'CSV\\r\\nX-Evil: 1'"),
    Nasty("nasty-no-format", {"format": ""}, "The format '' is not known"),
    Nasty("nasty-name", {"name": "a\r\nBcc: evil@example.test\r\n\r\n<script>alert(1)</script>"}),
    Nasty("nasty-user", {"user_id": "' OR '1' = '1"}),
    Nasty("nasty-null", said("null"), "The stored query is null"),
    Nasty("nasty-list", said("[1]"), "The stored query is a list"),
    Nasty("nasty-deep", said("[" * 3_000 + "]" * 3_000), "nested too deeply"),
    Nasty("nasty-digits", said('{"tableName": 1e5000}'), "'tableName' is"),
    Nasty("nasty-table", query(tableName="traces; DROP TABLE x"), "The table 'traces; DROP"),
    Nasty("nasty-filter", query(filter=[ONE_ROW | {"column": 'id" OR 1 = 1 --'}]), "not match"),
    Nasty("nasty-value", query(filter=[ONE_ROW | {"value": "' OR 1 = 1 --"}])),
    Nasty("nasty-search", query(searchQuery="%' OR 1 = 1 --\\")),
)  # fmt: skip
EMPTY = {"nasty-folder", "nasty-file", "nasty-or", "nasty-header", "nasty-value", "nasty-search"}


@pytest.fixture(scope="module")
def ended(quiet_deployment: Deployment) -> dict[str, ExportRow]:
    """All of them, and a good one that must not suffer from them, after a tick and their runs."""
    at = quiet_deployment
    with at.database.engine.begin() as connection:
        for nasty in (*ROWS, Nasty("nasty-good", {})):
            connection.execute(sa.text(INSERT), {"id": nasty.id, **GOOD, **nasty.values})
    asked = looked_at(at)
    for request in asked:
        export_id = request.partition_key or ""
        run_export(batch_export_job(), at.instance, export_id, resources_on(at.settings))
    return {id_: at.row(id_) for id_ in (*(nasty.id for nasty in ROWS), "nasty-good")}


@pytest.fixture(scope="module")
def ids(isolated_stack: LocalStack) -> dict[str, set[str]]:
    """Of the traces of each project; no trace is of both."""
    found: dict[str, set[str]] = {project: set() for project in PROJECTS}
    with clickhouse_client(isolated_stack.addresses()) as client:
        rows = client.query("SELECT DISTINCT project_id, id FROM traces").result_rows
    for project, trace_id in rows:
        found[project].add(trace_id)
    assert all(found.values())
    assert not found[OURS] & found[NEIGHBOUR]
    return found


def looked_at(at: Deployment) -> list[dg.RunRequest]:
    """What the sensor asks for, each of which Dagster's database keeps as a run."""
    plenty = {"lf_export_max_runs": 100, "lf_export_starts_per_tick": 100}
    settings = at.settings.model_copy(update=plenty)
    result = tick(at.instance, at.database.exports, settings)
    job = batch_export_job()
    for request in result.run_requests or []:
        resolved = request.with_resolved_tags_and_config(
            job, result.dynamic_partitions_requests or [], at.instance
        )
        at.instance.add_dynamic_partitions(PARTITIONS_NAME, [request.partition_key or ""])
        run = at.instance.create_run_for_job(job, tags=dict(resolved.tags))
        kept = at.instance.get_run_by_id(run.run_id)
        assert kept
        assert kept.tags.items() >= resolved.tags.items()
        at.instance.delete_run(run.run_id)
    return list(result.run_requests or [])


@pytest.mark.parametrize("nasty", ROWS, ids=[ascii(nasty.id[:30]) for nasty in ROWS])
def test_a_nasty_row_ends_with_a_file_or_a_sentence(
    quiet_deployment: Deployment,
    ended: dict[str, ExportRow],
    ids: dict[str, set[str]],
    nasty: Nasty,
) -> None:
    row = ended[nasty.id]
    if nasty.sentence is not None:
        assert row.status == "FAILED"
        assert nasty.sentence in (row.log or "")
        assert "\n" not in (row.log or "")
        assert row.url is None
        return
    assert (row.status, row.log) == ("COMPLETED", None)
    prefix = quiet_deployment.settings.langfuse_s3_batch_export_prefix
    path = unquote(urlsplit(row.url or "").path)
    assert path.startswith(f"/{quiet_deployment.files.bucket}/{prefix}")
    assert "/" not in path.removeprefix(f"/{quiet_deployment.files.bucket}/{prefix}")
    rows = downloaded(row)
    assert {each["id"] for each in rows} == (set() if nasty.id in EMPTY else ids[OURS])


def downloaded(row: ExportRow) -> list[dict[str, Any]]:
    with urllib.request.urlopen(row.url or "", timeout=60) as answer:
        said = answer.headers["Content-Disposition"]
        assert said.startswith('attachment; filename="')
        assert said.endswith(f'-{row.created_at:%Y-%m-%d}.jsonl"')
        assert said.count('"') == 2
        return [json.loads(line) for line in answer]


def test_a_good_row_among_nasty_ones_is_exported(
    ended: dict[str, ExportRow], ids: dict[str, set[str]]
) -> None:
    assert ended["nasty-good"].status == "COMPLETED"
    assert {row["id"] for row in downloaded(ended["nasty-good"])} == ids[OURS]


def test_a_nasty_name_adds_no_header_to_the_email(
    quiet_deployment: Deployment, ended: dict[str, ExportRow]
) -> None:
    raw = [path.read_bytes() for path in quiet_deployment.inbox.glob("*.eml")]
    messages = [message_from_bytes(data, policy=policy.default) for data in raw]
    (told,) = [one for one in messages if "evil@example.test" in str(one.get_body(("plain",)))]
    assert told["Bcc"] is None
    assert len(told["To"].addresses) == 1
    html = told.get_body(("html",))
    assert html
    assert "<script" not in html.get_content()
