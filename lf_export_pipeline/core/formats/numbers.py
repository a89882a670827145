"""Numbers that no machine type holds become strings, so that every reader opens the whole file.

One such number makes readers refuse all of a file: pandas takes no digits before the point beyond
64 bits, polars, pyarrow and orjson no double beyond the finite ones. Langfuse writes them as
strings, too. One search finds the few cells that may hold any; only these go through Python.
"""

import re
from math import isfinite
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from lf_export_pipeline.core.formats import text

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


def readable_numbers(array: pa.LargeStringArray) -> pa.LargeStringArray:
    """JSON text in which each number fits int64, uint64 or a double; the same object if all do.

    The others become strings with all their digits.

    Args:
        array: Valid JSON in each cell, or null.
    """
    cells = pl.Series(values=array)
    mask = cells.str.contains(SUSPICIOUS).fill_null(value=False)
    if not mask.any():
        return array
    changed = [with_readable_numbers(cell) for cell in cells.filter(mask)]
    return pc.replace_with_mask(array, mask.to_arrow(), pa.array(changed, text.TEXT))


def doubles(array: pa.LargeStringArray) -> pa.LargeStringArray:
    """Finite doubles and decimals as JSON numbers with a fraction or an exponent."""
    array = text.replace_first(array, r"^(-?[0-9]{1,18})$", "${1}.0")
    cells = pl.Series(values=array)
    long = cells.str.contains(r"^-?[0-9]{19,}$").fill_null(value=False)
    if not long.any():
        return array
    changed = [repr(float(cell)) for cell in cells.filter(long)]
    return pc.replace_with_mask(array, long.to_arrow(), pa.array(changed, text.TEXT))


def with_readable_numbers(cell: str) -> str:
    """One JSON text with the numbers that no machine type holds as strings."""
    return _TOKEN.sub(_readable, cell)


def _readable(token: re.Match[str]) -> str:
    is_string = token["whole"] is None
    return token[0] if is_string or _is_held(token) else f'"{token[0]}"'


def _is_held(number: re.Match[str]) -> bool:
    whole, fraction, exponent = number.group("whole", "fraction", "exponent")
    if len(whole) > _DIGITS_MAX or not INT64_MIN <= int(whole) <= UINT64_MAX:
        return False
    if exponent is None:
        return True
    if len(exponent.lstrip("+-0")) > len(str(_EXPONENT_MAX)):
        return False
    value = float(number[0])
    is_zero = not f"{whole}{fraction or ''}".strip("-0.")
    return isfinite(value) and (value != 0 or (is_zero and abs(int(exponent)) <= _EXPONENT_MAX))
