"""ClickHouse expressions that turn stored values into the text an export holds."""

from lf_export_pipeline.core.query.columns import JSON_FLAG_SUFFIX
from lf_export_pipeline.core.request.model import ExportFormat

LEVELS_MAX = 100
"""Levels of arrays and objects in embedded JSON; DuckDB reads 128, and a row adds some."""

_LEVELS_PARSED = 1_023
"""The levels that ClickHouse's parser reads, or one more if the innermost is empty: with some more
around it, a text has to have fewer."""

_JSON_SPACE = "[ \\t\\r\\n]*"


def iso_time(column: str) -> str:
    """``2031-02-20T00:00:00.000Z``: an instant as JavaScript writes it, cut to milliseconds.

    The text is cut: a conversion to milliseconds rounds up before 1970.
    """
    return f"concat(replaceOne(substring(toString({column}, 'UTC'), 1, 23), ' ', 'T'), 'Z')"


def plain_time(column: str) -> str:
    """``2031-02-20 00:00:00.000000``: an instant as ClickHouse writes it, in UTC."""
    return f"toString({column}, 'UTC')"


def json_text(column: str) -> str:
    """Any value as compact JSON text."""
    return f"toJSONString({column})"


def is_json(column: str) -> str:
    """Whether JavaScript's ``JSON.parse`` accepts a text.

    ClickHouse refuses two things that JavaScript takes, lone surrogates and numbers beyond a
    double, so what looks like JSON gets a second look without them: with escapes whose end is no
    digit, as those of one may look like an exponent or a part of a number, and with two digits of
    each long number, as one that begins with two zeros is none. And it takes a byte order mark,
    which JavaScript refuses. JSON of more levels than readers take counts as text.
    """
    odd = f"NOT isValidJSON({column}) AND match({column}, '^{_JSON_SPACE}[\"{{\\\\[0-9-]')"
    return (
        f"((isValidJSON({column}) AND NOT startsWith({column}, '\\xEF\\xBB\\xBF')) "
        f"OR isValidJSON(if({odd}, {_tamed(column)}, ''))) AND NOT {_is_deep(column)}"
    )


def _tamed(column: str) -> str:
    """JSON without the escapes and numbers that ClickHouse may refuse."""
    without_escapes = f"replaceRegexpAll({column}, '\\\\\\\\u[0-9a-fA-F]{{4}}', '\\\\\\\\u00Aa')"
    exponents = f"replaceRegexpAll({without_escapes}, '[eE][+-]?[0-9]{{3,}}', 'e1')"
    return f"replaceRegexpAll({exponents}, '([0-9]{{2}})[0-9]{{18,}}', '\\\\1')"


def _is_deep(column: str) -> str:
    """Whether JSON has more than ``LEVELS_MAX`` levels; only texts of so many brackets are parsed.

    What the text is otherwise has to be known already.
    """
    brackets = f"countSubstrings({column}, '[') + countSubstrings({column}, '{{')"
    around = _LEVELS_PARSED - LEVELS_MAX
    wrapped = f"concat(repeat('[', {around}), {_tamed(column)}, repeat(']', {around}))"
    return f"({brackets} > {LEVELS_MAX} AND NOT isValidJSON({wrapped}))"


def one_line(column: str) -> str:
    """JSON text without line breaks: in valid JSON they stand only between tokens."""
    return f"replaceAll(replaceAll({column}, '\\n', ''), '\\r', '')"


def parsed_json(column: str) -> str:
    """JSON text for a text that is parsed where it is JSON, and a string where it is not."""
    return f"if({is_json(column)}, {one_line(column)}, toJSONString({column}))"


def metadata_map(file_format: ExportFormat, keys: str, values: str) -> str:
    """A map of texts as a JSON object: its values parsed where they are JSON, as Langfuse does.

    Where a column has one type, each value is the text that is stored.
    """
    if not file_format.is_text:
        return json_text(f"CAST(({keys}, {values}), 'Map(String, String)')")
    return parsed_map(keys, values)


def parsed_map(keys: str, values: str) -> str:
    """A JSON object whose values are parsed where they are JSON (metadata of observations)."""
    return (
        "concat('{', arrayStringConcat(arrayMap((k, v) -> concat(toJSONString(toString(k)), ':', "
        f"{parsed_json('v')}), {keys}, {values}), ','), '}}')"
    )


def seconds_between(start: str, end: str) -> str:
    """The span in seconds with milliseconds, NULL where an end is missing; may be negative."""
    return f"toString(dateDiff('millisecond', {start}, {end}) / 1000)"


def json_or_text(column: str, name: str) -> dict[str, str]:
    """The two Arrow fields of a ``MAYBE_JSON`` column; empty text counts as missing."""
    return {
        name: f"nullIf({column}, '')",
        f"{name}{JSON_FLAG_SUFFIX}": f"toBool(ifNull({is_json(column)}, 0))",
    }


def unwrapped_json_or_text(column: str, name: str) -> dict[str, str]:
    """As ``json_or_text``, but for CSV: a JSON string is out of its quotes, a JSON null missing."""
    flag = f"ifNull({is_json(column)}, 0)"
    is_string = f"ifNull(isValidJSON({column}), 0) AND match({column}, '^{_JSON_SPACE}\"')"
    string = f"JSONExtractString(ifNull({column}, ''))"
    is_null = f"empty({column}) OR match({column}, '^{_JSON_SPACE}null{_JSON_SPACE}$')"
    text = f"multiIf({is_null}, NULL, {is_string}, {string}, {flag}, {one_line(column)}, {column})"
    return {name: text, f"{name}{JSON_FLAG_SUFFIX}": f"toBool({flag} AND NOT ({is_string}))"}


def pair_key(first: str, second: str) -> str:
    """A text for two texts that no other two have: how long the first is stands before them."""
    return f"concat(toString(length({first})), ':', {first}, {second})"


def sum_of_keys(column: str, word: str, *, position: str = "position") -> str:
    """The sum of a map's values whose key contains a word, or 0; exact beyond 64 bits.

    Args:
        column: A map of counts or of costs.
        word: The word.
        position: The function that looks for it; of keys of a file's columns case matters.
    """
    chosen = f"mapFilter((k, v) -> {position}(k, '{word}') > 0, {column})"
    return f"arraySum(v -> toDecimal128(v, 12), mapValues({chosen}))"


def sum_of_any_keys(column: str, word: str) -> str:
    """The same where case does not matter, as in filters."""
    return sum_of_keys(column, word, position="positionCaseInsensitive")


def has_keys(column: str, word: str) -> str:
    """Whether a key of a map contains a word (case matters)."""
    return f"arrayExists(k -> position(k, '{word}') > 0, mapKeys({column}))"


def cost_of_keys(column: str, word: str) -> str:
    """The sum of a cost map's values whose key contains a word, NULL where no key does."""
    return f"if({has_keys(column, word)}, toString({sum_of_keys(column, word)}), NULL)"
