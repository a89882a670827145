"""Filters on comments: comments live in Postgres, so these become ids before ClickHouse is asked.

Langfuse asks once per filter and intersects; here one statement reads the comments once, however
many filters there are, and splits each into words or lowers it once. What a filter means is kept:
each may be met by another comment of the object. Only commented objects can match, unless the count
may be zero and the content is not asked about; then the objects with too many comments are left out
instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Literal, assert_never

from lf_export_pipeline.core.errors import InvalidFilterError
from lf_export_pipeline.core.query.export_query import Answers
from lf_export_pipeline.core.query.statement import Statement, Store
from lf_export_pipeline.core.request.admission import COMMENT_CONTENT, COMMENT_COUNT, ExportLimits
from lf_export_pipeline.core.request.filters import (
    Filter,
    NumberFilter,
    StringFilter,
    StringOptionsFilter,
)
from lf_export_pipeline.core.request.model import ExportRequest

ObjectType = Literal["TRACE", "OBSERVATION", "SESSION"]

_INCLUDED = "comments_included"
_EXCLUDED = "comments_excluded"
_COUNT_MAX = Decimal(10) ** 18  # no object has as many comments

_MATCHING = """
SELECT object_id, count(*) OVER () AS objects
FROM (
    SELECT object_id FROM (
        SELECT object_id{texts} FROM comments
        WHERE project_id = :project_id
        AND object_type = CAST(:object_type AS "CommentObjectType"){where}
        OFFSET 0
    ) AS commented
    GROUP BY object_id
    HAVING {having}
) AS matching
LIMIT :most
"""  # without OFFSET the texts would be made anew for each test

_WORDS = "to_tsvector('english', content)"
_LOWERED = "lower(content)"
_TEXTS = f", {_WORDS} AS words, {_LOWERED} AS lowered"
"""Postgres makes those that a test asks for."""


@dataclass(frozen=True, slots=True)
class CommentSelection:
    """What a request's comment filters leave: ids, and the filters that are about other things."""

    included_ids: frozenset[str] | None  # None: not restricted by comments
    excluded_ids: frozenset[str]
    filters: tuple[Filter, ...]

    @property
    def nothing_matches(self) -> bool:
        """Whether the export is empty whatever the other filters say."""
        return self.included_ids is not None and not self.included_ids

    def id_filters(self, column: str = "id") -> tuple[Filter, ...]:
        """The ids as filters on the table's id column, to be compiled with the remaining ones."""
        chosen: list[Filter] = []
        for operator, ids in (("any of", self.included_ids), ("none of", self.excluded_ids)):
            if ids:
                wanted = {"type": "stringOptions", "column": column, "operator": operator}
                chosen.append(StringOptionsFilter(**wanted, value=tuple(sorted(ids))))
        return tuple(chosen)


@dataclass(frozen=True, slots=True)
class _CommentFilters:
    counts: tuple[NumberFilter, ...]
    contents: tuple[StringFilter, ...]
    others: tuple[Filter, ...]


def comment_preflight_queries(
    request: ExportRequest, object_type: ObjectType, limits: ExportLimits
) -> dict[str, Statement]:
    """The statement that finds the ids, by its name; none where the request has no comment filters.

    It yields rows ``(object_id, number of objects)``, at most one more than the limit.

    Raises:
        InvalidFilterError: A comment filter has a type that cannot be applied.
    """
    found = _split(request.query.filter)
    if not found.counts and not found.contents:
        return {}
    counts = _Counts.of(found.counts)
    params: dict[str, object] = {
        "project_id": request.project_id,
        "object_type": object_type,
        "most": limits.comment_filter_limit + 1,
    }
    if counts.include_zero and not found.contents:
        if not counts.tests:
            return {}
        sql = _MATCHING.format(texts="", where="", having=f"NOT ({counts.tests})")
        return {_EXCLUDED: _statement(sql, params | counts.params)}
    params |= {f"content_{at}": _sought(each) for at, each in enumerate(found.contents)}
    sql = _included(found.contents, counts.tests)
    return {_INCLUDED: _statement(sql, params | counts.params)}


def apply_comment_filters(
    request: ExportRequest, answers: Answers, limits: ExportLimits
) -> CommentSelection:
    """The selection that follows from the rows of ``comment_preflight_queries``.

    Raises:
        InvalidFilterError: More objects than the limit match, or a filter cannot be applied.
    """
    included, excluded = answers.get(_INCLUDED), answers.get(_EXCLUDED, [])
    for rows in (included or [], excluded):
        _check_limit(rows, request.query.table, limits)
    return CommentSelection(
        included_ids=None if included is None else frozenset(str(row[0]) for row in included),
        excluded_ids=frozenset(str(row[0]) for row in excluded),
        filters=_split(request.query.filter).others,
    )


