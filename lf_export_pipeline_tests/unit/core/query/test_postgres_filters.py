"""Filters for Postgres without Postgres: what is bound, and what is refused."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from lf_export_pipeline.core.errors import InvalidFilterError
from lf_export_pipeline.core.query.postgres_filters import (
    PostgresColumn,
    PostgresFilters,
    PostgresParams,
    PostgresType,
)
from lf_export_pipeline.core.request.filters import Filter

FILTERS = PostgresFilters(
    "things",
    (
        PostgresColumn(("name", "Name"), "t.name"),
        PostgresColumn(("since", "Since"), "t.since", PostgresType.INSTANT),
        PostgresColumn(("data", "Data"), "t.data", PostgresType.JSON),
    ),
)
READ: TypeAdapter[Filter] = TypeAdapter(Filter)


def compiled(**wanted: object) -> tuple[str, dict[str, object]]:
    params = PostgresParams()
    (sql,) = FILTERS.compile([READ.validate_python(wanted)], params)
    return sql, params.values


@pytest.mark.parametrize("operator", ["=", "contains", "does not contain", "starts with"])
@given(value=st.text())
def test_no_text_of_the_user_is_sql(operator: str, value: str) -> None:
    marked = f"«{value}»"
    for wanted in (
        {"type": "string", "column": "name", "value": marked},
        {"type": "stringObject", "column": "Data", "key": marked, "value": marked},
    ):
        sql, values = compiled(operator=operator, **wanted)
        assert "«" not in sql
        assert "\x00" in value or any(marked in str(bound) for bound in values.values())


def test_the_table_s_own_placeholders_stay_what_they_are() -> None:
    params = PostgresParams({"project_id": "p"})
    wanted = {"type": "string", "column": "name", "operator": "=", "value": "x"}
    (sql,) = FILTERS.compile([READ.validate_python(wanted)], params)
    assert sql == "t.name = :p1"
    assert params.values == {"project_id": "p", "p1": "x"}


@pytest.mark.parametrize(
    ("value", "pattern"), [("x", "%x"), ("\\", "%\\\\"), ("\\\\", "%\\\\"), ("a\\", "%a\\\\")]
)
def test_an_open_escape_at_the_end_of_a_pattern_is_closed(value: str, pattern: str) -> None:
    _, values = compiled(type="string", column="name", operator="ends with", value=value)
    assert list(values.values()) == [pattern]


@pytest.mark.parametrize(
    ("value", "bound"),
    [
        ("2031-03-01T12:00:00.5+02:00", "2031-03-01 10:00:00.500000"),
        (None, "1970-01-01 00:00:00"),
    ],
)
def test_instants_are_bound_in_utc_without_a_zone(value: str | None, bound: str) -> None:
    sql, values = compiled(type="datetime", column="since", operator=">=", value=value)
    assert sql == "t.since >= CAST(:p0 AS timestamp)"
    assert values == {"p0": bound}


@pytest.mark.parametrize(
    ("number", "bound"),
    [
        (Decimal("1e-7"), "0.0000001"),
        (Decimal("123456789012345678901.5"), "123456789012345678901.5"),
        (Decimal("1e999999"), "1" + "0" * 11_000),
        (Decimal("-1e999999"), "-1" + "0" * 11_000),
        (Decimal("-1e-999999"), "-0." + "0" * 10_999 + "1"),
        (Decimal("0e-999999"), "0"),
    ],
)
def test_numbers_are_bound_digit_by_digit_but_never_at_any_length(
    number: Decimal, bound: str
) -> None:
    wanted = {"type": "numberObject", "column": "data", "key": "k", "operator": "<"}
    _, values = compiled(**wanted, value=number)
    assert bound in values.values()


@pytest.mark.parametrize("operator", ["contains", "does not contain", "starts with", "ends with"])
def test_a_pattern_of_too_many_wildcards_is_refused(operator: str) -> None:
    wanted = {"type": "string", "column": "name", "operator": operator}
    compiled(**wanted, value="%a" * 50)
    with pytest.raises(InvalidFilterError, match="has 51 percent signs, each of which"):
        compiled(**wanted, value="%a" * 51)
    compiled(type="string", column="name", operator="=", value="%a" * 51)


@pytest.mark.parametrize(
    ("value", "bound"),
    [("-000100-01-01T00:00:00Z", "'-infinity'"), ("+020000-01-01T00:00:00Z", "'infinity'")],
)
def test_an_instant_beyond_the_years_of_filters_lies_beyond_all_rows(
    value: str, bound: str
) -> None:
    sql, values = compiled(type="datetime", column="since", operator="<", value=value)
    assert (sql, values) == (f"t.since < CAST({bound} AS timestamp)", {})


def test_an_unknown_column_is_named_with_those_that_are_close() -> None:
    with pytest.raises(InvalidFilterError, match=r"'nmae'\. Did you mean name"):
        compiled(type="null", column="nmae", operator="is null", value="")
    with pytest.raises(InvalidFilterError, match="Columns of things: name, since, data"):
        compiled(type="null", column="zzzzzz", operator="is null", value="")
