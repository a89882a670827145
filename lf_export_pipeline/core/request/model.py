"""A row of ``batch_exports``, the query in it, and the request that both make."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, Self, assert_never

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    model_validator,
)

from lf_export_pipeline.core.request.csv_options import AS_LANGFUSE, CsvOptions
from lf_export_pipeline.core.request.filters import Filter, Text, refusal
from lf_export_pipeline.core.request.options import OPTIONS_KEY, Compression, ExportOptions

ID_MAX_CHARACTERS = 200

PAGING_KEYS = ("limit", "page")


class ExportFormat(StrEnum):
    """The formats of Langfuse's export dialog, and Parquet, which it does not offer."""

    CSV = "CSV"
    JSON = "JSON"
    JSONL = "JSONL"
    PARQUET = "PARQUET"

    @property
    def is_text(self) -> bool:
        """Whether a file is rows of text, one after the other; else it is columns with types."""
        match self:
            case ExportFormat.CSV | ExportFormat.JSON | ExportFormat.JSONL:
                return True
            case ExportFormat.PARQUET:
                return False
            case _:
                assert_never(self)

    @property
    def embeds_json(self) -> bool:
        """Whether rows are JSON, with the names of their columns, and user text that is JSON in it.

        Elsewhere such text stays text, and a name stands in the file once.
        """
        match self:
            case ExportFormat.JSON | ExportFormat.JSONL:
                return True
            case ExportFormat.CSV | ExportFormat.PARQUET:
                return False
            case _:
                assert_never(self)


@dataclass(frozen=True, slots=True)
class ExportRow:
    """A row of ``batch_exports`` without its query; instants are timezone-aware UTC.

    Whoever watches, starts, ends or sweeps exports knows no more of them: a query may have
    megabytes, and the other texts are cut. ``table`` is the word in the query's ``tableName``.
    """

    id: str
    project_id: str
    user_id: str
    created_at: datetime
    updated_at: datetime
    name: str
    status: str
    format: str
    log: str | None = None
    url: str | None = None
    finished_at: datetime | None = None
    expires_at: datetime | None = None
    table: str | None = None


@dataclass(frozen=True, slots=True)
class StoredExport(ExportRow):
    """A row with its query, which only the check of the request reads."""

    query: Any = field(kw_only=True)

    def __post_init__(self) -> None:
        """The table is what the query says."""
        named = self.query.get("tableName") if isinstance(self.query, Mapping) else None
        object.__setattr__(self, "table", named if isinstance(named, str) else None)


class SearchType(StrEnum):
    """Where a search looks."""

    ID = "id"
    CONTENT = "content"
    INPUT = "input"
    OUTPUT = "output"


class OrderBy(BaseModel):
    """The order that the user chose in the table."""

    model_config = ConfigDict(frozen=True)

    column: Text
    order: Literal["ASC", "DESC"]


def _no_filters(value: object) -> object:
    return () if value is None else value


class BatchExportQuery(BaseModel):
    """``batch_exports.query``: what the user saw when they pressed Export.

    Langfuse: ``BatchExportQuerySchema``. ``filter`` and ``orderBy`` may be null but not absent;
    ``limit`` and ``page`` belong to the table on the screen and mean nothing for an export.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    table: Text = Field(alias="tableName")
    filter: Annotated[tuple[Filter, ...], BeforeValidator(_no_filters)]
    order_by: OrderBy | None = Field(alias="orderBy")
    search_query: Text = Field(default="", alias="searchQuery")
    search_type: tuple[SearchType, ...] = Field(default=(SearchType.ID,), alias="searchType")
    use_events_table: StrictBool = Field(default=False, alias="useEventsTable")
    options: ExportOptions = Field(default=ExportOptions(), alias=OPTIONS_KEY)

    @model_validator(mode="before")
    @classmethod
    def _paging_is_numbers(cls, data: object) -> object:
        if isinstance(data, Mapping):
            for key in PAGING_KEYS:
                if not isinstance(data.get(key, 0), (int, float, Decimal)):
                    raise refusal("a number", key)
        return data

    @model_validator(mode="after")
    def _has_search_type(self) -> Self:
        if self.search_query and not self.search_type:
            raise refusal("at least one of id, content, input, output", "searchType")
        return self


class ExportRequest(BaseModel):
    """An export that is known to be possible as far as its row tells."""

    model_config = ConfigDict(frozen=True)

    export_id: str
    project_id: str
    user_id: str
    name: str
    created_at: datetime  # UTC; also the cutoff: rows from this instant on are not exported
    format: ExportFormat
    query: BatchExportQuery
    queued_at: datetime | None = None  # when it was asked for the last time, if that is known
    compression: Compression = Compression.NONE  # of the file, whoever has decided it
    csv: CsvOptions = AS_LANGFUSE  # as the operator had it when the export was taken up
    left_out: tuple[str, ...] = ()  # columns, in the table's order; ``scores``: all of scores
    forbidden: tuple[str, ...] = ()  # those of them that the operator lets nobody have
    is_unordered: bool = False  # since the order that was asked for could tell about these

    @property
    def extension(self) -> str:
        """The ending of the file's name, without a dot before it: ``csv``, ``jsonl.gz``."""
        return self.format.lower() + self.compression.extension

    @property
    def format_text(self) -> str:
        """The format of the file as people read it: ``CSV``, ``JSONL (gzip)``."""
        return f"{self.format}{self.compression.words}"

    @property
    def forbidden_remark(self) -> str | None:
        """What the user is told of columns that the operator lets nobody have."""
        sentences = []
        if self.forbidden:
            names = ", ".join(self.forbidden)
            sentences.append(
                f"The operator allows no export of this project to hold these columns: {names}."
            )
        if self.is_unordered:
            sentences.append(
                "The rows are not in the order that was asked for: it could tell about values that "
                "the operator has forbidden."
            )
        return " ".join(sentences) or None
