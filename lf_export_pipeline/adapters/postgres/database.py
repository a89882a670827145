"""Langfuse's Postgres: a reader for statements, the rows of ``batch_exports``, who is who."""

from lf_export_pipeline.adapters.postgres.batch_exports import PostgresBatchExportRepository
from lf_export_pipeline.adapters.postgres.directory import PostgresDirectory
from lf_export_pipeline.adapters.postgres.postgres_reader import PostgresReader, connect
from lf_export_pipeline.settings import Settings


class LangfusePostgres:
    """One pool of connections and what shares it."""

    def __init__(self, settings: Settings) -> None:
        self.engine = connect(
            settings.database_url.get_secret_value(), settings.lf_export_postgres_query_seconds
        )
        self.reader = PostgresReader(self.engine)
        self.directory = PostgresDirectory(self.engine)
        self.exports = PostgresBatchExportRepository(
            self.engine,
            require_membership=settings.lf_export_require_membership,
            query_max_bytes=settings.limits.query_bytes,
        )

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()
