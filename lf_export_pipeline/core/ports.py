"""What the pipeline needs from the outside, as protocols.

The real ones are in ``adapters``, fakes in the tests.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from ssl import SSLContext
from typing import TYPE_CHECKING, BinaryIO, Protocol, Self

from lf_export_pipeline.core.query.statement import Statement, Store
from lf_export_pipeline.core.query.written_rows import RowBytes, WrittenStatement
from lf_export_pipeline.core.request.export_search import ExportSearch
from lf_export_pipeline.core.request.model import ExportFormat, ExportRow, StoredExport
from lf_export_pipeline.core.request.ownership import Claim
from lf_export_pipeline.core.stored_objects import (
    BegunUpload,
    IncompleteUpload,
    StoredObject,
    UploadedObject,
    UploadedPart,
)

if TYPE_CHECKING:
    import pyarrow as pa


class RowReader(Protocol):
    """Runs statements on the store they name.

    Every method raises ``TransientError`` for what may pass, ``PermanentError`` for the rest.
    """

    def tagged(self, **tags: str) -> Self:
        """The same reader, whose queries carry these tags in ``log_comment``."""
        ...

    def batches(self, statement: Statement) -> "AbstractContextManager[Iterator[pa.RecordBatch]]":
        """The result as Arrow batches, a block at a time; leaving the context ends the query.

        Text columns are valid UTF-8 ``string`` arrays. A result that is cut off raises, it never
        just ends.
        """
        ...

    def takes_written(self, store: Store, export_format: ExportFormat) -> bool:
        """Whether the store writes rows as they stand in a file; asked of it once."""
        ...

    def written(self, wanted: WrittenStatement) -> AbstractContextManager[RowBytes]:
        """The result as the bytes of a file; leaving the context ends the query.

        A result that is cut off raises, it never just ends.
        """
        ...

    def rows(self, statement: Statement) -> list[tuple[object, ...]]:
        """A small result as a list of Python tuples."""
        ...


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who gets the e-mail."""

    email: str
    name: str | None


class BatchExportRepository(Protocol):
    """The table ``batch_exports``. Every change is guarded by the state it starts from."""

    def get(self, export_id: str) -> ExportRow | None:
        """The row as it is now."""
        ...

    def stored(self, export_id: str) -> StoredExport | None:
        """The row with its query, or with an ``OversizedQuery`` in its place."""
        ...

    def oldest_queued(self) -> ExportRow | None:
        """The row that was queued before all others, however long ago it was asked for."""
        ...

    def list_queued(
        self, per_project: int, limit: int, without: Collection[str] = ()
    ) -> list[ExportRow]:
        """Rows that are QUEUED, at most so many of each project, in turns.

        The oldest of every project comes before the second oldest of any, so that thousands of rows
        of one project do not hide those of the others.
        """
        ...

    def add(self, row: StoredExport) -> bool:
        """Insert a row, as Langfuse's web app does; False: there is one of this id, which stays.

        Raises:
            AccessRefusedError: That needs a right that most installations do without.
        """
        ...

    def search(self, wanted: ExportSearch) -> list[ExportRow]:
        """The rows for which all conditions hold, oldest first."""
        ...

    def start(self, export_id: str, owner: str, unchanged_since: datetime | None = None) -> bool:
        """Any state but COMPLETED, CANCELLED → PROCESSING, clearing an earlier attempt's traces.

        The row then carries the mark of its owner, the root run of a chain. One that carries
        another's is taken only if it was not changed since an instant, at which it was seen dead.
        """
        ...

    def complete(
        self,
        export_id: str,
        owner: str,
        url: str,
        *,
        finished_at: datetime,
        expires_at: datetime,
        log: str | None,
    ) -> bool:
        """PROCESSING or FAILED → COMPLETED; False: nothing may be published.

        A row that carries another's mark is left alone. One without a mark is published: what has
        taken the mark away, an older version or Langfuse's own worker, cannot say whether it lives,
        and the file is there.
        """
        ...

    def fail(
        self,
        export_id: str,
        user_message: str,
        finished_at: datetime,
        claim: Claim | None = None,
    ) -> bool:
        """QUEUED or PROCESSING → FAILED with the user's sentence.

        With a claim a row that it does not cover is left alone: it is another's, or somebody has
        asked for the export again, and what is to be said is about an earlier attempt.
        """
        ...

    def cancel(self, export_id: str, claim: Claim | None = None) -> bool:
        """QUEUED or PROCESSING → CANCELLED; the claim as in ``fail``."""
        ...

    def requeue(self, export_id: str, only: str | None = None) -> bool:
        """FAILED, CANCELLED or COMPLETED, or only one of them → QUEUED, as if it had never run."""
        ...

    def requeue_lost(self, export_id: str, untouched_since: datetime) -> bool:
        """PROCESSING → QUEUED, as if it had never run, unless it was changed after that instant."""
        ...

    def touch(self, export_id: str, owner: str) -> bool:
        """PROCESSING stays PROCESSING, changed now: the sign that its owner works on it."""
        ...

    def recipient(self, user_id: str, project_id: str) -> Recipient | None:
        """The user, if there is one with an e-mail address who may see the project's data.

        Those have a role in the project, or else in its organization, unless none is required.
        """
        ...


class ByteSource(Protocol):
    """Bytes in order, to be read once: an open file is one."""

    def readinto(self, buffer: memoryview, /) -> int:
        """How many bytes now stand at the beginning of the buffer; 0: there are no more."""


