"""What Postgres, a pooler before it or their client answer to a sign-in, and what to do about it.

Before the sign-in is done the client knows a text only, without a SQLSTATE. The first answer in the
table whose words are in the text counts; where several addresses of one host were tried, the text
holds an answer of each, and one of a server comes before one of the network.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lf_export_pipeline.adapters.answers import said
from lf_export_pipeline.core.errors import ConfigurationError, ExportError, TransientError

_WHERE_IT_WAS_TRIED = re.compile(r"^connection to server .*? failed: |^(FATAL|ERROR): +")
_ASK_FOR_TLS = (
    "add `sslmode=require` to DATABASE_URL, or better `sslmode=verify-full` with `sslrootcert`, "
    "which proves that it is your server"
)


@dataclass(frozen=True, slots=True)
class _Answer:
    """One thing that can be answered.

    Attributes:
        words: A regular expression for its text, in any case.
        means: What it means, behind "Postgres".
        advice: What to do.
        may_pass: Whether trying again may help.
    """

    words: str
    means: str
    advice: str
    may_pass: bool = False


_REFUSED = _Answer(
    r"auth(entication)? failed|wrong password",
    "refuses the sign-in",
    "check user, password and database in DATABASE_URL",
)
_ANSWERS = (
    _Answer(
        r"unsupported startup parameter",
        "is behind a pooler that takes no such parameter at the start",
        "leave `options` out of DATABASE_URL, and set what it sets for the user (ALTER ROLE … "
        "SET …)",
    ),
    _Answer(
        r"tenant or user not found|tenant/user .* not found",
        "is behind a pooler that does not know this user",
        "with Supabase the user in DATABASE_URL is `postgres.<project>`, and the host that of the "
        "project's region",
    ),
    _Answer(
        r"endpoint id is not specified",
        "is behind a pooler that does not know which database is meant",
        "with Neon add `options=endpoint%3D<endpoint id>` to DATABASE_URL",
    ),
    _Answer(
        r"requires a value|invalid command-line argument|unrecognized configuration "
        r"parameter|invalid value for parameter|permission denied to set parameter|"
        r"parameter \"[^\"]*\" cannot be",
        "refuses a setting that it is given at the start",
        "correct `options` in DATABASE_URL, as `options=-cname%3Dvalue`, or leave it out",
    ),
    _Answer(
        r"no password supplied|empty password",
        "asks for a password, and there is none",
        "put it into DATABASE_URL, percent-encoded",
    ),
    _Answer(
        r"database \"[^\"]*\" does not exist|no such database",
        "does not have this database",
        "check the name behind the last slash of DATABASE_URL",
    ),
    _Answer(
        r"role \"[^\"]*\" does not exist|no such user",
        "does not know this user",
        "check the user in DATABASE_URL",
    ),
    _Answer(
        r"is not permitted to log in",
        "does not let this user sign in",
        "name another user in DATABASE_URL, or grant this one LOGIN",
    ),
    _Answer(
        r"permission denied for database",
        "does not let this user into this database",
        "grant the user in DATABASE_URL CONNECT on it",
    ),
    _Answer(
        r"no pg_hba\.conf entry.*(no encryption|SSL off)|ssl (connection )?is required|"
        r"connection is insecure|(ssl|tls) required",
        "wants TLS from here, or lets nobody in from here",
        _ASK_FOR_TLS,
    ),
    _Answer(
        r"pg_hba\.conf",
        "lets nobody in from here",
        "let its pg_hba.conf allow the user and the database in DATABASE_URL from this machine",
    ),
    _REFUSED,
    _Answer(
        r"too many clients|remaining connection slots|too many connections|no more connections|"
        r"max client connections|max clients reached",
        "has no connection left",
        "raise its max_connections, or make fewer runs at once",
        may_pass=True,
    ),
    _Answer(
        r"starting up|shutting down|recovery mode|not (yet )?accepting connections",
        "is starting or shutting down",
        "wait until it is up",
        may_pass=True,
    ),
    _Answer(
        r"server login has been failing|server_login_retry|cannot connect to server|"
        r"query_wait_timeout|server conn crashed",
        "is behind a pooler that does not reach it",
        "look whether Postgres is up, and at the pooler's log",
        may_pass=True,
    ),
    _Answer(
        r"invalid sslmode value|weak sslmode",
        "cannot be asked like this",
        "write `sslmode=require` or `sslmode=verify-full` with `sslrootcert` into DATABASE_URL",
    ),
    _Answer(
        r"invalid response to ssl negotiation|expected authentication request",
        "is not what answers there",
        "check host and port in DATABASE_URL",
    ),
    _Answer(
        r"could not translate host name|name or service not known",
        "is not found: its host has no address",
        "check the host in DATABASE_URL",
        may_pass=True,
    ),
    _Answer(
        r"connection refused|no such file or directory",
        "does not answer: nothing listens there",
        "check that it is running, and host and port in DATABASE_URL",
        may_pass=True,
    ),
    _Answer(
        r"timeout expired|timed out|unreachable|no route to host",
        "does not answer in time",
        "check that it is running, host and port in DATABASE_URL, and firewalls on the way",
        may_pass=True,
    ),
    _Answer(
        r"closed the connection|connection has been closed|already closed|could not receive data|"
        r"reset by peer|eof detected|terminating connection",
        "has closed the connection",
        "look at its log, or its pooler's, if that goes on",
        may_pass=True,
    ),
)


def sign_in_error(text: str, *, is_refused: bool = False) -> ExportError:
    """The pipeline's error for what was answered to a sign-in; with the server's own words.

    These never hold the password: no server repeats it, and what breaks a URL is refused before.

    Args:
        text: The client's.
        is_refused: Whether the server refuses the sign-in, in whatever language it says so.
    """
    for answer in _ANSWERS:
        for line in _lines(text):
            if re.search(answer.words, line, re.IGNORECASE):
                return _error(answer, line)
    words = " ".join(_lines(text))
    if is_refused:
        return _error(_REFUSED, words)
    return TransientError(f"Postgres does not answer as expected{said(words)}.")


def _error(answer: _Answer, words: str) -> ExportError:
    kind = TransientError if answer.may_pass else ConfigurationError
    return kind(f"Postgres {answer.means}{said(words)}; {answer.advice}.")


def _lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        plain, is_cut = line.strip(), 1
        while is_cut:
            plain, is_cut = _WHERE_IT_WAS_TRIED.subn("", plain, count=1)
        if plain:
            yield plain
