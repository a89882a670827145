"""JSON text with the line breaks and indents of ``JSON.stringify(value, null, 2)``."""

import re
from typing import Final

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s"\[\]{},:]+', re.DOTALL)


def indent_json(compact: str) -> str:
    """The same JSON, indented by two spaces.

    Works on tokens and not on values, so that numbers keep their digits, strings their spelling
    and the nesting has no limit.
    """
    out: list[str] = []
    depth, opened = 0, False
    for token in _TOKEN.findall(compact):
        closes = token in ("]", "}")
        depth -= closes
        if (opened and not closes) or (closes and not opened):
            out.append("\n" + "  " * depth)
        out.append(_spaced(token, depth))
        opened = token in ("[", "{")
        depth += opened
    return "".join(out)


def _spaced(piece: str, depth: int) -> str:
    if piece == ":":
        return ": "
    return ",\n" + "  " * depth if piece == "," else piece