class Bucket(Protocol):
    """Objects by key: a bucket, or a folder.

    Every method raises ``TransientError`` for what may pass, ``PermanentError`` for the rest.
    """

    def upload(
        self, key: str, source: ByteSource, content_type: str, expected_bytes: int
    ) -> UploadedObject:
        """Write an object, whole or not at all; the tag is of these bytes, not of a rival's.

        Args:
            key: Its key, prefix included.
            source: Its bytes in order; read once.
            content_type: Stored with it, where that can be.
            expected_bytes: An estimate.
        """
        ...

    def read(self, key: str) -> bytes | None:
        """The bytes of a small object; None: there is none."""
        ...

    def head(self, key: str) -> StoredObject | None:
        """The object, if it is there, with a tag that other bytes would not have."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object; a missing one is no error."""
        ...

    def listed(self, prefix: str) -> Iterator[StoredObject]:
        """The objects whose keys begin with a prefix."""
        ...

    def folders(self, prefix: str) -> Iterator[str]:
        """What stands between a prefix, which ends in a slash, and the next slash, each once."""
        ...


class ObjectStore(Bucket, Protocol):
    """A bucket whose service takes uploads in parts, and signs links that browsers open."""

    @property
    def bucket(self) -> str:
        """Its name."""
        ...

    @property
    def service(self) -> str:
        """What tells its service from others, which know nothing of its uploads."""
        ...

    @property
    def encryption(self) -> str:
        """How new objects are encrypted, in words; an upload keeps what it was begun with."""
        ...

    def of_bucket(self, bucket: str) -> "ObjectStore":
        """Another bucket of the same service, for the same user."""
        ...

    def begin(self, key: str, content_type: str) -> BegunUpload:
        """Begin an upload whose parts are sent one by one; nothing appears before it is ended."""
        ...

    def send_part(self, upload: BegunUpload, number: int, data: memoryview) -> UploadedPart:
        """Send a part; one that is sent again takes the place of the one before. Threads may."""
        ...

    def listed_parts(self, upload: BegunUpload) -> Collection[tuple[int, str]] | None:
        """Numbers and ETags of the parts that are there; None: the upload has ended.

        Raises:
            AccessRefusedError: A policy does not let parts be listed, or the service cannot do it.
        """
        ...

    def is_complete(self, upload: BegunUpload) -> bool:
        """Whether the object under the key is that of this upload."""
        ...

    def complete(
        self, upload: BegunUpload, parts: Sequence[UploadedPart], part_bytes: int, size: int
    ) -> None:
        """Put the parts together, unless that has been done, and prove that the bucket has them.

        Args:
            upload: Whose.
            parts: All of them, in their order.
            part_bytes: The size of each but the last.
            size: Of the object.

        Raises:
            UploadLostError: The bucket has not the parts, or holds something else.
        """
        ...

    def download(self, key: str, path: Path, progress: Callable[[int], None]) -> None:
        """Write the object to a file, which appears under its name only when it is whole.

        Args:
            key: Of the object.
            path: The file; one that is there is replaced.
            progress: Told of each number of bytes that has come, by several threads.

        Raises:
            OSError: The file cannot be written.
        """
        ...

    def signed_url(self, key: str, expires_in: timedelta, file_name: str) -> str:
        """A link that downloads the object without credentials. A secret: never log it.

        Args:
            key: Of the object.
            expires_in: How long the link lives.
            file_name: What a browser calls the saved file.
        """
        ...

    def keys_of_link(self, url: str) -> Iterable[str]:
        """The keys that a link may be one to, also one that was signed before; most likely first.

        None of a link that leads elsewhere, and of a text that is no link.
        """
        ...

    def trust_of_links(self) -> SSLContext:
        """Whose certificates are good for the host of a link, which browsers open."""
        ...

    def incomplete_uploads(self, prefix: str) -> list[IncompleteUpload]:
        """What has been begun under keys with this prefix and not been finished."""
        ...

    def abort(self, upload: IncompleteUpload | BegunUpload) -> None:
        """Throw away the parts; an upload that has ended meanwhile is no error."""
        ...

    def doubts(self, prefix: str) -> Iterable[str]:
        """What exports can do without and this bucket does not give: a sentence each.

        Args:
            prefix: Nothing but keys that begin with it need be seen to find out.
        """
        ...


class Mailer(Protocol):
    """Sends e-mails."""

    @property
    def configured(self) -> bool:
        """Whether there is a mail server and a sender."""
        ...

    def send(self, message: EmailMessage) -> None:
        """Hand one message to the mail server; raises transient and permanent errors."""
        ...


class Spool(Protocol):
    """Where bytes wait between the ops: a directory or a bucket. Paths are relative."""

    def create(self, path: str) -> AbstractContextManager[BinaryIO]:
        """A new file that appears under its name only if the context ends without an exception."""
        ...

    def open(self, path: str) -> AbstractContextManager[BinaryIO]:
        """The file for reading."""
        ...

    def exists(self, path: str) -> bool:
        """Whether the complete file is there."""
        ...

    def remove(self, folder: str) -> None:
        """Delete a folder with all that is in it; a missing one is no error.

        A folder above it that holds nothing else is gone as well.
        """
        ...

    def folders(self, folder: str = "") -> Sequence[str]:
        """The folders in a folder; without one those at the top, one per export."""
        ...
