"""ClickHouse's HTTP interface: one thread per client connection, one engine session per request."""

import logging
import os
import select
import socket
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO, Any, Final
from urllib.parse import urlsplit

from lf_export_localstack.clickhouse_server.bodies import RequestBody
from lf_export_localstack.clickhouse_server.clickhouse_error import ClickHouseError
from lf_export_localstack.clickhouse_server.engine import Engine, Session
from lf_export_localstack.clickhouse_server.framing import (
    COPY_BYTES,
    ChunkedBody,
    choose_encoding,
    exception_block,
    new_exception_tag,
)
from lf_export_localstack.clickhouse_server.headers import output_headers, query_headers
from lf_export_localstack.clickhouse_server.http_query import (
    Account,
    ExternalTable,
    Query,
    read_query,
    url_arguments,
)
from lf_export_localstack.clickhouse_server.insert_statement import Insert, quote_name
from lf_export_localstack.clickhouse_server.native import Counters
from lf_export_localstack.clickhouse_server.running_query import RunningQuery

logger = logging.getLogger(__name__)

DEFAULT_FORMAT: Final = "TabSeparated"
URL_MAX_BYTES: Final = 1 << 20
SPOOL_BYTES: Final = 16 << 20


class ClientGoneError(Exception):
    """The client closed its connection before it had its answer."""


