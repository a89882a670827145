"""The parts of a request that the key scan of a table is made of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from lf_export_pipeline.core.compiler import Condition, FilterTable, compile_filters
from lf_export_pipeline.core.filters import DatetimeFilter, Filter
from lf_export_pipeline.core.statement import Params


@dataclass(frozen=True, slots=True)
class Selection:
    """Conditions by where they are tested: on the time, the row, or the row with its relations."""

    time_range: tuple[str, ...]
    row: tuple[str, ...]
    late: tuple[str, ...]
    relations: frozenset[str]
    carried: Mapping[str, str] = field(default_factory=dict)  # what late conditions need of the row

    @property
    def is_bounded(self) -> bool:
        """Whether the time range leaves out more than what came after the cutoff."""
        return len(self.time_range) > 1


def select(
    filters: Sequence[Filter], table: FilterTable, time: str, cutoff: datetime, params: Params
) -> Selection:
    """Sort the compiled filters of a request by where they are tested.

    Args:
        filters: All filters of the request that concern the table itself.
        table: The columns that can be filtered.
        time: The expression of the table's time column; filters on it narrow what is read.
        cutoff: Rows from this instant on are not exported.
        params: Where values are bound.
    """
    on_time: list[Filter] = []
    others: list[Filter] = []
    for each in filters:
        (on_time if _is_about(each, table, time) else others).append(each)
    conditions = compile_filters(others, table, params)
    return Selection(
        time_range=(
            f"{time} < {params.instant(cutoff)}",
            *(condition.sql for condition in compile_filters(on_time, table, params)),
        ),
        row=tuple(each.sql for each in conditions if each.relation is None),
        late=tuple(each.sql for each in conditions if each.relation is not None),
        relations=_relations(conditions),
    )


def time_from(filters: Iterable[Filter], spellings: Sequence[str]) -> datetime | None:
    """The lower bound that the first filter ``>`` or ``>=`` on the time column gives, if any.

    Langfuse looks only at certain spellings of the column when it collects score names.
    """
    for each in filters:
        if isinstance(each, DatetimeFilter) and each.column in spellings and ">" in each.operator:
            return each.value
    return None


def _is_about(each: Filter, table: FilterTable, time: str) -> bool:
    return isinstance(each, DatetimeFilter) and table.column(each.column).expression == time


def _relations(conditions: Iterable[Condition]) -> frozenset[str]:
    return frozenset(each.relation for each in conditions if each.relation is not None)
