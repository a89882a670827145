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
    for token in _TOKEN.findall(compact):
        if token in _CLOSING:
            indent = indent[:-2]
            out.append(token if opened else indent + token)
            opened = False
            continue
        if opened:
            out.append(indent)
        opened = token in _OPENING
        if opened:
            indent += "  "
        out.append(": " if token == ":" else "," + indent if token == "," else token)
    return "".join(out)
