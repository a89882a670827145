"""Text that a spreadsheet would take for a formula, by OWASP's list and a little more."""

import re
from typing import Final
from unicodedata import category

_SIGNS: Final = frozenset("=+-@\u2212\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b")
"""With the full-width and small ones, which spreadsheets in Chinese and Japanese read alike."""

_AT_THE_BEGIN: Final = frozenset("\t\r\0")

_UNSEEN: Final = frozenset("CZM")
"""Kinds of characters that no one sees, or not by themselves: a spreadsheet or the next program may
trim them."""

_FILLERS: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800")
"""Letters and signs by their kind, and blank."""

_HARMLESS: Final = re.compile(rb"[!-*,./0-<>?A-~]")
"""A first character that is seen and is no sign."""


def guarded(cell: bytes) -> bytes:
    """The cell, with an apostrophe before it if it may be taken for a formula."""
    is_harmless = not cell or _HARMLESS.match(cell) is not None
    return cell if is_harmless or not _is_formula(cell.decode()) else b"'" + cell


def _is_formula(cell: str) -> bool:
    if cell[0] in _AT_THE_BEGIN:
        return True
    seen = next((each for each in cell if not _is_unseen(each)), None)
    return seen in _SIGNS


def _is_unseen(character: str) -> bool:
    return character.isspace() or character in _FILLERS or category(character)[0] in _UNSEEN
