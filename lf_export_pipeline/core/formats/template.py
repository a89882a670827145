"""Rows that ClickHouse writes itself: ``FORMAT Template`` around the statement of a chunk.

Each format says, for each kind of column, by which expression a cell is written. Whatever
ClickHouse would write otherwise than this process does it writes between marks, as it is stored,
and the format's own writer finishes it: so both ways give the same bytes.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import pyarrow as pa

from lf_export_pipeline.core.formats.cells import valid
from lf_export_pipeline.core.formats.marks import Marks
from lf_export_pipeline.core.formats.text import TEXT, Finish
from lf_export_pipeline.core.query.columns import JSON_FLAG_SUFFIX, SCORE_CELLS, OutputColumn
from lf_export_pipeline.core.query.key_scan import quoted
from lf_export_pipeline.core.query.statement import Statement
from lf_export_pipeline.core.query.written_rows import Filled, SentTable, WrittenStatement


@dataclass(frozen=True, slots=True)
class Field:
    """A cell as ClickHouse is to write it."""

    sql: str
    escaping: str  # Raw, CSV or JSON
    finish: tuple[Finish, ...] = ()
    """What finishes the cells of each of its regions; none: the format's own writer."""
    is_doubled: bool = False  # whether quotes between its marks are written twice


class Punctuation(Protocol):
    """How one format writes rows."""

    begin: str
    end: str
    between: str
    quote: str  # on either side of text that is finished
    settings: dict[str, str]

    def before(self, at: int) -> str:
        """What stands before the column at that position, within the row."""
        ...

    def field(self, column: OutputColumn, marks: Marks, region: int) -> Field:
        """The cell of a column; its regions are two, the second for cells that are JSON."""
        ...

    def cells(self, batch: pa.RecordBatch, columns: Sequence[OutputColumn]) -> list[bytes]:
        """The cells of neighbouring columns, without what stands before the first."""
        ...

    def tail(self, batch: pa.RecordBatch) -> list[bytes]:
        """The score columns."""
        ...


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What a lookup has found, to be matched to the rows by ClickHouse.

    ``values`` holds one row for each key, in the order of ``keys``, and then the one that rows
    without a match get.
    """

    key: str  # the field of the rows
    keys: Sequence[str]
    values: pa.RecordBatch
    written: dict[tuple[str, ...], list[bytes]] = field(default_factory=dict)
    """What has been written of it, by columns: the chunks of a plan may share a lookup."""

    def texts(
        self, names: tuple[str, ...], write: Callable[[pa.RecordBatch], list[bytes]]
    ) -> list[bytes]:
        """What a function writes of some columns: a text for each row of ``values``."""
        if names not in self.written:
            self.written[names] = write(self.values)
        return self.written[names]

    def holds(self, name: str) -> bool:
        """Whether the column is one of these."""
        return name in self.values.schema.names


class RowTemplate:
    """The rows of one chunk as a statement, and what finishes the marked cells of its answer."""

    def __init__(
        self,
        punctuation: Punctuation,
        columns: Sequence[OutputColumn],
        lookups: Sequence[LookedUp],
        marks: Marks,
    ) -> None:
        self._punctuation = punctuation
        self._marks = marks
        self._fields: list[tuple[str, Field, str]] = []
        self._scalars: list[str] = []
        self._tables: list[SentTable] = []
        self._regions: list[Finish] = []
        found = _Found(lookups)
        at = 0
        while at < len(columns):
            run = found.run(columns, at)
            before = punctuation.before(at)
            if run is None:
                self._add_column(before, columns[at])
                at += 1
            else:
                write = partial(punctuation.cells, columns=run.columns)
                names = tuple(column.name for column in run.columns)
                texts = run.lookup.texts(names, write)
                self._add_lookup(before, run.lookup, texts, is_tail=False)
                at += len(run.columns)
        for lookup in lookups:
            if lookup.holds(SCORE_CELLS):
                texts = lookup.texts((SCORE_CELLS,), punctuation.tail)
                self._add_lookup("", lookup, texts, is_tail=True)

    def statement(self, rows: Statement) -> WrittenStatement:
        """The statement that gives the rows of another, written."""
        punctuation = self._punctuation
        row = "".join(
            f"{_literal(before)}${{f{at}:{each.escaping}}}{_literal(after)}"
            for at, (before, each, after) in enumerate(self._fields)
        )
        select = ",\n".join(f"{each.sql} AS f{at}" for at, (_, each, _) in enumerate(self._fields))
        scalars = f"WITH {', '.join(self._scalars)}\n" if self._scalars else ""
        sql = f"{scalars}SELECT {select}\nFROM (\n{rows.sql}\n)"
        return WrittenStatement(
            statement=rows.model_copy(update={"sql": sql}),
            row=f"{_literal(punctuation.begin)}{row}{_literal(punctuation.end)}",
            between=_literal(punctuation.between),
            settings=punctuation.settings,
            tables=tuple(self._tables),
        )

    def finished(self, buffers: Iterable[Filled]) -> Iterator[memoryview]:
        """The bytes of the file, from those that the server has written."""
        return self._marks.finished(buffers, self._regions)

    def _add_column(self, before: str, column: OutputColumn) -> None:
        cell = self._punctuation.field(column, self._marks, len(self._regions))
        self._fields.append((before, cell, ""))
        if cell.finish:
            self._regions += cell.finish
            return
        for is_json in (False, True):
            self._regions.append(_Cells(self._punctuation, column, is_json, cell.is_doubled))

    def _add_lookup(
        self, before: str, lookup: LookedUp, texts: list[bytes], *, is_tail: bool
    ) -> None:
        number = len(self._tables)
        name, scalar, key = f"sent_{number}", f"sent_{number}_values", quoted(lookup.key)
        self._tables.append(SentTable(name, _sent(lookup.keys, texts)))
        self._scalars.append(
            "(SELECT (groupArrayIf(key, found = '1'), groupArrayIf(value, found = '1'), "
            f"anyIf(value, found = '0')) FROM {name}) AS {scalar}"
        )
        marked = self._marks.around(key, len(self._regions))
        value = (
            f"multiIf(isNull({key}), {scalar}.3, NOT isValidUTF8(assumeNotNull({key})), {marked}, "
            f"transform(assumeNotNull({key}), {scalar}.1, {scalar}.2, {scalar}.3))"
        )
        quote = "" if is_tail else self._punctuation.quote
        self._fields.append((before + quote, Field(value, "Raw"), quote))
        self._regions.append(_Keys(lookup.keys, texts))


@dataclass(frozen=True, slots=True)
class _Run:
    lookup: LookedUp
    columns: tuple[OutputColumn, ...]


class _Found:
    def __init__(self, lookups: Sequence[LookedUp]) -> None:
        self._lookups = lookups

    def run(self, columns: Sequence[OutputColumn], at: int) -> _Run | None:
        """The neighbouring columns from a position on that one lookup gives."""
        for lookup in reversed(self._lookups):
            if lookup.holds(columns[at].name):
                stop = at + 1
                while stop < len(columns) and lookup.holds(columns[stop].name):
                    stop += 1
                return _Run(lookup, tuple(columns[at:stop]))
        return None


@dataclass(frozen=True, slots=True)
class _Cells:
    """Finishes cells of a column by the format's own writer."""

    punctuation: Punctuation
    column: OutputColumn
    is_json: bool
    is_doubled: bool

    def __call__(self, cells: list[bytes]) -> Sequence[bytes]:
        if self.is_doubled:
            cells = [cell.replace(b'""', b'"') for cell in cells]
        name, flags = self.column.name, pa.array([self.is_json] * len(cells), pa.bool_())
        texts = pa.array([valid(cell) for cell in cells], pa.large_binary()).cast(TEXT)
        batch = pa.RecordBatch.from_arrays([texts, flags], names=[name, name + JSON_FLAG_SUFFIX])
        return self.punctuation.cells(batch, [self.column])


class _Keys:
    """Looks up keys that are not valid text, and that match as the valid text they become."""

    def __init__(self, keys: Sequence[str], texts: list[bytes]) -> None:
        self._keys = keys
        self._texts = texts
        self._positions: dict[str, int] | None = None

    def __call__(self, cells: list[bytes]) -> Sequence[bytes]:
        if self._positions is None:
            self._positions = {key: at for at, key in enumerate(self._keys)}
        last = len(self._keys)
        at = [self._positions.get(cell.decode("utf-8", "replace"), last) for cell in cells]
        return [self._texts[position] for position in at]


def _sent(keys: Sequence[str], texts: list[bytes]) -> pa.RecordBatch:
    found = pa.array(["1"] * len(keys) + ["0"], pa.string())
    values = pa.array(texts, pa.binary()).cast(pa.string())
    columns = [pa.array([*keys, ""], pa.string()), found, values]
    return pa.RecordBatch.from_arrays(columns, names=["key", "found", "value"])


def _literal(value: str) -> str:
    return value.replace("$", "$$")
