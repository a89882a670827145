"""The environment as typed settings: Langfuse's names and defaults, and a few of our own.

One class per part, so that a resource can ask for no more than it uses; ``Settings`` is all of
them. ``python -m tools.configuration_page`` writes ``docs/configuration.md`` from them.
"""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from lf_export_pipeline.core.query.chunk_plan import CHUNK_TARGET_BYTES, MEBIBYTE
from lf_export_pipeline.core.request.admission import KIBIBYTE, ExportLimits
from lf_export_pipeline.core.request.column_groups import forbidden_columns
from lf_export_pipeline.core.request.csv_options import CsvOptions
from lf_export_pipeline.core.request.file_defaults import FileDefaults
from lf_export_pipeline.core.request.options import Compression
from lf_export_pipeline.core.tables import column_names
from lf_export_pipeline.settings.environment import EnvironmentSettings
from lf_export_pipeline.settings.lake import LakeSettings
from lf_export_pipeline.settings.limits import LimitSettings
from lf_export_pipeline.settings.operating import OperatingSettings
from lf_export_pipeline.settings.postgres import PostgresSettings
from lf_export_pipeline.settings.s3 import S3Settings
from lf_export_pipeline.settings.sentences import in_sentences
from lf_export_pipeline.settings.values import (
    ClickHouseAddress,
    authorities,
    broker,
    column_lists,
    credential,
    mail_server,
    url_of,
)

Switch = Literal["auto", "true", "false"]


