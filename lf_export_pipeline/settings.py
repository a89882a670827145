"""The environment as typed settings: Langfuse's names and defaults, and a few of our own.

One class per part, so that a resource can ask for no more than it uses; ``Settings`` is all of
them. ``python -m lf_export_pipeline.settings_document`` writes ``docs/configuration.md`` from them.
"""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, SecretStr, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from lf_export_pipeline.core.errors import ConfigurationError
from lf_export_pipeline.core.request import ExportLimits
from lf_export_pipeline.settings_operating import OperatingSettings
from lf_export_pipeline.settings_sentences import sentences
from lf_export_pipeline.settings_urls import url_of

Switch = Literal["auto", "true", "false"]


HttpUrl = Annotated[str, url_of("http", "https")]


class PostgresSettings(BaseModel):
    """Langfuse's Postgres: the rows of ``batch_exports``, users, comments, datasets, audit logs."""

    database_url: Annotated[SecretStr, url_of("postgresql", "postgres")] = Field(
        description="Langfuse's database. Prisma's URL parameters are understood."
    )


class ClickHouseSettings(BaseModel):
    """Langfuse's ClickHouse, over HTTP, version 24.3 or newer. Reading is enough."""

    clickhouse_url: HttpUrl = Field(repr=False, description="HTTP(S) address of the server.")
    clickhouse_read_only_url: HttpUrl | None = Field(
        default=None,
        repr=False,
        description="Where reads go, if not to CLICKHOUSE_URL.",
    )
    clickhouse_events_read_only_url: HttpUrl | None = Field(
        default=None,
        repr=False,
        description="Where reads of the events tables go, if not to CLICKHOUSE_URL.",
    )
    clickhouse_user: str = Field(description="Name of the user.")
    clickhouse_password: SecretStr = Field(description="Password of the user.")
    clickhouse_db: str = Field(default="default", description="Langfuse's database.")
    clickhouse_max_open_connections: int = Field(
        default=25, ge=1, description="Connections that are kept for reuse, per process."
    )
    clickhouse_disable_lazy_materialization: Switch = Field(
        default="auto",
        description="`true` turns off lazy materialization on the server; otherwise it decides.",
    )
    langfuse_clickhouse_query_max_attempts: int = Field(
        default=3, ge=1, description="Attempts of one small read when the connection fails."
    )
    lf_export_clickhouse_memory_mib: int = Field(
        default=4096,
        ge=0,
        description="Memory that one query may take on the server, in MiB; it sorts and groups on "
        "disk from half of it on. 0: as the server's profile says.",
    )
    lf_export_clickhouse_threads: int = Field(
        default=0, ge=0, description="Threads of one query. 0: as the server's profile says."
    )


class S3Settings(BaseModel):
    """The bucket of the finished files: AWS S3 or a service that speaks its protocol."""

    langfuse_s3_batch_export_enabled: bool = Field(
        default=False, description="Exports fail with a sentence unless this is `true`."
    )
    langfuse_s3_batch_export_bucket: str | None = Field(
        default=None, description="Name of the bucket. Exports fail with a sentence without one."
    )
    langfuse_s3_batch_export_prefix: str = Field(
        default="", description="Put in front of each object's key as it is."
    )
    langfuse_s3_batch_export_region: str | None = Field(default=None, description="AWS region.")
    langfuse_s3_batch_export_endpoint: HttpUrl | None = Field(
        default=None, description="Address of a service other than AWS."
    )
    langfuse_s3_batch_export_external_endpoint: HttpUrl | None = Field(
        default=None,
        description="Address of the same service as a browser reaches it; links are made for it.",
    )
    langfuse_s3_batch_export_access_key_id: str | None = Field(
        default=None, description="Unset: AWS's own chain of credentials."
    )
    langfuse_s3_batch_export_secret_access_key: SecretStr | None = Field(
        default=None, description="Belongs to the access key id."
    )
    langfuse_s3_batch_export_force_path_style: bool = Field(
        default=False, description="Bucket in the path instead of the host name (MinIO, SeaweedFS)."
    )
    langfuse_s3_batch_export_sse: Literal["AES256", "aws:kms"] | None = Field(
        default=None, description="Server-side encryption of the object."
    )
    langfuse_s3_batch_export_sse_kms_key_id: str | None = Field(
        default=None, description="Key for `aws:kms`."
    )
    batch_export_s3_part_size_mib: int = Field(
        default=10,
        ge=5,
        le=100,
        description="Size of a part of an upload, in MiB; grows with the file.",
    )
    langfuse_s3_upload_max_part_attempts: int = Field(
        default=3, ge=1, le=10, description="Attempts of each request to the bucket."
    )
    langfuse_s3_upload_max_concurrent_parts: int = Field(
        default=3, ge=1, le=10, description="Parts of one upload that travel at the same time."
    )

    langfuse_use_azure_blob: bool = Field(default=False, description="Not supported.")
    langfuse_use_google_cloud_storage: bool = Field(default=False, description="Not supported.")
    langfuse_use_oci_native_object_storage: bool = Field(
        default=False, description="Not supported."
    )

    @model_validator(mode="after")
    def _stores_with_other_protocols_are_refused(self) -> Self:
        for name in ("azure_blob", "google_cloud_storage", "oci_native_object_storage"):
            if getattr(self, f"langfuse_use_{name}"):
                raise PydanticCustomError(
                    "sentence",
                    "LANGFUSE_USE_{name} is true, but exports go to S3 or a service with its "
                    "protocol; unset it and name such a bucket in LANGFUSE_S3_BATCH_EXPORT_BUCKET.",
                    {"name": name.upper()},
                )
        return self

    @model_validator(mode="after")
    def _keys_come_in_pairs(self) -> Self:
        access, secret = (
            self.langfuse_s3_batch_export_access_key_id,
            self.langfuse_s3_batch_export_secret_access_key,
        )
        if (access is None) != (secret is None):
            raise PydanticCustomError(
                "sentence",
                "LANGFUSE_S3_BATCH_EXPORT_ACCESS_KEY_ID and "
                "LANGFUSE_S3_BATCH_EXPORT_SECRET_ACCESS_KEY belong together; set both or neither.",
            )
        return self


