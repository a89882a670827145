"""What is known of an upload that was begun: the note of it, and what each chunk has added."""

import secrets
from collections.abc import Iterator

from lf_export_pipeline.core.errors import AccessRefusedError, TransientError
from lf_export_pipeline.core.ports import ObjectStore
from lf_export_pipeline.core.query.export_query import ExportPlan, SpooledBytes
from lf_export_pipeline.core.stored_objects import BegunUpload, UploadedPart
from lf_export_pipeline.file.attempt_folder import AttemptFolder
from lf_export_pipeline.file.object_keys import ObjectKey
from lf_export_pipeline.file.spooled_bytes import is_kept, read_kept
from lf_export_pipeline.file.upload_note import (
    UPLOAD,
    SentChunk,
    UploadNote,
    abort_noted,
    sent_name,
)


class UploadLedger:
    """The upload of a plan, as earlier runs have left it; a new one if nobody can go on with that.

    Whoever opens it takes it over: one who had it before, and was taken for dead, notes nothing
    more.

    Args:
        plan: Whose chunks are sent.
        folder: The attempt's.
        files: Where they are sent to.
        prefix: What the object's key has to begin with.
        part_bytes: The size of the parts of a new upload.

    Raises:
        ExportError: The bucket, or the spool, does not say what it has.
    """

    def __init__(
        self,
        plan: ExportPlan,
        folder: AttemptFolder,
        files: ObjectStore,
        prefix: str,
        part_bytes: int,
    ) -> None:
        self._plan = plan
        self._folder = folder
        self._plan_folder = AttemptFolder(folder.spool, plan.folder)
        self._files = files
        self._prefix = prefix
        self._sent: list[SentChunk] = []
        note = folder.read(UPLOAD, UploadNote)
        if note is not None and self._goes_on(note):
            self._write(note.model_copy(update={"holder": _token()}))
        else:
            self._begin_anew(part_bytes)

    @property
    def note(self) -> UploadNote:
        """The upload."""
        return self._note

    @property
    def sent(self) -> list[SentChunk]:
        """What each chunk has added, in their order, and at last the end of the file."""
        return self._sent

    @property
    def parts(self) -> list[UploadedPart]:
        """The parts that are full, in their order."""
        return [part for each in self._sent for part in each.parts]

    @property
    def ends_at(self) -> int:
        """How many bytes of the object are known."""
        return self._sent[-1].ends_at if self._sent else 0

    @property
    def is_ended(self) -> bool:
        """Whether all of them are there."""
        return bool(self._sent) and self._sent[-1].part is None

    def rest(self) -> bytes:
        """The last of them, which fill no part.

        Raises:
            TransientError: They have changed in the spool.
        """
        kept = self._sent[-1].rest if self._sent else None
        return b"" if kept is None else read_kept(self._folder.spool, kept)

    def require_hold(self) -> None:
        """Nothing, as long as nobody else has taken the upload over.

        Raises:
            TransientError: Another run has.
        """
        there = self._folder.read(UPLOAD, UploadNote)
        if there is None or there.holder != self._note.holder:
            raise TransientError("Another run of this export goes on with its file.")

    def note_begun(self, begun: BegunUpload) -> None:
        """The service has begun the upload.

        Raises:
            TransientError: Another run has taken it over.
        """
        self.require_hold()
        self._write(self._note.model_copy(update={"begun": begun}))

    def add(self, sent: SentChunk) -> None:
        """Note what a chunk has added; from now on it is a finished one.

        Raises:
            TransientError: Another run has taken the upload over.
        """
        self.require_hold()
        self._plan_folder.write(sent_name(sent.part.index if sent.part else None), sent)
        self._sent.append(sent)

    def give_up(self, part_bytes: int) -> None:
        """Let who goes on begin a new upload, with parts of this size.

        Raises:
            ExportError: It cannot be aborted, or another run has taken it over.
        """
        self.require_hold()
        self._begin_anew(part_bytes)

    def _begin_anew(self, part_bytes: int) -> None:
        abort_noted(self._folder, self._files)
        self._sent = []
        self._write(
            UploadNote(
                token=_token(),
                holder=_token(),
                plan_folder=self._plan.folder,
                bucket=self._files.bucket,
                service=self._files.service,
                encryption=self._files.encryption,
                part_bytes=part_bytes,
            )
        )

    def _write(self, note: UploadNote) -> None:
        self._folder.write(UPLOAD, note)
        self._note = note

    def _goes_on(self, note: UploadNote) -> bool:
        """Whether an upload is of this plan and place, and all that was noted of it is there."""
        if note.plan_folder != self._plan.folder or not self._is_in_place(note):
            return False
        self._sent = list(self._noted(note.token))
        return self._has_rest() and self._has_parts(note.begun)

    def _is_in_place(self, note: UploadNote) -> bool:
        if not (note.is_at(self._files) and note.is_encrypted_as(self._files)):
            return False
        if note.begun is None:
            return note.bucket == self._files.bucket
        key = ObjectKey(key=note.begun.key, bucket=note.bucket)
        return key.is_in(self._files.bucket, self._prefix)

    def _noted(self, token: str) -> Iterator[SentChunk]:
        """As far as one follows the other; the end, if all chunks are there."""
        ends_at = 0
        for name in (*map(sent_name, range(len(self._plan.chunk_rows))), sent_name(None)):
            sent = self._plan_folder.read(name, SentChunk)
            if sent is None or (sent.token, sent.begins_at) != (token, ends_at):
                return
            if not self._has(sent.part.ending if sent.part else None):
                return
            ends_at = sent.ends_at
            yield sent

    def _has_rest(self) -> bool:
        return self._has(self._sent[-1].rest if self._sent else None)

    def _has(self, kept: SpooledBytes | None) -> bool:
        return kept is None or is_kept(self._folder.spool, kept)

    def _has_parts(self, begun: BegunUpload | None) -> bool:
        """By what the bucket lists; where that is refused it says so when the upload is to end."""
        if begun is None:
            return not self.parts
        try:
            listed = self._files.listed_parts(begun)
        except AccessRefusedError:
            return True
        if listed is None:
            return self.is_ended and self._files.is_complete(begun)
        return {(part.number, part.etag) for part in self.parts} <= {*listed}


def _token() -> str:
    return secrets.token_hex(8)
