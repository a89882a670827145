"""Reads from ClickHouse over HTTP: Arrow streams that are complete or raise."""

import re
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Self, TypeVar

import clickhouse_connect
import pyarrow as pa
import tenacity
import urllib3
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from clickhouse_connect.driver.external import ExternalData
from clickhouse_connect.driver.httputil import get_pool_manager_options

from lf_export_pipeline.adapters.clickhouse.arrow_stream import StreamCutError, read_stream
from lf_export_pipeline.adapters.clickhouse.clickhouse_errors import from_client
from lf_export_pipeline.adapters.clickhouse.query_settings import (
    changeable,
    learn_settings,
    query_settings,
)
from lf_export_pipeline.adapters.clickhouse.template_stream import (
    FORMAT,
    WrittenRows,
    external_data,
    template_settings,
    with_settings,
)
from lf_export_pipeline.adapters.clickhouse.unredirected import UnredirectedPool
from lf_export_pipeline.core.errors import PermanentError, TransientError
from lf_export_pipeline.core.query.statement import Statement, Store
from lf_export_pipeline.core.query.written_rows import Filled, RowBytes, WrittenStatement
from lf_export_pipeline.core.request.model import ExportFormat
from lf_export_pipeline.settings import ClickHouseSettings
from lf_export_pipeline.settings.clickhouse_url import ClickHouseUrl, clickhouse_url

Item = TypeVar("Item")

_CONNECT_SECONDS = 10
_TOKEN_BYTES = 8
_NOTHING_TO_ESCAPE = re.compile(r"[A-Za-z0-9+/=]*")  # base64
_FOREIGN_ERRORS = (ClickHouseError, urllib3.exceptions.HTTPError, OSError)


class ClickHouseReader:
    """A ``RowReader`` for ``Store.CLICKHOUSE`` and ``Store.EVENTS``. Threads may share it.

    Connections are opened on first use, and kept until ``close``.
    """

    def __init__(
        self,
        settings: ClickHouseSettings,
        tags: Mapping[str, str] | None = None,
        clients: "_Clients | None" = None,
    ) -> None:
        self._settings = settings
        self._tags = dict(tags or {})
        self._clients = clients or _Clients(settings)

    def tagged(self, **tags: str) -> Self:
        """The same connections; the queries carry these tags as JSON in ``log_comment``."""
        return type(self)(self._settings, {**self._tags, **tags}, self._clients)

    @contextmanager
    def batches(self, statement: Statement) -> Iterator[Iterator[pa.RecordBatch]]:
        """The result as Arrow batches; leaving the context ends the query on the server too."""
        place = self._clients.place(statement.store)
        with self._response(statement, "ArrowStream") as response:
            yield _mapped(lambda: read_stream(response), response, place)

    def takes_written(self, store: Store, export_format: ExportFormat) -> bool:
        """Whether the server writes a few rows as it should, with all that exports ask of it.

        It is asked once. A server that does not answer is asked again the next time.
        """
        if not export_format.is_text:
            return False
        known, key = self._clients.take_written, (self._clients.place(store), export_format)
        if key not in known:
            try:
                known[key] = self._writes_probe(store, export_format)
            except TransientError:
                return False
            except PermanentError:
                known[key] = False
        return known[key]

    def _writes_probe(self, store: Store, export_format: ExportFormat) -> bool:
        # Imported late: with it comes Arrow, which the daemon and the web server never need.
        from lf_export_pipeline.core.formats.probe import Probe  # noqa: PLC0415

        probe = Probe(export_format, secrets.token_hex(_TOKEN_BYTES))
        with self.written(probe.statement(store)) as answer:
            return probe.finished(answer.buffers) == probe.expected

    @contextmanager
    def written(self, wanted: WrittenStatement) -> Iterator[RowBytes]:
        """The rows as bytes of a file; leaving the context ends the query on the server too."""
        place = self._clients.place(wanted.statement.store)
        token = secrets.token_hex(_TOKEN_BYTES)
        settings = template_settings(wanted, token)
        sent = external_data(wanted.tables)
        with self._response(wanted.statement, FORMAT, settings, sent) as response:
            rows = WrittenRows(response, token)
            yield _RowBytes(rows, _mapped(rows.buffers, response, place))

    @contextmanager
    def _response(
        self,
        statement: Statement,
        fmt: str,
        settings: Mapping[str, str] | None = None,
        sent: ExternalData | None = None,
    ) -> Iterator[Any]:
        place = self._clients.place(statement.store)
        try:
            client = self._clients.get(statement.store)
            response: Any = client.raw_stream(
                with_settings(statement.sql, settings or {}),
                parameters={name: _to_param(value) for name, value in statement.params.items()},
                settings=self._query_settings(client, place, statement.threads),
                fmt=fmt,
                external_data=sent,
            )
        except _FOREIGN_ERRORS as error:
            raise from_client(error, place) from error
        try:
            yield response
        finally:
            response.close()

    def rows(self, statement: Statement) -> list[tuple[object, ...]]:
        """A small result as tuples; repeated when the connection fails, as nothing was used yet."""
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TransientError),
            stop=tenacity.stop_after_attempt(self._settings.langfuse_clickhouse_query_max_attempts),
            wait=tenacity.wait_fixed(0.1),  # Langfuse: 100 ms apart
            reraise=True,
        )
        return attempts(self._rows, statement)

    def close(self) -> None:
        """Give the connections back."""
        self._clients.close()

    def _rows(self, statement: Statement) -> list[tuple[object, ...]]:
        with self.batches(statement) as batches:
            return [row for batch in batches for row in _tuples(batch)]

    def _query_settings(
        self, client: Client, place: str, threads: int | None = None
    ) -> dict[str, Any]:
        of_the_url = self._clients.url(place).settings
        wanted = {**of_the_url, **query_settings(self._settings, self._tags)}
        if threads is not None:
            wanted["max_threads"] = threads
        return changeable(wanted, client.server_settings)


