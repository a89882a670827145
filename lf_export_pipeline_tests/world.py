"""The whole job on ports in memory, so that a test reads as what happens to an export."""

from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.core.tables import register
from lf_export_pipeline.defs.io_manager import SpoolIOManager
from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.defs.resources import attempts_resource
from lf_export_pipeline.file.run_cache import RunCache
from lf_export_pipeline.file.upload_ahead import UploadsAhead
from lf_export_pipeline.lifecycle.in_process import run_export
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.fakes import (
    FakeBatchExportRepository,
    MemoryObjectStore,
    MemorySpool,
    OutboxMailer,
)
from lf_export_pipeline_tests.numbers_table import Numbers, NumbersReader

ENVIRONMENT = {
    "DATABASE_URL": "postgresql://user:password@localhost/langfuse",
    "CLICKHOUSE_URL": "http://localhost:8123",
    "CLICKHOUSE_USER": "user",
    "CLICKHOUSE_PASSWORD": "password",
    "LANGFUSE_S3_BATCH_EXPORT_ENABLED": "true",
    "LANGFUSE_S3_BATCH_EXPORT_BUCKET": "exports",
    "LANGFUSE_S3_BATCH_EXPORT_PREFIX": "exports/",
    "EMAIL_FROM_ADDRESS": "noreply@example.test",
}
NO_WAIT = dg.RetryPolicy(max_retries=2, delay=0)


@dataclass
class World:
    """Rows, a table of numbers, a bucket, a mail server and a spool, all of them in memory."""

    row: ExportRow
    numbers: int = 10
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        register(Numbers())
        self.rows = FakeBatchExportRepository(self.row)
        self.reader = NumbersReader(self.numbers)
        bucket = "LANGFUSE_S3_BATCH_EXPORT_BUCKET"
        self.files = MemoryObjectStore(self.environment.get(bucket, ENVIRONMENT[bucket]))
        self.mailer = OutboxMailer()
        self.uploads_ahead = UploadsAhead()
        self.spool = MemorySpool()

    def run(self, instance: dg.DagsterInstance, **config: Any) -> dg.ExecuteInProcessResult:
        """Run the job on the export."""
        job = batch_export_job(retries=NO_WAIT)
        try:
            return run_export(job, instance, self.row.id, self.resources(), **config)
        finally:
            self.uploads_ahead.close()

    def resources(self) -> dict[str, object]:
        """The ports by the names that ops ask for."""
        io_manager = SpoolIOManager(self.spool)
        return {
            "settings": Settings.load(ENVIRONMENT | self.environment),
            "reader": self.reader,
            "export_rows": self.rows,
            "files": self.files,
            "mailer": self.mailer,
            "run_cache": RunCache(uploads=self.uploads_ahead),
            "attempts": attempts_resource,
            "spool": self.spool,
            "io_manager": dg.IOManagerDefinition.hardcoded_io_manager(io_manager),
        }

    @property
    def state(self) -> ExportRow:
        """The row as it is now."""
        return self.rows.rows[self.row.id]

    @property
    def text(self) -> str:
        """The one file in the bucket."""
        (data,) = self.files.objects.values()
        return data.decode()
