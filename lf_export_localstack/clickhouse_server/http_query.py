"""What one HTTP request asks of ClickHouse: who asks, the SQL, its data, parameters, settings."""

import base64
import binascii
import hmac
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from itertools import chain
from typing import Final
from urllib.parse import parse_qsl

from lf_export_localstack.clickhouse_server.bodies import (
    FormPart,
    RequestBody,
    parse_form,
    read_all,
)
from lf_export_localstack.clickhouse_server.clickhouse_error import ClickHouseError
from lf_export_localstack.clickhouse_server.insert_statement import Insert, split_insert

HEAD_BYTES: Final = 1 << 20
DEFAULT_BUFFER_BYTES: Final = 1 << 20
PARAMETER_PREFIX: Final = "param_"
_RESERVED: Final = frozenset(
    {
        *(
            "query",
            "query_id",
            "database",
            "default_format",
            "user",
            "password",
            "quota_key",
            "role",
        ),
        *("session_id", "session_timeout", "session_check", "close_session", "stacktrace"),
        *("compress", "decompress", "buffer_size", "wait_end_of_query", "client_protocol_version"),
    }
)
_SETTING_NAME: Final = re.compile(r"[A-Za-z_][\w.]*")
_TABLE_SUFFIXES: Final = ("_format", "_structure", "_types")


@dataclass(frozen=True, slots=True)
class ExternalTable:
    """A table sent along with a query, visible to this query alone."""

    name: str
    structure: str
    format: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Query:
    """Everything a request says, without HTTP in it."""

    sql: str
    insert: Insert | None
    data: Iterator[bytes]
    query_id: str
    database: str
    default_format: str | None
    parameters: Mapping[str, str]
    settings: Mapping[str, str]
    wait_end: bool
    buffer_bytes: int
    tables: list[ExternalTable] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Account:
    """The one user of the server."""

    user: str
    password: str = field(repr=False)

    def check(self, arguments: Mapping[str, str], headers: Message) -> None:
        """Compares the credentials of a request with this account.

        Raises:
            ClickHouseError: AUTHENTICATION_FAILED, the same for a wrong name and a wrong password.
        """
        user, password = _credentials(arguments, headers)
        same_user = hmac.compare_digest(user.encode(), self.user.encode())
        if not (hmac.compare_digest(password.encode(), self.password.encode()) and same_user):
            raise ClickHouseError(
                516,
                "AUTHENTICATION_FAILED",
                f"{user}: Authentication failed: password is incorrect, "
                "or there is no user with such name.",
            )


def url_arguments(query_string: str) -> dict[str, str]:
    """Gives the arguments of a URL; a repeated one counts as last given."""
    return dict(parse_qsl(query_string, keep_blank_values=True))


def read_query(
    arguments: Mapping[str, str], headers: Message, body: RequestBody, *, may_write: bool
) -> Query:
    """Gives the query a request asks for; the data of an INSERT stays in the body, to be streamed.

    Args:
        arguments: of the URL.
        headers: of the request.
        body: not yet read.
        may_write: False for GET, which ClickHouse runs with ``readonly = 2``.

    Raises:
        ClickHouseError: the request is not one this server understands.
    """
    files: list[FormPart] = []
    stream: Iterator[bytes] = iter(body)
    if headers.get_content_type() == "multipart/form-data":
        parts = parse_form(read_all(body), headers["Content-Type"])
        files = [part for part in parts if part.filename is not None]
        fields = {p.name: p.content.decode() for p in parts if p.filename is None}
        query = "".join([arguments.get("query", ""), fields.pop("query", "")])
        arguments = {**arguments, **fields, "query": query}
    sql, insert, data = _statement(arguments.get("query", ""), stream)
    tables = [_external_table(part, arguments) for part in files]
    return _query(arguments, sql, insert, data, tables, may_write=may_write)


