r"""The rules of the formats for single cells.

``batches_of_cells`` applies them to many cells at once, where these hold nothing special.
"""

import re
from json.decoder import scanstring  # type: ignore[attr-defined]  # missing in its stub
from json.encoder import encode_basestring
from typing import Final

from lf_export_pipeline.core.formats.numbers import SUSPICIOUS, with_readable_numbers

_HEX: Final = rb"[0-9a-fA-F]{4}"
_ESCAPES: Final = re.compile(rb"\\(?<!\\\\)\\*u%s(?:\\+u%s)*" % (_HEX, _HEX))
r"""Escapes that follow each other, from the first backslash of a run on.

The look behind keeps the search linear in the backslashes of a run.
"""

_ESCAPE: Final = re.compile(rb"(\\+)u(%s)" % _HEX)
_NOT_PLAIN: Final = re.compile(rb"\\\\|u00(?:[01]|22|5[cC])")
"""Two backslashes, or an escape that may have to stay as it is."""

_SUSPICIOUS: Final = re.compile(SUSPICIOUS)
_LINE_ENDS: Final = (
    (b"\xe2\x80\xa8", rb"\u2028"),
    (b"\xe2\x80\xa9", rb"\u2029"),
    (b"\xc2\x85", rb"\u0085"),
)


def valid(cell: bytes) -> bytes:
    """The cell as UTF-8: what is none becomes U+FFFD."""
    return cell if cell.isascii() else cell.decode("utf-8", "replace").encode()


def plain_text(cell: bytes) -> bytes:
    """Text with its escapes decoded."""
    return _ESCAPES.sub(_decoded_text, valid(cell))


def json_text(cell: bytes) -> bytes:
    """JSON with the escapes in its texts decoded."""
    return _ESCAPES.sub(_decoded_json, valid(cell))


def json_string(cell: bytes) -> bytes:
    """Text as a JSON string on one line."""
    return one_line(encode_basestring(plain_text(cell).decode()).encode())


def json_value(cell: bytes) -> bytes:
    """JSON as it stands within a row of JSON, with numbers that readers hold."""
    decoded = json_text(cell)
    text = decoded.decode()
    if _SUSPICIOUS.search(text) is not None:
        decoded = with_readable_numbers(text).encode()
    return one_line(decoded)


def one_line(cell: bytes) -> bytes:
    """The cell without the line ends that some readers of JSON Lines know beside LF."""
    if not cell.isascii():
        for line_end, escape in _LINE_ENDS:
            cell = cell.replace(line_end, escape)
    return cell


def _decoded_text(found: re.Match[bytes]) -> bytes:
    return _plain(found[0]) or _by_one(found[0], is_json=False)


def _decoded_json(found: re.Match[bytes]) -> bytes:
    return _plain(found[0]) or _plain(_halved(found[0])) or _by_one(found[0], is_json=True)


def _halved(escapes: bytes) -> bytes:
    """With one backslash for two, where each escape has exactly two; JSON writes users' so."""
    halved = escapes.replace(rb"\\", b"\\")
    all_have_two = len(escapes) - len(halved) == halved.count(b"\\") == halved.count(b"u")
    return halved if all_have_two else escapes


def _plain(escapes: bytes) -> bytes | None:
    """What single backslashes and ordinary characters stand for; None where a rule is needed."""
    if _NOT_PLAIN.search(escapes) is not None:
        return None
    text: str = scanstring(escapes.decode() + '"', 0)[0]
    try:
        return text.encode()
    except UnicodeEncodeError:  # a surrogate without its other half
        return None


def _by_one(escapes: bytes, *, is_json: bool) -> bytes:
    """By the rules that ``escapes`` states."""
    found = [(each[1], int(each[2], 16), each[0]) for each in _ESCAPE.finditer(escapes)]
    out: list[bytes] = []
    at = 0
    while at < len(found):
        slashes, code, raw = found[at]
        at += 1
        is_own = is_json and len(slashes) % 2 == 1
        kept = slashes[1:] if is_own else b""
        if code & 0xFC00 == 0xD800 and at < len(found) and _closes(*found[at][:2], is_json=is_json):
            low = found[at][1]
            at += 1
            out.append(kept + chr(0x10000 + ((code & 0x3FF) << 10) + (low & 0x3FF)).encode())
        elif code & 0xF800 == 0xD800:
            own = slashes if is_own else slashes[: 2 if is_json else 1]
            out.append(own + raw[len(slashes) :])
        elif code in (0x22, 0x5C) or code < 0x20:
            out.append(raw)
        else:
            out.append(kept + chr(code).encode())
    return b"".join(out)


def _closes(slashes: bytes, code: int, *, is_json: bool) -> bool:
    """Whether an escape is the second half of a pair that the one before it opens."""
    of_one_text = not is_json or len(slashes) == 1 or len(slashes) % 2 == 0
    return code & 0xFC00 == 0xDC00 and of_one_text
