"""Sessions as rows: what the traces or spans of one ``session_id`` add up to.

A session is stored nowhere as a row. So its key is a hash of its id, and a chunk is read by adding
up once more, this time only what belongs to the chunk's sessions: the days (or minutes) between
their first and their last row bound what ClickHouse has to look at.

Until ClickHouse has merged its parts, a row may have several versions. A session then adds up the
versions that Langfuse's own table of sessions adds up, so that the file holds the numbers on the
screen: of a trace the one stored first, of an observation the newest, of spans all.

While others write, each session is exported once, and one whose rows nobody touches is what it is
without them. A session whose rows are added to or changed is there, with every trace that is there
throughout and stays in the session; which version of a changed row it adds up is left open, as is
whether rows count that come meanwhile. A session that loses its last row may be gone.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from lf_export_pipeline.core.query.export_query import RowSource
from lf_export_pipeline.core.query.expressions import sum_of_any_keys
from lf_export_pipeline.core.query.key_hash import keyed_hash
from lf_export_pipeline.core.query.key_scan import Bound
from lf_export_pipeline.core.query.statement import Store
from lf_export_pipeline.core.query.time_columns import TimeColumn

METRICS = "metrics"
"""The part of a session that costs, tokens and the duration are in."""

METADATA = "metadata"
"""The part of a session that its metadata are in."""

COST_AND_USAGE = {
    "input_cost": sum_of_any_keys("t.cost_details", "input"),
    "output_cost": sum_of_any_keys("t.cost_details", "output"),
    "total_cost": "t.cost_details['total']",
    "input_tokens": sum_of_any_keys("t.usage_details", "input"),
    "output_tokens": sum_of_any_keys("t.usage_details", "output"),
    "total_tokens": "toDecimal128(t.usage_details['total'], 0)",
}
"""What one observation or span adds to each sum; 38 digits hold any sum of 64-bit counts."""


@dataclass(frozen=True, slots=True)
class SessionRows:
    """Which rows sessions are made of, as conditions over ``t``."""

    own: tuple[str, ...]  # of traces or spans
    observations: tuple[str, ...] = ()  # of the observations of these traces
    box: tuple[str, ...] = ()  # the row lies where those of the chunk's sessions lay in the scan
    chunk: tuple[str, ...] = ()  # the row's session belongs to the chunk


@dataclass(frozen=True, slots=True)
class SessionSource:
    """One of the two places that sessions are read from.

    ``sessions(project, rows, parts)`` gives a query with one row per session: ``id``,
    ``created_at``, ``first`` and ``last`` (values of ``bound``), ``beyond`` (whether a row's time
    lies beyond the type of ``bound``), ``user_ids``, ``trace_count``, ``tags``, ``environment``,
    and the columns of ``parts``.
    """

    store: Store
    has_session: str
    time: TimeColumn
    bound: Bound  # what the sorting key makes of the time
    sessions: Callable[[str, SessionRows, frozenset[str]], str]

    @property
    def row_source(self) -> RowSource:
        """What an export of sessions says of where their rows are."""
        return RowSource(store=self.store, table=self.time.table, time=self.time.expression)

    def of_chunk(self, rows: SessionRows) -> SessionRows:
        """Those of the rows that belong to the sessions of a chunk."""
        chosen = f"/*keys:{keyed_hash('assumeNotNull(t.session_id)')}*/"
        return replace(rows, box=(self.bound.between("lo_0", "hi_1"),), chunk=(chosen,))


def sums(alias: str) -> str:
    """The select list that adds up ``COST_AND_USAGE`` under the same names."""
    return ", ".join(f"sum({alias}.{name}) AS {name}" for name in COST_AND_USAGE)
