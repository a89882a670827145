import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from lf_export_pipeline.adapters.clickhouse.clickhouse_errors import from_client, from_code
from lf_export_pipeline.adapters.clickhouse.clickhouse_reader import server_reason
from lf_export_pipeline.core.errors import (
    ConfigurationError,
    ExportError,
    PermanentError,
    TimeLimitError,
    TransientError,
)

TAG = "abcdefghijklmnop"


SIGN_IN = "check CLICKHOUSE_USER and CLICKHOUSE_PASSWORD"
SCHEMA = "check CLICKHOUSE_DB"
READ_ONLY = "`readonly = 2`"
COMPUTED = "ClickHouse cannot compute this export (code"
PASSES = "ClickHouse ended the query with code"

CODES = [
    *((code, ConfigurationError, SIGN_IN) for code in (192, 193, 194, 195, 516)),
    *((code, ConfigurationError, "grant it SELECT") for code in (291, 497)),
    *((code, ConfigurationError, SCHEMA) for code in (10, 16, 46, 47, 60, 81)),
    (164, ConfigurationError, READ_ONLY),
    (452, ConfigurationError, "constraints of CLICKHOUSE_USER's profile"),
    *((code, TimeLimitError, "LF_EXPORT_CLICKHOUSE_QUERY_SECONDS") for code in (159, 160)),
    *((code, PermanentError, COMPUTED) for code in (6, 43, 53, 62, 69, 386, 395, 407)),
    (201, TransientError, "quota of CLICKHOUSE_USER"),
    (202, TransientError, "the pool `clickhouse`"),
    (241, TransientError, "LF_EXPORT_CLICKHOUSE_MEMORY_MIB"),
    (243, TransientError, "no space left"),
    *((code, TransientError, PASSES) for code in (209, 210, 242, 279, 394, 425, 439, 499, 745)),
    *((code, TransientError, PASSES) for code in (999, 987_654)),
]


@pytest.mark.parametrize(("code", "kind", "advice"), CODES)
def test_each_code_of_the_server_has_a_sentence(
    code: int, kind: type[ExportError], advice: str
) -> None:
    error = from_code(code)
    assert type(error) is kind
    assert advice in str(error)


def test_the_servers_text_never_reaches_the_user() -> None:
    error = DatabaseError("Code: 62. Syntax error near 'secret prompt' (http://ch:8123)", code=62)
    assert "secret" not in str(from_client(error, "CLICKHOUSE_URL"))
    assert "ch:8123" not in str(from_client(error, "CLICKHOUSE_URL"))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, ConfigurationError),
        (404, ConfigurationError),
        (405, ConfigurationError),
        (408, TransientError),
        (429, TransientError),
        (502, TransientError),
        (503, TransientError),
    ],
)
def test_answers_of_something_else_are_judged_by_their_status(
    status: int, kind: type[ExportError]
) -> None:
    error = DatabaseError(f"HTTP driver received HTTP status {status} (for url http://x)")
    assert type(from_client(error, "CLICKHOUSE_URL")) is kind


def test_a_connection_that_fails_may_recover() -> None:
    assert isinstance(from_client(OperationalError("Error"), "CLICKHOUSE_URL"), TransientError)


def test_the_reason_in_a_stream_is_read_behind_the_servers_tag() -> None:
    message = f"Code: 60. DB::Exception: gone\n30 {TAG}\r\n__exception__\r\n"
    tail = f"data\r\n__exception__\r\n{TAG}\r\n{message}".encode()
    assert server_reason(tail, TAG).startswith("Code: 60.")


@pytest.mark.parametrize("tag", [None, "zyxwvutsrqponmlk"])
def test_an_error_text_in_a_users_data_is_not_taken_for_the_servers(tag: str | None) -> None:
    tail = f"__exception__\r\n{TAG}\r\nCode: 60. DB::Exception: from a trace".encode()
    assert server_reason(tail, tag) == ""
