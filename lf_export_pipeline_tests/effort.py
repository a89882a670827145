"""How much is tried: a share of the examples in the short form, all of them in the long one."""

import os
from collections.abc import Sequence
from typing import Any, TypeVar

import pytest
from _pytest.mark import ParameterSet

Value = TypeVar("Value")

IS_LONG = os.environ.get("LF_EXPORT_TESTS") == "all"
"""Set by ``make test-all``."""

SHORT_SHARE = 4


def examples(number: int) -> int:
    """How many examples hypothesis makes where the long form makes this many."""
    return number if IS_LONG else max(5, number // SHORT_SHARE)


def some(values: Sequence[Value]) -> Sequence[Value]:
    """All of the values in the long form; in the short one the first, and every fourth after it."""
    return values if IS_LONG else values[::SHORT_SHARE]


def long(*values: Any) -> ParameterSet:
    """The values of one case that is tried in the long form alone."""
    return pytest.param(*values, marks=pytest.mark.long)
