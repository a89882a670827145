"""Files whose link has expired; they go only where an operator has asked for that."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

from lf_export_pipeline.core.ports import ExportRows, FileStore
from lf_export_pipeline.core.request.export_search import ExportSearch
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.file.links import key_of_link
from lf_export_pipeline.settings.s3 import S3Settings
from lf_export_pipeline.sweeps.findings import Finding, acted_on

DELETED_SENTENCE = "The file was deleted after its download link had expired."


def delete_expired_files(
    export_rows: ExportRows, files: FileStore, settings: S3Settings, *, dry_run: bool
) -> list[Finding]:
    """Deletes the files of expired links, or only finds them.

    The row loses its link too and says why: Langfuse would sign a new one for a file that is gone.
    """

    def delete(row: ExportRow, key: str) -> None:
        files.delete(key)
        export_rows.forget_link(row.id, row.url or "", DELETED_SENTENCE)

    keys = ((row, key_of_link(row.url or "", settings)) for row in _expired(export_rows))
    return [
        acted_on(link_verdict(row, key), partial(delete, row, key or ""), dry_run=dry_run)
        for row, key in keys
    ]


def link_verdict(row: ExportRow, key: str | None) -> Finding:
    """Whether an expired link leads to a file that may go: an export's, in our bucket."""
    if key is None:
        return Finding(row.id, is_litter=False, reason="its link leads to no export in the bucket")
    return Finding(row.id, is_litter=True, reason=f"{key}, expired {row.expires_at:%Y-%m-%d}")


def _expired(export_rows: ExportRows) -> Iterator[ExportRow]:
    """Page by page: rows whose link leads elsewhere keep it, and would fill the first one."""
    search = ExportSearch(statuses=("COMPLETED",), expired_by=datetime.now(UTC))
    while page := export_rows.find(search):
        yield from page
        search = search.behind(page[-1])
