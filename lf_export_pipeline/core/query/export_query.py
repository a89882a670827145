"""The values that travel between the six ops: small and frozen. The bytes are in the spool."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lf_export_pipeline.core.errors import InvalidFilterError
from lf_export_pipeline.core.query.columns import ColumnType, OutputColumn
from lf_export_pipeline.core.query.key_hash import HashKey, with_hash_key
from lf_export_pipeline.core.query.statement import SQL_MAX_BYTES, Statement, Store
from lf_export_pipeline.core.request.admission import score_columns_bytes
from lf_export_pipeline.core.request.column_groups import SCORES
from lf_export_pipeline.core.request.model import ExportRequest


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class LookupScope(StrEnum):
    """How often a lookup runs."""

    CHUNK = "chunk"  # once per chunk, with its bounds and keys
    BATCH = "batch"  # for each batch of rows, with its distinct keys bound as ``:keys``
    ONCE = "once"  # once for all chunks that a process makes, without any keys: small tables


class WriteMode(StrEnum):
    """Which tables Langfuse writes: LANGFUSE_MIGRATION_V4_WRITE_MODE, as far as its rows tell."""

    LEGACY = "legacy"
    DUAL = "dual"
    EVENTS_ONLY = "events_only"
    UNKNOWN = "unknown"


class Lookup(_Frozen):
    """Columns that come from elsewhere and are matched to the rows by a key, like a left join.

    ``statement`` gives a column ``key`` (text, distinct) and the columns named in ``defaults``,
    whose values are what a row without a match gets. Array columns (score cells) default to an
    empty list.
    """

    key: str  # the Arrow field of the rows
    scope: LookupScope
    statement: Statement
    defaults: dict[str, str | None]


class RowSource(_Frozen):
    """The table of ClickHouse that the rows of an export are in."""

    store: Store
    table: str
    time: str  # its time column, over ``t``


class ExportQuery(_Frozen):
    """What to read, as data: the key scan, the reading of a chunk, the columns and the lookups.

    ``key_scan`` yields, in the order of the file, ``key`` (ClickHouse: a UInt64 hash of the row's
    identity; Postgres: text) and text columns ``b0``, ``b1``, … that a chunk is bounded by; it is
    cut at ``row_limit + 1`` rows. ``chunk_rows`` and the lookups of scope CHUNK hold the
    placeholders that ``chunk_plan.bind_chunk`` fills: ``/*keys:EXPRESSION*/`` (EXPRESSION is one of
    the chunk's keys) and, per bound, ``{lo_0:Type}``, ``{hi_0:Type}``, … (its smallest and greatest
    value in the chunk). ``sample``, which holds them too, yields one row ``row_bytes``: the mean
    bytes of a row, Float64.
    """

    request: ExportRequest
    columns: tuple[OutputColumn, ...]
    score_columns: tuple[str, ...] = ()  # headers, in order, after the base columns
    score_types: tuple[ColumnType, ...] = ()  # of each of them, for formats that know types
    key_scan: Statement | None  # None: nothing can match, the export is empty
    chunk_rows: Statement | None
    sample: Statement | None
    lookups: tuple[Lookup, ...] = ()
    row_limit: int = Field(gt=0)
    write_mode: WriteMode = WriteMode.UNKNOWN
    remark: str | None = None  # what its user is to be told of the table
    source: RowSource | None = None  # None: the rows are in Postgres

    @model_validator(mode="after")
    def _holds_nothing_that_is_left_out(self) -> Self:
        """A table that forgets what its export leaves out makes no file at all."""
        left_out = {*self.request.left_out}
        has_scores = bool(self.score_columns) and SCORES in left_out
        if has_scores or not left_out.isdisjoint(column.name for column in self.columns):
            raise ValueError("the table has not left out the columns that the request leaves out")
        return self

    @property
    def score_columns_bytes(self) -> int:
        """What the score columns add to each row of the file, whether it has scores or not."""
        if self.request.format.embeds_json:
            return score_columns_bytes(self.score_columns)
        return len(self.score_columns) * len(',""')

    @property
    def user_remark(self) -> str | None:
        """What the user is told of the file, beside what its rows are short of."""
        return " ".join(filter(None, (self.request.forbidden_remark, self.remark))) or None

    def keyed(self, key: HashKey) -> "ExportQuery":
        """The same query, with the key bound by which all of its statements hash the rows' keys."""
        own = {
            name: statement and with_hash_key(statement, key)
            for name, statement in (
                ("key_scan", self.key_scan),
                ("chunk_rows", self.chunk_rows),
                ("sample", self.sample),
            )
        }
        lookups = tuple(
            each.model_copy(update={"statement": with_hash_key(each.statement, key)})
            for each in self.lookups
        )
        return self.model_copy(update={**own, "lookups": lookups})

    def require_short_sql(self) -> None:
        """Refuse a query that ClickHouse would not take, before the first row is read.

        Raises:
            InvalidFilterError: It is longer than the server reads.
        """
        own = (each for each in (self.key_scan, self.chunk_rows, self.sample) if each is not None)
        asked = [*own, *(lookup.statement for lookup in self.lookups)]
        longest = max(
            (len(each.sql) for each in asked if each.store is not Store.POSTGRES), default=0
        )
        if longest > SQL_MAX_BYTES:
            raise InvalidFilterError(
                "There are too many filters, or too many values in them: the query for ClickHouse "
                f"would have {longest:,} characters (limit: {SQL_MAX_BYTES:,}). "
                "Please remove some of them."
            )


