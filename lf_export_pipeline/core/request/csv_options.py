"""How a CSV file differs from what Langfuse writes."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class CsvOptions:
    """How a CSV file differs from what Langfuse writes; by default it does not."""

    guard_formulas: bool = False
    """Put an apostrophe before user text that a spreadsheet would take for a formula."""

    byte_order_mark: bool = False
    """Begin the file with a byte order mark, by which Excel knows UTF-8."""

    plain_instants: bool = False
    """Write instants and decimals without the quotes of a JSON string."""

    empty_header: bool = False
    """Write the header also where there are no rows."""


AS_LANGFUSE: Final = CsvOptions()
