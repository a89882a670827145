"""The four services as Dagster resources: ClickHouse, Postgres, S3, SMTP.

What they are set to is shown on Dagster's page of resources, as read when the code location was
loaded, and nothing secret. A run reads the environment again when it starts, so a missing variable
fails the run with its sentence. Values that are changed in the launchpad are refused: they would
be without effect.

Each opens its adapter, and imports it only then: who loads the definitions, be it the daemon's code
server or a run that has not begun, needs neither client libraries nor Arrow.
"""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote, urlsplit

import dagster as dg
from dagster_aws.s3 import S3Resource as DagsterS3Resource
from pydantic import Field, PrivateAttr

from lf_export_pipeline.core.errors import ConfigurationError
from lf_export_pipeline.core.ports import ObjectStore
from lf_export_pipeline.defs.redacted import redact_unexpected_errors
from lf_export_pipeline.settings import Settings
from lf_export_pipeline.settings.clickhouse_url import clickhouse_url

if TYPE_CHECKING:
    from lf_export_pipeline.adapters.clickhouse.clickhouse_reader import ClickHouseReader
    from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
    from lf_export_pipeline.adapters.smtp.mailer import MailSender

NOT_SET = "not set"


def _shown(setting: str) -> Any:
    return Field(default=NOT_SET, description=f"From {setting}. Shown only; set it there.")


class _ServiceResource(dg.ConfigurableResource[Any], dg.IAttachDifferentObjectToOpContext):
    """A resource whose fields say what a service is set to; ops get the adapter itself."""

    settings: dg.ResourceDependency[Settings]
    _adapter: Any = PrivateAttr(default=None)

    @classmethod
    @abstractmethod
    def described(cls, settings: Settings) -> dict[str, str | None]:
        """The fields by the settings; no secret."""

    @abstractmethod
    def opened(self) -> AbstractContextManager[Any]:
        """The adapter, which is closed by leaving the context."""

    @classmethod
    def of(cls, settings: Settings | None, definition: dg.ResourceDefinition) -> Self:
        """The resource as it is shown.

        Args:
            settings: What is set where the code location is loaded; None: not all that is needed.
            definition: Where a run takes its settings from.
        """
        fields: dict[str, Any] = {**cls.described(settings)} if settings else {}
        return cls(settings=definition, **fields)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Self]:  # noqa: ARG002
        """The adapter, whose connections end with the run."""
        with ExitStack() as stack:
            with redact_unexpected_errors():
                self._require_unchanged()
                self._adapter = stack.enter_context(self.opened())
            yield self

    def get_object_to_set_on_execution_context(self) -> Any:
        """What ops ask for."""
        return self._adapter

    @property
    def _settings(self) -> Settings:
        """What the run has read from the environment."""
        return self.settings

    def _require_unchanged(self) -> None:
        """Refuses what somebody has typed in the launchpad."""
        for name, value in self.described(self._settings).items():
            typed = getattr(self, name)
            if typed not in (value, type(self).model_fields[name].default):
                raise ConfigurationError(
                    f"The resource's {name} is {typed!r}, but the environment says {value!r}; "
                    "change the environment, or reload the code location."
                )


class ClickHouseResource(_ServiceResource):
    """Langfuse's ClickHouse, read-only."""

    address: str = _shown("CLICKHOUSE_URL")
    reads_from: str = _shown("CLICKHOUSE_READ_ONLY_URL")
    events_from: str = _shown("CLICKHOUSE_EVENTS_READ_ONLY_URL")
    user: str = _shown("CLICKHOUSE_USER")
    database: str = _shown("CLICKHOUSE_DB")

    @classmethod
    def described(cls, settings: Settings) -> dict[str, str | None]:
        """Addresses without what signs in."""
        main, reads = settings.clickhouse_url, settings.clickhouse_read_only_url
        events = settings.clickhouse_events_read_only_url
        return {
            "address": _clickhouse_address(main),
            "reads_from": _clickhouse_address(reads or main),
            "events_from": _clickhouse_address(events or reads or main),
            "user": settings.clickhouse_user,
            "database": clickhouse_url(main).database or settings.clickhouse_db,
        }

    def opened(self) -> "AbstractContextManager[ClickHouseReader]":
        """A reader."""
        from lf_export_pipeline.adapters.clickhouse import clickhouse_reader  # noqa: PLC0415

        return closing(clickhouse_reader.ClickHouseReader(self._settings))


