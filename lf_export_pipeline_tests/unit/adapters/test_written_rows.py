import http.client
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lf_export_pipeline.adapters.clickhouse.arrow_stream import StreamCutError
from lf_export_pipeline.adapters.clickhouse.template_stream import (
    BUFFER_BYTES,
    WrittenRows,
    template_settings,
    with_settings,
)
from lf_export_pipeline.core.query.statement import Statement, Store
from lf_export_pipeline.core.query.written_rows import WrittenStatement
from lf_export_pipeline_tests.effort import examples

TOKEN = "0123456789abcdef"
END = b"\n<END 0123456789abcdef %d>"


class Answer:
    """A response of the client: its body, or as much of it as arrives before it breaks."""

    def __init__(self, data: bytes, broken: Exception | None = None) -> None:
        self._file = io.BytesIO(data)
        self._broken = broken
        self.released = False
        self.headers: dict[str, str] = {}

    def readinto(self, buffer: memoryview) -> int:
        count = self._file.readinto(buffer)
        if not count and self._broken:
            raise self._broken
        return count

    def release_conn(self) -> None:
        self.released = True


def read(answer: Any) -> tuple[bytes, int]:
    rows = WrittenRows(answer, TOKEN)
    return b"".join(bytes(each.view) for each in rows.buffers()), rows.rows


@pytest.mark.parametrize("size", [0, 1, BUFFER_BYTES - 140, BUFFER_BYTES, 2 * BUFFER_BYTES + 3])
def test_a_whole_answer_gives_its_bytes_and_the_count_of_its_end(size: int) -> None:
    data = (b"0123456789abcdef row\n" * (size // 20 + 1))[:size]
    answer = Answer(data + END % 12345)
    assert read(answer) == (data, 12345)
    assert answer.released


@given(end=st.integers(0, 60))
@settings(max_examples=examples(60))
def test_an_answer_that_is_cut_anywhere_raises(end: int) -> None:
    whole = b"some rows\nmore rows\n" + END % 2
    with pytest.raises(StreamCutError):
        read(Answer(whole[: min(end, len(whole) - 1)]))


def test_a_message_behind_the_rows_raises_and_is_kept() -> None:
    whole = b"some rows\n" + END % 1 + b"\r\n__exception__ the reason"
    with pytest.raises(StreamCutError) as caught:
        read(Answer(whole))
    assert caught.value.tail.endswith(b"the reason")


@pytest.mark.parametrize(
    "broken", [http.client.IncompleteRead(b""), ConnectionResetError(), ValueError("closed")]
)
def test_a_connection_that_breaks_raises_and_keeps_what_had_arrived(broken: Exception) -> None:
    answer = Answer(b"some rows the reason", broken)
    with pytest.raises(StreamCutError) as caught:
        read(answer)
    assert caught.value.tail.endswith(b"the reason")
    assert not answer.released


def test_an_end_that_a_user_has_stored_is_no_end() -> None:
    with pytest.raises(StreamCutError):
        read(Answer(b"rows\n<END fedcba9876543210 1>"))


def test_settings_stand_in_the_query_with_their_quotes_escaped() -> None:
    wanted = WrittenStatement(Statement(store=Store.CLICKHOUSE, sql="SELECT 1"), "'\\${f0:CSV}", "")
    sql = with_settings("SELECT 1", template_settings(wanted, TOKEN))
    assert sql == (
        "SELECT 1\nSETTINGS format_template_row_format = '\\'\\\\${f0:CSV}', "
        "format_template_rows_between_delimiter = '', "
        "format_template_resultset_format = '${data}\n<END 0123456789abcdef ${rows:Raw}>'"
    )
