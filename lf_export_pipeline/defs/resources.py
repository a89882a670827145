"""The ports under the names that ops and sensors ask for."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any

import dagster as dg

from lf_export_pipeline.adapters.statement_router import StatementRouter
from lf_export_pipeline.core.errors import ConfigurationError, ExportError
from lf_export_pipeline.core.ports import (
    BatchExportRepository,
    Mailer,
    ObjectStore,
    RowReader,
    Spool,
)
from lf_export_pipeline.defs.arrow_in_runs import leave_pandas_out
from lf_export_pipeline.defs.io_manager import SpoolIOManager
from lf_export_pipeline.defs.ops.attempts import Attempts
from lf_export_pipeline.defs.redacted import redact_unexpected_errors
from lf_export_pipeline.defs.service_resources import (
    ClickHouseResource,
    PostgresResource,
    S3Resource,
    SmtpResource,
)
from lf_export_pipeline.file.run_cache import RunCache
from lf_export_pipeline.settings import Settings


@dg.resource(
    description="Reads from ClickHouse and Postgres.",
    required_resource_keys={"clickhouse", "postgres"},
)
def reader_resource(context: dg.InitResourceContext) -> RowReader:
    """Sends each statement to the store it names."""
    leave_pandas_out()
    return StatementRouter(context.resources.clickhouse, context.resources.postgres.reader)


@dg.resource(description="The table batch_exports.", required_resource_keys={"postgres"})
def export_rows_resource(context: dg.InitResourceContext) -> BatchExportRepository:
    """The rows, on the connections of ``postgres``."""
    rows: BatchExportRepository = context.resources.postgres.exports
    return rows


@dg.resource(description="The bucket of the finished files.", required_resource_keys={"s3"})
def files_resource(context: dg.InitResourceContext) -> ObjectStore:
    """The finished files, by the client of ``s3``."""
    files: ObjectStore = context.resources.s3
    return files


@dg.resource(description="Sends e-mails.", required_resource_keys={"smtp"})
def mailer_resource(context: dg.InitResourceContext) -> Mailer:
    """The mailer of ``smtp``."""
    mailer: Mailer = context.resources.smtp
    return mailer


@dg.io_manager(description="Values between ops.", required_resource_keys={"spool"})
def spool_io_manager(context: dg.InitResourceContext) -> SpoolIOManager:
    """The values, in the spool."""
    return SpoolIOManager(context.resources.spool)


@dg.resource(
    description="What a process keeps between the steps of a run: lookups, and an upload ahead.",
    required_resource_keys={"settings"},
)
def run_cache_resource(context: dg.InitResourceContext) -> Iterator[RunCache]:
    """Empty at first; an upload that was not finished is aborted at the end."""
    with closing(RunCache.of(context.resources.settings)) as cache:
        yield cache


@dg.resource(
    description="The attempt that a step works on.",
    required_resource_keys={"settings", "spool", "export_rows", "files", "run_cache"},
)
def attempts_resource(context: dg.InitResourceContext) -> Attempts:
    """Each attempt with the ports of the run."""
    at = context.resources
    return Attempts(at.settings, at.spool, at.export_rows, at.files, at.run_cache)


@dg.resource(description="Settings from the environment.")
@redact_unexpected_errors()
def settings_resource(_: dg.InitResourceContext) -> Settings:
    """The settings of the process that runs the step."""
    return Settings.load()


@dg.resource(description="Intermediate files between the ops.", required_resource_keys={"settings"})
@redact_unexpected_errors()
def spool_resource(context: dg.InitResourceContext) -> Spool:
    """The spool."""
    from lf_export_pipeline.adapters.spool import open_spool  # noqa: PLC0415 - only in a run

    return open_spool(context.resources.settings)


def resources_with(definition: dg.ResourceDefinition, settings: Settings | None) -> dict[str, Any]:
    """All resources under the names that ops and sensors ask for.

    Args:
        definition: Where a run takes its settings from.
        settings: What the services are shown as set to; None: not all that is needed is set.
    """
    return {
        "settings": definition,
        "clickhouse": ClickHouseResource.of(settings, definition),
        "postgres": PostgresResource.of(settings, definition),
        "s3": S3Resource.of(settings, definition),
        "smtp": SmtpResource.of(settings, definition),
        "reader": reader_resource,
        "run_cache": run_cache_resource,
        "attempts": attempts_resource,
        "export_rows": export_rows_resource,
        "files": files_resource,
        "mailer": mailer_resource,
        "spool": spool_resource,
        "io_manager": spool_io_manager,
    }


def _settings_here() -> Settings | None:
    with suppress(ConfigurationError):
        return Settings.load()
    return None


RESOURCES: Mapping[str, Any] = resources_with(settings_resource, _settings_here())


def resources_on(settings: Settings) -> dict[str, Any]:
    """The same ports on given settings instead of the environment's."""
    return resources_with(dg.ResourceDefinition.hardcoded_resource(settings), settings)


@contextmanager
def open_resources(settings: Settings) -> Iterator[dict[str, object]]:
    """The ports themselves, for any number of runs in this process; they are closed at the end.

    The attempts are defined only: each run makes them of the ports that it is given.

    Raises:
        ExportError: One of them cannot be opened; Dagster hides that in an error of its own.
    """
    with ExitStack() as stack:
        try:
            resources = stack.enter_context(dg.build_resources(resources_on(settings)))
        except dg.DagsterUserCodeExecutionError as error:
            if isinstance(error.user_exception, ExportError):
                raise error.user_exception from error
            raise
        ports = {name: getattr(resources, name) for name in RESOURCES}
        yield ports | {"attempts": attempts_resource}
