"""What a column of an export holds: how formats of text write it, and which type its values have.

Every column reaches a format as a nullable Arrow ``string`` array: the stores convert to text.
"""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Kind(StrEnum):
    """How the text of a column is to be understood."""

    TEXT = "text"
    """User text. JSON: a string; CSV: as it is."""

    QUOTED = "quoted"
    """An instant or a decimal as text without special characters. JSON: a string; CSV: a JSON
    string *with* its quotes, as the original writes dates and decimals."""

    JSON = "json"
    """Compact JSON text: a number, a boolean, an array, an object. Written verbatim."""

    DOUBLE = "double"
    """Like JSON, but a number that may have a fraction. JSON: always with one, or readers that
    guess types from the first rows take the column for whole numbers; CSV: as it is."""

    PRETTY_JSON = "pretty_json"
    """Like JSON, but indented by two spaces in CSV (comments)."""

    MAYBE_JSON = "maybe_json"
    """User text that JSON formats embed as JSON where it is valid (then the Boolean Arrow column
    ``<name>#json`` is true), on one line, and write as a string where it is not; CSV: as it is."""


class ColumnType(StrEnum):
    """Which values a column has, for formats that know types; null is among them all."""

    TEXT = "text"  # ids, names, words of a list: short, and many rows have the same
    PAYLOAD = "payload"  # text of any length: input, output, comments as JSON
    INSTANT = "instant"  # UTC, in microseconds
    BOOLEAN = "boolean"
    INTEGER = "integer"  # 64 bits
    USAGE = "usage"  # a whole number of 64 bits, never negative: tokens
    DOUBLE = "double"
    COST = "cost"  # a decimal of 18 digits, 12 of them after the point, as Langfuse stores it
    COST_SUM = "cost_sum"  # what costs add up to: 38 digits, 12 of them after the point
    TEXTS = "texts"  # a list
    DOUBLES = "doubles"  # the values of a score, as many as a row has
    BOOLEANS = "booleans"
    TEXT_MAP = "text_map"  # from a text to a text
    JSON_MAP = "json_map"  # the same, where formats of text show values that are JSON as JSON
    USAGE_MAP = "usage_map"
    COST_MAP = "cost_map"


class OutputColumn(BaseModel):
    """One column of the file; ``name`` is both its header and the name of its Arrow field."""

    model_config = ConfigDict(frozen=True)

    name: str
    kind: Kind = Kind.TEXT
    type: ColumnType = ColumnType.TEXT


JSON_FLAG_SUFFIX = "#json"
"""Added to the name of a ``MAYBE_JSON`` column: the Arrow field that says which cells are JSON."""

SCORE_INDEXES = "#score_indexes"
"""Arrow field ``list<uint32>``: the score columns that the row has, ascending, 0-based."""

SCORE_CELLS = "#score_cells"
"""Arrow field ``list<string>``: the JSON text of each of these values."""
