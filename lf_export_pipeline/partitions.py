"""One partition per export: its key is the id of the row in ``batch_exports``."""

import dagster as dg

PARTITIONS_NAME = "batch_exports"

EXPORTS = dg.DynamicPartitionsDefinition(name=PARTITIONS_NAME)

PARTITION_TAG = "dagster/partition"

PROJECT_TAG = "lf_export/project"
TABLE_TAG = "lf_export/table"
FORMAT_TAG = "lf_export/format"
ATTEMPT_TAG = "lf_export/attempt"
RECOVERY_TAG = "lf_export/recovery"
FAILURE_TAG = "lf_export/failure"


def is_partition_key(export_id: str) -> bool:
    """Whether an export id can be a partition.

    Dagster refuses dots in a row and control characters, and its UI cannot backfill a comma.
    """
    return export_id.isprintable() and not any(word in export_id for word in ("...", ","))
