"""Uploads that were begun and never finished; the bucket bills their parts."""

from datetime import UTC, datetime, timedelta
from functools import partial

from lf_export_pipeline.core.ports import FileStore, IncompleteUpload
from lf_export_pipeline.file.object_keys import is_export_key
from lf_export_pipeline.sweeps.findings import Finding, acted_on

ABANDONED_AFTER = timedelta(days=1)


def upload_verdict(upload: IncompleteUpload, prefix: str, now: datetime) -> Finding:
    """Whether an upload is abandoned: of an export, and begun more than a day ago."""
    if not is_export_key(upload.key, prefix):
        return Finding(upload.key, is_litter=False, reason="not the key of an export")
    is_old = upload.started_at < now - ABANDONED_AFTER
    begun = f"begun {upload.started_at:%Y-%m-%d %H:%M}"
    return Finding(upload.key, is_litter=is_old, reason=begun)


def abort_uploads(files: FileStore, prefix: str, *, dry_run: bool) -> list[Finding]:
    """Aborts what is abandoned, or only finds it."""
    now = datetime.now(UTC)
    return [
        acted_on(upload_verdict(upload, prefix, now), partial(files.abort, upload), dry_run=dry_run)
        for upload in files.incomplete_uploads(prefix)
    ]