class MailSettings(BaseModel):
    """The e-mail that tells the user that the file is ready. Exports complete without it."""

    email_from_address: str | None = Field(default=None, description="Sender of the e-mails.")
    smtp_connection_url: Annotated[SecretStr, url_of("smtp", "smtps", "ses")] | None = Field(
        default=None,
        description="`smtp://user:password@host:587`, `smtps://…` (TLS from the first byte) or `ses://region`.",
    )
    nextauth_url: str | None = Field(
        default=None,
        description="Address of Langfuse's web app, for the link to the exports page. Unset: the "
        "e-mail holds the download link itself.",
    )
    lf_export_require_membership: bool = Field(
        default=True,
        description="Send e-mails only to users who are members of the project's organization.",
    )


class LimitSettings(BaseModel):
    """Bounds of an export."""

    batch_export_row_limit: int = Field(
        default=1_500_000,
        ge=1,
        description="Rows of one export; a cut is said in row, run, e-mail.",
    )
    batch_export_download_link_expiration_hours: int = Field(
        default=24,
        ge=1,
        le=168,
        description="Life of a download link, in hours; at most a week.",
    )


class PipelineSettings(BaseModel):
    """How this project runs; Langfuse knows nothing of these."""

    lf_export_spool: str = Field(
        default=".lf-export/spool",
        description="Where bytes wait between the ops: a directory, or `s3://bucket/prefix` when "
        "ops run on several machines. Relative to the working directory.",
    )
    lf_export_executor: Literal["in_process", "multiprocess", "celery", "k8s"] = Field(
        default="in_process", description="Dagster's executor of the export job."
    )
    lf_export_celery_broker: SecretStr | None = Field(
        default=None,
        description="Redis for the executor `celery`, as `redis://host:6379/0`; it has to be in "
        "the environment itself, for the code location and for the workers.",
    )
    lf_export_preview: bool = Field(
        default=True, description="Show the first rows of the file in the run's metadata."
    )
    lf_export_chunk_target_mib: int = Field(
        default=64,
        ge=1,
        le=1024,
        description="Output of one chunk, in MiB (by a sample of rows).",
    )
    lf_export_csv_guard_formulas: bool = Field(
        default=False,
        description="Put a quote before CSV cells that a spreadsheet would run as a formula.",
    )
    lf_export_sensor_interval_seconds: int = Field(
        default=5, ge=1, description="Seconds between two looks for queued exports."
    )


class Settings(
    OperatingSettings,
    PipelineSettings,
    LimitSettings,
    MailSettings,
    S3Settings,
    ClickHouseSettings,
    PostgresSettings,
    BaseSettings,
):
    """Everything the pipeline is told by its environment. Secrets do not show in ``repr``."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """The settings of this process, or of the given variables alone.

        Without ``environ`` the environment wins over a ``.env`` file in the working directory.
        An empty value counts as unset, as in Langfuse.

        Raises:
            ConfigurationError: a sentence per problem, which names the variable; no secrets.
        """
        try:
            if environ is None:
                return Settings()
            known = {name.lower(): value for name, value in environ.items() if value != ""}
            return _Given.model_validate(
                {name: value for name, value in known.items() if name in cls.model_fields}
            )
        except ValidationError as error:
            raise ConfigurationError(sentences(error, cls)) from None

    @property
    def limits(self) -> ExportLimits:
        """The numbers that the core needs to compile an export."""
        return ExportLimits(row_limit=self.batch_export_row_limit)

    @property
    def link_lifetime(self) -> timedelta:
        """How long a download link lives."""
        return timedelta(hours=self.batch_export_download_link_expiration_hours)

    @property
    def spool_is_remote(self) -> bool:
        """Whether the spool is a bucket."""
        return "://" in self.lf_export_spool

    @property
    def spool_directory(self) -> Path:
        """The spool as an absolute directory; meaningful unless ``spool_is_remote``."""
        return Path(self.lf_export_spool).expanduser().resolve()


class _Given(Settings):
    """Settings that look at nothing but what they are given."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is the library's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)
