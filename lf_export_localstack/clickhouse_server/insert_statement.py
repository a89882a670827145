"""Just enough of ClickHouse's lexer to find where SQL ends, its format, and where data begins.

Nothing here decides whether SQL is valid; the engine's own parser does. What the parser cannot do
for us is to cut text: an INSERT carries its data behind the SQL in the same body, and a query's
output clause has to stand before its FORMAT clause.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

_LEXEME: Final = re.compile(
    rb"(?P<blank>\s+|--[^\n]*|\#[ !][^\n]*|/\*.*?(?:\*/|\Z))"
    rb"|(?P<quoted>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`(?:[^`\\]|\\.)*`|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)"
    rb"|(?P<word>[A-Za-z_][\w$]*)"
    rb"|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<end>;)"
    rb"|(?P<other>\d[\w.]*|.)",
    re.DOTALL,
)
_AFTER_FORMAT: Final = re.compile(rb"[ \t\f]*;?[ \t\f]*\r?\n?")
_NAME_FOLLOWS: Final = frozenset({b"INTO", b"TABLE", b"FUNCTION", b"."})
DEFAULT_INSERT_FORMAT: Final = "Values"


@dataclass(frozen=True, slots=True)
class Lexeme:
    """A lexeme: its kind, its upper-case text, and where it lies in the SQL."""

    kind: str
    text: bytes
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Insert:
    """An INSERT whose rows follow its SQL: the SQL without FORMAT, the format, the data's start."""

    sql: str
    format: str
    data_start: int


@dataclass(frozen=True, slots=True)
class OutputClause:
    """The format a query names (None: the default) and the position for INTO OUTFILE."""

    format: str | None
    position: int


def top_level(sql: bytes) -> Iterator[Lexeme]:
    """Gives the lexemes outside of brackets, comments and blanks left out, lazily.

    Lazily, because behind the SQL of an INSERT come megabytes of data that are not SQL.

    Args:
        sql: the text, as bytes, because what follows an INSERT need not be text.
    """
    depth = 0
    for match in _LEXEME.finditer(sql):
        kind = match.lastgroup or "other"
        if kind == "close":
            depth -= 1
        if depth == 0 and kind != "blank":
            yield Lexeme(kind, match.group().upper(), match.start(), match.end())
        if kind == "open":
            depth += 1


def split_insert(body: bytes) -> Insert | None:
    """Gives the INSERT at the beginning of a body, or None when the whole body is SQL.

    ``INSERT … SELECT`` and everything that is no INSERT is SQL from beginning to end.

    Args:
        body: the SQL and the first part of the data; the SQL must be in it completely.
    """
    lexemes = top_level(body)
    first = next(lexemes, None)
    if first is None or first.text != b"INSERT":
        return None
    before = first
    for lexeme in lexemes:
        if before.text not in _NAME_FOLLOWS and lexeme.kind == "word":
            if lexeme.text in {b"SELECT", b"WITH"}:
                return None
            if lexeme.text == b"VALUES":
                return _insert(body, lexeme.start, DEFAULT_INSERT_FORMAT, lexeme.end)
            if lexeme.text == b"FORMAT" and (name := next(lexemes, None)) is not None:
                data = _AFTER_FORMAT.match(body, name.end)
                start = data.end() if data else name.end
                return _insert(body, lexeme.start, body[name.start : name.end].decode(), start)
        before = lexeme
    return _insert(body, len(body), DEFAULT_INSERT_FORMAT, len(body))


def _insert(body: bytes, sql_end: int, format_name: str, data_start: int) -> Insert:
    sql = body[:sql_end].decode(errors="surrogateescape").rstrip().removesuffix(";")
    return Insert(sql, format_name, data_start)


def output_clause(sql: bytes) -> OutputClause:
    """Gives the format a query names and the place before its FORMAT clause.

    A FORMAT clause is the last FORMAT word that only a name, and perhaps SETTINGS, follow;
    ``format(…)`` and columns called ``format`` are not.

    Args:
        sql: one complete statement.
    """
    lexemes = [lexeme for lexeme in top_level(sql) if lexeme.kind != "end"]
    end = lexemes[-1].end if lexemes else len(sql)
    for index in range(len(lexemes) - 2, 0, -1):
        word, name = lexemes[index], lexemes[index + 1]
        rest = lexemes[index + 2 : index + 3]
        if word.text == b"FORMAT" and name.kind in {"word", "quoted"} and _may_end(rest):
            named = sql[name.start : name.end].decode().strip("`\"'")
            return OutputClause(named, lexemes[index - 1].end)
    return OutputClause(None, end)


def _may_end(rest: list[Lexeme]) -> bool:
    return not rest or rest[0].text == b"SETTINGS"


def writes_to_file(sql: bytes) -> bool:
    """Tells whether a statement asks for INTO OUTFILE, which a server does for no client."""
    words = [lexeme.text for lexeme in top_level(sql)]
    return (b"INTO", b"OUTFILE") in pairwise(words)


def reads_inline_data(sql: bytes) -> bool:
    """Tells whether an INSERT … SELECT takes rows from the request through ``input(…)``."""
    kinds = [(match.lastgroup, match.group().upper()) for match in _LEXEME.finditer(sql)]
    solid = [text for kind, text in kinds if kind != "blank"]
    return solid[:1] == [b"INSERT"] and (b"INPUT", b"(") in pairwise(solid)


def quote(text: str) -> str:
    """Gives a text as a ClickHouse string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def quote_name(name: str) -> str:
    """Gives a name as a ClickHouse identifier."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
