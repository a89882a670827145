"""The filters of a stored query, one model per ``type``; anything else is refused.

Unknown keys are dropped and nothing is converted, with one exception: the instants of datetime
filters (Langfuse: ``singleFilter`` in its shared package).
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictStr,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from lf_export_pipeline.core.request.js_dates import parse_js_date

Comparison = Literal["=", ">", "<", ">=", "<="]
Order = Literal[">", "<", ">=", "<="]
TextTest = Literal["=", "contains", "does not contain", "starts with", "ends with"]
Choice = Literal["any of", "none of"]
ArrayChoice = Literal["any of", "none of", "all of"]
Equality = Literal["=", "<>"]
Presence = Literal["is null", "is not null"]


def refusal(expected: str, field: str = "value") -> PydanticCustomError:
    """A validation error that says what was expected; ``validation_messages`` makes the sentence.

    ``field`` is the one to name where the rule is about a whole object.
    """
    context = {"expected": expected, "field": field}
    return PydanticCustomError("refused", "expected {expected}", context)


def _number(value: object, info: ValidationInfo) -> Decimal:
    """Any JSON number, with all its digits.

    Texts are numbers only where a model is read back from its own JSON: a number that has passed
    through a float would not be the number that the user typed.
    """
    if isinstance(value, str) and info.mode == "json":
        return Decimal(value)
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise refusal("a number")
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if number.is_nan():
        raise refusal("a number")
    return number


def _instant(value: object) -> datetime:
    try:
        return parse_js_date(value)
    except ValueError:
        raise refusal("a date and time such as 2031-03-01T00:00:00Z") from None


def _encodable(value: str) -> str:
    """The text, unless it holds half a character: neither store could be asked for it."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise refusal("a text of valid characters") from None
    return value


Text = Annotated[StrictStr, AfterValidator(_encodable)]
Number = Annotated[Decimal, Field(allow_inf_nan=True), BeforeValidator(_number)]
Instant = Annotated[datetime, BeforeValidator(_instant)]
Texts = tuple[Text, ...]


class _Filter(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    column: Text


class DatetimeFilter(_Filter):
    """Compares an instant; the value is UTC, in whole milliseconds."""

    type: Literal["datetime"]
    operator: Order
    value: Instant


class StringFilter(_Filter):
    """Tests a text, case-sensitively."""

    type: Literal["string"]
    operator: TextTest
    value: Text


class NumberFilter(_Filter):
    """Compares a number."""

    type: Literal["number"]
    operator: Comparison
    value: Number


class StringOptionsFilter(_Filter):
    """Looks a text up in a list, which is never empty."""

    type: Literal["stringOptions"]
    operator: Choice
    value: Texts

    @model_validator(mode="after")
    def _has_options(self) -> Self:
        if not self.value:
            raise refusal("a list of at least one text")
        return self


class CategoryOptionsFilter(_Filter):
    """Tests the values of the categorical score named ``key``."""

    type: Literal["categoryOptions"]
    key: Text
    operator: Choice
    value: Texts


class ArrayOptionsFilter(_Filter):
    """Compares an array with a list."""

    type: Literal["arrayOptions"]
    operator: ArrayChoice
    value: Texts

    @model_validator(mode="after")
    def _has_options(self) -> Self:
        if self.operator == "any of" and not self.value:
            raise refusal("a list of at least one text")
        return self


class StringObjectFilter(_Filter):
    """Tests the text under ``key``, such as an entry of the metadata."""

    type: Literal["stringObject"]
    key: Text
    operator: TextTest
    value: Text


class NumberObjectFilter(_Filter):
    """Compares the number under ``key``, such as the average of the score of that name."""

    type: Literal["numberObject"]
    key: Text
    operator: Comparison
    value: Number


class BooleanObjectFilter(_Filter):
    """Tests the truth under ``key``, such as the Boolean score of that name."""

    type: Literal["booleanObject"]
    key: Text
    operator: Equality
    value: StrictBool


class BooleanFilter(_Filter):
    """Tests a truth value."""

    type: Literal["boolean"]
    operator: Equality
    value: StrictBool


class NullFilter(_Filter):
    """Tests whether there is a value at all."""

    type: Literal["null"]
    operator: Presence
    value: Literal[""]


class PositionInTraceFilter(_Filter):
    """Picks observations by their place in their trace; counting starts at 1."""

    type: Literal["positionInTrace"]
    operator: Literal["="]
    key: Literal["root", "first", "last", "nthFromEnd", "nthFromStart"]
    value: Number | None = None

    @model_validator(mode="after")
    def _has_position(self) -> Self:
        counted = self.key in {"nthFromEnd", "nthFromStart"}
        if counted and not (self.value and self.value >= 1 and _is_whole(self.value)):
            raise refusal("a whole number of at least 1")
        return self


def _is_whole(number: Decimal) -> bool:
    """Whether a number of any size has no fraction; a remainder of a large one is an error."""
    return number == number.to_integral_value()


ColumnFilter = (
    DatetimeFilter
    | StringFilter
    | NumberFilter
    | StringOptionsFilter
    | CategoryOptionsFilter
    | ArrayOptionsFilter
    | StringObjectFilter
    | NumberObjectFilter
    | BooleanObjectFilter
    | BooleanFilter
    | NullFilter
)
"""What is tested by one column of a row."""

Filter = Annotated[ColumnFilter | PositionInTraceFilter, Field(discriminator="type")]
