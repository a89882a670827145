import datetime as dt
import json
import re
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import pytest
import urllib3
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError
from clickhouse_connect.driver.external import ExternalData
from clickhouse_connect.driver.summary import QuerySummary

from lf_export_localstack_tests.integration.clickhouse_server.server_process import (
    PASSWORD,
    USER,
    ServerProcess,
)

pytestmark = [pytest.mark.services, pytest.mark.long]

AWKWARD = 'it\'s a "test"\n\ttab \\ back\\nslash ü 漢字 😀'


def http(
    server: ServerProcess, method: str, body: bytes = b"", **arguments: str
) -> urllib3.BaseHTTPResponse:
    headers = {"X-ClickHouse-User": USER, "X-ClickHouse-Key": PASSWORD.encode().decode("latin-1")}
    url = server.url + "?" + "&".join(f"{k}={v}" for k, v in arguments.items())
    return urllib3.request(method, url, body=body or None, headers=headers)


def test_types_come_back_as_they_went(client: Client) -> None:
    sql = """
        SELECT map('a', [1, 2]) AS m, CAST(NULL AS Nullable(String)) AS n,
               toDateTime64('2024-02-29 12:34:56.789', 3, 'UTC') AS at,
               toDecimal64('12345.678901', 6) AS cost, toUInt64(18446744073709551615) AS big,
               (1, 'x') AS pair, [toNullable(1), NULL] AS list, toDate('1999-12-31') AS day
    """
    row = client.query(sql).first_row
    assert row == (
        {"a": [1, 2]},
        None,
        dt.datetime.fromisoformat("2024-02-29T12:34:56.789"),
        Decimal("12345.678901"),
        2**64 - 1,
        (1, "x"),
        [1, None],
        dt.date(1999, 12, 31),
    )


@pytest.mark.parametrize("in_form", [False, True])
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("String", AWKWARD),
        ("String", ""),
        ("Nullable(String)", None),
        ("Array(String)", [AWKWARD, "", "a,b", "]"]),
        ("Array(Array(String))", [["'"], ["\\", "\n"]]),
        ("UInt64", 2**64 - 1),
        ("DateTime64(3)", dt.datetime.fromisoformat("2024-01-02T03:04:05.678")),
    ],
)
def test_parameters_arrive_unchanged(
    server: ServerProcess, kind: str, value: Any, in_form: bool
) -> None:
    client = server.client(form_encode_query_params=in_form)
    found = client.query(f"SELECT {{v:{kind}}} AS v", parameters={"v": value}).first_item
    assert found == {"v": value}


def test_a_long_list_of_ids_fits_into_a_url(client: Client) -> None:
    ids = [f"018f-{number:032x}" for number in range(15_000)]
    found = client.query("SELECT length({v:Array(String)}) AS n", parameters={"v": ids})
    assert found.first_item == {"n": len(ids)}


def test_a_url_beyond_all_bounds_is_refused(server: ServerProcess) -> None:
    assert http(server, "GET", query="1" * (1 << 20)).status == HTTPStatus.REQUEST_URI_TOO_LONG


def test_a_missing_parameter_is_an_error(client: Client) -> None:
    with pytest.raises(DatabaseError) as caught:
        client.query("SELECT {v:String}", settings={"max_threads": 1})
    assert caught.value.code == 456


def test_settings_hold_for_one_request(client: Client) -> None:
    ask = "SELECT getSetting('max_threads'), getSetting('log_comment')"
    settings = {"max_threads": 3, "log_comment": "it's \\ here"}
    assert client.query(ask, settings=settings).first_row == (3, "it's \\ here")
    assert client.query(ask).result_rows[0][1] == ""


def test_the_database_of_the_client_is_the_current_one(server: ServerProcess) -> None:
    assert server.client(database="system").command("SELECT currentDatabase()") == "system"


def test_external_data_is_a_table_of_its_query(server: ServerProcess) -> None:
    sent = ExternalData(
        file_name="sent.csv", data=b'1,a\n2,"b,c"\n', fmt="CSV", structure="id UInt32, n String"
    )
    sent.add_file(file_name="other.tsv", data=b"5\t6\n", types="UInt8,Decimal(9,2)")
    sql = "SELECT n, _2 FROM sent, other WHERE id = {id:UInt32}"
    for in_form in (False, True):
        client = server.client(form_encode_query_params=in_form)
        found = client.query(sql, parameters={"id": 2}, external_data=sent)
        assert found.result_rows == [("b,c", Decimal(6))]
    with pytest.raises(DatabaseError, match="UNKNOWN_TABLE"):
        client.query("SELECT * FROM sent")


def test_statements_without_result_give_a_summary(client: Client, table: str) -> None:
    answer = client.command(f"INSERT INTO {table} (id) SELECT number FROM numbers(7)")
    assert isinstance(answer, QuerySummary)
    assert answer.written_rows == 7


