"""Files whose link has expired; they go only where an operator has asked for that."""

from datetime import UTC, datetime

from lf_export_pipeline.core.export_search import ExportSearch
from lf_export_pipeline.core.ports import ExportRows, FileStore
from lf_export_pipeline.core.request import ExportRow
from lf_export_pipeline.housekeeping.findings import Finding
from lf_export_pipeline.links import key_of_link
from lf_export_pipeline.settings_s3 import S3Settings

DELETED_SENTENCE = "The file was deleted after its download link had expired."


def delete_expired_files(
    export_rows: ExportRows, files: FileStore, settings: S3Settings, *, dry_run: bool
) -> list[Finding]:
    """Deletes the files of expired links, or only finds them.

    The row loses its link too and says why: Langfuse would sign a new one for a file that is gone.
    """
    now = datetime.now(UTC)
    expired = ExportSearch(statuses=("COMPLETED",), expired_by=now)
    return [
        _deleted(row, export_rows, files, settings, dry_run) for row in export_rows.find(expired)
    ]


def _deleted(
    row: ExportRow,
    export_rows: ExportRows,
    files: FileStore,
    settings: S3Settings,
    dry_run: bool,  # noqa: FBT001 - one caller
) -> Finding:
    url = row.url or ""
    key = key_of_link(url, settings)
    if key is None:
        return Finding(row.id, is_litter=False, reason="its link leads to no export in the bucket")
    if not dry_run:
        files.delete(key)
        export_rows.forget_link(row.id, url, DELETED_SENTENCE)
    return Finding(row.id, is_litter=True, reason=f"{key}, expired {row.expires_at:%Y-%m-%d}")
