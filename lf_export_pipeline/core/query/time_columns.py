"""Conditions on the time of a row that hold at every instant, also where an index says otherwise.

ClickHouse sorts Langfuse's rows by the day or the minute of their time, as Date or DateTime. These
hold the years 1970 to 2105 in every time zone; what lies beyond wraps around or is clamped, as the
version pleases (the 1st of January 1960 is filed under 2139). Yet the server takes their order for
that of the instants, and skips rows that satisfy a condition:
https://github.com/ClickHouse/ClickHouse/issues/116946

So an index may be asked only about instants it can hold, and only where no row lies beyond. What it
must not look at stands in ``identity``, which is there for that. Whether a project has such rows is
told by the monthly partitions: where it has none, the answer costs nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from lf_export_pipeline.core.query.statement import Params
from lf_export_pipeline.core.request.filters import DatetimeFilter

_FIRST_INDEXED = datetime(1970, 1, 3, tzinfo=UTC)  # some days within the range, for time zones
_LAST_INDEXED = datetime(2105, 12, 29, tzinfo=UTC)
_MONTHS = f"{1970 * 12 + 1} AND {2105 * 12 + 12}"

Comparison = tuple[str, datetime]  # <, <=, > or >=, and what the time is compared with


def compared(expression: str, comparison: Comparison, params: Params) -> str:
    """The comparison of an instant, which an index may look at where it can hold the other one."""
    operator, value = comparison
    indexed = _FIRST_INDEXED <= value <= _LAST_INDEXED
    return f"{expression if indexed else hidden(expression)} {operator} {params.instant(value)}"


def hidden(expression: str) -> str:
    """The same value, but no index is asked about it."""
    return f"identity({expression})"


@dataclass(frozen=True, slots=True)
class TimeColumn:
    """The time of a table's rows ``t``; ``indexed``: the sorting key is made of it."""

    table: str
    expression: str
    indexed: bool = True

    @property
    def is_beyond(self) -> str:
        """Whether a row lies beyond what the index holds, as 0 or 1. It is no condition to read by.

        It is also true of a few days before.
        """
        first, last = f"{_FIRST_INDEXED:%Y-%m-%d}", f"{_LAST_INDEXED:%Y-%m-%d}"
        return (
            f"({self.expression} < toDateTime64('{first}', 3, 'UTC') "
            f"OR {self.expression} >= toDateTime64('{last}', 3, 'UTC'))"
        )

    def condition(self, comparisons: Iterable[Comparison], project: str, params: Params) -> str:
        """The conjunction of comparisons, in brackets; of none it is true.

        Args:
            comparisons: What to compare with. Only the narrowest of them get into the SQL.
            project: The placeholder of the project id.
            params: Where values are bound.
        """
        narrowest = narrowed(comparisons)
        if not narrowest:
            return "(1)"
        by_index = _conjunction(self.expression, narrowest, params)
        return self.unless_beyond(
            by_index, _conjunction(hidden(self.expression), narrowest, params), project
        )

    def unless_beyond(self, by_index: str, without: str, project: str) -> str:
        """A condition that asks the index, or another where a row lies beyond what that holds."""
        if not self.indexed:
            return f"({by_index})"
        beyond = (
            f"(SELECT count() FROM {self.table} AS t WHERE t.project_id = {project} "
            f"AND toRelativeMonthNum({self.expression}) NOT BETWEEN {_MONTHS})"
        )
        return f"(({beyond} = 0 AND {by_index}) OR ({beyond} > 0 AND {without}))"


def narrowed(comparisons: Iterable[Comparison]) -> list[Comparison]:
    """At most two comparisons that say what all of them say."""
    known = list(comparisons)
    lower = max((c for c in known if c[0] in {">", ">="}), key=_lower_rank, default=None)
    upper = min((c for c in known if c[0] in {"<", "<="}), key=_upper_rank, default=None)
    return [each for each in (lower, upper) if each is not None]


def comparisons_of(filters: Iterable[DatetimeFilter]) -> list[Comparison]:
    """What the filters compare with."""
    return [(each.operator, each.value) for each in filters]


def _lower_rank(comparison: Comparison) -> tuple[datetime, bool]:
    return comparison[1], comparison[0] == ">"


def _upper_rank(comparison: Comparison) -> tuple[datetime, bool]:
    return comparison[1], comparison[0] == "<="


def _conjunction(expression: str, comparisons: Sequence[Comparison], params: Params) -> str:
    return "(" + " AND ".join(compared(expression, each, params) for each in comparisons) + ")"
