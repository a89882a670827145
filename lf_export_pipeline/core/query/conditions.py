"""The SQL of each kind of filter. Users' texts and numbers appear only as bound parameters.

A condition that is NULL leaves the row out, as WHERE does: only the columns whose empty text counts
as NULL need to say more.
"""

from collections.abc import Sequence
from decimal import ROUND_FLOOR, Decimal, localcontext
from typing import assert_never

from lf_export_pipeline.core.query.filter_columns import FilterColumn, NumberKind, ValueType
from lf_export_pipeline.core.query.operators import (
    comparison,
    differs,
    excludes,
    is_negative,
    wants_null,
)
from lf_export_pipeline.core.query.statement import Params
from lf_export_pipeline.core.query.time_columns import compared
from lf_export_pipeline.core.request.filters import (
    ArrayOptionsFilter,
    BooleanFilter,
    BooleanObjectFilter,
    CategoryOptionsFilter,
    DatetimeFilter,
    NullFilter,
    NumberFilter,
    NumberObjectFilter,
    StringFilter,
    StringObjectFilter,
    StringOptionsFilter,
    TextTest,
)

_SCORES = (ValueType.SCORE_CATEGORIES, ValueType.SCORE_BOOLEANS)

_EXACT_TYPE = "Decimal(76, 38)"
_EXACT_PRECISION = 76
_EXACT_DIGITS = 38
_EXACT_LIMIT = Decimal(10) ** 30  # beyond every UInt64 and every Decimal(38, 12)


def string_condition(wanted: StringFilter, column: FilterColumn, params: Params) -> str:
    """The test of a text; where '' is NULL, both count as "nothing"."""
    expression, negative = column.expression, is_negative(wanted.operator)
    if column.empty_equals_null and not wanted.value and not negative:
        return f"({expression} = '' OR isNull({expression}))"
    test = text_test(expression, wanted.operator, params.text(wanted.value))
    if column.empty_equals_null and negative:
        return f"({expression} != '' AND {test})"
    return test


def text_test(expression: str, operator: TextTest, value: str) -> str:
    """``expression`` compared with the SQL text ``value``, case-sensitively."""
    match operator:
        case "=":
            return f"{expression} = {value}"
        case "contains":
            return f"position({expression}, {value}) > 0"
        case "does not contain":
            return f"position({expression}, {value}) = 0"
        case "starts with":
            return f"startsWith({expression}, {value})"
        case "ends with":
            return f"endsWith({expression}, {value})"
        case _:
            assert_never(operator)


def options_condition(wanted: StringOptionsFilter, column: FilterColumn, params: Params) -> str:
    """Whether the text is in the list; an array is compared as a whole (Langfuse: ``IN``)."""
    expression, options = column.expression, params.array(wanted.value)
    excluding = excludes(wanted.operator)
    if column.value_type is not ValueType.STRING:
        return f"{_texts(column)} {'!=' if excluding else '='} {options}"
    test = f"{expression} {'NOT IN' if excluding else 'IN'} (SELECT arrayJoin({options}))"
    if not column.empty_equals_null:
        return test
    with_empty = "" in wanted.value
    if excluding:
        present = f"isNotNull({expression})" if with_empty else f"{expression} != ''"
        return f"({test} AND {present})"
    return f"({test} OR isNull({expression}))" if with_empty else test


def array_condition(wanted: ArrayOptionsFilter, column: FilterColumn, params: Params) -> str:
    """How the array and the list overlap."""
    options = params.array(wanted.value)
    match wanted.operator:
        case "all of":
            return f"hasAll({_texts(column)}, {options})"
        case "any of" | "none of":
            return _has_any(_texts(column), options, negated=excludes(wanted.operator))
        case _:
            assert_never(wanted.operator)


def _has_any(array: str, options: str, *, negated: bool) -> str:
    """Whether an array holds one of the options, each element looked up in a table of them.

    ``hasAny`` compares each element with each option, and IN in a lambda finds nothing in an array
    that is the same for all rows.
    """
    test = f"arrayExists(o -> {_is_one_of('o', options)}, {array})"
    return f"NOT {test}" if negated else test


def _is_one_of(element: str, options: str) -> str:
    return f"transform({element}, {options}, arrayEnumerate({options}), toUInt32(0)) > 0"


def number_condition(wanted: NumberFilter, column: FilterColumn, params: Params) -> str:
    """The comparison of a number; Booleans are 1 and 0."""
    kind = column.number_kind
    value = bound_number(wanted.value, kind, params)
    return f"{column.expression} {comparison(wanted.operator)} {value}"


