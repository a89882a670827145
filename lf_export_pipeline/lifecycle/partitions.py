"""One partition per export: its key is the id of the row in ``batch_exports``."""

import dagster as dg

from lf_export_pipeline.core.request.model import ID_MAX_CHARACTERS
from lf_export_pipeline.file.attempt_folder import FOLDER_MAX_CHARACTERS, export_folder

PARTITIONS_NAME = "batch_exports"

EXPORTS = dg.DynamicPartitionsDefinition(name=PARTITIONS_NAME)

PARTITION_TAG = "dagster/partition"
PARTITION_SET_TAG = "dagster/partition_set"

NAME_TAG = "lf_export/name"
USER_TAG = "lf_export/user"
PROJECT_TAG = "lf_export/project"
TABLE_TAG = "lf_export/table"
FORMAT_TAG = "lf_export/format"
ATTEMPT_TAG = "lf_export/attempt"
RECOVERY_TAG = "lf_export/recovery"
QUEUED_AT_TAG = "lf_export/queued_at"
FAILURE_TAG = "lf_export/failure"
OBJECT_TAG = "lf_export/object"
ROWS_TAG = "lf_export/rows"
BYTES_TAG = "lf_export/bytes"


def is_partition_key(export_id: str) -> bool:
    """Whether an export id can be a partition.

    Dagster refuses dots in a row and control characters, takes an empty key for none at all, and
    its UI cannot backfill a comma. It keeps keys in an index of Postgres, where a long one is an
    error, and that of every export that was to start beside it. The spool names a folder after it.
    """
    if not export_id.isprintable() or any(word in export_id for word in ("...", ",")):
        return False
    is_short = 0 < len(export_id) <= ID_MAX_CHARACTERS
    return is_short and len(export_folder(export_id)) <= FOLDER_MAX_CHARACTERS
