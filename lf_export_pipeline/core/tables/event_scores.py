"""The scores of spans: those of the span itself, and those of its trace as a whole.

Langfuse: a score without an observation belongs to the trace and is shown on each of its spans.
Observation scores that agree in name, type, text and comment are averaged, trace scores never are.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from lf_export_pipeline.core.compiler import FilterColumn, ValueType
from lf_export_pipeline.core.instants import earlier
from lf_export_pipeline.core.reading import Relation
from lf_export_pipeline.core.scores import ScoreGroups, newest_scores
from lf_export_pipeline.core.statement import Params

OBSERVATION_ALIAS = "s"
TRACE_ALIAS = "ts"

ROW_KEY = "concat(t.trace_id, '\\0', t.span_id)"
"""What a span's score cells are matched by: a score names the span and its trace."""

_OBSERVATION_LOOKBACK = timedelta(hours=1)
_TRACE_LOOKBACK = timedelta(days=2, hours=1)

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

    def relations(self, wanted: Collection[str]) -> dict[str, Relation]:
        """What score filters look at, by alias; the scan carries ``score_key`` and ``trace_id``."""
        known = {
            OBSERVATION_ALIAS: Relation(self._of_observations().relation(), on="score_key"),
            TRACE_ALIAS: Relation(self._of_traces().relation(), on="trace_id"),
        }
        needed = set(wanted) | ({TRACE_ALIAS} if OBSERVATION_ALIAS in wanted else set())
        return {alias: relation for alias, relation in known.items() if alias in needed}

    def entries(self) -> str:
        """A query for each value of each row, as ``ScoreGroups.entries`` gives it, by ``ROW_KEY``.

        Both levels have the same rank: a cell is one of numbers if either level has a number.
        """
        rows = f"SELECT DISTINCT t.trace_id AS trace_id, {ROW_KEY} AS row_key {self.rows}"
        return (
            f"{self._of_observations().entries()} UNION ALL "
            "SELECT r.row_key AS key, e.name AS name, e.rank AS rank, e.number AS number, "
            f"e.text AS text FROM ({rows}) AS r "
            f"INNER JOIN ({self._of_traces().entries()}) AS e ON e.key = r.trace_id"
        )

    def _of_observations(self) -> ScoreGroups:
        key = "concat(trace_id, '\\0', observation_id)"
        condition = f"observed AND {self._recent(_OBSERVATION_LOOKBACK)}"
        by = ("trace_id", "observation_id", "comment")
        return ScoreGroups(self._newest(), key, by, condition)

    def _of_traces(self) -> ScoreGroups:
        condition = f"NOT observed AND {self._recent(_TRACE_LOOKBACK)}"
        return ScoreGroups(self._newest(), "trace_id", ("trace_id", "id"), condition)

    def _newest(self) -> str:
        return newest_scores(self.project, f"t.trace_id IN (SELECT t.trace_id {self.rows})")

    def _recent(self, lookback: timedelta) -> str:
        if self.start_from is None:
            return "1"
        return f"timestamp >= {self.params.instant(earlier(self.start_from, lookback))}"
