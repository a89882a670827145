"""The parts of a request that the key scan of a table is made of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeGuard

from lf_export_pipeline.core.query.compiler import Condition, FilterTable, compile_filters
from lf_export_pipeline.core.query.statement import Params
from lf_export_pipeline.core.query.time_columns import TimeColumn, comparisons_of
from lf_export_pipeline.core.request.filters import DatetimeFilter, Filter
from lf_export_pipeline.core.request.model import ExportRequest


@dataclass(frozen=True, slots=True)
class ScanPredicates:
    """Conditions by where they are tested: on the time, the row, or the row with its relations."""

    time_range: str
    row: tuple[str, ...]
    late: tuple[str, ...]
    relations: frozenset[str]
    carried: Mapping[str, str] = field(default_factory=dict)  # what late conditions need of the row
    is_bounded: bool = False  # the time range leaves out more than what came after the cutoff


def select(
    filters: Sequence[Filter],
    table: FilterTable,
    time: TimeColumn,
    request: ExportRequest,
    params: Params,
) -> ScanPredicates:
    """Sort the compiled filters of a request by where they are tested.

    Args:
        filters: All filters of the request that concern the table itself.
        table: The columns that can be filtered.
        time: The table's time column; filters on it narrow what is read.
        request: It says the project, and the cutoff: later rows are not exported.
        params: Where values are bound.
    """
    on_time: list[DatetimeFilter] = []
    others: list[Filter] = []
    for each in filters:
        if _is_about(each, table, time):
            on_time.append(each)
        else:
            others.append(each)
    conditions = compile_filters(others, table, params)
    project = params.bind(request.project_id, "String")
    within = [("<", request.created_at), *comparisons_of(on_time)]
    return ScanPredicates(
        time_range=time.condition(within, project, params),
        row=tuple(each.sql for each in conditions if each.relation is None),
        late=tuple(each.sql for each in conditions if each.relation is not None),
        relations=_relations(conditions),
        is_bounded=bool(on_time),
    )


def time_from(filters: Iterable[Filter], spellings: Sequence[str]) -> datetime | None:
    """The lower bound that the first filter ``>`` or ``>=`` on the time column gives, if any.

    Langfuse looks only at certain spellings of the column when it collects score names.
    """
    for each in filters:
        if isinstance(each, DatetimeFilter) and each.column in spellings and ">" in each.operator:
            return each.value
    return None


def _is_about(each: Filter, table: FilterTable, time: TimeColumn) -> TypeGuard[DatetimeFilter]:
    if not isinstance(each, DatetimeFilter):
        return False
    return table.column(each.column).expression == time.expression


def _relations(conditions: Iterable[Condition]) -> frozenset[str]:
    return frozenset(each.relation for each in conditions if each.relation is not None)
