"""Which of its tables Langfuse writes, by what was written in the last day."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

from lf_export_pipeline.adapters.clickhouse.clickhouse_reader import ClickHouseReader
from lf_export_pipeline.core.errors import ConfigurationError, ExportError, TransientError
from lf_export_pipeline.core.query.export_query import RowSource, WriteMode
from lf_export_pipeline.core.query.statement import Params, Statement
from lf_export_pipeline.core.query.write_mode import EVENTS_TABLES, LEGACY_TABLES
from lf_export_pipeline.settings import Settings

_RECENT = timedelta(days=1)
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

    Raises:
        ExportError: It is not known: ClickHouse did not answer, or lets no table be read.
    """
    with closing(ClickHouseReader(settings).tagged(op="doctor")) as reader:
        legacy = [_is_recent(reader, table) for table in LEGACY_TABLES]
        events = _is_recent(reader, EVENTS_TABLES[0])
    if events is None and not any(found is not None for found in legacy):
        raise ConfigurationError("not known, since ClickHouse lets none of the tables be read.")
    return _SENTENCES[mode_of(legacy=any(legacy), events=bool(events))]


def mode_of(*, legacy: bool, events: bool) -> WriteMode:
    """The mode in which these tables, and no others, are written."""
    if legacy:
        return WriteMode.DUAL if events else WriteMode.LEGACY
    return WriteMode.EVENTS_ONLY if events else WriteMode.UNKNOWN


def _is_recent(reader: ClickHouseReader, table: RowSource) -> bool | None:
    """Whether a row of the last day is there; partitions and sorting key leave little to look at.

    None: the table is not there, or may not be read, which has a line of its own.
    """
    params, now = Params(), datetime.now(UTC)
    lower, upper = params.instant(now - _RECENT), params.instant(now)
    condition = f"{table.time} >= {lower} AND {table.time} < {upper}"
    sql = f"SELECT 1 FROM {table.table} AS t WHERE {condition} LIMIT 1"
    try:
        asked = Statement(store=table.store, sql=sql, params=params.values, threads=1)
        return bool(reader.rows(asked))
    except TransientError as error:
        raise TransientError(f"not known. {error}") from error
    except ExportError:
        return None