def _split(filters: Sequence[Filter]) -> _CommentFilters:
    counts: list[NumberFilter] = []
    contents: list[StringFilter] = []
    others: list[Filter] = []
    for wanted in filters:
        if wanted.column in COMMENT_COUNT:
            if not isinstance(wanted, NumberFilter):
                raise _wrong_type(wanted, "number")
            counts.append(wanted)
        elif wanted.column in COMMENT_CONTENT:
            if not isinstance(wanted, StringFilter):
                raise _wrong_type(wanted, "string")
            contents.append(wanted)
        else:
            others.append(wanted)
    return _CommentFilters(tuple(counts), tuple(contents), tuple(others))


def _wrong_type(wanted: Filter, expected: str) -> InvalidFilterError:
    return InvalidFilterError(
        f"Invalid filter type '{wanted.type}' for column '{wanted.column}'. "
        f"Expected filter type '{expected}'."
    )


@dataclass(frozen=True, slots=True)
class _Counts:
    """The filters on the number of comments as tests of ``count(*)``, which is never zero there."""

    include_zero: bool
    tests: str
    params: dict[str, object]

    @classmethod
    def of(cls, filters: tuple[NumberFilter, ...]) -> "_Counts":
        include_zero = all(_allows_zero(wanted) for wanted in filters)
        bounds = [f for f in filters if not (include_zero and f.operator in {">", ">="})]
        tests = " AND ".join(
            f"count(*) {wanted.operator} CAST(:count_{index} AS numeric)"
            for index, wanted in enumerate(bounds)
        )
        params = {f"count_{i}": _comparable(wanted.value) for i, wanted in enumerate(bounds)}
        return cls(include_zero, tests, dict(params))


def _allows_zero(wanted: NumberFilter) -> bool:
    """Whether zero is not ruled out from below (Langfuse: an upper bound never rules it out)."""
    match wanted.operator:
        case "=":
            return wanted.value == 0
        case ">":
            return wanted.value < 0
        case ">=":
            return wanted.value <= 0
        case "<" | "<=":
            return True
        case _:
            assert_never(wanted.operator)


def _comparable(value: Decimal) -> str:
    """A short number that compares with every count as the value does."""
    clamped = min(max(value, -_COUNT_MAX), _COUNT_MAX)
    floor = clamped.to_integral_value(ROUND_FLOOR)
    return f"{floor:f}" if floor == clamped else f"{floor + Decimal('0.5'):f}"


def _included(contents: Sequence[StringFilter], counted: str) -> str:
    if len(contents) == 1 and not counted:  # then the index on the words of comments serves
        where = f"\n        AND {_content_test(contents[0], 'content_0', _WORDS, _LOWERED)}"
        return _MATCHING.format(texts="", where=where, having="true")
    tests = [f"bool_or({_content_test(each, f'content_{at}')})" for at, each in enumerate(contents)]
    having = " AND ".join([*tests, *([counted] if counted else [])])
    return _MATCHING.format(texts=_TEXTS, where="", having=having)


def _content_test(
    wanted: StringFilter, name: str, words: str = "words", lowered: str = "lowered"
) -> str:
    """The test of one comment, by its words or its text in lower case.

    ``contains`` is an English full-text search. The others are ``ILIKE``, which lowers both sides
    (Langfuse: Prisma's filters).
    """
    match wanted.operator:
        case "contains":
            return f"{words} @@ plainto_tsquery('english', :{name})"
        case "does not contain":
            return f"{lowered} NOT LIKE lower(:{name})"
        case "=" | "starts with" | "ends with":
            return f"{lowered} LIKE lower(:{name})"
        case _:
            assert_never(wanted.operator)


def _sought(wanted: StringFilter) -> str:
    """The bound value: ``%``, ``_`` and backslashes are live, and ``=`` looks for a part."""
    match wanted.operator:
        case "contains":
            return wanted.value
        case "starts with":
            return f"{wanted.value}%"
        case "ends with":
            return f"%{_closed(wanted.value)}"
        case "=" | "does not contain":
            return f"%{wanted.value}%"
        case _:
            assert_never(wanted.operator)


def _closed(pattern: str) -> str:
    """The pattern without an open escape at its end, which Postgres refuses."""
    backslashes = len(pattern) - len(pattern.rstrip("\\"))
    return pattern + "\\" * (backslashes % 2)


def _statement(sql: str, params: dict[str, object]) -> Statement:
    return Statement(store=Store.POSTGRES, sql=sql.strip(), params=params)


def _check_limit(rows: list[tuple[object, ...]], table: str, limits: ExportLimits) -> None:
    limit = limits.comment_filter_limit
    if len(rows) > limit:
        objects = table if table in {"traces", "sessions"} else "observations"
        raise InvalidFilterError(
            f"Comment filter matches {rows[0][1]:,} {objects} (limit: {limit:,}). "
            "Please add additional filters to narrow your search."
        )
