"""Numbers that no machine type holds become strings, so that every reader opens the whole file.

One such number makes readers refuse all of a file: pandas takes no digits before the point beyond
64 bits, polars, pyarrow and orjson no double beyond the finite ones. Langfuse writes them as
strings, too. One search finds the few cells that may hold any; only these go through Python.
"""

import re
from collections.abc import Callable
from math import isfinite
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from lf_export_pipeline.core.formats.text import finished_where

INT64_MIN: Final = -(2**63)
UINT64_MAX: Final = 2**64 - 1

_DIGITS_MAX: Final = len(str(UINT64_MAX))
_EXPONENT_MAX: Final = 308

SUSPICIOUS: Final = r"(?:^|[ \t\r\n,:\[])(?:[0-9]{20}|-[0-9]{19}|-?[0-9][0-9.]*[eE][+-]?[0-9]{3})"
"""What may be a number that is too long for 64 bits, or one with an exponent of three digits."""

_TOKEN: Final = re.compile(
    r'"[^"\\]*(?:\\.[^"\\]*)*"|(?P<whole>-?\d+)(?P<fraction>\.\d+)?(?:[eE](?P<exponent>[+-]?\d+))?',
    re.ASCII | re.DOTALL,
)

_WHOLE: Final = re.compile(rb"-?[0-9]+")
_WHOLE_MAX: Final = 18
"""Digits of a whole number that is written as it stands, with a fraction of zero behind it."""


def readable_numbers(array: pa.LargeStringArray) -> pa.LargeStringArray:
    """JSON text in which each number fits int64, uint64 or a double; the same object if all do.

    The others become strings with all their digits.

    Args:
        array: Valid JSON in each cell, or null.
    """
    return _with_those_beyond(array, _as_string)


def readable_doubles(array: pa.LargeStringArray) -> pa.LargeStringArray:
    """JSON lists of doubles, those too long for a whole number with an exponent, as ``double``.

    Args:
        array: Valid JSON in each cell, or null; it may hold strings, which stay.
    """
    return _with_those_beyond(array, _as_double)


def double(cell: bytes) -> bytes:
    """A finite double or decimal as a JSON number with a fraction or an exponent."""
    if _WHOLE.fullmatch(cell) is None:
        return cell
    is_long = len(cell.lstrip(b"-")) > _WHOLE_MAX
    return repr(float(cell)).encode() if is_long else cell + b".0"


def with_readable_numbers(cell: str) -> str:
    """One JSON text with the numbers that no machine type holds as strings."""
    return _TOKEN.sub(_as_string, cell)


def _with_those_beyond(
    array: pa.LargeStringArray, shown: Callable[[re.Match[str]], str]
) -> pa.LargeStringArray:
    mask = pc.match_substring_regex(array, SUSPICIOUS)
    return finished_where(
        array, mask, lambda cells: [_TOKEN.sub(shown, cell.decode()).encode() for cell in cells]
    )


def _as_double(token: re.Match[str]) -> str:
    return token[0] if _is_held(token) else repr(float(token[0]))


def _as_string(token: re.Match[str]) -> str:
    return token[0] if _is_held(token) else f'"{token[0]}"'


def _is_held(token: re.Match[str]) -> bool:
    """Whether it stays as it is: a number that a machine type holds, or a string."""
    if token["whole"] is None:
        return True
    whole, fraction, exponent = token.group("whole", "fraction", "exponent")
    if len(whole) > _DIGITS_MAX or not INT64_MIN <= int(whole) <= UINT64_MAX:
        return False
    if exponent is None:
        return True
    if len(exponent.lstrip("+-0")) > len(str(_EXPONENT_MAX)):
        return False
    value = float(token[0])
    is_zero = not f"{whole}{fraction or ''}".strip("-0.")
    return isfinite(value) and (value != 0 or (is_zero and abs(int(exponent)) <= _EXPONENT_MAX))
