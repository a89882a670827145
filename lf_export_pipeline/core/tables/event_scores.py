"""The scores of spans: those of the span itself, and those of its trace as a whole.

Langfuse: a score without an observation belongs to the trace and is shown on each of its spans.
Observation scores that agree in name, type, text and comment are averaged, trace scores never are.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from lf_export_pipeline.core.query.compiler import FilterColumn, ValueType
from lf_export_pipeline.core.query.expressions import pair_key
from lf_export_pipeline.core.query.key_scan import Relation
from lf_export_pipeline.core.query.newest_scores import newest_scores
from lf_export_pipeline.core.query.score_columns import ScoreGroups
from lf_export_pipeline.core.query.statement import Params
from lf_export_pipeline.core.request.js_dates import earlier

OBSERVATION_ALIAS = "s"
TRACE_ALIAS = "ts"

SPAN_KEY = pair_key("t.trace_id", "t.span_id")
"""What the scores of a span are matched by: they name the span and its trace."""

TRACE_KEY = pair_key("t.trace_id", "''")
"""What the scores of its trace are matched by."""

_OBSERVATION_LOOKBACK = timedelta(hours=1)
_TRACE_LOOKBACK = timedelta(days=2, hours=1)
_AVERAGED_BY = "if(observed, (isNull(comment), ifNull(comment, '')), (false, id))"

_KINDS = (
    ("scores_avg", "Scores (numeric)", "score_numbers", ValueType.SCORE_NUMBERS),
    ("score_categories", "Scores (categorical)", "score_categories", ValueType.SCORE_CATEGORIES),
    ("score_booleans", "Scores (boolean)", "score_booleans", ValueType.SCORE_BOOLEANS),
)


def _either_level(name: str, ui_name: str, field: str, kind: ValueType) -> FilterColumn:
    both = f"arrayConcat({OBSERVATION_ALIAS}.{field}, {TRACE_ALIAS}.{field})"
    return FilterColumn((name, ui_name), both, kind, name, relation=OBSERVATION_ALIAS)


def _trace_level(name: str, ui_name: str, field: str, kind: ValueType) -> FilterColumn:
    names = (f"trace_{name}", f"Trace {ui_name}")
    return FilterColumn(names, f"{TRACE_ALIAS}.{field}", kind, names[0], relation=TRACE_ALIAS)


SCORE_COLUMNS = (
    *(_either_level(*kind) for kind in _KINDS),
    *(_trace_level(*kind) for kind in _KINDS),
)
"""Filters find a score at either level and exclude it at both; ``trace_…`` asks the trace alone."""


@dataclass(frozen=True, slots=True)
class EventScores:
    """Queries for the scores of some rows of ``events_full``."""

    project: str  # the placeholder of the project id
    rows: str  # FROM … WHERE … over ``t``
    start_from: datetime | None  # scores much older than this are of no interest
    params: Params
    are_most: bool = False  # of the project's rows: then all of its scores are read

    def relations(self, wanted: Collection[str]) -> dict[str, Relation]:
        """What score filters look at, by alias; the scan carries ``span_key`` and ``trace_key``."""
        needed = set(wanted) | ({TRACE_ALIAS} if OBSERVATION_ALIAS in wanted else set())
        keys = {OBSERVATION_ALIAS: "span_key", TRACE_ALIAS: "trace_key"}
        sql = self._groups().relation() if needed else ""
        return {alias: Relation(sql, on=keys[alias]) for alias in sorted(needed)}

    def entries(self) -> str:
        """A query for each value of each row, as ``ScoreGroups.entries`` gives it, by ``SPAN_KEY``.

        A cell is one of numbers if either level has a number.
        """
        rows = f"SELECT DISTINCT {SPAN_KEY} AS span_key, {TRACE_KEY} AS trace_key {self.rows}"
        return (
            "SELECT r.span_key AS key, e.name AS name, e.is_text AS is_text, e.number AS number, "
            "e.text AS text FROM "
            f"(SELECT span_key, arrayJoin([span_key, trace_key]) AS score_key FROM ({rows})) AS r "
            f"INNER JOIN ({self._groups().entries()}) AS e ON e.key = r.score_key"
        )

    def _groups(self) -> ScoreGroups:
        """The scores of both levels, read once; those of a trace have an empty observation id."""
        versions = None if self.are_most else f"t.trace_id IN (SELECT t.trace_id {self.rows})"
        newest = newest_scores(self.project, "trace_id", versions)
        scores = f"SELECT *, {_AVERAGED_BY} AS averaged_by FROM ({newest})"
        by = ("trace_id", "observation_id", "averaged_by")
        condition = f"observed = notEmpty(observation_id) AND {self._recent()}"
        return ScoreGroups(scores, pair_key("trace_id", "observation_id"), by, condition)

    def _recent(self) -> str:
        if self.start_from is None:
            return "1"
        of_observation, of_trace = (
            self.params.instant(earlier(self.start_from, lookback))
            for lookback in (_OBSERVATION_LOOKBACK, _TRACE_LOOKBACK)
        )
        return f"timestamp >= if(observed, {of_observation}, {of_trace})"