def bound_number(value: Decimal, kind: NumberKind, params: Params) -> str:
    """A parameter that compares as the number itself, whatever its size and precision.

    Exact columns are compared with 38 fractional digits; ClickHouse widens both sides to 256 bits,
    which holds every UInt64 and every Decimal(38, 12) at that scale. Further digits only matter as
    "a little more than": the last digit is set for them, which no stored value has.
    """
    if kind is NumberKind.FLOAT:
        return params.bind(repr(float(value)), "Float64")
    clamped = min(max(value, -_EXACT_LIMIT), _EXACT_LIMIT)
    # Rounded before it is floored, 1.999… would be 2, and more than 1.999… would not include 2.
    with localcontext(prec=_EXACT_PRECISION + len(clamped.as_tuple().digits)):
        shifted = clamped.scaleb(_EXACT_DIGITS - 1)
        floor = shifted.to_integral_value(ROUND_FLOOR)
        exact = (floor * 10 + (shifted != floor)).scaleb(-_EXACT_DIGITS)
    return params.bind(f"{exact:f}", _EXACT_TYPE)


def datetime_condition(wanted: DatetimeFilter, column: FilterColumn, params: Params) -> str:
    """The comparison of an instant."""
    return compared(column.expression, (wanted.operator, wanted.value), params)


def boolean_condition(wanted: BooleanFilter, column: FilterColumn, params: Params) -> str:
    """The test of a truth value; numbers are compared with 1 and 0."""
    operator = "!=" if differs(wanted.operator) else "="
    return f"{column.expression} {operator} {params.bind(int(wanted.value), 'UInt8')}"


def null_condition(wanted: NullFilter, column: FilterColumn) -> str:
    """Whether there is a value; only columns that can be NULL are read for it."""
    expression, is_null = column.expression, wants_null(wanted.operator)
    if column.empty_equals_null:
        if is_null:
            return f"({expression} = '' OR isNull({expression}))"
        return f"({expression} != '' AND isNotNull({expression}))"
    if not column.nullable:
        return "0" if is_null else "1"
    return f"{'isNull' if is_null else 'isNotNull'}({expression})"


def string_object_condition(
    wanted: StringObjectFilter, column: FilterColumn, params: Params
) -> str:
    """The test of the text under a key, which must be there (the first one, where names repeat)."""
    key, value = params.text(wanted.key), params.text(wanted.value)
    if column.value_type is ValueType.STRING_MAP:
        there, found = f"mapContains({column.expression}, {key})", f"{column.expression}[{key}]"
    else:
        names, values = (f"tupleElement({column.expression}, {part})" for part in (1, 2))
        there, found = f"has({names}, {key})", f"{values}[indexOf({names}, {key})]"
    return f"({there} AND {text_test(found, wanted.operator, value)})"


def number_object_condition(
    wanted: NumberObjectFilter, column: FilterColumn, params: Params
) -> str:
    """Whether some score of that name has such an average."""
    value = bound_number(wanted.value, NumberKind.FLOAT, params)
    test = f"s.1 = {params.text(wanted.key)} AND s.2 {comparison(wanted.operator)} {value}"
    return f"arrayExists(s -> {test}, {column.expression})"


def category_condition(wanted: CategoryOptionsFilter, column: FilterColumn, params: Params) -> str:
    """Whether the score of that name has one of the values; rows without the score have none."""
    negation = "NOT " if excludes(wanted.operator) else ""
    return f"{negation}{_has_pair(column, wanted.key, wanted.value, params)}"


def boolean_object_condition(
    wanted: BooleanObjectFilter, column: FilterColumn, params: Params
) -> str:
    """Whether the Boolean score of that name was given with this value, or (``<>``) was not."""
    negation = "NOT " if differs(wanted.operator) else ""
    values = ["true" if wanted.value else "false"]
    return f"{negation}{_has_pair(column, wanted.key, values, params)}"


def _has_pair(column: FilterColumn, key: str, values: Sequence[str], params: Params) -> str:
    """Whether some score has that name and one of the values; an array of texts has ``key:value``.

    Langfuse compares ``name:value`` as one text, which two scores share where a name holds a colon.
    """
    if column.value_type not in _SCORES:
        options = params.array(f"{key}:{each}" for each in values)
        return _has_any(column.expression, options, negated=False)
    test = f"s.1 = {params.text(key)} AND {_is_one_of('s.2', params.array(values))}"
    return f"arrayExists(s -> {test}, {column.expression})"


def _texts(column: FilterColumn) -> str:
    """An array of texts: those of a score are ``name:value``."""
    if column.value_type not in _SCORES:
        return column.expression
    return f"arrayMap(s -> concat(s.1, ':', s.2), {column.expression})"
