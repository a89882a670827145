"""What an attempt leaves in bucket and spool when it ends early, and who removes it.

A run that is alive removes its own files when it finds its export stopped. What dead ones have left
is removed by whoever finishes the export, by the sensor that hears of their failure, and at last by
the hourly sweep.
"""

import hashlib
from collections.abc import Collection
from contextlib import nullcontext, suppress
from datetime import UTC, datetime

from lf_export_pipeline.core.errors import ExportError
from lf_export_pipeline.core.ports import ObjectStore, Spool
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.file.attempt_folder import AttemptFolder
from lf_export_pipeline.file.links import key_of_link, leads_to
from lf_export_pipeline.file.object_keys import OBJECT, ObjectKey, is_key_of
from lf_export_pipeline.file.upload_note import abort_noted

SUPERSEDED = "superseded-"
ENDED = ("COMPLETED", "CANCELLED")


def discard_object(
    folder: AttemptFolder, files: ObjectStore, row: ExportRow | None, *, keeps_parts: bool = False
) -> str | None:
    """Deletes the object of an attempt that was not published, and aborts its upload.

    The upload stays with ``keeps_parts``: a re-execution goes on with it. Gives the key, if there
    was one. It was noted before the first byte was sent, so that nothing but this attempt's own
    object is touched. In a bucket that is no longer the one of the settings that is tried, and no
    more: it may be gone, or closed to us.
    """
    noted = folder.read(OBJECT, ObjectKey)
    if noted is None or (row is not None and is_published_as(row, noted.key)):
        return None
    if _is_kept(noted, row):
        return None
    is_elsewhere = noted.bucket not in (None, files.bucket)
    there = files.of_bucket(noted.bucket) if noted.bucket and is_elsewhere else files
    with suppress(ExportError) if is_elsewhere else nullcontext():
        if not keeps_parts:
            abort_noted(folder, files)
            abort_uploads_to(noted.key, there)
        there.delete(noted.key)
    return noted.key


def abort_uploads_to(key: str, files: ObjectStore) -> None:
    """Throws away the parts of uploads to a key that were never finished, where that can be done.

    They are never to be seen as an object, and a bucket's policy need not let them be listed: the
    daily sweep, or a rule of the bucket's own, removes what stays.
    """
    with suppress(ExportError):
        for upload in files.incomplete_uploads(key):
            if upload.key == key:
                files.abort(upload)


def note_superseded(row: ExportRow, spool: Spool, files: ObjectStore, prefix: str) -> str | None:
    """Notes the file that an export has already, before its row forgets it; gives the key.

    The note lies beside the attempts, as that of one that has left nothing but this object. So it
    goes like what other attempts have left: with the clean-up of the one that publishes a new file,
    or by the sweep; not when the new one fails, as long as the link that people have is valid.

    Only an object that was named for this export's table and project is noted, by Langfuse's own
    worker or by us.
    """
    key = key_of_link(row.url or "", files, prefix)
    if key is None or not is_key_of(key, prefix, row.table or "", row.project_id):
        return None
    name = f"{SUPERSEDED}{hashlib.sha256(key.encode()).hexdigest()[:32]}"
    folder = AttemptFolder.of(spool, row.id, name)
    folder.write(OBJECT, ObjectKey(key=key, bucket=files.bucket, kept_until=row.expires_at))
    return key


def discard_attempt(folder: AttemptFolder, files: ObjectStore, row: ExportRow | None) -> bool:
    """Removes all that an attempt has left that ended without a file of its own.

    False: the file of before is kept, and the note of it.
    """
    discard_object(folder, files, row)
    noted = folder.read(OBJECT, ObjectKey)
    if noted is not None and _is_kept(noted, row):
        return False
    folder.remove()
    return True


def discard_attempts(
    spool: Spool, export_path: str, files: ObjectStore, row: ExportRow | None
) -> None:
    """Removes what all attempts at an export have left, and the export's folder with them.

    Unless an attempt has begun meanwhile.

    Raises:
        ExportError: The object of an attempt cannot be deleted. Its folder stays then, since the
            note in it is the only trace of that object.
    """
    kept = [
        name
        for name in spool.folders(export_path)
        if not discard_attempt(AttemptFolder(spool, f"{export_path}/{name}"), files, row)
    ]
    if not kept and not spool.folders(export_path):
        spool.remove(export_path)


def discard_ended_attempts(
    spool: Spool,
    export_path: str,
    ended: Collection[str],
    files: ObjectStore,
    row: ExportRow | None,
) -> None:
    """Removes what these attempts at an export have left, and of the others nothing.

    Others are at work, perhaps since a moment ago, or for another Dagster that has the same spool:
    they find the row in another state, and clean up themselves. The note of a superseded file is
    no attempt's: the row says whether that file may go.

    Args:
        spool: Where the folders are.
        export_path: The export's.
        ended: The root runs of the attempts whose runs have all ended.
        files: Where the objects are.
        row: The export's, as it is now.
    """
    for root_run in spool.folders(export_path):
        if root_run in ended or root_run.startswith(SUPERSEDED):
            discard_attempt(AttemptFolder(spool, f"{export_path}/{root_run}"), files, row)


def discard_failed_attempt(
    folder: AttemptFolder, files: ObjectStore, row: ExportRow | None
) -> None:
    """Removes what nobody can use of an attempt that has failed.

    A re-execution goes on with its parts, or with the e-mail of what it has published. Once the
    export has ended in another way, nothing is left to go on with.
    """
    noted = folder.read(OBJECT, ObjectKey)
    is_over = row is None or row.status in ENDED
    is_published = row is not None and noted is not None and is_published_as(row, noted.key)
    discard_object(folder, files, row, keeps_parts=not is_over)
    if is_over and not is_published:
        folder.remove()


def _is_kept(noted: ObjectKey, row: ExportRow | None) -> bool:
    """Whether a file that was to be replaced is still all that people have."""
    if noted.kept_until is None or row is None or row.status == "COMPLETED":
        return False
    return noted.kept_until > datetime.now(UTC)


def is_published_as(row: ExportRow, key: str) -> bool:
    """Whether the row's link is one to this object."""
    return row.url is not None and leads_to(row.url, key)
