"""Langfuse's Postgres: an engine, streamed reads, and the one place where its errors are mapped."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Self

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from lf_export_pipeline.adapters.postgres.engine_url import engine_url
from lf_export_pipeline.adapters.tls import refused_by_libpq
from lf_export_pipeline.core.errors import (
    ConfigurationError,
    ExportError,
    InvalidFilterError,
    PermanentError,
    TimeLimitError,
    TransientError,
)
from lf_export_pipeline.core.query.statement import Statement

TOO_DEEP = "nested too deeply to be read"
STATEMENT_SECONDS = 60
_BATCH_ROWS = 2_000
_TRANSIENT_CLASSES = {"08", "25", "40", "53", "55", "57", "58"}
_SIGN_IN_CLASSES = {"28", "3D"}
_SCHEMA_STATES = {"42P01", "42703", "3F000"}
_DENIED_STATE = "42501"
_CANCELLED_STATE = "57014"
_SIGN_IN_TEXTS = ("authentication failed", "does not exist", "pg_hba.conf")


def connect(database_url: str, statement_seconds: int = STATEMENT_SECONDS) -> sa.Engine:
    """An engine whose connections are opened on first use.

    JSON numbers keep every digit: whole ones as ``int``, the others as ``Decimal``.

    Args:
        database_url: The address, as Prisma takes it.
        statement_seconds: How long a statement may take. Each transaction says so itself: a pooler
            like PgBouncer refuses it as a parameter of the connection, or hands it to others.
    """
    engine = sa.create_engine(
        engine_url(database_url),
        pool_pre_ping=True,  # a run may wait for minutes between two statements
        pool_size=4,
        max_overflow=8,
        connect_args={"connect_timeout": 10, "application_name": "lf_export_pipeline"}
        | {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3},
        json_deserializer=exact_json,
        hide_parameters=True,  # a signed link is a parameter, and exceptions are logged
    )
    bound = f"SET LOCAL statement_timeout = {statement_seconds * 1000:d}"
    at_once = {"stream_results": False, "yield_per": None}

    @sa.event.listens_for(engine, "begin")
    def _bound_its_statements(connection: sa.Connection) -> None:
        connection.exec_driver_sql(bound, execution_options=at_once)

    return engine


def exact_json(text: str) -> Any:
    """JSON with numbers as they were written.

    What is nested too deeply for Python becomes a text that says so: one such value must not keep
    the rows beside it from being read.
    """
    try:
        return json.loads(text, parse_float=Decimal, parse_int=_exact_int)
    except RecursionError:
        return TOO_DEEP


@contextmanager
def postgres_errors() -> Iterator[None]:
    """Turns the client's errors into the pipeline's."""
    try:
        yield
    except (DBAPIError, PoolTimeoutError) as error:
        raise from_client(error) from error


def from_client(error: Exception) -> ExportError:
    """The pipeline's error, by SQLSTATE: connections, conflicts and resources may recover."""
    original = getattr(error, "orig", error)
    state: str = getattr(original, "pgcode", None) or ""
    if not state:  # before the sign-in is done the client knows a text only
        refused = any(text in str(original) for text in _SIGN_IN_TEXTS)
        certificate = refused_by_libpq(original)
        signed_out = _sign_in_error() if refused else TransientError("Postgres does not answer.")
        return certificate or signed_out
    if state[:2] in _SIGN_IN_CLASSES:
        return _sign_in_error()
    if state[:2] in _TRANSIENT_CLASSES:
        return TransientError(f"Postgres could not do it now (SQLSTATE {state}).")
    if state in _SCHEMA_STATES:
        return ConfigurationError(
            f"Postgres does not have a table or column of Langfuse (SQLSTATE {state}); "
            "check the database and schema in DATABASE_URL and that Langfuse's migrations ran."
        )
    if state == _DENIED_STATE:
        return ConfigurationError(
            "The user in DATABASE_URL may not do this in Langfuse's tables; grant it what "
            "deploy/sql/postgres_role.sql has (its last line too, to ask for exports)."
        )
    return PermanentError(
        f"Postgres cannot compute this export (SQLSTATE {state}). "
        "The operator of this installation can see the cause."
    )


@contextmanager
def _reading() -> Iterator[None]:
    """The errors of a statement that users have a hand in: if it takes too long, it is theirs."""
    with postgres_errors():
        try:
            yield
        except DBAPIError as error:
            if getattr(error.orig, "pgcode", None) == _CANCELLED_STATE:
                raise TimeLimitError("Postgres", "LF_EXPORT_POSTGRES_QUERY_SECONDS") from error
            raise


class PostgresReader:
    """A ``RowReader`` for ``Store.POSTGRES``. Threads may share it."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def tagged(self, **tags: str) -> Self:  # noqa: ARG002 - Postgres has no place for them
        """The same reader: connections of a pool are not renamed for a query."""
        return self

    @contextmanager
    def batches(self, statement: Statement) -> Iterator[Iterator[pa.RecordBatch]]:
        """The result through a server-side cursor, 2,000 rows at a time.

        Integers and booleans keep their type, everything else is text.
        """
        with _reading(), self._engine.connect() as connection:
            streaming = connection.execution_options(
                stream_results=True, yield_per=_BATCH_ROWS, postgresql_readonly=True
            )
            with streaming.execute(sa.text(statement.sql), _bound(statement.params)) as result:
                yield _record_batches(result)

    def rows(self, statement: Statement) -> list[tuple[object, ...]]:
        """A small result as tuples of what psycopg2 makes of each type."""
        with _reading(), self._engine.connect() as connection:
            readonly = connection.execution_options(postgresql_readonly=True)
            found = readonly.execute(sa.text(statement.sql), _bound(statement.params))
            return [tuple(row) for row in found]


def _record_batches(result: sa.CursorResult[Any]) -> Iterator[pa.RecordBatch]:
    names = list(result.keys())
    with _reading():
        for rows in result.partitions(_BATCH_ROWS):
            arrays = [_array(column) for column in zip(*rows, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, names=names)


def _array(values: Sequence[object]) -> pa.Array:
    """The values as they are if they are Booleans or integers, otherwise as text.

    The cursor cannot be asked for types: it is closed as soon as a result fits into one fetch.
    """
    kinds = {type(value) for value in values if value is not None}
    if kinds in ({bool}, {int}):
        return pa.array(values, pa.bool_() if kinds == {bool} else pa.int64())
    return pa.array([None if value is None else str(value) for value in values], pa.string())


def _bound(params: Mapping[str, Any]) -> dict[str, Any]:
    """Values as psycopg2 binds them: collections as arrays.

    Raises:
        InvalidFilterError: One holds a NUL character, which no text of Postgres can hold.
    """
    collections = (tuple, set, frozenset)
    bound = {
        name: list(value) if isinstance(value, collections) else value
        for name, value in params.items()
    }
    if any(map(_holds_nul, bound.values())):
        raise InvalidFilterError("A filter holds a NUL character; please remove it and try again.")
    return bound


def _holds_nul(value: object) -> bool:
    values = value if isinstance(value, list) else [value]
    return any(isinstance(text, str) and "\x00" in text for text in values)


def _exact_int(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= 4_000 else Decimal(digits)  # beyond, Python refuses


def _sign_in_error() -> ConfigurationError:
    return ConfigurationError(
        "Postgres refuses the sign-in; check user, password and database in DATABASE_URL."
    )
