"""JSON text with the line breaks and indents of ``JSON.stringify(value, null, 2)``."""

import re
from typing import Final

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s"\[\]{},:]+', re.DOTALL)
_OPENING: Final = frozenset("[{")
_CLOSING: Final = frozenset("]}")


def indent_json(compact: str) -> str:
    """The same JSON, indented by two spaces.

    Works on tokens and not on values, so that numbers keep their digits, strings their spelling
    and the nesting has no limit.
    """
    out: list[str] = []
    indent, opened = "\n", False
    for piece in _TOKEN.findall(compact):
        if piece in _CLOSING:
            indent = indent[:-2]
            out.append(piece if opened else indent + piece)
            opened = False
            continue
        if opened:
            out.append(indent)
        opened = piece in _OPENING
        if opened:
            indent += "  "
        out.append(": " if piece == ":" else "," + indent if piece == "," else piece)
    return "".join(out)
