"""A deployment to put load on: the embedded stack, the real daemon, and five projects."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import cycle, product
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
import yaml

from lf_export_localstack.processes import dagster_processes as dagster
from lf_export_localstack.processes.process import ProcessRecord
from lf_export_localstack.sample.sample_project import SampleSize, generate_sample
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.cli.request import requested_row
from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.defs.resources import open_resources
from lf_export_pipeline.lifecycle.in_process import run_export
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.faults.baseline import ids_of
from lf_export_pipeline_tests.faults.outcome import downloaded

PROJECTS = tuple(f"project-load-{number}" for number in range(5))
WISHES = tuple(
    product(
        (("traces", "JSONL"), ("observations", "CSV"), ("events", "JSONL"), ("scores", "JSON")),
        PROJECTS,
    )
)
# Large enough that an export is at work for longer than it takes to begin the next ones.
SIZE = SampleSize(traces=30_000, observations_per_trace=1, text_bytes=2_000)
USER, ADDRESS = "user-ada", "ada@example.com"
WAITING = {"QUEUED", "PROCESSING"}

ExportSpec = tuple[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class LoadDeployment:
    """Langfuse's rows, the servers, and what each file has to be.

    Attributes:
        expected: The SHA-256 of the file that each wish gives on a machine that does nothing else.
    """

    stack: LocalStack
    environment: Mapping[str, str]
    home: Path
    settings: Settings
    database: LangfusePostgres
    instance: dg.DagsterInstance
    expected: dict[ExportSpec, str]

    @contextmanager
    def daemon(self, at_once: int | None = None) -> Iterator[ProcessRecord]:
        """The daemon and all that it starts.

        Args:
            at_once: How many runs it lets work at once; None: what the repository's own
                ``dagster.yaml`` says.
        """
        dagster.prepare_home(self.home.parent)
        if at_once is not None:
            _allow(self.home, at_once)
        arguments = dagster.daemon_arguments()
        with dagster.running("daemon", arguments, self.environment, self.home) as record:
            yield record

    def queue(self, spec: ExportSpec) -> str:
        """The id of a new export that waits."""
        (table, file_format), project = spec
        row = requested_row(project=project, table=table, file_format=file_format, user=USER)
        row = replace(row, name=f"load {row.id}")
        self.database.exports.add(row)
        return row.id

    def statuses(self, export_ids: Sequence[str]) -> dict[str, str]:
        """The state of each of these exports; those without a row are not in it."""
        found = self.select(
            "SELECT id, CAST(status AS text) FROM batch_exports WHERE id = ANY(:ids)",
            ids=list(export_ids),
        )
        return dict(found)

    def select(self, sql: str, **values: Any) -> list[Any]:
        """Rows of Langfuse's database."""
        with self.database.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(sql), values)]

    def change(self, sql: str, **values: Any) -> None:
        """Changes Langfuse's database."""
        with self.database.engine.begin() as connection:
            connection.execute(sa.text(sql), values)


@contextmanager
def open_deployment(
    folder: Path, size: SampleSize = SIZE, specs: Sequence[ExportSpec] = WISHES
) -> Iterator[LoadDeployment]:
    """The deployment without its daemon."""
    with LocalStack(folder / "stack").temporary() as stack:
        for seed, project in enumerate(PROJECTS):
            generate_sample(stack.addresses(), project, size, until=datetime.now(UTC), seed=seed)
        with _opened(stack, folder) as deployment:
            deployment.expected.update({spec: _made_in_peace(deployment, spec) for spec in specs})
            yield deployment


@contextmanager
def _opened(stack: LocalStack, folder: Path) -> Iterator[LoadDeployment]:
    home = dagster.prepare_home(folder)
    environment = dict(stack.environment())
    settings = Settings.load(environment)
    database = LangfusePostgres(settings)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            if "DAGSTER" in name:
                patch.setenv(name, value)
        with dg.DagsterInstance.from_config(str(home)) as instance:
            everything = dagster.environment_for(environment, home)
            yield LoadDeployment(stack, everything, home, settings, database, instance, {})
    database.close()


def _allow(home: Path, at_once: int) -> None:
    """As in the repository's own dagster.yaml, but for the number of runs, which begin together."""
    path = home / "dagster.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["concurrency"]["runs"]["max_concurrent_runs"] = at_once
    config["run_coordinator"]["config"] |= {
        "dequeue_use_threads": True,
        "dequeue_num_workers": at_once,
    }
    path.write_text(yaml.safe_dump(config), encoding="utf-8")


def _made_in_peace(deployment: LoadDeployment, spec: ExportSpec) -> str:
    export_id = deployment.queue(spec)
    with open_resources(deployment.settings) as ports, dg.DagsterInstance.ephemeral() as instance:
        result = run_export(batch_export_job(), instance, export_id, ports)
    row = deployment.database.exports.get(export_id)
    assert result.success
    assert row is not None
    assert row.url is not None
    file = downloaded(row.url)
    (table, file_format), project = spec
    held = ids_of(deployment.stack.addresses(), table, project)
    assert sorted(row["id"] for row in file.rows(file_format)) == held
    return file.sha256


def endless_wishes() -> Iterator[ExportSpec]:
    """All wishes again and again."""
    return cycle(WISHES)
