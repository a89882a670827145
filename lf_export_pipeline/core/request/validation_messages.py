"""One sentence for a query that cannot be read: which field, which value, what was expected."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from lf_export_pipeline.core.request.options import OPTIONS_KEY, ExportOptions

_SHOWN_CHARACTERS = 40
_LIST_CHARACTERS = 250

_EXPECTED_FIELDS = {
    "tableName": "the name of a table",
    "filter": "null or a list of filters",
    "orderBy": "null or an object with column and order",
    "type": "the type of the filter",
    "column": "the name of a column",
    "operator": "an operator",
    "key": "a name",
    "value": "a value",
    "order": "ASC or DESC",
}
_OPTIONS = sorted(field.alias or name for name, field in ExportOptions.model_fields.items())
_EXPECTED_TYPES = {
    "string_type": "a text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "model_type": "an object",
    "model_attributes_type": "an object",
}


def message_of(error: ValidationError, query: object) -> str:
    """The first thing that is wrong, in one line of less than 500 characters.

    A list of everything would be a dump; whoever mends the first error sees the next one.
    """
    first = error.errors(include_url=False)[0]
    location = first["loc"]
    if location[:1] == ("filter",) and len(location) > 1 and isinstance(location[1], int):
        return f"{_filter_place(query, location[1])}: {_complaint(first, location[2:])}."
    return f"The query cannot be exported: {_complaint(first, location)}."


def quote_value(value: object, limit: int = _SHOWN_CHARACTERS) -> str:
    """A value as a sentence quotes it: short, on one line, with odd characters escaped."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float, Decimal)):
        return _shown_number(value, limit)
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "a list" if value else "an empty list"
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(value)[: limit + 1])
    return f"'{text}'" if len(text) <= limit else f"'{text[:limit]}…'"


def join_limited(words: Sequence[str]) -> str:
    """``a, b, c``, cut where it gets too long to read."""
    text = ", ".join(words)
    if len(text) <= _LIST_CHARACTERS:
        return text
    return f"{text[:_LIST_CHARACTERS].rpartition(', ')[0]}, …"


def _shown_number(value: float | Decimal, limit: int) -> str:
    text = str(Decimal(value)) if isinstance(value, int) else str(value)
    return text if len(text) <= limit else f"{text[:limit]}…"


def _filter_place(query: object, index: int) -> str:
    """``Filter 2 (column 'latency')``; people count from 1."""
    filters = query.get("filter") if isinstance(query, Mapping) else None
    found = filters[index] if isinstance(filters, Sequence) and index < len(filters) else None
    column = found.get("column") if isinstance(found, Mapping) else None
    name = f" (column {quote_value(column)})" if isinstance(column, str) else ""
    return f"Filter {index + 1}{name}"


def _complaint(error: Any, location: tuple[int | str, ...]) -> str:
    tag = str(location[0]) if len(location) > 1 and isinstance(location[0], str) else ""
    field = next((part for part in reversed(location) if isinstance(part, str)), "")
    if error["type"] == "missing":
        return f"'{field}' is missing; expected {_EXPECTED_FIELDS.get(field, 'a value')}"
    if error["type"] == "extra_forbidden":
        known = join_limited(_OPTIONS)
        return f"'{OPTIONS_KEY}' holds {quote_value(field)}; expected no more than {known}"
    if error["type"].startswith("union_tag"):
        return _unknown_type(error)
    if error["type"] == "literal_error" and field == "operator":
        expected = _listed(error["ctx"]["expected"])
        return (
            f"the operator {quote_value(error['input'])} is not known for a {tag} filter; "
            f"expected {expected}"
        )
    return _misfit(error, field)


def _unknown_type(error: Any) -> str:
    context = error.get("ctx", {})
    if "tag" not in context:
        return "'type' is missing; expected the type of the filter"
    tags = join_limited([tag.strip(" '") for tag in context["expected_tags"].split(",")])
    return f"the type {quote_value(context['tag'])} is not known; expected one of {tags}"


def _misfit(error: Any, field: str) -> str:
    context = error.get("ctx", {})
    value = error["input"]
    if error["type"] == "refused" and _is_of_whole_object(error["loc"]):
        field = context["field"]
        value = value.get(field)
    expected = _EXPECTED_TYPES.get(error["type"]) or _listed(str(context.get("expected", "")))
    name = f"'{field}' is " if field else "it is "
    return f"{name}{quote_value(value)}; expected {expected or 'another value'}"


def _is_of_whole_object(location: tuple[int | str, ...]) -> bool:
    """Whether a rule is about a whole filter, or the whole query, and not about one value."""
    return not location or (location[0] == "filter" and len(location) == len(("filter", 0, "type")))


def _listed(expected: str) -> str:
    """Pydantic's ``'a', 'b' or 'c'`` as ``one of a, b, c``; other texts as they are."""
    if not expected.startswith("'"):
        return expected
    words = [word.strip("' ") for word in expected.replace("' or '", "', '").split("', '")]
    return f"one of {join_limited(words)}" if len(words) > 1 else words[0] or "an empty text"
