from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter

from lf_export_pipeline.core.errors import InvalidFilterError
from lf_export_pipeline.core.query.compiler import FilterColumn, FilterTable, ValueType
from lf_export_pipeline.core.query.selection import ScanPredicates, select, time_from
from lf_export_pipeline.core.query.statement import Params
from lf_export_pipeline.core.query.time_columns import TimeColumn
from lf_export_pipeline.core.request.filters import Filter
from lf_export_pipeline.core.request.model import BatchExportQuery, ExportFormat, ExportRequest

CUTOFF = datetime(2031, 3, 20, 12, tzinfo=UTC)
FILTER: TypeAdapter[Filter] = TypeAdapter(Filter)
REQUEST = ExportRequest(
    export_id="export",
    project_id="project",
    user_id="user",
    name="export",
    created_at=CUTOFF,
    format=ExportFormat.JSONL,
    query=BatchExportQuery.model_validate({"tableName": "things", "filter": [], "orderBy": None}),
)
TIME = TimeColumn("things", "t.timestamp", indexed=False)
TABLE = FilterTable(
    "things",
    (
        FilterColumn(("timestamp", "Timestamp"), "t.timestamp", ValueType.DATETIME),
        FilterColumn(("ended",), "t.ended", ValueType.DATETIME),
        FilterColumn(("name",), "t.name", ValueType.STRING),
        FilterColumn(("errors",), "o.errors", ValueType.NUMBER, relation="o"),
    ),
)


def wanted(column: str, kind: str, operator: str, value: Any) -> Filter:
    return FILTER.validate_python(
        {"column": column, "type": kind, "operator": operator, "value": value}
    )


def selected(*filters: Filter) -> ScanPredicates:
    return select(filters, TABLE, TIME, REQUEST, Params())


def test_without_filters_only_the_cutoff_is_tested() -> None:
    assert selected() == ScanPredicates(
        time_range="((t.timestamp < {p1:DateTime64(3, 'UTC')}))",
        row=(),
        late=(),
        relations=frozenset(),
    )


def test_filters_on_the_time_column_narrow_the_range_under_any_name() -> None:
    for name in ("timestamp", "Timestamp"):
        selection = selected(wanted(name, "datetime", ">=", "2031-03-01T00:00:00Z"))
        assert selection.is_bounded
        assert selection.time_range.startswith("((t.timestamp >= ")
        assert (selection.row, selection.late) == ((), ())


def test_other_instants_are_tested_on_the_row() -> None:
    selection = selected(wanted("ended", "datetime", ">=", "2031-03-01T00:00:00Z"))
    assert "t.ended" not in selection.time_range
    assert not selection.is_bounded
    assert len(selection.row) == 1


def test_conditions_on_a_relation_are_tested_late_and_name_it() -> None:
    selection = selected(wanted("errors", "number", ">", 0), wanted("name", "string", "=", "x"))
    assert len(selection.row) == len(selection.late) == 1
    assert selection.late[0].startswith("o.errors > ")
    assert selection.relations == {"o"}


def test_a_column_that_is_not_known_is_refused() -> None:
    with pytest.raises(InvalidFilterError, match="nmae does not match"):
        selected(wanted("nmae", "string", "=", "x"))
    with pytest.raises(InvalidFilterError, match="Did you mean timestamp"):
        selected(wanted("timestmp", "datetime", ">", "2031-03-01T00:00:00Z"))


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ([], None),
        ([("Timestamp", "<", 1)], None),
        ([("Timestamp", ">", 2)], 2),
        ([("Timestamp", "<", 1), ("Timestamp", ">=", 2), ("Timestamp", ">", 3)], 2),
        ([("timestamp", ">", 2)], None),
    ],
)
def test_the_first_lower_bound_under_a_known_spelling_counts(
    filters: list[tuple[str, str, int]], expected: int | None
) -> None:
    found = time_from(
        [
            wanted(column, "datetime", operator, f"2031-03-0{day}T00:00:00Z")
            for column, operator, day in filters
        ],
        ("Timestamp",),
    )
    assert (found.day if found else None) == expected


def test_a_filter_of_another_type_on_the_time_column_is_no_lower_bound() -> None:
    assert time_from([wanted("Timestamp", "null", "is null", "")], ("Timestamp",)) is None


def test_filters_are_sorted_without_comparing_each_with_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> bool:
        pytest.fail("filters are compared")

    columns = ["timestamp", "ended"] * 50
    filters = [wanted(column, "datetime", ">", "2031-03-01") for column in columns]
    monkeypatch.setattr(type(filters[0]), "__eq__", refuse)

    found = selected(*filters)

    assert found.is_bounded
    assert len(found.row) == 50