def test_the_summary_counts_what_was_read(client: Client) -> None:
    summary = client.query("SELECT sum(number) FROM numbers(1000)").summary
    assert (summary["read_rows"], summary["result_rows"]) == ("1000", "1")
    assert client.query("SELECT 1", settings={}).query_id


@pytest.mark.parametrize(
    "sql", ["SHOW DATABASES", "DESCRIBE system.one", "EXPLAIN SELECT 1", "EXISTS system.one"]
)
def test_statements_that_are_no_select_have_results_too(client: Client, sql: str) -> None:
    assert client.query(sql).row_count > 0


@pytest.mark.parametrize(
    ("sql", "code", "status"),
    [
        ("SELECT * FROM missing", 60, HTTPStatus.NOT_FOUND),
        ("SELECT missing", 47, HTTPStatus.NOT_FOUND),
        ("SELEC 1", 62, HTTPStatus.BAD_REQUEST),
        ("SELECT 1; SELECT 2", 62, HTTPStatus.BAD_REQUEST),
        ("SELECT 'open", 62, HTTPStatus.BAD_REQUEST),
        ("SELECT throwIf(1)", 395, HTTPStatus.INTERNAL_SERVER_ERROR),
        ("SELECT 1 FORMAT Missing", 73, HTTPStatus.NOT_FOUND),
        ("SELECT 1 INTO OUTFILE 'x'", 358, HTTPStatus.INTERNAL_SERVER_ERROR),
        ("INSERT INTO missing VALUES (1)", 60, HTTPStatus.NOT_FOUND),
        ("INSERT INTO a SELECT * FROM input('x Int8') FORMAT TSV\n1", 48, 501),
        ("", 62, HTTPStatus.BAD_REQUEST),
    ],
)
def test_errors_have_the_code_and_status_of_clickhouse(
    server: ServerProcess, sql: str, code: int, status: int
) -> None:
    response = http(server, "POST", sql.encode(), query_id="q-1")
    assert (response.status, response.headers["X-ClickHouse-Exception-Code"]) == (status, str(code))
    text = response.data.decode()
    assert text.startswith(f"Code: {code}. DB::Exception: ")
    assert re.search(r"\(version [\d.]+\)\s*$", text)
    assert "/* query" not in text


@pytest.mark.parametrize(
    ("arguments", "code"),
    [({"missing_setting": "1"}, "115"), ({"database": "missing"}, "81"), ({"compress": "1"}, "48")],
)
def test_a_request_that_asks_too_much_is_refused(
    server: ServerProcess, arguments: dict[str, str], code: str
) -> None:
    response = http(server, "POST", b"SELECT 1", **arguments)
    assert response.headers["X-ClickHouse-Exception-Code"] == code


def test_get_is_read_only(server: ServerProcess) -> None:
    assert http(server, "GET", query="SELECT+1").data == b"1\n"
    refused = http(server, "GET", query="CREATE+TABLE+x+(a+Int8)+ENGINE=Memory")
    assert refused.headers["X-ClickHouse-Exception-Code"] == "164"


@pytest.mark.parametrize(("level", "code"), [("1", "164"), ("2", None)])
def test_readonly_two_still_allows_settings(
    server: ServerProcess, table: str, level: str, code: str | None
) -> None:
    sql = b"SELECT 1 SETTINGS max_threads = 1"
    response = http(server, "POST", sql, readonly=level)
    assert response.headers.get("X-ClickHouse-Exception-Code") == code
    refused = http(server, "POST", f"INSERT INTO {table} (id) VALUES (1)".encode(), readonly=level)
    assert refused.headers["X-ClickHouse-Exception-Code"] == "164"


def test_headers_name_format_query_and_time_zone(server: ServerProcess) -> None:
    response = http(server, "POST", b"SELECT 1 AS a", default_format="JSONEachRow", query_id="mine")
    assert response.data == b'{"a":1}\n'
    assert response.headers["X-ClickHouse-Format"] == "JSONEachRow"
    assert response.headers["X-ClickHouse-Query-Id"] == "mine"
    assert response.headers["X-ClickHouse-Timezone"] == "UTC"
    assert json.loads(response.headers["X-ClickHouse-Summary"])["result_rows"] == "1"


def test_the_url_and_the_body_make_one_query(server: ServerProcess) -> None:
    assert http(server, "POST", b"1 + 1", query="SELECT").data == b"2\n"


@pytest.mark.parametrize(
    "account", [{"password": "wrong"}, {"username": "nobody"}, {"username": "", "password": ""}]
)
def test_wrong_credentials_are_refused(server: ServerProcess, account: dict[str, str]) -> None:
    with pytest.raises(DatabaseError) as caught:
        server.client(**account)
    assert caught.value.code == 516


def test_credentials_may_stand_in_the_url(server: ServerProcess) -> None:
    arguments = {"user": USER, "password": PASSWORD, "query": "SELECT 1"}
    assert urllib3.request("GET", server.url, fields=arguments).data == b"1\n"


def test_ping_asks_for_no_password(server: ServerProcess) -> None:
    assert urllib3.request("GET", server.url + "ping").data == b"Ok.\n"
