"""Exports by the whole job on the real stack, and all that came of each."""

import email
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from typing import Any

import boto3
import dagster as dg

from lf_export_localstack.sample.sample_project import SampleSize, generate_sample
from lf_export_localstack.services.seaweedfs_service import BUCKET, REGION
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.cli.request import requested_row
from lf_export_pipeline.cli.run_progress import progress_of
from lf_export_pipeline.core.errors import GENERIC_USER_MESSAGE
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.defs.resources import open_resources
from lf_export_pipeline.defs.sensors import stores_of
from lf_export_pipeline.file.attempt_folder import export_folder
from lf_export_pipeline.file.cleanup import discard_attempts
from lf_export_pipeline.lifecycle.in_process import run_export
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.ticks import tick

AT_ONCE = dg.RetryPolicy(max_retries=1, delay=0)
SAMPLE = SampleSize(traces=2_500, observations_per_trace=1, text_bytes=3_000, comments=0)
SOME_CHUNKS = {"LF_EXPORT_CHUNK_TARGET_MIB": "3", "BATCH_EXPORT_S3_PART_SIZE_MIB": "5"}
"""By these the sample makes a few chunks, and two parts of an upload."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What there is when the run has ended.

    Attributes:
        row: The export's.
        said: What the run tells Dagster of the file; nothing without a file.
        causes: What went wrong, for the operator: each error of a failed step, and its causes.
        mails: Those about this export.
        objects: Keys and bytes of the objects of the project that were not there before.
        uploads: Keys of its uploads that were never finished, a day later.
        chunks: How many were made.
    """

    row: ExportRow
    said: Mapping[str, Any]
    causes: str
    mails: list[EmailMessage]
    objects: dict[str, bytes]
    uploads: list[str]
    chunks: int

    @property
    def data(self) -> bytes:
        """The only object."""
        (data,) = self.objects.values()
        return data

    def assert_nothing_is_published(self, cause: str) -> None:
        """The export has failed, for this cause, and nobody hears or finds anything of a file."""
        row = self.row
        assert (row.status, row.log, row.url) == ("FAILED", GENERIC_USER_MESSAGE, None)
        assert re.search(cause, self.causes), self.causes
        assert (self.mails, self.objects, self.uploads) == ([], {}, [])


@dataclass
class RealExports:
    """Runs exports, one after another."""

    stack: LocalStack
    closing: ExitStack
    job: dg.JobDefinition = field(default_factory=lambda: batch_export_job(retries=AT_ONCE))

    def __post_init__(self) -> None:
        self.addresses = self.stack.addresses()
        self.instance = self.closing.enter_context(dg.DagsterInstance.ephemeral())
        self.s3: Any = boto3.client(
            "s3",
            endpoint_url=self.addresses.s3_endpoint,
            region_name=REGION,
            aws_access_key_id=self.addresses.credentials.s3_access_key_id,
            aws_secret_access_key=self.addresses.credentials.s3_secret_access_key,
        )

    def sample_project(self) -> str:
        """A new project with 2,500 traces of 3 KB, their scores and observations."""
        project = f"job-{uuid.uuid4().hex}"
        generate_sample(self.addresses, project, SAMPLE, until=datetime.now(UTC))
        return project

    def run(
        self,
        project: str,
        table: str = "traces",
        *,
        file_format: str = "JSONL",
        user: str = "nobody",
        filters: Any = (),
        **environment: str,
    ) -> Ended:
        """Export a table in an environment with these changes."""
        row = requested_row(
            project=project,
            table=table,
            file_format=file_format,
            filters=list(filters),
            user=user,
            name=uuid.uuid4().hex,
        )
        before = self._keys(project)
        with self._ports(environment) as ports:
            rows: Any = ports["export_rows"]
            rows.add(row)
            result = run_export(self.job, self.instance, row.id, ports)
            if not result.success:
                settings: Any = ports["settings"]
                tick(self.instance, rows, settings, stores=lambda: stores_of(settings))
            ended = rows.get(row.id)
            if not result.success:
                self._sweep(ended, ports)
        return self._ended(ended, result, before)

    def _sweep(self, row: ExportRow, ports: Mapping[str, Any]) -> None:
        """Removes what is kept of a failed export for its re-execution, as a day later."""
        before = set(self._keys(row.project_id))
        discard_attempts(ports["spool"], export_folder(row.id), ports["files"], row)
        assert set(self._keys(row.project_id)) == before

    @contextmanager
    def _ports(self, environment: Mapping[str, str]) -> Iterator[Mapping[str, object]]:
        settings = Settings.load({**self.stack.environment(), **environment})
        with open_resources(settings) as ports:
            yield ports

    def _ended(self, row: ExportRow, result: dg.ExecuteInProcessResult, before: set[str]) -> Ended:
        events = result.get_asset_materialization_events()
        said = {
            name: value.value for e in events for name, value in e.materialization.metadata.items()
        }
        found = self.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        return Ended(
            row=row,
            said=said,
            causes=_causes(result),
            mails=[mail for mail in self._inbox() if row.name in mail.as_string()],
            objects={key: self._bytes(key) for key in self._keys(row.project_id) - before},
            uploads=[one["Key"] for one in found if row.project_id in one["Key"]],
            chunks=progress_of(self.instance, result.run_id).done_chunks,
        )

    def _inbox(self) -> list[EmailMessage]:
        files = sorted(self.addresses.inbox.glob("*.eml"))
        return [email.message_from_bytes(f.read_bytes(), policy=policy.default) for f in files]

    def _keys(self, project: str) -> set[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        keys = (found["Key"] for page in pages for found in page.get("Contents", []))
        return {key for key in keys if project in key}

    def _bytes(self, key: str) -> bytes:
        data: bytes = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return data


def _causes(result: dg.ExecuteInProcessResult) -> str:
    failures = [event for event in result.all_events if event.is_step_failure]
    return "\n".join(str(event.event_specific_data) for event in failures)
