"""Langfuse's Postgres: one URL, or the parts that Langfuse's containers make it of."""

from typing import Annotated, Any

from pydantic import BaseModel, Field, SecretStr, model_validator

from lf_export_pipeline.settings.values import url_of

_PARTS = ("database_username", "database_password", "database_host", "database_name")
_IN_PLACE = "In place of DATABASE_URL"


class PostgresSettings(BaseModel):
    """Langfuse's Postgres: the rows of ``batch_exports``, users, comments, datasets, audit logs."""

    database_url: Annotated[SecretStr, url_of("postgresql", "postgres")] = Field(
        description="Langfuse's database; or set DATABASE_HOST, DATABASE_USERNAME, "
        "DATABASE_PASSWORD and DATABASE_NAME. Prisma's URL parameters are understood. With TLS: "
        "`?sslmode=verify-full&sslrootcert=/path/ca.pem`, or Prisma's `sslaccept=strict&sslcert=`."
    )
    database_host: str | None = Field(
        default=None, description=f"{_IN_PLACE}, as Langfuse's Helm chart has it: `host[:port]`."
    )
    database_port: str | None = Field(
        default=None, description="Port of DATABASE_HOST, unless that has one."
    )
    database_username: str | None = Field(
        default=None, description=f"{_IN_PLACE}: the user, percent-encoded."
    )
    database_password: SecretStr | None = Field(
        default=None, description=f"{_IN_PLACE}: the password, percent-encoded."
    )
    database_name: str | None = Field(default=None, description=f"{_IN_PLACE}: the database.")
    database_args: str | None = Field(
        default=None,
        repr=False,
        description=f"{_IN_PLACE}: its parameters, such as `sslmode=require`.",
    )
    lf_export_postgres_query_seconds: int = Field(
        default=60,
        ge=1,
        le=86_400,
        description="How long one statement may take in Langfuse's Postgres. It is set in each "
        "transaction (`SET LOCAL statement_timeout`), so that poolers let it pass.",
    )

    @model_validator(mode="before")
    @classmethod
    def _parts_stand_for_the_url(cls, given: Any) -> Any:
        """Source: the entry points of Langfuse's images, which encode nothing either."""
        if given.get("database_url") or not all(given.get(name) for name in _PARTS):
            return given
        user, password, host, name = (_text_of(given[part]) for part in _PARTS)
        port = str(given.get("database_port") or "")
        if port.isdigit() and ":" not in host:  # Kubernetes may set it to tcp://…
            host = f"{host}:{port}"
        arguments = f"?{given['database_args']}" if given.get("database_args") else ""
        return {**given, "database_url": f"postgresql://{user}:{password}@{host}/{name}{arguments}"}


def _text_of(value: Any) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
