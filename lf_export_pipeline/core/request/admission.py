"""What a stranger may store, and what may come of it: the one place that says how much is too much.

Every member of a project can put any query into ``batch_exports`` and any score name into the
project. Both are weighed here, before a store is asked anything that grows with them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from lf_export_pipeline.core.errors import InvalidFilterError, InvalidQueryError
from lf_export_pipeline.core.request.validation_messages import quote_value

KIBIBYTE = 1024
QUERY_MAX_BYTES = 1024 * KIBIBYTE
JSON_MAX_DEPTH = 100  # levels of lists and objects; no query needs ten
FILTERS_MAX = 100
COMMENT_FILTERS_MAX = 20
VALUES_MAX = 20_000
TEXT_MAX_CHARACTERS = 100_000
NAME_MAX_CHARACTERS = 1_000
SEARCH_MAX_CHARACTERS = 10_000
SEARCH_MAX_UNDERSCORES = 200  # 800 in a row cost 10 ms of each text that is as long as they are
SEARCH_MAX_WILDCARDS = 50  # thousands of them cost seconds per ten thousand rows
COMMENT_MAX_CHARACTERS = 1_000  # each word costs time with each comment
SCORE_COLUMNS_MAX_BYTES = 64 * KIBIBYTE
EVENT_MAX_BYTES = 256 * KIBIBYTE
STALE_AFTER = timedelta(days=30)  # an older export is refused

COMMENT_COUNT = ("commentCount", "Comment Count")
COMMENT_CONTENT = ("commentContent", "Comment Content")

_FEWER = "Please remove some of them."
_STRING_OR_BRACKET = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[][{}]')


class ExportLimits(BaseModel):
    """The numbers that bound every export.

    Attributes:
        row_limit: Rows of the file.
        comment_filter_limit: Objects that comment filters may find.
        query_bytes: JSON of the stored query.
        filters: Filters of a query.
        comment_filters: Filters on comments among them.
        values: Entries of all lists of values together.
        text_characters: The longest text that a filter looks for; in comments it is shorter.
        name_characters: The longest name of a column, a key, a type or an operator.
        search_characters: The text of the search box.
        search_underscores: Underscores in it, each of which stands for any character.
        search_wildcards: Percent signs in it, each of which stands for any text.
        score_columns_bytes: All score names together: JSON repeats them in each row.
        event_bytes: Metadata of one event in Dagster's database.
    """

    model_config = ConfigDict(frozen=True)

    row_limit: int = Field(default=1_500_000, gt=0)
    comment_filter_limit: int = Field(default=50_000, gt=0)
    query_bytes: int = Field(default=QUERY_MAX_BYTES, gt=0)
    filters: int = Field(default=FILTERS_MAX, gt=0)
    comment_filters: int = Field(default=COMMENT_FILTERS_MAX, gt=0)
    values: int = Field(default=VALUES_MAX, gt=0)
    text_characters: int = Field(default=TEXT_MAX_CHARACTERS, gt=0)
    name_characters: int = Field(default=NAME_MAX_CHARACTERS, gt=0)
    search_characters: int = Field(default=SEARCH_MAX_CHARACTERS, gt=0)
    search_underscores: int = Field(default=SEARCH_MAX_UNDERSCORES, gt=0)
    search_wildcards: int = Field(default=SEARCH_MAX_WILDCARDS, gt=0)
    score_columns_bytes: int = Field(default=SCORE_COLUMNS_MAX_BYTES, gt=0)
    event_bytes: int = Field(default=EVENT_MAX_BYTES, gt=0)


def is_stale(created_at: datetime, now: datetime) -> bool:
    """Whether an export is too old to be made (Langfuse)."""
    return created_at < now - STALE_AFTER


def is_too_deep(text: str) -> bool:
    """Whether JSON has more than ``JSON_MAX_DEPTH`` levels, and is not to be parsed."""
    if text.count("[") + text.count("{") <= JSON_MAX_DEPTH:
        return False
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        if token[0] in ("[", "{"):
            depth += 1
            if depth > JSON_MAX_DEPTH:
                return True
        elif token[0] in ("]", "}"):
            depth -= 1
    return False


@dataclass(frozen=True, slots=True)
class OversizedQuery:
    """Stands for a stored query that was not fetched because of its size."""

    size: int
    limit: int


def require_bounded_query(stored: object, limits: ExportLimits) -> None:
    """Refuse a stored query that holds too much, before anything in it is looked at.

    What is misshapen passes: the models say what is wrong with it.

    Raises:
        InvalidQueryError: One of the numbers is too large; the sentence says which.
    """
    if isinstance(stored, OversizedQuery):
        raise InvalidQueryError(
            f"The stored query has {stored.size:,} bytes (limit: {stored.limit:,}). "
            "Please use fewer filters, or fewer values in them."
        )
    if not isinstance(stored, Mapping):
        return
    _require("The search text has", "characters", _length(stored.get("searchQuery")),
             limits.search_characters, "Please search for less.")  # fmt: skip
    for unit, sign, most in (
        ("percent signs", "%", limits.search_wildcards),
        ("underscores", "_", limits.search_underscores),
    ):
        count = str(stored.get("searchQuery")).count(sign)
        _require("The search text has", unit, count, most, _FEWER)
    _require("'searchType' has", "entries", _count(stored.get("searchType")), 100, _FEWER)
    filters = stored.get("filter")
    if _count(filters):
        _require_bounded_filters(filters, limits)


def require_bounded_score_names(names: Sequence[str], limits: ExportLimits) -> None:
    """Refuse columns of scores that would make every row too wide.

    Raises:
        InvalidFilterError: The names are longer together than is allowed.
    """
    if score_columns_bytes(names) > limits.score_columns_bytes:
        raise InvalidFilterError(
            "The names of the project's scores are too long, or too many, to be columns of the "
            f"file: together they have more than {limits.score_columns_bytes:,} bytes. Please "
            "export a later range of time, where there are fewer of them, or ask the operator of "
            "this installation to raise LF_EXPORT_SCORE_COLUMNS_MAX_KIB."
        )


def score_columns_bytes(names: Sequence[str]) -> int:
    """What the names add to a row of JSON, with what stands around a name and an empty cell."""
    return sum(len(name.encode()) for name in names) + CELL_BYTES * len(names)


CELL_BYTES = 8
"""Quotes, colon, comma and the cell of a row without that score."""


def _require_bounded_filters(filters: Any, limits: ExportLimits) -> None:
    _require("The query has", "filters", len(filters), limits.filters, _FEWER)
    known = [(at, each) for at, each in enumerate(filters, 1) if isinstance(each, Mapping)]
    columns = [each.get("column") for _, each in known]
    on_comments = sum(map(columns.count, (*COMMENT_COUNT, *COMMENT_CONTENT)))
    _require("The query has", "filters on comments", on_comments, limits.comment_filters, _FEWER)
    values = sum(_count(each.get("value")) for _, each in known)
    _require("The filters have", "values", values, limits.values, _FEWER)
    for at, each in known:
        is_on_comments = each.get("column") in COMMENT_CONTENT
        longest = COMMENT_MAX_CHARACTERS if is_on_comments else limits.text_characters
        for name in ("column", "key", "type", "operator"):
            _require_short(at, each, name, _length(each.get(name)), limits.name_characters)
        length = max(map(_length, _texts(each.get("value"))), default=0)
        _require_short(at, each, "value", length, longest)


def _require_short(at: int, wanted: Mapping[str, Any], name: str, length: int, limit: int) -> None:
    column = wanted.get("column")
    place = f"Filter {at} (column {quote_value(column)})" if name != "column" else f"Filter {at}"
    _require(f"{place}: '{name}' has", "characters", length, limit, "Please use a shorter one.")


def _require(subject: str, unit: str, number: int, limit: int, advice: str) -> None:
    if number > limit:
        raise InvalidQueryError(f"{subject} {number:,} {unit} (limit: {limit:,}). {advice}")


def _texts(value: object) -> Iterator[object]:
    yield from value if _count(value) else [value]  # type: ignore[misc]


def _count(value: object) -> int:
    return len(value) if isinstance(value, Sequence) and not isinstance(value, str) else 0


def _length(value: object) -> int:
    return len(value) if isinstance(value, str) else 0