class PostgresResource(_ServiceResource):
    """Langfuse's Postgres."""

    address: str = _shown("DATABASE_URL")
    database: str = _shown("DATABASE_URL")
    user: str = _shown("DATABASE_URL")

    @classmethod
    def described(cls, settings: Settings) -> dict[str, str | None]:
        """The parts of the URL without the password."""
        url = urlsplit(settings.database_url.get_secret_value())
        return {
            "address": f"{unquote(url.hostname or 'local socket')}:{url.port or 5432}",
            "database": unquote(url.path.removeprefix("/")),
            "user": unquote(url.username or ""),
        }

    def opened(self) -> "AbstractContextManager[LangfusePostgres]":
        """The database."""
        from lf_export_pipeline.adapters.postgres import database  # noqa: PLC0415

        return closing(database.LangfusePostgres(self._settings))


class S3Resource(_ServiceResource, DagsterS3Resource):
    """The bucket of the finished files.

    ``dagster_aws``' resource, with a client that also knows the signature version, path-style
    addresses and when to send checksums, which compatible services need.
    """

    bucket: str = _shown("LANGFUSE_S3_BATCH_EXPORT_BUCKET")
    prefix: str = _shown("LANGFUSE_S3_BATCH_EXPORT_PREFIX")

    @classmethod
    def described(cls, settings: Settings) -> dict[str, str | None]:
        """Where the files go; the last two are fields of ``dagster_aws``."""
        return {
            "bucket": settings.langfuse_s3_batch_export_bucket or NOT_SET,
            "prefix": settings.langfuse_s3_batch_export_prefix,
            "endpoint_url": settings.langfuse_s3_batch_export_endpoint,
            "region_name": settings.langfuse_s3_batch_export_region,
        }

    def get_client(self) -> Any:
        """A boto3 client for the bucket.

        Raises:
            ConfigurationError: The settings do not fit together.
        """
        from lf_export_pipeline.adapters.s3.s3_client import s3_client  # noqa: PLC0415

        settings = self._settings
        bucket = settings.langfuse_s3_batch_export_bucket or ""
        return s3_client(settings, bucket, settings.langfuse_s3_batch_export_endpoint)

    def opened(self) -> AbstractContextManager[ObjectStore]:
        """The store of finished files; a missing setting is said by its first use."""
        from lf_export_pipeline.adapters.object_stores import open_object_store  # noqa: PLC0415

        return nullcontext(open_object_store(self._settings))


class SmtpResource(_ServiceResource):
    """The mail server."""

    address: str = _shown("SMTP_CONNECTION_URL")
    sender: str = _shown("EMAIL_FROM_ADDRESS")

    @classmethod
    def described(cls, settings: Settings) -> dict[str, str | None]:
        """Host and port without what signs in."""
        url = settings.smtp_connection_url
        parts = urlsplit(url.get_secret_value()) if url else None
        address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts else NOT_SET
        return {"address": address, "sender": settings.email_from_address or NOT_SET}

    def opened(self) -> "AbstractContextManager[MailSender]":
        """The mailer; one that is not configured says so when it is to send."""
        from lf_export_pipeline.adapters.smtp import mailer  # noqa: PLC0415

        return nullcontext(mailer.open_mailer(self._settings))


def _clickhouse_address(url: str) -> str:
    parts = clickhouse_url(url)
    return f"{parts.scheme}://{parts.host}:{parts.port}"
