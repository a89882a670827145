"""Langfuse's Postgres: an engine and streamed reads."""

import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from decimal import Decimal
from typing import Any, Self

import pyarrow as pa
import sqlalchemy as sa

from lf_export_pipeline.adapters.postgres.engine_url import engine_url, schema_of
from lf_export_pipeline.adapters.postgres.postgres_errors import reading_errors
from lf_export_pipeline.core.errors import InvalidFilterError
from lf_export_pipeline.core.query.statement import Statement, Store
from lf_export_pipeline.core.query.written_rows import RowBytes, WrittenStatement
from lf_export_pipeline.core.request.admission import is_too_deep
from lf_export_pipeline.core.request.model import ExportFormat

TOO_DEEP = "nested too deeply to be read"
STATEMENT_SECONDS = 60
_BATCH_ROWS = 500


def connect(database_url: str, statement_seconds: int = STATEMENT_SECONDS) -> sa.Engine:
    """An engine whose connections are opened on first use.

    JSON numbers keep every digit: whole ones as ``int``, the others as ``Decimal``.

    Args:
        database_url: The address, as Prisma takes it.
        statement_seconds: How long a statement may take. Each transaction says so itself, and in
            which schema the tables are: a pooler like PgBouncer refuses these as parameters of the
            connection, or hands them to others.
    """
    engine = sa.create_engine(
        engine_url(database_url),
        pool_pre_ping=True,  # a run may wait for minutes between two statements
        pool_size=4,
        max_overflow=8,
        connect_args={"connect_timeout": 10, "application_name": "lf_export_pipeline"}
        | {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3},
        json_deserializer=exact_json,
        json_serializer=exact_json_text,
        hide_parameters=True,  # a signed link is a parameter, and exceptions are logged
    )
    settings = _of_each_transaction(schema_of(database_url), statement_seconds)
    at_once = {"stream_results": False, "yield_per": None}

    @sa.event.listens_for(engine, "begin")
    def _set_what_it_needs(connection: sa.Connection) -> None:
        connection.exec_driver_sql(settings, execution_options=at_once)

    return engine


def _of_each_transaction(schema: str | None, statement_seconds: int) -> str:
    """In one request, whose per cent signs are doubled for the driver."""
    settings = [f"SET LOCAL statement_timeout = {statement_seconds * 1000:d}"]
    if schema is not None:
        name = schema.replace('"', '""').replace("%", "%%")
        settings.append(f'SET LOCAL search_path = "{name}"')
    return "; ".join(settings)


def exact_json_text(value: Any) -> str:
    """JSON of what ``exact_json`` gives, with every digit; the encoder itself knows no decimals."""
    mark = secrets.token_hex(8)
    text = json.dumps(value, default=lambda number: f"{mark}{Decimal(number)}{mark}")
    return re.sub(f'"{mark}([^"]*){mark}"', r"\1", text)


def exact_json(text: str) -> Any:
    """JSON with numbers as they were written.

    What is nested too deeply becomes a text that says so: one such value must not keep the rows
    beside it from being read. How much Python itself reads depends on its version and on who calls.
    """
    if is_too_deep(text):
        return TOO_DEEP
    return json.loads(text, parse_float=Decimal, parse_int=_exact_int)


class PostgresReader:
    """A ``RowReader`` for ``Store.POSTGRES``. Threads may share it."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def tagged(self, **tags: str) -> Self:  # noqa: ARG002 - Postgres has no place for them
        """The same reader: connections of a pool are not renamed for a query."""
        return self

    @contextmanager
    def batches(self, statement: Statement) -> Iterator[Iterator[pa.RecordBatch]]:
        """The result through a server-side cursor, 500 rows at a time.

        Integers and booleans keep their type, everything else is text.
        """
        with reading_errors(), self._engine.connect() as connection:
            streaming = connection.execution_options(
                stream_results=True, yield_per=_BATCH_ROWS, postgresql_readonly=True
            )
            with streaming.execute(sa.text(statement.sql), _bound(statement.params)) as result:
                yield _record_batches(result)

    def takes_written(self, store: Store, export_format: ExportFormat) -> bool:  # noqa: ARG002
        """Postgres writes no rows of files."""
        return False

    def written(self, wanted: WrittenStatement) -> AbstractContextManager[RowBytes]:
        """Not of Postgres."""
        message = f"{wanted.statement.store} writes no rows"
        raise TypeError(message)

    def rows(self, statement: Statement) -> list[tuple[object, ...]]:
        """A small result as tuples of what psycopg2 makes of each type."""
        with reading_errors(), self._engine.connect() as connection:
            readonly = connection.execution_options(postgresql_readonly=True)
            found = readonly.execute(sa.text(statement.sql), _bound(statement.params))
            return [tuple(row) for row in found]


def _record_batches(result: sa.CursorResult[Any]) -> Iterator[pa.RecordBatch]:
    names = list(result.keys())
    with reading_errors():
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
