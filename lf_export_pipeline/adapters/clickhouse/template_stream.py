"""Rows that the server has written: bytes of a file, read into buffers, complete or an error."""

import http.client
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
from clickhouse_connect.driver.external import ExternalData
from urllib3.exceptions import HTTPError

from lf_export_pipeline.adapters.clickhouse.arrow_stream import StreamCutError
from lf_export_pipeline.core.query.written_rows import Filled, SentTable, WrittenStatement

BUFFER_BYTES: Final = 2 * 1024 * 1024
FORMAT: Final = "Template"

_HELD_BYTES: Final = 128  # more than a trailer has
_TAIL_BYTES: Final = 32 * 1024
_BROKEN: Final = (http.client.HTTPException, HTTPError, OSError, EOFError, ValueError)


class WrittenRows:
    """The bytes of an answer, and how many rows they are once all have been read.

    The server ends its answer with a random token and the number of rows it has written, so that an
    answer that is cut off, or that holds the message of an error, cannot be taken for a whole one.
    """

    def __init__(self, response: Any, token: str) -> None:
        self._response = response
        self._trailer = re.compile(rb"\n<END %s (\d+)>\Z" % token.encode())
        self.rows = 0

    def buffers(self) -> Iterator[Filled]:
        """The bytes, about two megabytes at a time, in a buffer that is used again.

        Raises:
            StreamCutError: The answer does not end as it should.
        """
        data = bytearray(BUFFER_BYTES)
        buffer = memoryview(data)
        read, filled = _into(self._response), 0
        while count := self._filled(read, buffer, filled):
            filled += count
            if filled == len(buffer):
                yield Filled(data, filled - _HELD_BYTES)
                buffer[:_HELD_BYTES] = buffer[-_HELD_BYTES:]
                filled = _HELD_BYTES
        found = self._trailer.search(buffer[max(0, filled - _HELD_BYTES) : filled])
        if found is None:
            raise StreamCutError(bytes(buffer[:filled][-_TAIL_BYTES:]))
        self.rows = int(found[1])
        self._response.release_conn()
        yield Filled(data, filled - len(found[0]))

    def _filled(self, read: Callable[[memoryview], int], buffer: memoryview, filled: int) -> int:
        try:
            return read(buffer[filled:])
        except _BROKEN as error:
            arrived = len(getattr(error, "partial", b""))
            tail = bytes(buffer[: filled + arrived][-_TAIL_BYTES:])
            raise StreamCutError(tail) from error


def _into(response: Any) -> Callable[[memoryview], int]:
    """What reads into a buffer: the connection itself, unless somebody has compressed the answer.

    The client's own ``readinto`` makes the bytes first, and then copies them.
    """
    raw = getattr(response, "_fp", None)
    if isinstance(raw, http.client.HTTPResponse) and not response.headers.get("Content-Encoding"):
        return raw.readinto
    return response.readinto  # type: ignore[no-any-return]


def template_settings(written: WrittenStatement, token: str) -> Mapping[str, str]:
    """What makes the server write such rows."""
    return {
        **written.settings,
        "format_template_row_format": written.row,
        "format_template_rows_between_delimiter": written.between,
        "format_template_resultset_format": f"${{data}}\n<END {token} ${{rows:Raw}}>",
    }


def with_settings(sql: str, settings: Mapping[str, str]) -> str:
    """The query with settings of its own; in the address they would be too long for proxies."""
    if not settings:
        return sql
    pairs = (f"{name} = {_quoted(value)}" for name, value in settings.items())
    return f"{sql}\nSETTINGS {', '.join(pairs)}"


def external_data(tables: Sequence[SentTable]) -> ExternalData | None:
    """The tables as the client sends them."""
    if not tables:
        return None
    data = ExternalData()
    for table in tables:
        structure = [f"{name} String" for name in table.rows.schema.names]
        data.add_file(
            file_name=table.name, data=_stream(table.rows), fmt="ArrowStream", structure=structure
        )
    return data


def _stream(rows: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_batch(rows)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
