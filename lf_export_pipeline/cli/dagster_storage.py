"""Tries Dagster's own database, at the address and with the parameters that Dagster uses."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import yaml
from dagster_postgres.utils import pg_url_from_config
from sqlalchemy.exc import DBAPIError

from lf_export_pipeline.adapters.answers import said
from lf_export_pipeline.adapters.tls import refused_by_libpq, unverified_postgres
from lf_export_pipeline.core.errors import ConfigurationError

_DATABASE = {
    "scheme": "postgresql+psycopg2",
    "username": {"env": "DAGSTER_POSTGRES_USER"},
    "password": {"env": "DAGSTER_POSTGRES_PASSWORD"},
    "hostname": {"env": "DAGSTER_POSTGRES_HOST"},
    "port": {"env": "DAGSTER_POSTGRES_PORT"},
    "db_name": {"env": "DAGSTER_POSTGRES_DB"},
}
"""What this project's ``dagster.yaml`` says, for who has no DAGSTER_HOME yet."""


def check_dagster_storage(environ: Mapping[str, str]) -> str:
    """What is good about it.

    Raises:
        ConfigurationError: what is not, and what to do.
    """
    engine = sa.create_engine(_address(environ), connect_args={"connect_timeout": 10})
    try:
        with engine.connect() as connection:
            may = connection.scalar(sa.text("SELECT has_schema_privilege('public', 'CREATE')"))
            doubt = unverified_postgres(connection, "the params of postgres_db in dagster.yaml")
    except DBAPIError as error:
        raise _refusal(error) from error
    finally:
        engine.dispose()
    if not may:
        raise ConfigurationError(
            "The user in DAGSTER_POSTGRES_USER may not create tables in its database; make it the "
            "database's owner, as deploy/sql/dagster_database.sql does."
        )
    return "; but ".join(["sign-in works, and Dagster may create its tables", *doubt])


def _refusal(error: DBAPIError) -> ConfigurationError:
    parameters = "sslrootcert of dagster.yaml"
    certificate = refused_by_libpq(error, address="dagster.yaml", authorities=parameters)
    return certificate or ConfigurationError(
        f"Cannot sign in to Dagster's Postgres{said(error.orig)}; check the DAGSTER_POSTGRES_ "
        "variables and that deploy/sql/dagster_database.sql was run."
    )


def _address(environ: Mapping[str, str]) -> sa.URL:
    """As Dagster makes it, TLS included: its password must not go where Dagster's would not."""
    storage = _storage(environ)
    missing = [name for name in _variables(storage) if not environ.get(name)]
    if missing:
        raise ConfigurationError(
            f"{', '.join(missing)} not set; dagster.yaml needs them to keep runs in Postgres."
        )
    try:
        return sa.make_url(pg_url_from_config(_filled_in(storage, environ)))
    except ValueError:
        raise ConfigurationError("DAGSTER_POSTGRES_PORT is not a number.") from None


def _storage(environ: Mapping[str, str]) -> dict[str, Any]:
    file = Path(environ.get("DAGSTER_HOME", "")) / "dagster.yaml"
    if not environ.get("DAGSTER_HOME") or not file.is_file():
        return {"postgres_db": _DATABASE}
    found = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    storage: dict[str, Any] | None = (found.get("storage") or {}).get("postgres")
    if not storage:
        raise ConfigurationError(
            "The dagster.yaml in DAGSTER_HOME keeps runs elsewhere than in Postgres; take this "
            "project's, whose limits and retries exports rely on."
        )
    return storage


def _variables(config: Any) -> Iterator[str]:
    """The variables that a part of ``dagster.yaml`` asks for."""
    if isinstance(config, Mapping):
        for name, value in config.items():
            yield from [value] if name == "env" else _variables(value)


def _filled_in(config: Any, environ: Mapping[str, str]) -> Any:
    if not isinstance(config, Mapping):
        return config
    if set(config) == {"env"}:
        return environ[config["env"]]
    return {name: _filled_in(value, environ) for name, value in config.items()}
