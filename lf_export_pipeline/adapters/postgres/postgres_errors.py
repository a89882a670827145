"""The one place where errors of Postgres' client become the pipeline's."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from lf_export_pipeline.adapters.answers import said
from lf_export_pipeline.adapters.postgres.postgres_answers import sign_in_error
from lf_export_pipeline.adapters.tls import refused_by_libpq
from lf_export_pipeline.core.errors import (
    AccessRefusedError,
    ConfigurationError,
    ExportError,
    PermanentError,
    TimeLimitError,
    TransientError,
)

_TRANSIENT_CLASSES = {"08", "25", "40", "53", "55", "57", "58"}
_OF_A_POOLER = "XX000"
"""What Supabase's says of a backend that has gone, or that none was free; Postgres itself of what
another transaction has just changed."""

_SIGN_IN_CLASSES = {"28", "3D"}
_SIGN_IN_STATES = {"53300", "57P01", "57P02", "57P03"}
_SCHEMA_STATES = {"42P01", "42703", "3F000"}
_DENIED_STATE = "42501"

INSERTED_COLUMNS = (
    *("id", "project_id", "user_id", "created_at", "updated_at", "name", "status", "format"),
    "query",
)
"""Of a row of ``batch_exports`` that has just been asked for, as in ``postgres_role.sql``."""

MAY_NOT_INSERT = (
    "The user in DATABASE_URL may not add rows to batch_exports; let the owner of Langfuse's "
    f"tables GRANT INSERT ({', '.join(INSERTED_COLUMNS)}) ON batch_exports TO this user, as "
    "deploy/sql/postgres_role.sql has it at its end."
)
_READ_ONLY_STATE = "25006"
_CANCELLED_STATE = "57014"


@contextmanager
def postgres_errors() -> Iterator[None]:
    """Turns the client's errors into the pipeline's."""
    try:
        yield
    except (DBAPIError, PoolTimeoutError) as error:
        raise from_client(error) from error


@contextmanager
def reading_errors() -> Iterator[None]:
    """The errors of a statement that users have a hand in: if it takes too long, it is theirs."""
    with postgres_errors():
        try:
            yield
        except DBAPIError as error:
            if getattr(error.orig, "pgcode", None) == _CANCELLED_STATE:
                raise TimeLimitError("Postgres", "LF_EXPORT_POSTGRES_QUERY_SECONDS") from error
            raise


@contextmanager
def inserting_errors() -> Iterator[None]:
    """The errors of a new row, for which most installations grant no right."""
    with postgres_errors():
        try:
            yield
        except DBAPIError as error:
            if getattr(error.orig, "pgcode", None) == _DENIED_STATE:
                raise AccessRefusedError(MAY_NOT_INSERT) from error
            raise


def from_client(error: Exception) -> ExportError:
    """The pipeline's error, by SQLSTATE: connections, conflicts and resources may recover."""
    if isinstance(error, PoolTimeoutError):
        return TransientError("All connections to Postgres are in use.")
    original = getattr(error, "orig", error)
    state: str = getattr(original, "pgcode", None) or ""
    is_refused = state[:2] in _SIGN_IN_CLASSES
    if not state or is_refused or state in _SIGN_IN_STATES:
        certificate = refused_by_libpq(original)
        return certificate or sign_in_error(str(original), is_refused=is_refused)
    if state == _READ_ONLY_STATE:
        return TransientError(
            f"Postgres takes no changes{_words(original)}; DATABASE_URL must lead to the primary "
            "server, not to a replica, and default_transaction_read_only be off for its user there."
        )
    if state[:2] in _TRANSIENT_CLASSES or state == _OF_A_POOLER:
        return TransientError(f"Postgres could not do it now (SQLSTATE {state}){_words(original)}.")
    return _of_statement(state)


def _of_statement(state: str) -> ExportError:
    """What is wrong with a statement itself; without the server's words, which may quote data."""
    if state in _SCHEMA_STATES:
        return ConfigurationError(
            f"Postgres does not have a table or column of Langfuse (SQLSTATE {state}); "
            "check the database in DATABASE_URL, its schema (such as `schema=public`, which Prisma "
            "takes for granted) and that Langfuse's migrations ran."
        )
    if state == _DENIED_STATE:
        return ConfigurationError(
            "The user in DATABASE_URL may not do this in Langfuse's tables; grant it what "
            "deploy/sql/postgres_role.sql has."
        )
    return PermanentError(
        f"Postgres cannot compute this export (SQLSTATE {state}). "
        "The operator of this installation can see the cause."
    )


def _words(original: object) -> str:
    """The server's message without its details."""
    return said(getattr(getattr(original, "diag", None), "message_primary", None) or "")
