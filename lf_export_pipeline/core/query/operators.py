"""What the operators mean that conditions of several kinds share.

Each function names every operator of its list: one that is added to the list does not type-check
before it has been given its meaning here.
"""

from typing import assert_never

from lf_export_pipeline.core.request.filters import (
    Choice,
    Comparison,
    Equality,
    Order,
    Presence,
    TextTest,
)


def excludes(operator: Choice) -> bool:
    """Whether the values of the list are to be left out."""
    match operator:
        case "any of":
            return False
        case "none of":
            return True
        case _:
            assert_never(operator)


def is_negative(operator: TextTest) -> bool:
    """Whether it finds the texts that another one does not; of such there may be none at all."""
    match operator:
        case "does not contain":
            return True
        case "=" | "contains" | "starts with" | "ends with":
            return False
        case _:
            assert_never(operator)


def differs(operator: Equality) -> bool:
    """Whether the value is to be another one."""
    match operator:
        case "=":
            return False
        case "<>":
            return True
        case _:
            assert_never(operator)


def wants_null(operator: Presence) -> bool:
    """Whether there is to be no value."""
    match operator:
        case "is null":
            return True
        case "is not null":
            return False
        case _:
            assert_never(operator)


def comparison(operator: Comparison | Order) -> str:
    """The same in SQL, which ClickHouse and Postgres write as the stored query does."""
    match operator:
        case "=" | ">" | "<" | ">=" | "<=":
            return operator
        case _:
            assert_never(operator)
