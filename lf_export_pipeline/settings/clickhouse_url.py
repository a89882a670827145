"""CLICKHOUSE_URL as Langfuse's client, ``@clickhouse/client`` for Node, reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, unquote

from lf_export_pipeline.settings.addresses import DEFAULT_PORTS, http_address

_SETTINGS = ("clickhouse_setting_", "ch_")
_HEADERS = "http_header_"
WITHOUT_EFFECT = (
    *("application", "session_id", "request_timeout", "max_open_connections", "log_level"),
    *("compression_request", "compression_response"),
    *("keep_alive_enabled", "keep_alive_idle_socket_ttl"),
)
"""Parameters about how that client itself works, or for which queries must come one by one."""


@dataclass(frozen=True, slots=True, repr=False)
class ClickHouseUrl:
    """Where a server is, and what the URL says in place of the other variables."""

    scheme: str
    host: str
    port: int
    proxy_path: str
    database: str | None
    user: str | None
    password: str | None
    settings: Mapping[str, str]
    headers: Mapping[str, str]


def clickhouse_url(url: str) -> ClickHouseUrl:
    """The parts of the URL.

    A path names the database. With a slash at its end, which names none, it is where a proxy has
    the server; so is the parameter ``pathname``.

    Raises:
        ValueError: The client would refuse it; says what is expected, and repeats no value.
    """
    parts = http_address(url)
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    _require_known(given)
    path, is_database = _path(parts)
    return ClickHouseUrl(
        scheme=parts.scheme,
        host=parts.hostname or "",
        port=parts.port or DEFAULT_PORTS[parts.scheme],
        proxy_path=given.get("pathname", "" if is_database else path).lstrip("/"),
        database=path if is_database else None,
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        settings={name: value for prefix in _SETTINGS for name, value in _cut(given, prefix)},
        headers=dict(_cut(given, _HEADERS)),
    )


def _path(parts: SplitResult) -> tuple[str, bool]:
    path = parts.path.removeprefix("/")
    return path, bool(path) and "/" not in path


def _cut(given: Mapping[str, str], prefix: str) -> list[tuple[str, str]]:
    return [
        (name.removeprefix(prefix), value)
        for name, value in given.items()
        if name.startswith(prefix)
    ]


def _require_known(given: Mapping[str, str]) -> None:
    for name in given:
        if name == "access_token":
            raise ValueError(
                "http://… or https://… without `access_token`; CLICKHOUSE_USER signs in"
            )
        if name not in (*WITHOUT_EFFECT, "pathname") and not name.startswith(
            (*_SETTINGS, _HEADERS)
        ):
            raise ValueError(
                "http://… or https://… with no other parameters than those of Langfuse's client, "
                "such as `pathname` or `clickhouse_setting_<name>`"
            )
