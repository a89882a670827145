"""Makes exports through the wire, repairs what faults have left, and tells what came of it."""

import resource
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import boto3

from lf_export_localstack.processes import process, state, stopping
from lf_export_localstack.sample.rows import postgres_transaction
from lf_export_localstack.sample.sample_project import SampleSize, generate_sample
from lf_export_localstack.services.seaweedfs_service import BUCKET, REGION
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.cli.request import requested_row
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.faults.baseline import Baseline, ExportSpec, record_baseline
from lf_export_pipeline_tests.faults.export_process import Circumstances
from lf_export_pipeline_tests.faults.fault_proxy import FaultProxy, tapped
from lf_export_pipeline_tests.faults.fault_run import FaultRun
from lf_export_pipeline_tests.faults.outcome import Mail, mail_at

__all__ = ["Bench", "FaultRun", "open_bench"]

USER, ADDRESS = "user-ada", "ada@example.com"
TRACES = ExportSpec("traces", "JSONL")
NOTHING: Mapping[str, str] = MappingProxyType({})
WIDE = SampleSize(traces=4_500, observations_per_trace=0, text_bytes=3_000, comments=20)
MANY = SampleSize(
    traces=2_000, observations_per_trace=1, text_bytes=1_500, dataset_items=2_000, audit_logs=3_000
)
UNTIL = datetime(2026, 6, 1, tzinfo=UTC)
FULL_DISK_BYTES = 1 << 16
QUICK = {
    "LF_EXPORT_CHUNK_TARGET_MIB": "3",
    "BATCH_EXPORT_S3_PART_SIZE_MIB": "5",
    "LF_EXPORT_CLICKHOUSE_THREADS": "1",
    "NEXTAUTH_URL": "https://langfuse.test",  # else mails hold the link to the file
}


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Two projects of the same size; the second one belongs to other customers."""

    exported: str
    other: str
    size: SampleSize


WIDE_ROWS = Neighbours("project-faults", "project-next-door", WIDE)
MANY_TABLES = Neighbours("project-tables", "project-upstairs", MANY)


@dataclass
class Bench:
    """Projects, the servers that hold them, and the wire through which they are exported.

    Attributes:
        rehearsals: What is known of undisturbed exports; benches with the same rows may share it.
        returning: Brings back a server that was killed.
    """

    stack: LocalStack
    fault_proxy: FaultProxy
    environment: dict[str, str]
    folder: Path
    baselines: dict[ExportSpec, Baseline] = field(default_factory=dict)
    returning: threading.Thread | None = None

    def __post_init__(self) -> None:
        self.settings = Settings.load({**self.stack.environment(), **QUICK})
        self.database = LangfusePostgres(self.settings)
        self.rows = self.database.exports
        self._s3: Any = boto3.client(
            "s3",
            endpoint_url=self.stack.addresses().s3_endpoint,
            region_name=REGION,
            aws_access_key_id=self.settings.langfuse_s3_batch_export_access_key_id,
            aws_secret_access_key=self.stack.addresses().credentials.s3_secret_access_key,
        )

    def new_export(
        self, spec: ExportSpec = TRACES, environment: Mapping[str, str] = NOTHING, **changes: Any
    ) -> FaultRun:
        """An export that waits; its runs find this environment, on top of the usual one."""
        row = requested_row(
            project=neighbours_of(spec).exported,
            table=spec.table,
            file_format=spec.format,
            compression=spec.compression,
            user=USER,
        )
        row = replace(row, name=f"faults {row.id}", **changes)
        self.rows.add(row)
        folder = self.folder / row.id
        folder.mkdir()
        found = Circumstances(environment={**self.environment, **environment}, folder=folder)
        return FaultRun(self, row.id, spec, found, self.keys() | set(self.uploads()))

    def baseline(self, spec: ExportSpec = TRACES) -> Baseline:
        """What an undisturbed export gives and says; made when it is asked for first."""
        if spec not in self.baselines:
            pair = neighbours_of(spec)
            self.baselines[spec] = record_baseline(self, spec, pair.exported, pair.other)
        return self.baselines[spec]

    def kill(self, server: str) -> None:
        """End a server as a power cut does; it is dead when this returns."""
        stopping.stop(self._process_of(server), request=signal.SIGKILL)

    def kill_and_restart(self, server: str) -> None:
        """The same, and start it again while the export goes on."""
        self.kill(server)
        self.returning = threading.Thread(target=self.stack.up)
        self.returning.start()

    def bring_back(self) -> None:
        """Wait until all servers are there."""
        if self.returning:
            self.returning.join()
            self.returning = None
        self.stack.up()

    @contextmanager
    def full_disk(self, server: str) -> Iterator[None]:
        """While it lasts, the server's files cannot grow, as on a disk that is full."""
        pid = self._process_of(server).pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (FULL_DISK_BYTES, hard))
        try:
            yield
        finally:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))

    def _process_of(self, server: str) -> process.ProcessRecord:
        name = {"S3": "seaweedfs"}.get(server, server.lower())
        known = state.load(self.stack.state_dir)
        assert known
        return known.processes[name]

    def keys(self) -> set[str]:
        """The objects in the bucket."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return {found["Key"] for page in pages for found in page.get("Contents", [])}

    def objects(self, prefix: str) -> dict[str, bytes]:
        """The objects below a prefix, by their keys."""
        keys = (key for key in self.keys() if key.startswith(prefix))
        return {key: self._s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}

    def uploads(self) -> tuple[str, ...]:
        """The keys of all uploads that have not ended."""
        answer = self._s3.list_multipart_uploads(Bucket=BUCKET)
        return tuple(upload["Key"] for upload in answer.get("Uploads", []))

    def change_row(self, export_id: str, sql: str) -> int:
        """Change a row as Langfuse's web app does, by its id; how many rows were changed."""
        changing = postgres_transaction(self.stack.addresses())
        with changing as connection, connection.cursor() as cursor:
            cursor.execute(sql, (export_id,))
            return cursor.rowcount

    def mails_about(self, export_id: str) -> list[Mail]:
        """The e-mails that name the export."""
        return [mail for mail in map(mail_at, self.inbox()) if export_id in mail.text]

    def inbox(self) -> list[Path]:
        """All e-mails."""
        return sorted(self.stack.addresses().inbox.glob("*.eml"))


def neighbours_of(spec: ExportSpec) -> Neighbours:
    """The projects for an export: traces are wide, so that there are many chunks of few rows."""
    return WIDE_ROWS if spec.table == "traces" else MANY_TABLES


@contextmanager
def open_bench(folder: Path) -> Iterator[Bench]:
    """A bench on servers of its own, with its projects and other customers' beside them."""
    fault_proxy = FaultProxy()
    with LocalStack(folder / "stack").temporary() as stack:
        addresses = stack.addresses()
        for pair in (WIDE_ROWS, MANY_TABLES):
            for seed, project in enumerate((pair.exported, pair.other)):
                generate_sample(addresses, project, pair.size, until=UNTIL, seed=seed)
        with tapped(addresses, fault_proxy) as environment:
            bench = Bench(stack, fault_proxy, {**environment, **QUICK}, folder)
            try:
                yield bench
            finally:
                bench.database.close()
