"""Filters on comments: comments live in Postgres, so these become ids before ClickHouse is asked.

Langfuse asks once per filter and intersects; here one statement does it all. What a filter means is
kept: only commented objects can match, unless the count may be zero and the content is not asked
about; then the objects with too many comments are left out instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Literal

from lf_export_pipeline.core.bounds import ExportLimits
from lf_export_pipeline.core.errors import InvalidFilterError
from lf_export_pipeline.core.filters import (
    Filter,
    NumberFilter,
    StringFilter,
    StringOptionsFilter,
)
from lf_export_pipeline.core.query import Answers
from lf_export_pipeline.core.request import ExportRequest
from lf_export_pipeline.core.statement import Statement, Store

ObjectType = Literal["TRACE", "OBSERVATION", "SESSION"]

COUNT_COLUMNS = ("commentCount", "Comment Count")
CONTENT_COLUMNS = ("commentContent", "Comment Content")

_INCLUDED = "comments_included"
_EXCLUDED = "comments_excluded"
_COUNT_MAX = Decimal(10) ** 18  # no object has as many comments

_MATCHING = """
SELECT object_id, count(*) OVER () AS objects
FROM (
    SELECT object_id FROM comments
    WHERE project_id = :project_id
    AND object_type = CAST(:object_type AS "CommentObjectType"){where}
    GROUP BY object_id{having}
) AS matching
LIMIT :most
"""
_COMMENTED_SO = """
    AND object_id IN (
        SELECT object_id FROM comments
        WHERE project_id = :project_id AND object_type = CAST(:object_type AS "CommentObjectType")
        AND {test}
    )"""


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


def comment_prerequisites(
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
        sql = _MATCHING.format(where="", having=f"\n    HAVING NOT ({counts.tests})")
        return {_EXCLUDED: _statement(sql, params | counts.params)}
    where = _content_tests(found.contents, params)
    having = f"\n    HAVING {counts.tests}" if counts.tests else ""
    return {
        _INCLUDED: _statement(_MATCHING.format(where=where, having=having), params | counts.params)
    }


def apply_comment_filters(
    request: ExportRequest, answers: Answers, limits: ExportLimits
) -> CommentSelection:
    """The selection that follows from the rows of ``comment_prerequisites``.

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
        if wanted.column in COUNT_COLUMNS:
            if not isinstance(wanted, NumberFilter):
                raise _wrong_type(wanted, "number")
            counts.append(wanted)
        elif wanted.column in CONTENT_COLUMNS:
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
        case _:
            return True


def _comparable(value: Decimal) -> str:
    """A short number that compares with every count as the value does."""
    clamped = min(max(value, -_COUNT_MAX), _COUNT_MAX)
    floor = clamped.to_integral_value(ROUND_FLOOR)
    return f"{floor:f}" if floor == clamped else f"{floor + Decimal('0.5'):f}"


def _content_tests(contents: tuple[StringFilter, ...], params: dict[str, object]) -> str:
    """One semi-join per filter, so that each can use the index on the comments' words."""
    parts = []
    for index, wanted in enumerate(contents):
        name = f"content_{index}"
        test, params[name] = _content_test(wanted, name)
        parts.append(_COMMENTED_SO.format(test=test))
    return "".join(parts)


def _content_test(wanted: StringFilter, name: str) -> tuple[str, str]:
    """The test of one comment and its bound value.

    ``contains`` is an English full-text search; the others are ``ILIKE``, in which ``%``, ``_`` and
    backslashes are live, and ``=`` looks for a part of the text (Langfuse: Prisma's filters).
    """
    match wanted.operator:
        case "contains":
            return (
                f"to_tsvector('english', content) @@ plainto_tsquery('english', :{name})",
                wanted.value,
            )
        case "does not contain":
            return f"content NOT ILIKE :{name}", f"%{wanted.value}%"
        case "starts with":
            return f"content ILIKE :{name}", f"{wanted.value}%"
        case "ends with":
            return f"content ILIKE :{name}", f"%{_closed(wanted.value)}"
        case _:
            return f"content ILIKE :{name}", f"%{wanted.value}%"


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
