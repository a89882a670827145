"""Rows that ClickHouse writes are, byte for byte, those that are serialised here."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lf_export_pipeline.adapters.clickhouse.arrow_stream import with_valid_text
from lf_export_pipeline.adapters.clickhouse.clickhouse_reader import ClickHouseReader
from lf_export_pipeline.adapters.statement_router import StatementRouter
from lf_export_pipeline.core.errors import PermanentError
from lf_export_pipeline.core.formats import format_writer
from lf_export_pipeline.core.formats.marks import Marks
from lf_export_pipeline.core.formats.template import LookedUp, RowTemplate
from lf_export_pipeline.core.formats.templates import punctuation_of
from lf_export_pipeline.core.formats.writer import Layout
from lf_export_pipeline.core.ports import RowReader
from lf_export_pipeline.core.query.columns import JSON_FLAG_SUFFIX, Kind, OutputColumn
from lf_export_pipeline.core.query.export_query import RowsBy
from lf_export_pipeline.core.query.key_scan import quoted
from lf_export_pipeline.core.query.statement import Statement, Store
from lf_export_pipeline.core.query.written_rows import SentTable, WrittenStatement
from lf_export_pipeline.core.request.csv_options import CsvOptions
from lf_export_pipeline.core.request.model import ExportFormat
from lf_export_pipeline_tests.effort import examples
from lf_export_pipeline_tests.exporting import Project
from lf_export_pipeline_tests.unit.core.formats import nasty
from lf_export_pipeline_tests.unit.core.formats.reference import TEXTS, Record, record_batch

pytestmark = [pytest.mark.services]

COLUMNS = (*nasty.COLUMNS, OutputColumn(name="value", kind=Kind.DOUBLE))
PLACE, SCORES = "place", "scores"
LATE = datetime(2100, 1, 1, tzinfo=UTC)
OPTIONS = {
    "plain": CsvOptions(),
    "options": CsvOptions(guard_formulas=True, plain_instants=True),
}
NUMBERS = st.sampled_from(
    [
        "0",
        "-0",
        "-1",
        "1.5",
        "1e-7",
        "1e300",
        "-123456789012345678",
        "1234567890123456789",
        "9" * 40,
    ]
)
INVALID = st.lists(
    st.sampled_from([b"\xff", b"\xc2", b"\xe2\x80", b"\xf0\x9f", b"\\u4e2d", b'"', b"a", b"=1"])
).map(b"".join)


@st.composite
def rows(draw: st.DrawFn) -> list[Record]:
    found = draw(st.lists(nasty.records(), min_size=1, max_size=12))
    return [
        Record({**each.cells, "value": draw(st.none() | NUMBERS)}, each.flags, each.scores)
        for each in found
    ]


def with_invalid(batch: pa.RecordBatch, invalid: Sequence[bytes]) -> pa.RecordBatch:
    """The batch as ClickHouse may hold it: some texts are no UTF-8."""
    name = "output"
    cells = batch.column(name).cast(pa.binary()).to_pylist()
    cells = [bad or cell for bad, cell in zip(invalid, cells, strict=True)]
    at = batch.schema.get_field_index(name)
    return batch.set_column(at, name, pa.array(cells, pa.binary()))


def written_by_clickhouse(
    reader: RowReader, export_format: ExportFormat, layout: Layout, batch: pa.RecordBatch
) -> bytes:
    places = [str(at) for at in range(batch.num_rows)]
    scores = batch.select(["#score_indexes", "#score_cells"])
    none = pa.RecordBatch.from_pylist([dict.fromkeys(scores.schema.names)], scores.schema)
    values = pa.Table.from_batches([scores, none]).combine_chunks().to_batches()[0]
    lookup = LookedUp(SCORES, places, values)
    template = RowTemplate(
        punctuation_of(export_format, layout), layout.columns, [lookup], Marks("0123456789abcdef")
    )
    sent: dict[str, pa.Array] = {PLACE: pa.array(places)}
    select = [f"{PLACE} AS {SCORES}"]
    for at, column in enumerate(layout.columns):
        cells = batch.column(column.name)
        sent[f"c{at}"] = cells.fill_null(b"" if pa.types.is_binary(cells.type) else "")
        sent[f"n{at}"] = pa.array(["1" if each else "0" for each in cells.is_null().to_pylist()])
        select.append(f"if(n{at} = '1', NULL, c{at}) AS {quoted(column.name)}")
        if column.kind is Kind.MAYBE_JSON:
            flags = batch.column(column.name + JSON_FLAG_SUFFIX).to_pylist()
            sent[f"j{at}"] = pa.array(["1" if each else "0" for each in flags])
            select.append(f"toBool(j{at} = '1') AS {quoted(column.name + JSON_FLAG_SUFFIX)}")
    sql = f"SELECT {', '.join(select)} FROM data ORDER BY toUInt32({PLACE})"
    wanted = template.statement(Statement(store=Store.CLICKHOUSE, sql=sql))
    table = SentTable("data", pa.RecordBatch.from_pydict(sent))
    with reader.written(wanted.with_table(table)) as answer:
        data = b"".join(bytes(each) for each in template.finished(answer.buffers))
    assert answer.rows == batch.num_rows
    return data


def serialised(export_format: ExportFormat, layout: Layout, batch: pa.RecordBatch) -> bytes:
    writer = format_writer(export_format, layout.columns, layout.score_columns, layout.csv)
    pieces = writer.encoder().rows(with_valid_text(batch))
    return b"".join(bytes(piece.data) for piece in pieces)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("export_format", TEXTS)
def test_nasty_rows_have_the_same_bytes_both_ways(
    stores: RowReader, export_format: ExportFormat, options: CsvOptions
) -> None:
    layout = Layout(COLUMNS, nasty.SCORE_COLUMNS, options)

    @given(data=st.data())
    @settings(max_examples=examples(60), deadline=None)
    def check(data: Any) -> None:
        records = data.draw(rows())
        invalid = data.draw(st.lists(INVALID, min_size=len(records), max_size=len(records)))
        batch = with_invalid(record_batch(COLUMNS, records), invalid)
        found = written_by_clickhouse(stores, export_format, layout, batch)
        assert found == serialised(export_format, layout, batch)

    check()


@pytest.mark.parametrize("export_format", TEXTS)
def test_the_server_of_the_tests_writes_rows(
    stores: RowReader, export_format: ExportFormat
) -> None:
    assert stores.takes_written(Store.CLICKHOUSE, export_format)
    assert stores.takes_written(Store.EVENTS, export_format)
    assert not stores.takes_written(Store.POSTGRES, export_format)


def test_rows_are_serialised_here_where_the_server_does_not_take_the_format(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add("traces", {"id": "row", "input": "text"})
    monkeypatch.setattr(
        "lf_export_pipeline.adapters.clickhouse.clickhouse_reader.FORMAT", "Nonsense"
    )
    with closing(ClickHouseReader(project.settings)) as clickhouse:
        reader = StatementRouter(clickhouse, project.reader)
        found = replace(project, reader=reader).export("traces")
    assert found.rows_by == {RowsBy.ARROW}
    assert found.ids == ["row"]


def test_rows_are_serialised_here_where_a_setting_says_so(project: Project) -> None:
    project.add("traces", {"id": "row"})
    assert project.export("traces").rows_by == {RowsBy.CLICKHOUSE}
    settings = project.settings.model_copy(update={"lf_export_rows": "arrow"})
    assert replace(project, settings=settings).export("traces").rows_by == {RowsBy.ARROW}


def test_a_chunk_whose_looked_up_columns_are_too_large_is_serialised_here(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add("traces", {"id": "row"})
    project.add("scores", {"id": "score", "trace_id": "row", "name": "quality", "value": 1})
    whole = project.export("traces")
    monkeypatch.setattr("lf_export_pipeline.file.written_chunk.SENT_MAX_BYTES", 10)
    cut = project.export("traces")
    assert whole.rows_by == {RowsBy.CLICKHOUSE}
    assert cut.rows_by == {RowsBy.ARROW}
    assert whole.data == cut.data


def test_a_query_that_fails_among_its_rows_raises_the_reason_of_the_server(
    stores: RowReader,
) -> None:
    sql = "SELECT toString(throwIf(number = 3000000) + number) AS f0 FROM numbers(4000000)"
    wanted = WrittenStatement(Statement(store=Store.CLICKHOUSE, sql=sql), "${f0:Raw}\n", "")
    with (
        pytest.raises(PermanentError, match="code 395"),
        stores.written(wanted) as answer,
    ):
        assert sum(each.size for each in answer.buffers) > 0


@pytest.mark.parametrize("table", ["traces", "observations", "events"])
@pytest.mark.parametrize("file_format", ["CSV", "JSON", "JSONL"])
def test_keys_that_are_no_text_find_what_columns_of_text_find(
    project: Project, table: str, file_format: str
) -> None:
    """Ids that are no UTF-8 become U+FFFD, and match as that."""
    stored = {"traces": "traces", "observations": "observations", "events": "events_full"}[table]
    key = "span_id" if table == "events" else "id"
    project.client.command(
        f"INSERT INTO {stored} (project_id, {key}, trace_id, event_ts) SELECT '{project.id}', "
        "unhex('61FF62'), 't', now()"
        if table != "traces"
        else f"INSERT INTO traces (project_id, id, event_ts, timestamp) SELECT '{project.id}', "
        "unhex('61FF62'), now(), now()"
    )
    comment = {"object_type": "TRACE" if table == "traces" else "OBSERVATION"}
    project.add_to_postgres(
        "comments",
        {"id": f"{project.id}-c", "content": "\u00e9", "object_id": "a\ufffdb", **comment},
    )
    data = project.export(table, file_format=file_format, created_at=LATE).data.decode()
    assert "a\ufffdb" in data
    assert f"{project.id}-c" in data
