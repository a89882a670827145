"""Which of its tables Langfuse writes, by what was written in the last day."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

from lf_export_pipeline.adapters.clickhouse.clickhouse_reader import ClickHouseReader
from lf_export_pipeline.core.errors import ExportError
from lf_export_pipeline.core.query.export_query import WriteMode
from lf_export_pipeline.core.query.statement import Params, Statement, Store
from lf_export_pipeline.settings import Settings

_RECENT = timedelta(days=1)
_TABLES = (
    (Store.CLICKHOUSE, "traces", "timestamp"),
    (Store.CLICKHOUSE, "observations", "start_time"),
    (Store.EVENTS, "events_core", "start_time"),
)
_SENTENCES = {
    WriteMode.DUAL: "dual: Langfuse writes traces and observations, and the events tables",
    WriteMode.LEGACY: (
        "legacy: Langfuse writes traces and observations; but not the events tables: exports of "
        "events hold nothing new"
    ),
    WriteMode.EVENTS_ONLY: (
        "events_only: Langfuse writes the events tables; but not traces and observations: exports "
        "of these hold nothing new, and say so"
    ),
    WriteMode.UNKNOWN: "unknown: Langfuse has written nothing in the last day",
}


def write_mode(settings: Settings) -> str:
    """The mode, and what it means for exports; the export of a table that is old says so itself.

    The value of LANGFUSE_MIGRATION_V4_WRITE_MODE is not asked: Langfuse's containers have it.
    """
    with closing(ClickHouseReader(settings).tagged(op="doctor")) as reader:
        recent = [_is_recent(reader, *table) for table in _TABLES]
    return _SENTENCES[mode_of(legacy=any(recent[:2]), events=recent[2])]


def mode_of(*, legacy: bool, events: bool) -> WriteMode:
    """The mode in which these tables, and no others, are written."""
    if legacy:
        return WriteMode.DUAL if events else WriteMode.LEGACY
    return WriteMode.EVENTS_ONLY if events else WriteMode.UNKNOWN


def _is_recent(reader: ClickHouseReader, store: Store, table: str, column: str) -> bool:
    """Whether a row of the last day is there; partitions and sorting key leave little to look at.

    A table that cannot be read has a line of its own.
    """
    params, now = Params(), datetime.now(UTC)
    lower, upper = params.instant(now - _RECENT), params.instant(now)
    condition = f"t.{column} >= {lower} AND t.{column} < {upper}"
    sql = f"SELECT 1 FROM {table} AS t WHERE {condition} LIMIT 1"
    try:
        return bool(reader.rows(Statement(store=store, sql=sql, params=params.values, threads=1)))
    except ExportError:
        return False
