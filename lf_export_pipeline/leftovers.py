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
    for upload in files.incomplete_uploads(noted.key):
        if upload.key == noted.key:
            files.abort(upload)
    files.delete(noted.key)
    return noted.key


def is_published_as(row: ExportRow, key: str) -> bool:
    """Whether the row's link is one to this object."""
    return row.url is not None and key in keys_of_link(row.url)


def keys_of_link(url: str) -> Iterator[str]:
    """The keys that a link may mean: its path is ``/key``, or ``/bucket/key``."""
    path = unquote(urlsplit(url).path).removeprefix("/")
    yield path
    yield path.partition("/")[2]
