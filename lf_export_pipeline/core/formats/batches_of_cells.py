r"""The rules of ``cells`` for many cells at once, where these hold nothing but ordinary escapes.

ASCII-only JSON of conversations in Chinese or Japanese is made of escapes, and Python decodes those
of a megabyte in one go: its codec ``raw_unicode_escape`` reads ``\uXXXX`` and nothing else. What
that would decode otherwise than it has to be is seen before or after, for all cells of a batch; it
is then halved, so that one hard cell among many costs little, and few cells are finished alone.
"""

import re
from collections.abc import Callable, Sequence
from json.encoder import encode_basestring
from typing import Final

from lf_export_pipeline.core.formats import cells
from lf_export_pipeline.core.formats.numbers import SUSPICIOUS

_FEW: Final = 2
_NUL: Final = b"\0"
_LINE: Final = b"\n"
_MAY_STAY: Final = re.compile(rb"\\u00(?:[01]|22|5[cC])")
"""Escapes of control characters, of quotes and of the backslash."""

_SUSPICIOUS: Final = re.compile(SUSPICIOUS)


def plain_texts(raw: list[bytes]) -> Sequence[bytes]:
    """Texts with their escapes decoded."""
    return _finished(raw, _plain_texts, cells.plain_text)


def json_texts(raw: list[bytes]) -> Sequence[bytes]:
    """JSON with the escapes in its texts decoded."""
    return _finished(raw, _plain_texts, cells.json_text)


def json_strings(raw: list[bytes]) -> Sequence[bytes]:
    """Texts as JSON strings on one line."""
    return _finished(raw, _json_strings, cells.json_string)


def embedded_jsons(raw: list[bytes]) -> Sequence[bytes]:
    """Users' JSON as it stands within a row of JSON; line breaks stand only between its tokens."""
    return json_values([each.replace(b"\n", b"").replace(b"\r", b"") for each in raw])


def json_values(raw: list[bytes]) -> Sequence[bytes]:
    """JSON as it stands within a row of JSON, with numbers that readers hold."""
    return _finished(raw, _json_values, cells.json_value)


def _finished(
    raw: list[bytes],
    together: Callable[[list[bytes]], list[bytes] | None],
    alone: Callable[[bytes], bytes],
) -> Sequence[bytes]:
    if len(raw) <= _FEW:
        return [alone(cell) for cell in raw]
    try:
        found = together(raw)
    except UnicodeError:  # digits that are none, or half a surrogate pair
        found = None
    if found is not None and len(found) == len(raw):
        return found
    middle = len(raw) // 2
    halves = (_finished(half, together, alone) for half in (raw[:middle], raw[middle:]))
    return [cell for half in halves for cell in half]


def _plain_texts(raw: list[bytes]) -> list[bytes] | None:
    decoded = _decoded(_NUL.join(raw))
    return None if decoded is None else _utf8(decoded).split(_NUL)


def _json_strings(raw: list[bytes]) -> list[bytes] | None:
    """No text that is decoded here holds the escape of a NUL, so each one parts two cells."""
    decoded = _decoded(_NUL.join(raw))
    if decoded is None:
        return None
    escaped = cells.one_line(_utf8(encode_basestring(decoded)))
    return [b'"%b"' % cell for cell in escaped[1:-1].split(rb"\u0000")]


def _json_values(raw: list[bytes]) -> list[bytes] | None:
    decoded = _decoded(_LINE.join(raw))
    if decoded is None or _SUSPICIOUS.search(decoded) is not None:
        return None
    return cells.one_line(_utf8(decoded)).split(_LINE)


def _decoded(raw: bytes) -> str | None:
    r"""The text with its escapes decoded, surrogates still apart; None where a rule is needed.

    A run of two backslashes before an escape goes like a single one: in text all of them do, and in
    JSON two stand for one of the user's. For longer runs there are rules.

    Raises:
        UnicodeError: ``\u`` stands before something else than four digits.
    """
    if b"\\u" not in raw:
        return raw.decode("utf-8", "replace")
    if b"\\U" in raw or (rb"\u00" in raw and _MAY_STAY.search(raw) is not None):
        return None
    single = raw.replace(rb"\\u", rb"\u")
    if len(single) < len(raw) and rb"\\u" in single:
        return None
    if single.isascii():
        return single.decode("raw_unicode_escape")
    # All but backslashes and escapes becomes what the codec reads as itself.
    spelt = single.decode("utf-8", "replace").encode("raw_unicode_escape")
    text = spelt.decode("raw_unicode_escape")
    stood_before_it = r"\u" in text or r"\U" in text  # a backslash before what was spelt out
    return None if stood_before_it else text


def _utf8(text: str) -> bytes:
    """The text in UTF-8; of surrogates, each pair as its character.

    Raises:
        UnicodeError: One is without its other half.
    """
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le").encode()
