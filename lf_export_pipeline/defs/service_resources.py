"""The four services as Dagster resources: ClickHouse, Postgres, S3, SMTP.

What they are set to is shown on Dagster's page of resources, as read when the code location was
loaded, and nothing secret. A run reads the environment again when it starts, so a missing variable
fails the run with its sentence. Values that are changed in the launchpad are refused: they would
be without effect.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self, cast
from urllib.parse import urlsplit

import dagster as dg
from dagster_aws.s3 import S3Resource as DagsterS3Resource
from pydantic import Field, PrivateAttr
from sqlalchemy.engine import make_url

from lf_export_pipeline.adapters.clickhouse.clickhouse_reader import ClickHouseReader
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.adapters.s3.object_store import S3ObjectStore
from lf_export_pipeline.adapters.s3.s3_client import s3_client
from lf_export_pipeline.adapters.smtp.mailer import MailSender, open_mailer
from lf_export_pipeline.core.errors import ConfigurationError
from lf_export_pipeline.defs.redacted import redact_unexpected_errors
from lf_export_pipeline.settings import Settings
from lf_export_pipeline.settings.clickhouse_url import clickhouse_url

NOT_SET = "not set"


def _shown(value: str, setting: str) -> Any:
    return Field(default=value, description=f"From {setting}. Shown only; set it there.")


class _ServiceResource(dg.ConfigurableResource[Any], dg.IAttachDifferentObjectToOpContext):
    """A resource whose fields say what a service is set to; ops get the adapter itself."""

    settings: dg.ResourceDependency[Settings]
    _adapter: Any = PrivateAttr(default=None)

    @classmethod
    def described(cls, settings: Settings) -> dict[str, str]:
        """The fields by the settings; no secret."""
        raise NotImplementedError

    @classmethod
    def of(cls, settings: Settings | None, definition: dg.ResourceDefinition) -> Self:
        """The resource as it is shown.

        Args:
            settings: What is set where the code location is loaded; None: not all that is needed.
            definition: Where a run takes its settings from.
        """
        fields = cls.described(settings) if settings else {}
        return cls(settings=definition, **fields)

    @property
    def _settings(self) -> Settings:
        """What the run has read from the environment."""
        return self.settings

    def get_object_to_set_on_execution_context(self) -> Any:
        """What ops ask for."""
        return self._adapter

    def _require_unchanged(self) -> None:
        """Refuses what somebody has typed in the launchpad."""
        for name, value in self.described(self._settings).items():
            typed = getattr(self, name)
            if typed not in (value, NOT_SET):
                raise ConfigurationError(
                    f"The resource's {name} is {typed!r}, but the environment says {value!r}; "
                    "change the environment, or reload the code location."
                )


class ClickHouseResource(_ServiceResource):
    """Langfuse's ClickHouse, read-only."""

    address: str = _shown(NOT_SET, "CLICKHOUSE_URL")
    reads_from: str = _shown(NOT_SET, "CLICKHOUSE_READ_ONLY_URL")
    events_from: str = _shown(NOT_SET, "CLICKHOUSE_EVENTS_READ_ONLY_URL")
    user: str = _shown(NOT_SET, "CLICKHOUSE_USER")
    database: str = _shown(NOT_SET, "CLICKHOUSE_DB")

    @classmethod
    def described(cls, settings: Settings) -> dict[str, str]:
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

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Self]:  # noqa: ARG002
        """A reader whose connections end with the run."""
        with redact_unexpected_errors():
            self._require_unchanged()
            self._adapter = ClickHouseReader(self._settings)
        try:
            yield self
        finally:
            self._adapter.close()


class PostgresResource(_ServiceResource):
    """Langfuse's Postgres."""

    address: str = _shown(NOT_SET, "DATABASE_URL")
    database: str = _shown(NOT_SET, "DATABASE_URL")
    user: str = _shown(NOT_SET, "DATABASE_URL")

    @classmethod
    def described(cls, settings: Settings) -> dict[str, str]:
        """The parts of the URL without the password."""
        url = make_url(settings.database_url.get_secret_value())
        return {
            "address": f"{url.host or 'local socket'}:{url.port or 5432}",
            "database": url.database or "",
            "user": url.username or "",
        }

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Self]:  # noqa: ARG002
        """The database, whose connections end with the run."""
        with redact_unexpected_errors():
            self._require_unchanged()
            self._adapter = LangfusePostgres(self._settings)
        try:
            yield self
        finally:
            self._adapter.close()


class S3Resource(DagsterS3Resource):
    """The bucket of the finished files.

    ``dagster_aws``' resource, with a client that also knows the signature version, path-style
    addresses and when to send checksums, which compatible services need.
    """

    settings: dg.ResourceDependency[Settings]
    bucket: str = _shown(NOT_SET, "LANGFUSE_S3_BATCH_EXPORT_BUCKET")
    prefix: str = _shown(NOT_SET, "LANGFUSE_S3_BATCH_EXPORT_PREFIX")

    @classmethod
    def of(cls, settings: Settings | None, definition: dg.ResourceDefinition) -> Self:
        """The resource as it is shown; as that of the other services."""
        if settings is None:
            return cls(settings=definition)
        return cls(
            settings=definition,
            bucket=settings.langfuse_s3_batch_export_bucket or NOT_SET,
            prefix=settings.langfuse_s3_batch_export_prefix,
            endpoint_url=settings.langfuse_s3_batch_export_endpoint,
            region_name=settings.langfuse_s3_batch_export_region,
        )

    def get_client(self) -> Any:
        """A boto3 client for the bucket.

        Raises:
            ConfigurationError: The settings do not fit together.
        """
        settings = self.settings
        bucket = settings.langfuse_s3_batch_export_bucket or ""
        return s3_client(settings, bucket, settings.langfuse_s3_batch_export_endpoint)

    def get_object_to_set_on_execution_context(self) -> S3ObjectStore:
        """The store of finished files; a missing setting is said by its first use."""
        return S3ObjectStore(self.settings)


class SmtpResource(_ServiceResource):
    """The mail server."""

    address: str = _shown(NOT_SET, "SMTP_CONNECTION_URL")
    sender: str = _shown(NOT_SET, "EMAIL_FROM_ADDRESS")

    @classmethod
    def described(cls, settings: Settings) -> dict[str, str]:
        """Host and port without what signs in."""
        url = settings.smtp_connection_url
        parts = urlsplit(url.get_secret_value()) if url else None
        address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts else NOT_SET
        return {"address": address, "sender": settings.email_from_address or NOT_SET}

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002
        """The mailer; one that is not configured says so when it is to send."""
        with redact_unexpected_errors():
            self._require_unchanged()
            self._adapter = open_mailer(self._settings)

    def get_object_to_set_on_execution_context(self) -> MailSender:
        """The mailer."""
        return cast("MailSender", self._adapter)


def _clickhouse_address(url: str) -> str:
    parts = clickhouse_url(url)
    return f"{parts.scheme}://{parts.host}:{parts.port}"
