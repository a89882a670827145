"""Where the servers of a running stack are, in the variables that Langfuse's worker reads."""

from dataclasses import dataclass
from pathlib import Path

from lf_export_localstack.processes.state import Credentials
from lf_export_localstack.processes.tcp_ports import HOST
from lf_export_localstack.services.clickhouse_service import DATABASE
from lf_export_localstack.services.postgres_service import DAGSTER_DATABASE, LANGFUSE_DATABASE
from lf_export_localstack.services.seaweedfs_service import BUCKET, REGION

PREFIX = "exports/"
SENDER = "exports@langfuse.localhost"


@dataclass(frozen=True, slots=True)
class StackAddresses:
    """Ports, credentials and folders of one stack.

    Attributes:
        inbox: the folder with one `.eml` file per message received.
        spool: a folder for part files.
        langfuse_database: Langfuse's, in Postgres.
        dagster_database: that of Dagster's records, on the same server.
        clickhouse_database: Langfuse's, in ClickHouse.
        prefix: what the keys of all objects in the bucket begin with.
    """

    postgres_port: int
    clickhouse_port: int
    s3_port: int
    smtp_port: int
    credentials: Credentials
    inbox: Path
    spool: Path
    langfuse_database: str = LANGFUSE_DATABASE
    dagster_database: str = DAGSTER_DATABASE
    clickhouse_database: str = DATABASE
    prefix: str = PREFIX

    @property
    def database_url(self) -> str:
        """Langfuse's Postgres database, as a URL with user and password."""
        return self.postgres_url(self.langfuse_database)

    def postgres_url(self, database: str) -> str:
        """The URL of one database of the Postgres server, with user and password."""
        user, password = self.credentials.postgres_user, self.credentials.postgres_password
        return f"postgresql://{user}:{password}@{HOST}:{self.postgres_port}/{database}"

    @property
    def clickhouse_url(self) -> str:
        """The HTTP interface of ClickHouse, without credentials."""
        return f"http://{HOST}:{self.clickhouse_port}"

    @property
    def s3_endpoint(self) -> str:
        """The S3 endpoint; buckets are part of the path."""
        return f"http://{HOST}:{self.s3_port}"

    @property
    def smtp_url(self) -> str:
        """The mail server, as a URL with user and password."""
        user, password = self.credentials.smtp_user, self.credentials.smtp_password
        return f"smtp://{user}:{password}@{HOST}:{self.smtp_port}"

    def environment(self) -> dict[str, str]:
        """Every variable that a process needs to use this stack, passwords included.

        Langfuse: the names are those of its worker, so the same settings work against a real one.
        """
        credentials = self.credentials
        return {
            "DATABASE_URL": self.database_url,
            "CLICKHOUSE_URL": self.clickhouse_url,
            "CLICKHOUSE_USER": credentials.clickhouse_user,
            "CLICKHOUSE_PASSWORD": credentials.clickhouse_password,
            "CLICKHOUSE_DB": self.clickhouse_database,
            "CLICKHOUSE_CLUSTER_ENABLED": "false",
            "LANGFUSE_S3_BATCH_EXPORT_ENABLED": "true",
            "LANGFUSE_S3_BATCH_EXPORT_BUCKET": BUCKET,
            "LANGFUSE_S3_BATCH_EXPORT_PREFIX": self.prefix,
            "LANGFUSE_S3_BATCH_EXPORT_ENDPOINT": self.s3_endpoint,
            "LANGFUSE_S3_BATCH_EXPORT_REGION": REGION,
            "LANGFUSE_S3_BATCH_EXPORT_ACCESS_KEY_ID": credentials.s3_access_key_id,
            "LANGFUSE_S3_BATCH_EXPORT_SECRET_ACCESS_KEY": credentials.s3_secret_access_key,
            "LANGFUSE_S3_BATCH_EXPORT_FORCE_PATH_STYLE": "true",
            "SMTP_CONNECTION_URL": self.smtp_url,
            "EMAIL_FROM_ADDRESS": SENDER,
            # There is no web app whose page a mail could lead to: it leads to the file.
            "NEXTAUTH_URL": "",
            "DAGSTER_POSTGRES_HOST": HOST,
            "DAGSTER_POSTGRES_PORT": str(self.postgres_port),
            "DAGSTER_POSTGRES_USER": credentials.postgres_user,
            "DAGSTER_POSTGRES_PASSWORD": credentials.postgres_password,
            "DAGSTER_POSTGRES_DB": self.dagster_database,
            "LF_EXPORT_SPOOL": str(self.spool),
            "LF_EXPORT_INBOX": str(self.inbox),
        }
