"""CLICKHOUSE_URL means what it means to @clickhouse/client 1.23.1, the version of Langfuse 4.16."""

from typing import Any, cast

import pytest
import urllib3

from lf_export_pipeline.adapters.clickhouse import clickhouse_reader
from lf_export_pipeline.adapters.clickhouse.clickhouse_errors import from_client
from lf_export_pipeline.adapters.clickhouse.clickhouse_reader import ClickHouseReader
from lf_export_pipeline.adapters.clickhouse.unredirected import RedirectedError, UnredirectedPool
from lf_export_pipeline.core.errors import ConfigurationError
from lf_export_pipeline.core.query.statement import Store
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.world import ENVIRONMENT

ACCOUNT = {"CLICKHOUSE_USER": "cu", "CLICKHOUSE_PASSWORD": "cp", "CLICKHOUSE_DB": "cdb"}


@pytest.fixture(autouse=True)
def connections(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the client would have been opened with."""
    opened: list[dict[str, Any]] = []
    monkeypatch.setattr("clickhouse_connect.get_client", lambda **kw: opened.append(kw))
    monkeypatch.setattr(clickhouse_reader, "learn_settings", lambda _: None)
    return opened


def opened_at(url: str, connections: list[dict[str, Any]]) -> dict[str, Any]:
    settings = Settings.load(ENVIRONMENT | ACCOUNT | {"CLICKHOUSE_URL": url})
    ClickHouseReader(settings)._clients.get(Store.CLICKHOUSE)
    return connections[-1]


@pytest.mark.parametrize(
    ("url", "sent_to"),
    [
        ("http://h", ("http", "h", 80, "")),
        ("https://h", ("https", "h", 443, "")),
        ("https://h/", ("https", "h", 443, "")),
        ("http://h:80", ("http", "h", 80, "")),
        ("http://h:8123", ("http", "h", 8123, "")),
        ("https://h:8443", ("https", "h", 8443, "")),
        ("https://H.EXAMPLE:443", ("https", "h.example", 443, "")),
        ("http://[::1]:8123", ("http", "::1", 8123, "")),
        ("http://127.1:8123", ("http", "127.0.0.1", 8123, "")),
        ("http://münchen.example", ("http", "xn--mnchen-3ya.example", 80, "")),
        ("http://h/#x", ("http", "h", 80, "")),
        (" https://h ", ("https", "h", 443, "")),
        ("https://h?pathname=/proxy", ("https", "h", 443, "proxy")),
        ("https://h?pathname=/proxy/", ("https", "h", 443, "proxy/")),
        ("https://h/db?pathname=/proxy/to", ("https", "h", 443, "proxy/to")),
    ],
)
def test_the_address_is_the_one_of_langfuses_client(
    url: str, sent_to: tuple[str, str, int, str], connections: list[dict[str, Any]]
) -> None:
    opened = opened_at(url, connections)
    found = tuple(opened[part] for part in ("interface", "host", "port", "proxy_path"))
    assert found == sent_to


@pytest.mark.parametrize(
    ("url", "user", "password", "database"),
    [
        ("http://h", "cu", "cp", "cdb"),
        ("http://u%40x:p%3Aw@h", "u@x", "p:w", "cdb"),
        ("http://u@h", "u", "cp", "cdb"),
        ("http://h/otherdb", "cu", "cp", "otherdb"),
        ("http://h/otherdb?pathname=/proxy/", "cu", "cp", "otherdb"),
        ("http://h?pathname=/proxy", "cu", "cp", "cdb"),
    ],
)
def test_what_the_url_says_wins_over_the_other_variables(
    url: str, user: str, password: str, database: str, connections: list[dict[str, Any]]
) -> None:
    opened = opened_at(url, connections)
    found = (opened["username"], opened["password"], opened["database"])
    assert found == (user, password, database)


@pytest.mark.parametrize(("path", "proxy"), [("/path/", "path/"), ("/a/b", "a/b")])
def test_a_path_that_names_no_database_is_where_a_proxy_has_the_server(
    path: str, proxy: str, connections: list[dict[str, Any]]
) -> None:
    """Langfuse's client takes even these for the name of a database, which then is unknown."""
    opened = opened_at(f"https://h{path}", connections)
    assert (opened["proxy_path"], opened["database"]) == (proxy, "cdb")


def test_settings_and_headers_of_the_url_are_sent_below_those_that_exports_need() -> None:
    url = "http://h?ch_max_threads=2&clickhouse_setting_max_block_size=9&http_header_X-Tenant=a"
    settings = Settings.load(ENVIRONMENT | {"CLICKHOUSE_URL": url})
    reader, known = ClickHouseReader(settings), cast("Any", _Known())
    sent = reader._query_settings(known, "CLICKHOUSE_URL")
    assert (sent["max_threads"], sent["max_block_size"]) == ("2", 2048)
    assert reader._clients.url("CLICKHOUSE_URL").headers == {"X-Tenant": "a"}


@pytest.mark.parametrize(
    "parameter",
    ["request_timeout=5000", "compression_response=true", "session_id=abc", "log_level=TRACE"],
)
def test_parameters_about_the_client_itself_are_taken(parameter: str) -> None:
    Settings.load(ENVIRONMENT | {"CLICKHOUSE_URL": f"http://h?{parameter}"})


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h?access_token=hunter2", "without `access_token`; CLICKHOUSE_USER signs in"),
        ("http://h?hunter2=1", "with no other parameters than those of Langfuse's client"),
        ("http://h?database=x", "with no other parameters than those of Langfuse's client"),
        ("http://256.1.1.1", "No IPv4 address has this form"),
    ],
)
@pytest.mark.parametrize("name", ["URL", "READ_ONLY_URL", "EVENTS_READ_ONLY_URL"])
def test_what_langfuses_client_refuses_is_refused_with_a_sentence(
    name: str, url: str, expected: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(ENVIRONMENT | {f"CLICKHOUSE_{name}": url})
    assert str(caught.value).startswith(f"CLICKHOUSE_{name} has a value of the wrong form;")
    assert expected in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "reads", "events"),
    [
        ("", "URL", "URL"),
        ("READ_ONLY_URL", "READ_ONLY_URL", "READ_ONLY_URL"),
        ("EVENTS_READ_ONLY_URL", "URL", "EVENTS_READ_ONLY_URL"),
        (
            "READ_ONLY_URL EVENTS_READ_ONLY_URL",
            "READ_ONLY_URL",
            "EVENTS_READ_ONLY_URL",
        ),
    ],
)
def test_reads_go_to_the_server_of_langfuses_reads(given: str, reads: str, events: str) -> None:
    addresses = {f"CLICKHOUSE_{name}": "http://replica" for name in given.split()}
    clients = ClickHouseReader(Settings.load(ENVIRONMENT | addresses))._clients
    assert clients.place(Store.CLICKHOUSE) == f"CLICKHOUSE_{reads}"
    assert clients.place(Store.EVENTS) == f"CLICKHOUSE_{events}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_names_the_variable_and_the_address(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = urllib3.HTTPResponse(
        status=status,
        headers={"location": "https://ch.test:8443/?x=1"},
        body=b"",
        preload_content=False,
    )
    monkeypatch.setattr(urllib3.PoolManager, "urlopen", lambda *_, **__: moved)
    with pytest.raises(RedirectedError) as caught:
        UnredirectedPool().urlopen("POST", "http://ch.test:8123/")
    assert str(from_client(caught.value, "CLICKHOUSE_READ_ONLY_URL")) == (
        "The address in CLICKHOUSE_READ_ONLY_URL redirects to https://ch.test:8443; "
        "change it to that."
    )


@pytest.mark.parametrize("location", ["/login", "http://ch.test:8123/login"])
def test_a_redirect_to_another_page_of_the_same_server_is_a_status_like_any_other(
    location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = urllib3.HTTPResponse(status=302, headers={"location": location})
    monkeypatch.setattr(urllib3.PoolManager, "urlopen", lambda *_, **__: moved)
    assert UnredirectedPool().urlopen("POST", "http://ch.test:8123/") is moved


class _Known(dict[str, Any]):
    """A client whose server knows every setting, and has another value for it."""

    def __init__(self) -> None:
        super().__init__()
        self.server_settings: Any = _Every()


class _Every(dict[str, Any]):
    readonly, value = 0, "another"

    def __contains__(self, name: object) -> bool:
        return True

    def __getitem__(self, name: str) -> "_Every":
        return self
