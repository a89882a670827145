"""Text search over a table, as the search box of the web app does it."""

import re
from dataclasses import dataclass

from lf_export_pipeline.core.query.statement import Params
from lf_export_pipeline.core.request.model import BatchExportQuery, SearchType

_TOKENS_MAX = 64
_ASCII_WORDS = re.compile(r"[^\x00-\x2f:-@\[-`{-\x7f]+")


@dataclass(frozen=True, slots=True)
class SearchColumns:
    """The ClickHouse expressions that a table searches.

    ``whole_words`` asks that every word of the query be a whole word of an input or output, as the
    text index of the events table does: ``essage`` does not find ``messages`` there.
    """

    id_columns: tuple[str, ...]
    input: str
    output: str
    whole_words: bool = False


def search_condition(query: BatchExportQuery, columns: SearchColumns, params: Params) -> str | None:
    r"""The condition of the query's search, or None where nothing is searched for.

    ``%``, ``_`` and ``\`` in the query are live, as in ``ILIKE`` (Langfuse does not escape them).
    """
    if not query.search_query:
        return None
    plain = f"%{query.search_query}%"
    tests = []
    if SearchType.ID in query.search_type:
        pattern = params.text(plain)
        tests += [f"{expression} ILIKE {pattern}" for expression in columns.id_columns]
    for expression in _searched_texts(query, columns):
        for pattern in dict.fromkeys((plain, json_escaped(plain))):
            tests.append(_text_condition(expression, pattern, columns, params))
    return f"({' OR '.join(tests)})"


def json_escaped(text: str) -> str:
    """The text as JSON encoders write it that keep to ASCII: the SDKs for Python store it so."""
    units = text.encode("utf-16-be")
    codes = (int.from_bytes(units[start : start + 2]) for start in range(0, len(units), 2))
    return "".join(chr(code) if code < 0x80 else f"\\u{code:04x}" for code in codes)


def search_words(text: str) -> tuple[str, ...]:
    """The distinct words that ClickHouse's text index sees, in lower case; 64 at most.

    Only ASCII characters separate words or have a lower case there. Langfuse stops at 64, too.
    """
    lowered = "".join(c.lower() if c.isascii() else c for c in text)
    return tuple(dict.fromkeys(_ASCII_WORDS.findall(lowered)))[:_TOKENS_MAX]


def _searched_texts(query: BatchExportQuery, columns: SearchColumns) -> tuple[str, ...]:
    wanted = set(query.search_type)
    anywhere = SearchType.CONTENT in wanted
    found = []
    if anywhere or SearchType.INPUT in wanted:
        found.append(columns.input)
    if anywhere or SearchType.OUTPUT in wanted:
        found.append(columns.output)
    return tuple(found)


def _text_condition(expression: str, pattern: str, columns: SearchColumns, params: Params) -> str:
    tests = [f"{expression} ILIKE {params.text(pattern)}"]
    if columns.whole_words:
        words = search_words(pattern)
        tests += [f"hasToken(lower({expression}), {params.text(word)})" for word in words]
    return tests[0] if len(tests) == 1 else f"({' AND '.join(tests)})"