class _Clients:
    """One client per address, opened when first asked for."""

    def __init__(self, settings: ClickHouseSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._clients: dict[str, Client] = {}
        self.take_written: dict[tuple[str, ExportFormat], bool] = {}  # by place
        options = get_pool_manager_options(
            maxsize=settings.clickhouse_max_open_connections,
            ca_cert=settings.lf_export_clickhouse_ca_file,
        )
        self._pool = UnredirectedPool(**options)

    def place(self, store: Store) -> str:
        """The name of the setting that says where the store is."""
        if store is Store.POSTGRES:
            raise PermanentError("A statement for Postgres was given to ClickHouse.")
        if store is Store.EVENTS and self._settings.clickhouse_events_read_only_url:
            return "CLICKHOUSE_EVENTS_READ_ONLY_URL"
        if self._settings.clickhouse_read_only_url:
            return "CLICKHOUSE_READ_ONLY_URL"
        return "CLICKHOUSE_URL"

    def get(self, store: Store) -> Client:
        place = self.place(store)
        with self._lock:
            if place not in self._clients:
                self._clients[place] = _connect(self.url(place), self._settings, self._pool)
            return self._clients[place]

    def url(self, place: str) -> ClickHouseUrl:
        return clickhouse_url(getattr(self._settings, place.lower()))

    def close(self) -> None:
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()
            self._pool.clear()  # a client leaves a pool open that it was given


def silence_seconds(settings: ClickHouseSettings) -> int:
    """How long the server may say nothing: a little longer than it takes to end a long query."""
    return settings.lf_export_clickhouse_query_seconds + 10


def _connect(url: ClickHouseUrl, settings: ClickHouseSettings, pool: Any) -> Client:
    client = clickhouse_connect.get_client(
        host=url.host,
        port=url.port,
        interface=url.scheme,
        proxy_path=url.proxy_path,
        username=url.user or settings.clickhouse_user,
        password=url.password or settings.clickhouse_password.get_secret_value(),
        database=url.database or settings.clickhouse_db,
        headers=dict(url.headers),
        compress=False,  # Arrow's own compression is faster, on both ends
        connect_timeout=_CONNECT_SECONDS,
        send_receive_timeout=silence_seconds(settings),
        query_retries=0,  # retries are the caller's: a stream must not start twice unnoticed
        autogenerate_session_id=False,  # sessions forbid parallel queries
        form_encode_query_params=True,  # parameters of any size; none in the server's access log
        client_name="lf_export_pipeline",
        pool_mgr=pool,
    )
    learn_settings(client)
    return client


class _RowBytes:
    def __init__(self, rows: WrittenRows, buffers: Iterator[Filled]) -> None:
        self._rows = rows
        self.buffers = buffers

    @property
    def rows(self) -> int:
        return self._rows.rows


def _mapped(read: Callable[[], Iterator[Item]], response: Any, place: str) -> Iterator[Item]:
    try:
        yield from read()
    except StreamCutError as error:
        reason = server_reason(error.tail, response.headers.get("X-ClickHouse-Exception-Tag"))
        raise from_client(ClickHouseError(reason), place) from error


def server_reason(tail: bytes, tag: str | None) -> str:
    """What the server wrote into the stream when the query failed; empty: nobody can know.

    Only text behind this response's own random tag is the server's. Older servers write it without
    one, where it cannot be told from a user's data.
    """
    if not tag:
        return ""
    _, found, message = tail.rpartition(b"__exception__\r\n" + tag.encode() + b"\r\n")
    return message.decode("utf-8", "replace") if found else ""


def _to_param(value: Any) -> Any:
    """Instants as UTC text with their fraction, which the client would drop."""
    if isinstance(value, str):
        return _Plain(value) if _NOTHING_TO_ESCAPE.fullmatch(value) else value
    if isinstance(value, datetime):
        moment = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return moment.isoformat(sep=" ", timespec="auto")
    return value


class _Plain(str):
    """A text in which the client finds nothing to escape: it looks at the whole as one character.

    It goes through every other text character by character in Python, which for the keys of the
    chunks cost as much as all serialising.
    """

    __slots__ = ()

    def __iter__(self) -> Iterator[str]:
        yield str(self)


def _tuples(batch: pa.RecordBatch) -> list[tuple[object, ...]]:
    return list(zip(*(column.to_pylist() for column in batch.columns), strict=True))
