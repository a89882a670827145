"""Runs recorded cases through the real job on an embedded stack, all of them in one process."""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from email import message_from_bytes, policy
from pathlib import Path
from typing import Self

import boto3
import dagster as dg

from lf_export_localstack.services.seaweedfs_service import BUCKET, REGION
from lf_export_localstack.stack.stack_addresses import StackAddresses
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.defs.resources import open_resources
from lf_export_pipeline.lifecycle.in_process import run_export
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.golden.cases import Case, insert_row

RECORDED_WORLD = {"NEXTAUTH_URL": "http://localhost:3000", "LF_EXPORT_PREVIEW": "false"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is there when a case has run: ``status.json``, and the bytes of the object."""

    status: str | None
    log: str | None
    object_key: str | None
    content_type: str | None
    emails: list[dict[str, str]]
    seconds: float
    data: bytes | None = field(default=None, repr=False)

    def write(self, folder: Path, extension: str) -> None:
        """Leave ``status.json`` and ``actual.<extension>`` in the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for stale in folder.glob("actual.*"):
            stale.unlink()
        said = {name: value for name, value in asdict(self).items() if name != "data"}
        (folder / "status.json").write_text(json.dumps(said, ensure_ascii=False, indent=1))
        if self.data is not None:
            (folder / f"actual.{extension}").write_bytes(self.data)


class GoldenRunner:
    """Runs cases, one after another, on a stack whose tables hold their seed.

    Connections are shared by all cases of one environment; a context ends them.
    """

    def __init__(self, addresses: StackAddresses) -> None:
        self._addresses = addresses
        self._environment = {**addresses.environment(), **RECORDED_WORLD}
        self._closing = ExitStack()
        self._opened: dict[tuple[tuple[str, str], ...], Mapping[str, object]] = {}
        self._instance = self._closing.enter_context(dg.DagsterInstance.ephemeral())
        database = LangfusePostgres(Settings.load(self._environment))
        self._closing.callback(database.close)
        self._rows = database.exports
        self._job = batch_export_job(retries=None)
        self._s3 = boto3.client(
            "s3",
            endpoint_url=addresses.s3_endpoint,
            region_name=REGION,
            aws_access_key_id=addresses.credentials.s3_access_key_id,
            aws_secret_access_key=addresses.credentials.s3_secret_access_key,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._closing.close()

    def run(self, case: Case) -> Outcome:
        """The outcome of one case, whose row is written exactly as it was recorded.

        The message in the original's queue is a wish to run whatever the row's status is, hence
        ``force``.
        """
        if case.inserted:
            insert_row(self._addresses, case)
        known_mails = set(self._inbox())
        started = time.monotonic()
        result = run_export(
            self._job,
            self._instance,
            case.export_id,
            self._ports(case.env),
            force=True,
            project_id=case.project_id,
        )
        seconds = time.monotonic() - started
        mails = sorted(set(self._inbox()) - known_mails)
        return self._outcome(case, _object_key(result), mails, seconds)

    def _ports(self, env: Mapping[str, str]) -> Mapping[str, object]:
        key = tuple(sorted(env.items()))
        if key not in self._opened:
            settings = Settings.load({**self._environment, **env})
            self._opened[key] = self._closing.enter_context(open_resources(settings))
        return self._opened[key]

    def _outcome(
        self, case: Case, object_key: str | None, mails: Sequence[Path], seconds: float
    ) -> Outcome:
        row = self._rows.get(case.row["id"])
        stored = self._download(object_key) if object_key else (None, None)
        return Outcome(
            status=row.status if row else None,
            log=row.log if row else None,
            object_key=object_key,
            content_type=stored[1],
            emails=[_mail(path) for path in mails],
            seconds=round(seconds, 3),
            data=stored[0],
        )

    def _inbox(self) -> list[Path]:
        return list(self._addresses.inbox.glob("*.eml"))

    def _download(self, key: str) -> tuple[bytes, str]:
        """The object's bytes and its content type, read around the code under test."""
        found = self._s3.get_object(Bucket=BUCKET, Key=key)
        return found["Body"].read(), found["ContentType"]


def _object_key(result: dg.ExecuteInProcessResult) -> str | None:
    """The key that the run reports to Dagster."""
    events = result.get_asset_materialization_events()
    if not events:
        return None
    return str(events[0].materialization.metadata["object_key"].value)


def _mail(path: Path) -> dict[str, str]:
    """What a user sees of a message, and the text of both of its parts."""
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    bodies = {
        part.get_content_type(): part.get_content()
        for part in message.walk()
        if not part.is_multipart()
    }
    return {
        "from": str(message["From"]),
        "to": str(message["To"]),
        "subject": str(message["Subject"]),
        "html": str(bodies.get("text/html", "")),
        "text": str(bodies.get("text/plain", "")),
    }
