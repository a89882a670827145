"""The ports as Dagster resources.

They read the environment when a run starts, not when definitions load: nothing secret becomes part
of a Dagster config, and a missing variable fails the run with its sentence.
"""

from collections.abc import Iterator

import dagster as dg

from lf_export_pipeline.adapters.clickhouse.clickhouse_reader import ClickHouseReader
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.adapters.s3.object_store import S3FileStore
from lf_export_pipeline.adapters.smtp.mailer import MailSender, open_mailer
from lf_export_pipeline.adapters.spool import open_spool
from lf_export_pipeline.core.ports import FileStore, Spool
from lf_export_pipeline.defs.redacted import unforeseen_without_words
from lf_export_pipeline.settings import Settings


@dg.resource(description="Settings from the environment.")
@unforeseen_without_words()
def settings_resource(_: dg.InitResourceContext) -> Settings:
    """The settings of the process that runs the step."""
    return Settings.load()


@dg.resource(description="Langfuse's ClickHouse.", required_resource_keys={"settings"})
def clickhouse_resource(context: dg.InitResourceContext) -> Iterator[ClickHouseReader]:
    """A reader whose connections end with the run."""
    with unforeseen_without_words():
        reader = ClickHouseReader(context.resources.settings)
    try:
        yield reader
    finally:
        reader.close()


@dg.resource(description="Langfuse's Postgres.", required_resource_keys={"settings"})
def postgres_resource(context: dg.InitResourceContext) -> Iterator[LangfusePostgres]:
    """The database, whose connections end with the run."""
    with unforeseen_without_words():
        database = LangfusePostgres(context.resources.settings)
    try:
        yield database
    finally:
        database.close()


@dg.resource(description="The bucket of the finished files.", required_resource_keys={"settings"})
def s3_resource(context: dg.InitResourceContext) -> FileStore:
    """The bucket; a missing setting is said by the first use."""
    return S3FileStore(context.resources.settings)


@dg.resource(description="The mail server.", required_resource_keys={"settings"})
@unforeseen_without_words()
def smtp_resource(context: dg.InitResourceContext) -> MailSender:
    """The mailer; one that is not configured says so when it is to send."""
    return open_mailer(context.resources.settings)


@dg.resource(description="Intermediate files between the ops.", required_resource_keys={"settings"})
@unforeseen_without_words()
def spool_resource(context: dg.InitResourceContext) -> Spool:
    """The spool."""
    return open_spool(context.resources.settings)


RESOURCES: dict[str, dg.ResourceDefinition] = {
    "settings": settings_resource,
    "clickhouse": clickhouse_resource,
    "postgres": postgres_resource,
    "s3": s3_resource,
    "smtp": smtp_resource,
    "spool": spool_resource,
}
"""By what they are; ``resources.PORTS`` has them under the names that ops and sensors ask for."""
