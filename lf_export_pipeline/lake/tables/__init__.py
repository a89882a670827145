"""What is in the lake. A table more is a line here."""

from types import MappingProxyType

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
