r"""Turns ``\uXXXX`` in exported text into the character it stands for, for whole columns at once.

Langfuse: one or more backslashes, ``u`` and four hexadecimal digits are replaced by that UTF-16
code unit, backslashes included; a high and a low surrogate that follow each other are one
character; a lone surrogate keeps exactly one backslash. Deliberately different: escapes of control
characters, of ``"`` and of the backslash stay as they are, because decoding them would break JSON
that is embedded in the text.

Inside JSON text (as opposed to text that only happens to contain JSON) backslashes come in pairs
that stand for one. There an odd run ends in an escape of JSON's own, and the pairs before it are
user data that stay; an even run is user text such as ``\u4e2d`` which is decoded like any other.

ASCII-only JSON of Chinese or Japanese conversations consists of such escapes, hence numpy and not
a callback per character: cost is proportional to the bytes and the escapes, not to Python calls.
"""

import re
from collections.abc import Iterator
from string import hexdigits
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lf_export_pipeline.core.formats import text

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

WINDOW_BYTES: Final = 256 * 1024
"""Text is decoded in windows of about this size, so that the indexes, some hundred bytes for each
escape, stay in the processor's cache."""

_BACKSLASH: Final = ord("\\")
_U: Final = ord("u")


def _hex_pairs() -> Ints:
    """For two bytes, read as a little-endian number: the byte they spell, or -1."""
    digits = [int(chr(byte), 16) if chr(byte) in hexdigits else -1 for byte in range(256)]
    first, second = np.array(digits)[None, :], np.array(digits)[:, None]
    return np.where((first >= 0) & (second >= 0), first * 16 + second, -1).ravel()


def _packed_utf8(code: Ints) -> npt.NDArray[np.uint32]:
    """The UTF-8 bytes of characters, the first one in the lowest bits."""
    tails = [0x80 | ((code >> shift) & 0x3F) for shift in (0, 6, 12)]
    two = 0xC0 | (code >> 6) | (tails[0] << 8)
    three = 0xE0 | (code >> 12) | (tails[1] << 8) | (tails[0] << 16)
    four = 0xF0 | (code >> 18) | (tails[2] << 8) | (tails[1] << 16) | (tails[0] << 24)
    packed = np.select([code < 0x80, code < 0x800, code < 0x10000], [code, two, three], four)
    return packed.astype(np.uint32)


_HEX_PAIR: Final = _hex_pairs()
_BMP_UTF8: Final = _packed_utf8(np.arange(0x10000))

_SAFE_CUT: Final = re.compile(rb"(?<=[^\\u0-9a-fA-F])|(?<!\\)(?=\\)(?!\\+u[dD][c-fC-F])")
r"""A place where no escape and no surrogate pair is divided: after a byte that no escape contains,
or before a run of backslashes that does not begin the second half of a pair."""


class Escapes(NamedTuple):
    r"""All ``\+uXXXX`` of a window: parallel arrays, in order."""

    start: Ints
    """Index of the first backslash."""

    u: Ints
    """Index of the ``u``."""

    code: Ints
    """The UTF-16 code unit."""

    cell: Ints
    """Number of the cell."""


class Edits(NamedTuple):
    """What to replace, in order and without overlap: parallel arrays."""

    begin: Ints
    end: Ints
    code: Ints
    """The character to write, or -1 to write nothing."""


def decode_escapes(array: pa.LargeStringArray, *, json_text: bool) -> pa.LargeStringArray:
    r"""The array with its ``\uXXXX`` escapes decoded; the same object if it has none.

    Args:
        array: Valid UTF-8 text.
        json_text: The cells are JSON text and stay valid JSON of the same meaning, apart from
            escapes within user text, which are decoded too.
    """
    if not text.contains(array, "\\"):
        return array
    affected = text.cells_with(array, "\\u")
    if affected.true_count == 0:
        return array
    decoded = _decode_cells(array.filter(affected), json_text=json_text)
    return pc.replace_with_mask(array, affected, decoded)


def _decode_cells(array: pa.LargeStringArray, *, json_text: bool) -> pa.LargeStringArray:
    content = text.data(array)
    bounds = text.offsets(array) - text.offsets(array)[0]
    shifted, removed, pieces = bounds.copy(), 0, []
    for low, high in _windows(content, bounds):
        inside = slice(*np.searchsorted(bounds, [low, high]))
        piece, gone = _decode_window(content[low:high], bounds[inside] - low, json_text=json_text)
        shifted[inside] -= removed + gone
        removed += high - low - piece.size
        pieces.append(piece)
    shifted[bounds == bounds[-1]] = bounds[-1] - removed
    buffers = [None, pa.py_buffer(shifted), pa.py_buffer(np.concatenate(pieces))]
    return pa.Array.from_buffers(text.TEXT, len(array), buffers)


