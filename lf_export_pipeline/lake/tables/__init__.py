"""What is in the lake. A table more is a line here."""

from collections.abc import Collection
from types import MappingProxyType

from lf_export_pipeline.core.errors import ConfigurationError
from lf_export_pipeline.lake.source import LakeTable
from lf_export_pipeline.lake.tables.observations import OBSERVATIONS
from lf_export_pipeline.lake.tables.scores import SCORES
from lf_export_pipeline.lake.tables.small import (
    AUDIT_LOGS,
    COMMENTS,
    DATASET_ITEMS,
    DATASET_RUN_ITEMS,
    SESSIONS,
)
from lf_export_pipeline.lake.tables.traces import TRACES

LAKE_TABLES = MappingProxyType[str, LakeTable](
    {
        table.name: table
        for table in (
            *(TRACES, OBSERVATIONS, SCORES),
            *(SESSIONS, DATASET_ITEMS, DATASET_RUN_ITEMS, COMMENTS, AUDIT_LOGS),
        )
    }
)


def tables_named(names: Collection[str]) -> tuple[LakeTable, ...]:
    """The tables of these names; all if none is named.

    Raises:
        ConfigurationError: There is none of a name.
    """
    unknown = [name for name in names if name not in LAKE_TABLES]
    if unknown:
        raise ConfigurationError(
            f"LF_EXPORT_LAKE_TABLES names {', '.join(unknown)}; the tables of the lake are "
            f"{', '.join(LAKE_TABLES)}."
        )
    return tuple(LAKE_TABLES[name] for name in names or LAKE_TABLES)
