"""What an attempt may leave in the bucket when it ends early."""

from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from lf_export_pipeline.attempt_folder import AttemptFolder
from lf_export_pipeline.core.ports import FileStore
from lf_export_pipeline.core.request import ExportRow
from lf_export_pipeline.object_keys import OBJECT, ObjectKey


def discard_object(folder: AttemptFolder, files: FileStore, row: ExportRow | None) -> str | None:
    """Deletes the object of an attempt that was not published, and aborts its upload.

    Gives the key, if there was one. The key was noted before the first byte was sent, so that
    nothing but this attempt's own object is touched.
    """
    noted = folder.read(OBJECT, ObjectKey)
    if noted is None or (row is not None and is_published_as(row, noted.key)):
        return None
    abort_uploads_to(noted.key, files)
    files.delete(noted.key)
    return noted.key


def abort_uploads_to(key: str, files: FileStore) -> None:
    """Throws away the parts of uploads to a key that were never finished."""
    for upload in files.incomplete_uploads(key):
        if upload.key == key:
            files.abort(upload)


def discard_attempt(folder: AttemptFolder, files: FileStore, row: ExportRow | None) -> None:
    """Removes all that an attempt has left that ended without a file of its own."""
    discard_object(folder, files, row)
    folder.remove()


def discard_other_attempts(
    own: AttemptFolder, export_path: str, files: FileStore, row: ExportRow | None
) -> None:
    """Removes what other attempts have left, once an export is finished.

    None of them can publish any more, not even one whose process still runs: the row is COMPLETED.
    """
    for name in own.spool.folders(export_path):
        folder = AttemptFolder(own.spool, f"{export_path}/{name}")
        if folder.path != own.path:
            discard_attempt(folder, files, row)


def is_published_as(row: ExportRow, key: str) -> bool:
    """Whether the row's link is one to this object."""
    return row.url is not None and key in keys_of_link(row.url)


def keys_of_link(url: str) -> Iterator[str]:
    """The keys that a link may mean: its path is ``/key``, or ``/bucket/key``."""
    path = unquote(urlsplit(url).path).removeprefix("/")
    yield path
    yield path.partition("/")[2]