class ClickHouseServer(ThreadingHTTPServer):
    """Listens on one address and answers for one engine and one account."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], engine: Engine, account: Account) -> None:
        self.engine = engine
        self.account = account
        self._connections: set[socket.socket] = set()
        super().__init__(address, ClickHouseHandler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Notes the connection, so that it can be ended."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forgets the connection."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  # inherited
        """Logs what ended a connection: with a traceback, unless the client just went away."""
        gone = isinstance(sys.exception(), ConnectionError)
        logger.debug("%s: %s", client_address, sys.exception(), exc_info=not gone)

    def hang_up(self) -> None:
        """Ends all connections: their queries end as if the clients had gone."""
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class ClickHouseHandler(BaseHTTPRequestHandler):
    """Answers the requests of one client connection, one after the other."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: ClickHouseServer

    def handle_one_request(self) -> None:
        """Reads and answers one request; the URL may be as long as ClickHouse allows.

        http.server itself stops at 64 KiB, less than a list of ids bound as a parameter needs.
        """
        self.raw_requestline = self.rfile.readline(URL_MAX_BYTES + 1)
        if not self.raw_requestline.endswith(b"\n"):
            self.close_connection = True
            if self.raw_requestline:
                self.requestline, self.request_version, self.command = "", "", ""
                self.send_error(HTTPStatus.REQUEST_URI_TOO_LONG)
        elif self.parse_request():
            answers = {"GET": self.do_GET, "POST": self.do_POST}
            if self.command in answers:
                answers[self.command]()
            else:
                self.send_error(HTTPStatus.NOT_IMPLEMENTED)

    def do_GET(self) -> None:  # the name http.server calls
        """Answers health checks, and queries that only read."""
        url = urlsplit(self.path)
        if url.path == "/ping" or (url.path == "/" and not url.query):
            self._send_text(HTTPStatus.OK, "Ok.\n")
        else:
            self._answer(may_write=False)

    def do_POST(self) -> None:  # the name http.server calls
        """Answers queries."""
        self._answer(may_write=True)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Says nothing: each query gets its own line when it has ended."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # inherited name
        """Sends http.server's complaints about malformed requests to the log."""
        logger.debug(format, *args)

    def _answer(self, *, may_write: bool) -> None:
        begun = time.perf_counter()
        body = RequestBody(self.rfile, self.headers)
        outcome = "ok"
        query: Query | None = None
        try:
            query = self._read(body, may_write=may_write)
            self._run(query)
        except ClickHouseError as error:
            outcome = f"{error.code} {error.name}"
            self._send_error_text(error, body, query.query_id if query else None)
        except (ClientGoneError, ConnectionError):
            outcome = "client gone"
            self.close_connection = True
        logger.debug("%s: %.3f s: %s", outcome, time.perf_counter() - begun, _shown(query))

    def _read(self, body: RequestBody, *, may_write: bool) -> Query:
        url = urlsplit(self.path)
        arguments = url_arguments(url.query)
        self.server.account.check(arguments, self.headers)
        if url.path != "/":
            raise ClickHouseError(60, "UNKNOWN_TABLE", f"There is no handle {url.path}")
        return read_query(arguments, self.headers, body, may_write=may_write)

    def _run(self, query: Query) -> None:
        with self.server.engine.session() as session:
            _prepare(session, query)
            if query.insert is not None:
                counters = session.insert(query.insert, query.data)
                self._send_headers(query, counters, {})
                self._body(None).finish()
                return
            running = session.start(
                query.sql,
                query_id=query.query_id,
                default_format=query.default_format or DEFAULT_FORMAT,
                parameters=query.parameters,
            )
            try:
                self._send_output(query, running)
            finally:
                running.close()

    def _send_output(self, query: Query, running: RunningQuery) -> None:
        encoding = self._encoding(query)
        with tempfile.SpooledTemporaryFile(SPOOL_BYTES) as held:
            limit = None if query.wait_end else query.buffer_bytes
            complete = self._hold(running, held, limit)
            counters = running.result() if complete else running.counters
            tag = new_exception_tag()
            self._send_headers(query, counters, output_headers(running, encoding, tag))
            body = self._body(encoding)
            held.seek(0)
            while data := held.read(COPY_BYTES):
                body.feed(data)
        if complete or self._stream(running, body, tag):
            body.finish()

    def _hold(self, running: RunningQuery, held: IO[bytes], limit: int | None) -> bool:
        size = 0
        while limit is None or size < limit:
            self._await_output(running)
            data = os.read(running.output, COPY_BYTES)
            if not data:
                return True
            held.write(data)
            size += len(data)
        return False

    def _stream(self, running: RunningQuery, body: ChunkedBody, tag: str) -> bool:
        self._await_output(running)
        while body.feed_from(running.output):
            self._await_output(running)
        try:
            running.result()
        except ClickHouseError as error:
            logger.debug("query %s failed in mid-stream: %s", running.query_id, error)
            body.abort(exception_block(error.text(self.server.engine.version), tag))
            self.close_connection = True
            return False
        return True

    def _await_output(self, running: RunningQuery) -> None:
        hang_up = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR
        poll = select.poll()
        poll.register(running.output, select.POLLIN)
        if running.read_only:
            poll.register(self.connection, hang_up)
        events = dict(poll.poll())
        if events.get(self.connection.fileno(), 0) & hang_up:
            raise ClientGoneError

    def _encoding(self, query: Query) -> str | None:
        if query.settings.get("enable_http_compression", "0") in {"0", "false"}:
            return None
        return choose_encoding(self.headers.get("Accept-Encoding", ""))

    def _body(self, encoding: str | None) -> ChunkedBody:
        self.wfile.flush()
        return ChunkedBody(self.connection, encoding)

    def _send_headers(self, query: Query, counters: Counters, more: Mapping[str, str]) -> None:
        self.send_response(HTTPStatus.OK)
        for name, value in {**query_headers(query, counters), **more}.items():
            self.send_header(name, value)
        self.end_headers()

    def _send_error_text(
        self, error: ClickHouseError, body: RequestBody, query_id: str | None
    ) -> None:
        with suppress(ConnectionError):
            body.drain()
        self.send_response(error.status)
        if query_id is not None:
            self.send_header("X-ClickHouse-Query-Id", query_id)
        self.send_header("X-ClickHouse-Exception-Code", str(error.code))
        self._send_body(error.text(self.server.engine.version) + "\n")

    def _send_text(self, status: HTTPStatus, text: str) -> None:
        self.send_response(status)
        self._send_body(text)

    def _send_body(self, text: str) -> None:
        content = text.encode()
        self.send_header("Content-Type", "text/plain; charset=UTF-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _prepare(session: Session, query: Query) -> None:
    if query.database:
        session.use(query.database)
    readonly = {name: value for name, value in query.settings.items() if name == "readonly"}
    session.set({name: value for name, value in query.settings.items() if name not in readonly})
    for table in query.tables:
        _load(session, table)
    if query.insert is not None and query.parameters:
        session.set({f"param_{name}": value for name, value in query.parameters.items()})
    session.set(readonly)


def _load(session: Session, table: ExternalTable) -> None:
    session.create_temporary_table(table.name, table.structure)
    target = Insert(f"INSERT INTO {quote_name(table.name)}", table.format, 0)
    session.insert(target, [table.content])


def _shown(query: Query | None) -> str:
    if query is None:
        return "(not read)"
    text = query.insert.sql if query.insert is not None else query.sql
    return f"{query.query_id}: {' '.join(text.split())[:300]}"
