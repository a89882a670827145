"""Runs recorded cases through everything but Dagster: the row, the reading, the file's bytes."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from lf_export_localstack.stack.stack_addresses import StackAddresses
from lf_export_pipeline.adapters.clickhouse.clickhouse_reader import ClickHouseReader
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.adapters.statement_router import StatementRouter
from lf_export_pipeline.core.errors import PermanentError
from lf_export_pipeline.core.parsing import parse_request
from lf_export_pipeline.core.request.model import StoredExport
from lf_export_pipeline.defs.ops.validate_export import Action, ValidateConfig, admission
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.exporting import Exported, exported
from lf_export_pipeline_tests.golden.cases import Case, insert_row

JOB_ONLY = {
    "CLICKHOUSE_URL",
    "SMTP_CONNECTION_URL",
    "NEXTAUTH_URL",
    "BATCH_EXPORT_DOWNLOAD_LINK_EXPIRATION_HOURS",
}
"""Variables whose effect is not in the bytes of the file, beside all those of S3."""


@dataclass(frozen=True, slots=True)
class DirectOutcome:
    """What the row and the object would be after a run."""

    status: str
    log: str | None
    data: bytes | None


def concerns_the_job_alone(case: Case) -> bool:
    """Whether what the case is about happens outside of the way from row to bytes."""
    has_other_message = bool(case.payload) or not case.inserted
    return has_other_message or any(
        name in JOB_ONLY or name.startswith("LANGFUSE_S3_") for name in case.env
    )


class DirectRunner:
    """Runs cases on a stack whose tables hold their seed; a context ends its connections."""

    def __init__(self, addresses: StackAddresses) -> None:
        self._addresses = addresses
        self._settings = Settings.load(addresses.environment())
        self._clickhouse = ClickHouseReader(self._settings)
        self._postgres = LangfusePostgres(self._settings)
        self._reader = StatementRouter(self._clickhouse, self._postgres.reader)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._clickhouse.close()
        self._postgres.close()

    def run(self, case: Case) -> DirectOutcome:
        """The outcome of a case; its row is written exactly as it was recorded, and stays so."""
        insert_row(self._addresses, case)
        row = self._postgres.exports.stored(case.row["id"])
        assert row is not None
        decision = admission(row, ValidateConfig(force=True), datetime.now(UTC))
        if decision.action is Action.SKIP:
            return DirectOutcome(row.status, row.log, None)
        if decision.action is Action.REFUSE:
            return DirectOutcome("FAILED", decision.reason, None)
        try:
            return DirectOutcome("COMPLETED", None, self._file(row, case))
        except PermanentError as error:
            return DirectOutcome("FAILED", error.user_message, None)

    def export(self, row: StoredExport) -> Exported:
        """The file of an export that no row asks for."""
        return self._exported(row, self._settings)

    def _file(self, row: StoredExport, case: Case) -> bytes:
        settings = self._settings
        if case.env:
            settings = Settings.load({**self._addresses.environment(), **case.env})
        return self._exported(row, settings).data

    def _exported(self, row: StoredExport, settings: Settings) -> Exported:
        request = parse_request(row, settings.limits, settings.file_defaults)
        return exported(request, self._reader, settings)
