"""A few rows that ClickHouse writes only as exports need them if it knows all that they ask for."""

from collections.abc import Iterator
from typing import Final

import pyarrow as pa

from lf_export_pipeline.core.formats import format_writer
from lf_export_pipeline.core.formats.marks import Marks
from lf_export_pipeline.core.formats.template import LookedUp, RowTemplate
from lf_export_pipeline.core.formats.templates import punctuation_of
from lf_export_pipeline.core.formats.writer import Layout
from lf_export_pipeline.core.query.columns import JSON_FLAG_SUFFIX, Kind, OutputColumn
from lf_export_pipeline.core.query.statement import Statement, Store
from lf_export_pipeline.core.query.written_rows import Filled, SentTable, WrittenStatement
from lf_export_pipeline.core.request.model import ExportFormat

_CELLS: Final = {
    "text": ["", 'a "b",\n\\c/', "\\u4e2d", "\x1b[0m \u2028 \x85", "中 😀"],
    "time": ["2031-03-01T12:00:00.000Z"] * 5,
    "json": ["{}", '{"a":"\\u00e9"}', "[1e999]", '{"b":12345678901234567890}', "true"],
    "number": ["1", "-2.5", "1e-7", "12345678901234567890", "0"],
    "parsed": ["{}", "no JSON", '["\u2028",\n1]', "\x0b", '"x"'],
    "key": ["one", "two", "one", "none", "two"],
}
_IS_JSON: Final = [True, False, True, False, True]
_COLUMNS: Final = (
    OutputColumn(name="text"),
    OutputColumn(name="time", kind=Kind.QUOTED),
    OutputColumn(name="json", kind=Kind.JSON),
    OutputColumn(name="number", kind=Kind.DOUBLE),
    OutputColumn(name="parsed", kind=Kind.MAYBE_JSON),
)
_FOUND: Final = (OutputColumn(name="name"), OutputColumn(name="list", kind=Kind.PRETTY_JSON))
_NAMES: Final = {"one": "1", "two": '"2"', "": None}
_LISTS: Final = {"one": "[]", "two": '[{"a":"\\u0041"}]', "": "[]"}
_TABLE: Final = "probe"


class Probe:
    """The rows of one format, once to be written by a server, once as they have to be."""

    def __init__(self, export_format: ExportFormat, token: str) -> None:
        layout = Layout((*_COLUMNS, *_FOUND))
        self._writer = format_writer(export_format, layout.columns)
        values = {"name": list(_NAMES.values()), "list": list(_LISTS.values())}
        found = LookedUp("key", ["one", "two"], pa.RecordBatch.from_pydict(values))
        punctuation = punctuation_of(export_format, layout)
        self._template = RowTemplate(punctuation, layout.columns, [found], Marks(token))

    def statement(self, store: Store) -> WrittenStatement:
        """What to ask the server."""
        cells = {"place": [str(at) for at in range(len(_IS_JSON))], **_CELLS}
        flags = ["1" if each else "0" for each in _IS_JSON]
        sent = SentTable(_TABLE, pa.RecordBatch.from_pydict({**cells, "flag": flags}))
        names = ", ".join(name for name in _CELLS if name != "text")
        sql = (
            f"SELECT nullIf(text, '') AS text, {names}, "
            f"toBool(flag = '1') AS `parsed{JSON_FLAG_SUFFIX}` FROM {_TABLE} ORDER BY place"
        )
        wanted = self._template.statement(Statement(store=store, sql=sql))
        return wanted.with_table(sent)

    def finished(self, buffers: Iterator[Filled]) -> bytes:
        """The server's answer as it would stand in a file."""
        return b"".join(bytes(each) for each in self._template.finished(buffers))

    @property
    def expected(self) -> bytes:
        """What it has to be."""
        text = [cell or None for cell in _CELLS["text"]]
        keys = _CELLS["key"]
        batch = pa.RecordBatch.from_pydict(
            {
                **_CELLS,
                "text": text,
                f"parsed{JSON_FLAG_SUFFIX}": _IS_JSON,
                "name": [_NAMES.get(key) for key in keys],
                "list": [_LISTS.get(key, "[]") for key in keys],
            }
        )
        return b"".join(bytes(piece.data) for piece in self._writer.encoder().rows(batch))