def _query(
    arguments: Mapping[str, str],
    sql: str,
    insert: Insert | None,
    data: Iterator[bytes],
    tables: list[ExternalTable],
    *,
    may_write: bool,
) -> Query:
    settings = _settings(arguments, {table.name for table in tables})
    if not may_write and settings.get("readonly", "0") == "0":
        settings["readonly"] = "2"
    buffer = arguments.get("buffer_size") or settings.get("http_response_buffer_size") or "0"
    return Query(
        sql=sql,
        insert=insert,
        data=data,
        query_id=arguments.get("query_id") or str(uuid.uuid4()),
        database=arguments.get("database", ""),
        default_format=arguments.get("default_format"),
        parameters={
            name.removeprefix(PARAMETER_PREFIX): value
            for name, value in arguments.items()
            if name.startswith(PARAMETER_PREFIX)
        },
        settings=settings,
        wait_end=arguments.get("wait_end_of_query", "0") not in {"0", "false", ""},
        buffer_bytes=int(buffer) if buffer.isdigit() and int(buffer) else DEFAULT_BUFFER_BYTES,
        tables=tables,
    )


def _credentials(arguments: Mapping[str, str], headers: Message) -> tuple[str, str]:
    if "X-ClickHouse-User" in headers or "X-ClickHouse-Key" in headers:
        return _utf8(headers.get("X-ClickHouse-User", "default")), _utf8(
            headers.get("X-ClickHouse-Key", "")
        )
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(token.strip()).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return user, password
    return arguments.get("user", "default"), arguments.get("password", "")


def _utf8(header: str) -> str:
    return header.encode("latin-1").decode(errors="replace")  # http.client reads headers as Latin-1


def _settings(arguments: Mapping[str, str], tables: set[str]) -> dict[str, str]:
    for name in ("compress", "decompress"):
        if arguments.get(name, "0") != "0":
            text = f"Argument {name} (ClickHouse's own block compression) is not supported"
            raise ClickHouseError(48, "NOT_IMPLEMENTED", text)
    of_tables = {name + suffix for name in tables for suffix in _TABLE_SUFFIXES}
    settings = {
        name: value
        for name, value in arguments.items()
        if name not in _RESERVED | of_tables and not name.startswith(PARAMETER_PREFIX)
    }
    for name in settings:
        if not _SETTING_NAME.fullmatch(name):
            raise ClickHouseError(115, "UNKNOWN_SETTING", f"Unknown setting '{name}'")
    return settings


def _statement(in_url: str, body: Iterator[bytes]) -> tuple[str, Insert | None, Iterator[bytes]]:
    prefix = in_url.encode(errors="surrogateescape")
    stream = chain([prefix + b"\n"], body) if prefix else body
    head = _take(stream, HEAD_BYTES)
    insert = split_insert(head)
    if insert is not None:
        return "", insert, chain([head[insert.data_start :]], stream)
    try:
        sql = (head + b"".join(stream)).decode()
    except UnicodeDecodeError as error:
        raise ClickHouseError(
            62, "SYNTAX_ERROR", f"The query is not valid UTF-8: {error}"
        ) from error
    if not sql.strip():
        raise ClickHouseError(
            62, "SYNTAX_ERROR", "Syntax error: failed at position 1 (end of query)"
        )
    return sql, None, iter(())


def _take(stream: Iterator[bytes], size: int) -> bytes:
    taken = bytearray()
    for piece in stream:
        taken += piece
        if len(taken) >= size:
            break
    return bytes(taken)


def _external_table(part: FormPart, arguments: Mapping[str, str]) -> ExternalTable:
    structure = arguments.get(f"{part.name}_structure")
    types = arguments.get(f"{part.name}_types")
    if structure is None and types is None:
        text = f"Neither structure nor types have not been provided for external table {part.name}."
        raise ClickHouseError(36, "BAD_ARGUMENTS", text)
    return ExternalTable(
        name=part.name,
        structure=structure if structure is not None else _numbered(types or ""),
        format=arguments.get(f"{part.name}_format", "TabSeparated"),
        content=part.content,
    )


def _numbered(types: str) -> str:
    depth, cut = 0, [-1]
    for position, character in enumerate(types):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            cut.append(position)
    names = zip(cut, [*cut[1:], len(types)], strict=True)
    return ", ".join(f"_{n} {types[a + 1 : b].strip()}" for n, (a, b) in enumerate(names, 1))