def _windows(content: Bytes, bounds: Ints) -> Iterator[tuple[int, int]]:
    """Ranges that cover the content, cut between cells or, in a huge cell, at a safe place."""
    low, total = 0, int(bounds[-1])
    while low < total:
        high = int(bounds[np.searchsorted(bounds, low + WINDOW_BYTES, "right") - 1])
        if high <= low:
            cut = _SAFE_CUT.search(content.data, low + WINDOW_BYTES)
            end_of_cell = int(bounds[np.searchsorted(bounds, low, "right")])
            high = min(cut.start() if cut else end_of_cell, end_of_cell)
        yield low, high
        low = high


def _decode_window(content: Bytes, starts: Ints, *, json_text: bool) -> tuple[Bytes, Ints]:
    """The decoded bytes, and how many bytes were removed before each of the cell starts."""
    escapes = _find(content, np.union1d(starts, [0]))
    edits = _plan(escapes, json_text=json_text)
    if edits.begin.size == 0:
        return content, np.zeros_like(starts)
    size = _utf8_size(edits.code)
    gone = np.concatenate(([0], np.cumsum(edits.end - edits.begin - size)))
    return _apply(content, edits, size), gone[np.searchsorted(edits.begin, starts)]


def _find(content: Bytes, starts: Ints) -> Escapes:
    slashes = np.flatnonzero(content == _BACKSLASH)
    begins_run = np.diff(slashes, prepend=-2) != 1
    run_start = np.maximum.accumulate(np.where(begins_run, slashes, 0))
    follower = content[np.minimum(slashes + 1, content.size - 1)]
    last = follower == _U
    u, start = slashes[last] + 1, run_start[last]
    cell = np.searchsorted(starts, u - 1, "right") - 1
    cell_end = np.append(starts[1:], content.size)[cell]
    fits = u + 5 <= cell_end
    u, start, cell = u[fits], start[fits], cell[fits]
    pairs = _overlapping(content, "<u2")
    code = (_HEX_PAIR[pairs[u + 1]] << 8) | _HEX_PAIR[pairs[u + 3]]
    start = np.maximum(start, starts[cell])
    good = code >= 0
    if good.all():
        return Escapes(start, u, code, cell)
    return Escapes(start[good], u[good], code[good], cell[good])


def _plan(found: Escapes, *, json_text: bool) -> Edits:
    start, end, code, slashes = found.start, found.u + 5, found.code.copy(), found.u - found.start
    opens_pair = _opens_pair(found, slashes, json_text=json_text)
    closes_pair = np.roll(opens_pair, 1)
    surrogate = (code & 0xF800) == 0xD800
    lone = surrogate & ~opens_pair & ~closes_pair
    own_escape = (slashes % 2 == 1) if json_text else np.zeros(code.size, bool)
    begin = np.where(own_escape, found.u - 1, start)
    kept_slashes = np.where(own_escape, slashes, 2) if json_text else 1
    end = np.where(opens_pair, np.roll(end, -1), end)
    end = np.where(lone, np.maximum(found.u - kept_slashes, begin), end)
    astral = 0x10000 + ((code & 0x3FF) << 10) + (np.roll(code, -1) & 0x3FF)
    code = np.where(lone, -1, np.where(opens_pair, astral, code))
    stays = (code == 0x22) | (code == 0x5C) | ((code >= 0) & (code < 0x20))
    chosen = ~stays & ~closes_pair & (end > begin)
    return Edits(begin[chosen], end[chosen], code[chosen])


def _opens_pair(found: Escapes, slashes: Ints, *, json_text: bool) -> Bools:
    """Which escapes are a high surrogate directly followed by a low one of the same cell."""
    high, low = (found.code & 0xFC00) == 0xD800, (found.code & 0xFC00) == 0xDC00
    if json_text:
        low &= (slashes == 1) | (slashes % 2 == 0)
    opens = np.zeros(high.size, bool)
    opens[:-1] = high[:-1] & low[1:] & (found.start[1:] == found.u[:-1] + 5)
    opens[:-1] &= found.cell[1:] == found.cell[:-1]
    return opens


def _utf8_size(code: Ints) -> Ints:
    return (code >= 0).astype(np.int64) + (code >= 0x80) + (code >= 0x800) + (code >= 0x10000)


def _apply(content: Bytes, edits: Edits, size: Ints) -> Bytes:
    """Writes each character over the begin of its escape, then drops the rest of the escape.

    Four bytes are written whatever the character takes: an escape has at least six.
    """
    out = content.copy()
    characters = edits.code >= 0
    begin, code = edits.begin[characters], edits.code[characters]
    packed = _BMP_UTF8[code & 0xFFFF]
    astral = code > 0xFFFF
    packed[astral] = _packed_utf8(code[astral])
    _overlapping(out, "<u4")[begin] = packed
    change = np.zeros(content.size + 1, np.int8)
    change[edits.begin + size] += 1
    change[edits.end] -= 1
    kept: Bytes = out[np.cumsum(change[:-1], dtype=np.int8) == 0]
    return kept


def _overlapping(content: Bytes, dtype: str) -> npt.NDArray[np.integer[Any]]:
    """A view of the numbers that begin at each byte."""
    width = np.dtype(dtype).itemsize
    count = max(content.size - width + 1, 0)
    return np.ndarray((count,), dtype, content.data, strides=(1,))
