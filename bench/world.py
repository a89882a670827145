"""The stack that is measured, its data, and the pipeline's parts on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
from clickhouse_connect.driver.client import Client

from lf_export_localstack.processes import state
from lf_export_localstack.sample.rows import clickhouse_client
from lf_export_localstack.sample.sample_project import SampleSize, generate_sample
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.cli.request import requested_row
from lf_export_pipeline.core.request.model import StoredExport
from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.defs.resources import open_resources
from lf_export_pipeline.lifecycle.in_process import run_export
from lf_export_pipeline.settings import Settings

UNTIL = datetime(2026, 6, 1, tzinfo=UTC)
SCORES = 30_000
COMMENTS = 2_000
ROW_LIMIT = "20000000"
SCRIPTS = (
    " Ελληνικά · Русский · हिन्दी · বাংলা · தமிழ் · ไทย · 한국어 · 日本語 · 中文 · עברית · العربية · "
    "ქართული · Հայերեն · አማርኛ · ᏣᎳᎩ · 😀👩‍👩‍👧"
)


@dataclass(frozen=True, slots=True)
class World:
    """A running stack."""

    stack: LocalStack
    settings: Settings
    ports: dict[str, Any]

    @property
    def folder(self) -> Path:
        return self.stack.state_dir

    @property
    def server_pid(self) -> int:
        known = state.load(self.stack.state_dir)
        assert known is not None
        return known.processes["clickhouse"].pid

    @contextmanager
    def clickhouse(self) -> Iterator[Client]:
        with clickhouse_client(self.stack.addresses()) as client:
            yield client

    def in_spool(self) -> "World":
        """The same, with all parts of a file in the spool before the first one is sent."""
        settings = self.settings.model_copy(update={"lf_export_parts": "spool"})
        return replace(self, settings=settings, ports={**self.ports, "settings": settings})

    def queue(self, project: str, table: str, file_format: str) -> StoredExport:
        """A queued export of everything in the project."""
        row = requested(project, table, file_format)
        self.ports["export_rows"].add(row)
        return row

    def export(self, project: str, table: str, file_format: str) -> int:
        """A whole job in this process, from validate to COMPLETED; the bytes of its file."""
        row = self.queue(project, table, file_format)
        with dg.DagsterInstance.ephemeral() as instance:
            result = run_export(batch_export_job(retries=None), instance, row.id, self.ports)
        ended = self.ports["export_rows"].get(row.id)
        if not result.success or ended.status != "COMPLETED":
            message = f"{table} as {file_format} ended as {ended.status}: {ended.log}"
            raise RuntimeError(message)
        stored = result.output_for_node("upload_file")
        self.ports["files"].delete(stored.object_key)
        return int(stored.bytes)


def requested(project: str, table: str, file_format: str) -> StoredExport:
    """An export of everything in a project, which stands in no table yet."""
    return requested_row(
        project=project, table=table, file_format=file_format, user="user-ada", filters=[]
    )


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """The stack of a folder, started if need be; its data stay for the next time."""
    with LocalStack(folder) as stack, on_running(stack) as here:
        yield here


@contextmanager
def on_running(stack: LocalStack) -> Iterator[World]:
    """A stack that this process, or another one, has up."""
    environment = {**stack.environment(), "BATCH_EXPORT_ROW_LIMIT": ROW_LIMIT}
    settings = Settings.load(environment)
    with open_resources(settings) as ports:
        yield World(stack, settings, ports)


def environment_with_bucket(stack: LocalStack, endpoint: str) -> dict[str, str]:
    """That of a stack whose exports go to another bucket's server."""
    return {
        **stack.environment(),
        "BATCH_EXPORT_ROW_LIMIT": ROW_LIMIT,
        "LANGFUSE_S3_BATCH_EXPORT_ENDPOINT": endpoint,
        "LANGFUSE_S3_BATCH_EXPORT_EXTERNAL_ENDPOINT": endpoint,
    }


@contextmanager
def with_bucket(here: World, endpoint: str) -> Iterator[World]:
    """The same stack, whose exports go to another bucket's server."""
    settings = Settings.load(environment_with_bucket(here.stack, endpoint))
    with open_resources(settings) as ports:
        yield World(here.stack, settings, ports)


def ensure_project(
    here: World, project: str, traces: int, *, observations: bool, text_bytes: int
) -> None:
    """Make a project unless an earlier call has, down to its last score."""
    with here.clickhouse() as client:
        found = client.query(
            "SELECT count() FROM traces WHERE project_id = {p:String}", {"p": project}
        ).result_rows[0][0]
        if found == traces:
            return
        size = SampleSize(
            traces=traces,
            observations_per_trace=int(observations),
            text_bytes=text_bytes,
            comments=COMMENTS if observations else 0,
        )
        generate_sample(here.stack.addresses(), project, size, until=UNTIL, days=60)
        _thin_out_scores(client, project, SCORES if observations else traces // 10)
        _settle(client)


def ensure_escapes(here: World, project: str, source: str) -> None:
    """Make a copy of a project with escapes and text of all scripts, unless it is there.

    In inputs and outputs of every tenth row letters are ``\\u`` escapes, as other programs write
    JSON; those of another tenth hold text of many scripts. The scores come along.
    """
    with here.clickhouse() as client:
        for table in ("traces", "observations"):
            texts = ", ".join(_hostile(column) for column in ("input", "output"))
            _copy(client, table, project, source, texts)
        _copy(client, "scores", project, source, "")
        _settle(client)


def _copy(client: Client, table: str, project: str, source: str, texts: str) -> None:
    replaced = f"{{to:String}} AS project_id{', ' if texts else ''}{texts}"
    client.command(
        f"INSERT INTO {table} SELECT * REPLACE ({replaced}) FROM (SELECT * FROM {table} "
        "WHERE project_id = {from:String} AND NOT EXISTS "
        f"(SELECT 1 FROM {table} WHERE project_id = {{to:String}}))",
        {"to": project, "from": source},
        settings={"max_block_size": 8192, "max_threads": 1},
    )


def _hostile(column: str) -> str:
    escaped = f"replaceRegexpAll({column}, 'e([nrst])', '\\\\\\\\u00eb\\\\1')"
    return (
        f"multiIf(cityHash64(id) % 10 = 0, {escaped}, "
        f"cityHash64(id) % 10 = 1, concat({column}, '{SCRIPTS}'), {column}) AS {column}"
    )


def ensure_wide_row(here: World, project: str, size: int) -> None:
    """Make a project of a single trace, whose input has that many bytes."""
    with here.clickhouse() as client:
        client.command(
            f"INSERT INTO traces (id, timestamp, name, project_id, input, event_ts) SELECT 'wide', "
            f"'2026-05-01 00:00:00', 'wide', '{project}', "
            f"repeat(repeat('012345\\\\n\"', 1000), {size // 9_000}), "
            "'2026-05-01 00:00:00' WHERE NOT EXISTS "
            f"(SELECT 1 FROM traces WHERE project_id = '{project}')"
        )


def _thin_out_scores(client: Client, project: str, wanted: int) -> None:
    counted = client.query(
        "SELECT count() FROM scores WHERE project_id = {p:String}", {"p": project}
    ).result_rows[0][0]
    client.command(
        f"ALTER TABLE scores DELETE WHERE project_id = '{project}' "
        f"AND cityHash64(id) % {counted} >= {min(wanted, counted)}",
        settings={"mutations_sync": 1},
    )


def _settle(client: Client) -> None:
    """Merge everything, so that each round finds the same parts."""
    for table in ("traces", "observations", "scores"):
        client.command(f"OPTIMIZE TABLE {table} FINAL")