class ExportPlan(_Frozen):
    """How an export is cut. Its keys and chunks are in ``folder`` of the spool.

    The plan itself is handed from op to op, in ``values/<run id>/`` of the spool.
    """

    query: ExportQuery
    folder: str
    rows: int
    limit_hit: bool
    chunk_rows: tuple[int, ...]
    estimated_bytes: int = 0  # of the file, by a sample of its rows; it may be far off


class Chunk(_Frozen):
    """A part of the rows that is read and written at once.

    It is a reference: the chunk's keys are a file in ``folder`` of the spool. The plan, with the
    query, comes to its op as a value of its own.
    """

    folder: str
    index: int
    chunk_count: int
    rows: int
    first_row: int  # 0-based position of the chunk's first row in the file
    total_rows: int
    lower: tuple[str, ...] = ()  # smallest value of each bound column in the chunk
    upper: tuple[str, ...] = ()
    newest: int = 0  # what the server that was scanned knew (``core.freshness``)


class ChunkList(_Frozen):
    """Some chunks: those of a step, or all of a plan.

    The latter lies beside the keys, for a run that finds chunks missing.
    """

    chunks: tuple[Chunk, ...]


class RowsBy(StrEnum):
    """Who makes the rows of a file."""

    CLICKHOUSE = "clickhouse"  # it writes them as they stand in the file
    ARROW = "arrow"  # it sends columns, which are serialised here


class SpooledBytes(_Frozen):
    """Some bytes; ``location`` is their path in the spool."""

    location: str
    checksum: str  # of the bytes, to find damage in the spool


class SerializedChunk(_Frozen):
    """One chunk, serialised.

    ``location`` is the path of its bytes in the spool; empty: they have gone into the bucket.
    """

    index: int
    rows: int
    bytes: int
    checksum: str = ""  # of its bytes, to find damage in the spool
    location: str = ""
    expected_rows: int
    seconds: float
    rows_by: RowsBy = RowsBy.ARROW
    ending: SpooledBytes | None = None  # for the end of the file, where the format needs to know
    unfit: dict[str, int] = {}  # by column: values that are missing as they do not fit its type


def unfit_of(chunks: Iterable[SerializedChunk]) -> dict[str, int]:
    """By column, how many values of some chunks are missing as they do not fit its type."""
    return dict(sum((Counter(chunk.unfit) for chunk in chunks), Counter()))


def rows_by(chunks: Iterable[SerializedChunk]) -> str:
    """Who has made the rows of some chunks, as ``RowsBy``; both where they differ."""
    return " and ".join(sorted({chunk.rows_by.value for chunk in chunks}))


class StoredFile(_Frozen):
    """The finished object. The signed link is a secret and therefore not a part of it."""

    request: ExportRequest
    object_key: str
    rows: int
    bytes: int
    sha256: str | None = None  # of the whole, where it is known
    sha256_of_parts: str | None = None  # of the SHA-256 of each ``part_bytes`` bytes
    part_bytes: int | None = None
    finished_at: datetime
    expires_at: datetime
    limit_hit: bool
    row_limit: int
    vanished_rows: int = 0
    write_mode: WriteMode = WriteMode.UNKNOWN
    remark: str | None = None
    unfit: dict[str, int] = {}  # by column: values that are missing as they do not fit its type
    rows_by: str = ""  # who has made the rows, as RowsBy; two of them where chunks differ


Answers = Mapping[str, list[tuple[object, ...]]]
"""The rows of each preflight query of a table, by its name."""
