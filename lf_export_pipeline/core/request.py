"""From a stored row to a request that is known to be sound."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    ValidationError,
    model_validator,
)

from lf_export_pipeline.core.bounds import ExportLimits, require_bounded_query
from lf_export_pipeline.core.errors import InvalidQueryError
from lf_export_pipeline.core.filters import Filter, Text, refusal
from lf_export_pipeline.core.refusals import one_of, sentence, shown

ID_MAX_CHARACTERS = 200

_PAGING_KEYS = ("limit", "page")


class ExportFormat(StrEnum):
    """The formats of Langfuse's export dialog."""

    CSV = "CSV"
    JSON = "JSON"
    JSONL = "JSONL"


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

    @model_validator(mode="before")
    @classmethod
    def _paging_is_numbers(cls, data: object) -> object:
        if isinstance(data, Mapping):
            for key in _PAGING_KEYS:
                if not isinstance(data.get(key, 0), (int, float, Decimal)):
                    raise refusal("a number", key)
        return data

    @model_validator(mode="after")
    def _has_search_type(self) -> Self:
        if self.search_query and not self.search_type:
            raise refusal("at least one of id, content, input, output", "searchType")
        return self


_QUERY_KEYS = (
    *(field.alias or name for name, field in BatchExportQuery.model_fields.items()),
    *_PAGING_KEYS,
)


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


_DEFAULT_LIMITS = ExportLimits()


def parse_request(row: StoredExport, limits: ExportLimits = _DEFAULT_LIMITS) -> ExportRequest:
    """The request that a stored row makes.

    Args:
        row: The row.
        limits: What its query may hold.

    Raises:
        InvalidQueryError: It makes none; the message is one line that names the field, shows the
            value and says what was expected.
    """
    return ExportRequest(
        export_id=_export_id(row.id),
        project_id=_project_id(row.project_id),
        user_id=row.user_id,
        name=row.name,
        created_at=row.created_at,
        format=_format(row.format),
        query=_query(row.query, limits),
    )


def _project_id(value: str) -> str:
    """Any id but an empty one: Dagster has it in tags only, and there it is made fit."""
    if not value:
        raise InvalidQueryError("The project id is empty.")
    return value


def _export_id(value: str) -> str:
    """The id, if Dagster can carry it: it is a partition key, and the UI splits those at commas."""
    if not value:
        raise InvalidQueryError("The export id is empty.")
    if len(value) > ID_MAX_CHARACTERS:
        raise InvalidQueryError(
            f"The export id {shown(value)} has {len(value)} characters; "
            f"expected at most {ID_MAX_CHARACTERS}."
        )
    if "," in value or not value.isprintable():
        raise InvalidQueryError(
            f"The export id {shown(value)} holds a comma or a control character; expected neither."
        )
    return value


def _format(value: str) -> ExportFormat:
    try:
        return ExportFormat(value)
    except ValueError:
        raise InvalidQueryError(
            f"The format {shown(value)} is not known; expected one of {one_of(list(ExportFormat))}."
        ) from None


def _query(stored: object, limits: ExportLimits) -> BatchExportQuery:
    require_bounded_query(stored, limits)
    if not isinstance(stored, Mapping):
        raise InvalidQueryError(f"The stored query is {shown(stored)}; expected an object.")
    _check_table(stored.get("tableName"))
    try:
        return BatchExportQuery.model_validate({k: stored[k] for k in _QUERY_KEYS if k in stored})
    except ValidationError as error:
        raise InvalidQueryError(sentence(error, stored)) from None


def _check_table(name: object) -> None:
    """Refuse a table that nobody exports; a missing or misshapen name is left to the model."""
    from lf_export_pipeline.core.tables import table_names  # noqa: PLC0415 - tables build on requests

    if name == "datasets":
        raise InvalidQueryError("datasets cannot be exported; its items can, as dataset_items.")
    if isinstance(name, str) and name not in table_names():
        raise InvalidQueryError(
            f"The table {shown(name)} cannot be exported; expected one of {one_of(table_names())}."
        )
