"""ClickHouse's error codes as the pipeline's errors.

A code that is not listed counts as transient: attempts are bounded, and a user is told nothing that
might be untrue.
"""

import re

from clickhouse_connect.driver.exceptions import Error as ClientError

from lf_export_pipeline.adapters.clickhouse.unredirected import redirection
from lf_export_pipeline.adapters.tls import refused_certificate
from lf_export_pipeline.core.errors import (
    ConfigurationError,
    ExportError,
    PermanentError,
    TimeLimitError,
)
from lf_export_pipeline.core.errors import TransientError as Transient

_CODE = re.compile(r"Code: ?(\d+)\.")
_STATUS = re.compile(r"HTTP driver received HTTP status (\d{3})\b")

_AUTHENTICATION = {192, 193, 194, 195, 516}
_ACCESS = {291, 497}
_SCHEMA = {10, 16, 46, 47, 60, 81}
_READ_ONLY_USER = 164
_CONSTRAINT = 452
_CONSTRAINED = re.compile(r"\bSetting (\w+)")
_BOUNDS = {
    "max_execution_time": "LF_EXPORT_CLICKHOUSE_QUERY_SECONDS",
    "max_memory_usage": "LF_EXPORT_CLICKHOUSE_MEMORY_MIB",
    "max_bytes_before_external_sort": "LF_EXPORT_CLICKHOUSE_MEMORY_MIB",
    "max_bytes_before_external_group_by": "LF_EXPORT_CLICKHOUSE_MEMORY_MIB",
    "max_threads": "LF_EXPORT_CLICKHOUSE_THREADS",
}
"""What says which value a setting has."""
_QUERY = {
    *{6, 20, 26, 27, 35, 36, 38, 41, 42, 43, 44, 48, 50, 53, 62, 63, 69, 70, 72, 115, 117},
    *{
        125,
        131,
        153,
        158,
        161,
        168,
        179,
        184,
        190,
        191,
        215,
        307,
        349,
        386,
        395,
        396,
        407,
        427,
        456,
    },
    *{457, 467, 691},
}
_TIME_LIMIT = {159, 160}
_MAY_PASS = {408, 425, 429}
_ADVICE = {
    201: ("The quota of CLICKHOUSE_USER is used up", "wait for its next interval, or raise it"),
    202: ("ClickHouse has too many queries at once", "lower the places in the pool `clickhouse`"),
    241: (
        "ClickHouse had no memory left for the query",
        "if that goes on, lower LF_EXPORT_CHUNK_TARGET_MIB and LF_EXPORT_CLICKHOUSE_MEMORY_MIB, "
        "from half of which on a query sorts on disk, or give the server more",
    ),
    243: ("ClickHouse has no space left on its disks", "free some"),
}
"""Of codes that may pass: what they mean, and what to do if they do not."""


def from_client(error: Exception, place: str) -> ExportError:
    """The pipeline's error for one of the client's; the caller chains the cause.

    Args:
        error: What the client raised; its message is for operators only.
        place: The name of the setting that holds the server's address.
    """
    if moved := redirection(error):
        return ConfigurationError(
            f"The address in {place} redirects to {moved}; change it to that."
        )
    code = error.code if isinstance(error, ClientError) else None
    text = str(error)
    if code is None and (match := _CODE.match(text)):
        code = int(match.group(1))
    if code is not None:
        return from_code(code, text)
    status = _STATUS.match(text)
    if status and 300 <= int(status.group(1)) < 500 and int(status.group(1)) not in _MAY_PASS:
        return ConfigurationError(
            f"What answers at {place} is not a ClickHouse that takes queries "
            f"(HTTP status {status.group(1)}); check the address."
        )
    refused = refused_certificate(
        error, server="ClickHouse", address=place, authorities="LF_EXPORT_CLICKHOUSE_CA_FILE"
    )
    return refused or Transient(
        f"ClickHouse did not answer in full ({type(error).__name__}); check that it is running, "
        f"and the address in {place}."
    )


def from_code(code: int, text: str = "") -> ExportError:
    """The pipeline's error for a code of the server, and what it says, if that is known."""
    if code in _AUTHENTICATION:
        return ConfigurationError(
            "ClickHouse refuses the sign-in; check CLICKHOUSE_USER and CLICKHOUSE_PASSWORD."
        )
    if code in _ACCESS:
        return ConfigurationError(
            "The user of CLICKHOUSE_USER may not read Langfuse's tables; grant it SELECT on them."
        )
    if code in _SCHEMA:
        return ConfigurationError(
            "ClickHouse does not have a table, column or function that this export needs "
            f"(code {code}); check CLICKHOUSE_DB and that Langfuse's migrations ran."
        )
    if code == _CONSTRAINT:
        return _of_constraint(_CONSTRAINED.search(text))
    if code == _READ_ONLY_USER:
        return ConfigurationError(
            "The profile of CLICKHOUSE_USER forbids a setting that this export needs "
            f"(code {code}); `readonly = 2` lets a user read and change settings."
        )
    return _of_query(code)


def _of_constraint(named: re.Match[str] | None) -> ExportError:
    """The one error that nobody can set right without a word of the server's: the setting's name.

    ``readonly = 2`` is no help: constraints hold for who may change settings, too.
    """
    name = named[1] if named else ""
    variable = _BOUNDS.get(name)
    advice = f"set {variable} to what they allow, or change them" if variable else "change them"
    return ConfigurationError(
        "The constraints of CLICKHOUSE_USER's profile forbid what exports ask for "
        f"(code {_CONSTRAINT}{name and f': {name}'}); {advice}."
    )


def _of_query(code: int) -> ExportError:
    if code in _TIME_LIMIT:
        return TimeLimitError("ClickHouse", "LF_EXPORT_CLICKHOUSE_QUERY_SECONDS")
    if code in _QUERY:
        return PermanentError(
            f"ClickHouse cannot compute this export (code {code}). "
            "The operator of this installation can see the cause."
        )
    if code in _ADVICE:
        means, advice = _ADVICE[code]
        return Transient(f"{means} (code {code}); {advice}.")
    return Transient(f"ClickHouse ended the query with code {code}.")
