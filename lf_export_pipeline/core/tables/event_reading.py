"""Reading ``events_full``: spans that carry what there is to know of their trace.

Two exports read it, ``events`` and the observations of users who work on the events table. They
agree in which rows there are, and differ in columns.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from lf_export_pipeline.core.query.comments import CommentSelection
from lf_export_pipeline.core.query.compiler import FilterTable
from lf_export_pipeline.core.query.export_query import Lookup
from lf_export_pipeline.core.query.key_scan import Bound, KeyScan, VersionedTable
from lf_export_pipeline.core.query.score_columns import SCORE_KEY, score_cells_lookup
from lf_export_pipeline.core.query.search import SearchColumns, search_condition
from lf_export_pipeline.core.query.selection import ScanPredicates, select
from lf_export_pipeline.core.query.statement import Params, Statement, Store
from lf_export_pipeline.core.request.admission import ExportLimits
from lf_export_pipeline.core.request.model import ExportRequest
from lf_export_pipeline.core.tables.event_scores import SPAN_KEY, TRACE_KEY, EventScores

_MINUTE = "toStartOfMinute(t.start_time)"

EVENTS = VersionedTable(
    name="events_full",
    store=Store.EVENTS,
    identity="t.span_id",
    time="t.start_time",
    sorting_key=(_MINUTE, "xxHash32(t.trace_id)", "t.span_id", "t.start_time"),
    # A minute is an instant: its text is written and read in UTC, whatever the server's zone is.
    bounds=(Bound(_MINUTE, "DateTime('UTC')"),),
)

SCORE_FIELD = {SCORE_KEY: SPAN_KEY}
"""The field of a span that its score cells are matched by."""

_SCORE_KEYS = {"span_key": SPAN_KEY, "trace_key": TRACE_KEY}
_NEWEST_FIRST = "t.start_time"  # Langfuse: the latest start first
EVENTS_ORDER = (f"{_NEWEST_FIRST} DESC",)
_SEARCH = SearchColumns(
    ("t.span_id", "t.name", "t.trace_name", "t.user_id", "t.session_id", "t.trace_id"),
    "t.input",
    "t.output",
    whole_words=True,
)

IS_ROOT = "t.parent_span_id = '' OR t.is_app_root"
_NAME_OF_ROOT = f"if({IS_ROOT}, nullIf(t.name, ''), NULL)"
TRACE_NAME = f"coalesce(nullIf(t.trace_name, ''), {_NAME_OF_ROOT})"
"""The name of a span's trace, which may be told by the trace or by its root; NULL if by neither."""

_OCCURRENCE = "arrayEnumerateUniq(t.metadata_names)"
METADATA_NAMES = f"arrayFilter((name, nth) -> nth = 1, t.metadata_names, {_OCCURRENCE})"
"""The names of a span's metadata, each once: where one repeats, the first value counts."""

METADATA_VALUES = (
    "arrayFilter((value, nth) -> nth = 1, "
    f"arrayResize(t.metadata_values, length(t.metadata_names)), {_OCCURRENCE})"
)
"""The value of each of ``METADATA_NAMES``."""

WIDE_COLUMNS = (
    *("t.input", "t.output", "t.metadata_names", "t.metadata_values"),
    *("t.tags", "t.status_message", "t.model_parameters"),
)


@dataclass(frozen=True, slots=True)
class EventReading:
    """The statements of an export of spans, whatever its columns are."""

    request: ExportRequest
    filter_table: FilterTable
    scores_from: datetime | None  # the start time from which spans, hence scores, are of interest

    def key_scan(self, comments: CommentSelection, limits: ExportLimits) -> Statement:
        """The newest version of each span, latest start first."""
        params = Params()
        project = params.bind(self.request.project_id, "String")
        selection = self._selection(comments, params)
        in_range = f"t.project_id = {project} AND {selection.time_range}"
        scores = replace(self._scores(project, in_range, params), are_most=not selection.is_bounded)
        scan = KeyScan(
            table=EVENTS,
            project=project,
            selection=selection,
            carried=_SCORE_KEYS if selection.relations else {},
            relations=scores.relations(selection.relations),
            order=[f"n.k{EVENTS.sorting_key.index(_NEWEST_FIRST)} DESC"],
            row_limit=limits.row_limit,
        )
        return scan.statement(params)

    def score_lookups(self, names: tuple[str, ...]) -> tuple[Lookup, ...]:
        """The score cells of a chunk; nothing to look up where no score has a name."""
        if not names:
            return ()
        params = Params()
        project = params.bind(self.request.project_id, "String")
        entries = self._scores(project, EVENTS.chunk(project), params).entries()
        return (score_cells_lookup(entries, names, params, Store.EVENTS),)

    def _selection(self, comments: CommentSelection, params: Params) -> ScanPredicates:
        filters = (*comments.filters, *comments.id_filters())
        selection = select(filters, self.filter_table, EVENTS.time_column, self.request, params)
        search = search_condition(self.request.query, _SEARCH, params)
        return selection if search is None else replace(selection, row=(*selection.row, search))

    def _scores(self, project: str, condition: str, params: Params) -> EventScores:
        rows = f"FROM {EVENTS.name} AS t WHERE {condition}"
        return EventScores(project, rows, self.scores_from, params)