class ClickHouseSettings(BaseModel):
    """Langfuse's ClickHouse over HTTP, 24.3 or newer (tried: 24.8, 25.5, 26.9), to be read."""

    clickhouse_url: ClickHouseAddress = Field(
        repr=False,
        description="HTTP(S) address of the server, with the port unless it is 80 or 443. As in "
        "Langfuse, user and password in it win over CLICKHOUSE_USER and CLICKHOUSE_PASSWORD, and a "
        "path `/name` over CLICKHOUSE_DB. A path behind a proxy ends in a slash (`/path/`), or is "
        "`?pathname=/path`. `?clickhouse_setting_<name>=`, `?ch_<name>=` and "
        "`?http_header_<name>=` are sent with each query.",
    )
    clickhouse_read_only_url: ClickHouseAddress | None = Field(
        default=None,
        repr=False,
        description="Where reads go, if not to CLICKHOUSE_URL.",
    )
    clickhouse_events_read_only_url: ClickHouseAddress | None = Field(
        default=None,
        repr=False,
        description="Where reads of the events tables go, if not to CLICKHOUSE_READ_ONLY_URL or "
        "CLICKHOUSE_URL.",
    )
    clickhouse_user: Annotated[str, credential()] = Field(description="Name of the user.")
    clickhouse_password: Annotated[SecretStr, credential()] = Field(
        description="Password of the user."
    )
    lf_export_clickhouse_ca_file: Annotated[str, authorities()] | None = Field(
        default=None,
        description="PEM file of the CAs that may sign the certificate of an `https://` "
        "server. Default: the public CAs.",
    )
    clickhouse_db: str = Field(default="default", description="Langfuse's database.")
    clickhouse_max_open_connections: int = Field(
        default=25, ge=1, description="Connections that are kept for reuse, per process."
    )
    clickhouse_disable_lazy_materialization: Switch = Field(
        default="auto",
        description="`true` turns off lazy materialization; otherwise the server decides.",
    )
    langfuse_clickhouse_query_max_attempts: int = Field(
        default=3, ge=1, description="Attempts of one small read when the connection fails."
    )
    lf_export_clickhouse_query_seconds: int = Field(
        default=185,
        ge=1,
        le=86_400,
        description="How long one query may take (`max_execution_time`). Where the user's profile "
        "lets no query change that, the profile's own value holds: please set one there.",
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


class MailSettings(BaseModel):
    """The e-mail that tells the user that the file is ready. Exports complete without it."""

    email_from_address: str | None = Field(
        default=None,
        description="Sender of the e-mails: `noreply@example.com`, or with a name that stands for "
        "Langfuse, `Exports <noreply@example.com>`.",
    )
    smtp_connection_url: (
        Annotated[SecretStr, url_of("smtp", "smtps", "ses"), mail_server()] | None
    ) = Field(
        default=None,
        description="`smtp://user:password@host:587` (TLS where the server offers STARTTLS; with "
        "`?requireTLS=true` nothing is sent without, with `?ignoreTLS=true` it is not used), "
        "`smtps://…` (TLS from the first byte) or `ses://region`. `tls.servername=` is the name "
        "that the certificate holds, `name=` that of this machine, `localAddress=` its address.",
    )
    lf_export_smtp_ca_file: Annotated[str, authorities()] | None = Field(
        default=None,
        description="PEM file of the CAs that may sign the mail server's certificate. "
        "Default: the system's CAs.",
    )
    nextauth_url: str | None = Field(
        default=None,
        description="Address of Langfuse's web app, for the link to the exports page. Without it "
        "the e-mail holds the download link itself.",
    )
    lf_export_mail_on_failure: bool = Field(
        default=True, description="Send an e-mail also when an export failed."
    )
    lf_export_webhook_url: Annotated[SecretStr, url_of("https", "http")] | None = Field(
        default=None,
        description='Address that gets a message `{"text": …}` when an export is ready or failed, '
        "as Slack's incoming webhooks do. The download link is never in it.",
    )
    lf_export_require_membership: bool = Field(
        default=True,
        description="Send e-mails only to users whose role in the project, or else in its "
        "organization, lets them see it.",
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
    lf_export_celery_broker: Annotated[SecretStr, broker()] | None = Field(
        default=None,
        description="Redis for the executor `celery`, as `redis://host:6379/0`, or with TLS "
        "`rediss://host:6379/0?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs=/path/ca.pem`; it has to "
        "be in the environment itself, for the code location and for the workers.",
    )
    lf_export_preview: bool = Field(
        default=True, description="Show the first rows of the file in the run's metadata."
    )
    lf_export_parts: Literal["bucket", "spool"] = Field(
        default="bucket",
        description="Where the bytes of a file go while they are made: `bucket` sends them as they "
        "are read, as parts of an upload that is completed at the end; `spool` keeps all of them "
        "in the spool until the last one is there. With an executor other than `in_process` "
        "always the spool, since several processes make one file.",
    )
    lf_export_upload_ahead: bool = Field(
        default=True,
        description="With `LF_EXPORT_PARTS=spool`: upload the first chunks while the later ones "
        "are made. Needs the executor `in_process`, and memory for a few parts of the upload.",
    )
    lf_export_chunk_target_mib: int = Field(
        default=CHUNK_TARGET_BYTES // MEBIBYTE,
        ge=1,
        le=1024,
        description="Size of one chunk's output, in MiB, estimated from a sample of rows.",
    )
    lf_export_step_target_mib: int = Field(
        default=1024,
        ge=1,
        description="Size of what one step writes, in MiB: so many chunks, one after the other. A "
        "run that is resumed goes on with the chunk that is missing, whatever the step. With an "
        "executor of several processes, less lets more of them share one export.",
    )
    lf_export_rows: Literal["clickhouse", "arrow"] = Field(
        default="clickhouse",
        description="Who makes the rows of a file from tables that ClickHouse holds: "
        "`clickhouse` writes them itself, at a third of the work for this process; with `arrow` it "
        "sends columns, which are serialised here. The bytes are the same. Where a server or a "
        "profile does not take such queries, `arrow` is used by itself; `lf-export doctor` tells.",
    )
    lf_export_compression: Compression = Field(
        default=Compression.NONE,
        description="How CSV, JSON and JSONL files are compressed unless an export asks for "
        "something else: `gzip` (`.csv.gz`) or `zstd` (`.csv.zst`), both at level 1.",
    )
    lf_export_parquet_projects: str = Field(
        default="",
        description="Projects, as ids with commas between them, or `*` for all, in which an export "
        "that Langfuse's dialog calls JSONL is written as Parquet.",
    )
    lf_export_forbidden_columns: Annotated[str, column_lists()] = Field(
        default="",
        description="Columns that no export of a project may hold, whoever asks for it: "
        "`project-id:input,output;*:metadata`, with `*` for all projects. Names are those of "
        "columns or of [groups of them](files.md#fewer-columns).",
    )
    lf_export_csv_guard_formulas: bool = Field(
        default=False,
        description="Put an apostrophe before CSV cells that a spreadsheet would run as a formula: "
        "text that begins with `=`, `+`, `-`, `@` (also in full width or after blanks and "
        "characters without width), TAB, CR or NUL.",
    )
    lf_export_csv_bom: bool = Field(
        default=False,
        description="Begin CSV files with a byte order mark, so that a double click opens them as "
        "UTF-8 in Excel.",
    )
    lf_export_csv_plain_instants: bool = Field(
        default=False,
        description="Write instants and decimals of CSV files without the quotes of a JSON string, "
        "which Langfuse puts around them.",
    )
    lf_export_csv_empty_header: bool = Field(
        default=False,
        description="Write the header of a CSV file also when there are no rows.",
    )
    lf_export_sensor_interval_seconds: int = Field(
        default=3,
        ge=1,
        description="Seconds between two ticks of the sensor that finds queued exports. Dagster's "
        "daemon looks every 5 seconds which sensors are due, so up to 4 means every time; 5 would "
        "often be due a moment too late, and wait for 10.",
    )
    lf_export_niceness: int = Field(
        default=10,
        ge=0,
        le=19,
        description="How far the process of a run gives way to the daemon, the code server and "
        "other servers on its machine, as with `nice`; 0: not at all.",
    )


class Settings(
    EnvironmentSettings,
    LakeSettings,
    OperatingSettings,
    PipelineSettings,
    LimitSettings,
    MailSettings,
    S3Settings,
    ClickHouseSettings,
    PostgresSettings,
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
        with in_sentences(cls):
            if environ is None:
                return Settings()
            known = {name.lower(): value for name, value in environ.items() if value != ""}
            return _Given.model_validate(
                {name: value for name, value in known.items() if name in cls.model_fields}
            )

    @property
    def limits(self) -> ExportLimits:
        """The numbers that the core needs to compile an export."""
        return ExportLimits(
            row_limit=self.batch_export_row_limit,
            query_bytes=self.lf_export_query_max_kib * KIBIBYTE,
            filters=self.lf_export_filters_max,
            comment_filters=self.lf_export_comment_filters_max,
            values=self.lf_export_filter_values_max,
            text_characters=self.lf_export_filter_text_max_characters,
            search_characters=self.lf_export_search_max_characters,
            score_columns_bytes=self.lf_export_score_columns_max_kib * KIBIBYTE,
            event_bytes=self.lf_export_event_max_kib * KIBIBYTE,
        )

    @property
    def file_defaults(self) -> FileDefaults:
        """How files are written where an export does not say so itself; what they may not hold."""
        ids = (each.strip() for each in self.lf_export_parquet_projects.split(","))
        return FileDefaults(
            compression=self.lf_export_compression,
            parquet_projects=frozenset(each for each in ids if each),
            csv=CsvOptions(
                guard_formulas=self.lf_export_csv_guard_formulas,
                byte_order_mark=self.lf_export_csv_bom,
                plain_instants=self.lf_export_csv_plain_instants,
                empty_header=self.lf_export_csv_empty_header,
            ),
            forbidden=forbidden_columns(self.lf_export_forbidden_columns, column_names()),
        )

    @property
    def link_lifetime(self) -> timedelta:
        """How long a download link lives."""
        return timedelta(hours=self.batch_export_download_link_expiration_hours)

    @property
    def parts_go_to_the_bucket(self) -> bool:
        """Whether chunks are sent as they are read, which one process does for all of them."""
        return self.lf_export_executor == "in_process" and self.lf_export_parts == "bucket"

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
