"""What an attempt has noted of the object that it makes in the bucket, part by part.

All parts but the last have the same size, whatever the chunks have. What a chunk has left that
fills no part is kept in the spool, with a note of the parts that it has filled, so that a run that
was killed goes on behind the last chunk that was finished::

    <export id>/<root run id>/
      upload.json              the upload, and whose it is
      <run id>/                of the run that made the plan
        sent-00007.json        what chunk 7 has added to the object
        sent-end.json          the same of the end of the file
        rest-1                 the bytes behind the last part, of every second chunk in turns
"""

from contextlib import suppress

from pydantic import BaseModel

from lf_export_pipeline.core.errors import AccessRefusedError, ExportError
from lf_export_pipeline.core.ports import ObjectStore
from lf_export_pipeline.core.query.export_query import SerializedChunk, SpooledBytes
from lf_export_pipeline.core.stored_objects import BegunUpload, UploadedPart
from lf_export_pipeline.file.attempt_folder import AttemptFolder

UPLOAD = "upload"


class UploadNote(BaseModel):
    """The object of an attempt.

    Attributes:
        token: Stands in what is noted of each chunk; that of another object is void.
        holder: Which process goes on with it.
        plan_folder: Of the plan whose chunks they are.
        bucket: Where it is to be.
        service: Whose bucket that is; None: an older version has not noted it.
        encryption: How the object is to be encrypted there; None as above.
        part_bytes: The size of each part but the last.
        begun: The upload; None: what there is so far fills no part.
    """

    token: str
    holder: str
    plan_folder: str
    bucket: str
    service: str | None = None
    encryption: str | None = None
    part_bytes: int
    begun: BegunUpload | None = None

    def is_at(self, files: ObjectStore) -> bool:
        """Whether it is at the service that is set now, as far as is known."""
        return self.service in (None, files.service)

    def is_encrypted_as(self, files: ObjectStore) -> bool:
        """Whether the object is to be encrypted as is set now, as far as is known."""
        return self.encryption in (None, files.encryption)


class SentChunk(BaseModel):
    """What a chunk, or at last the end of the file, has added to the object.

    Attributes:
        token: Of the note.
        part: The chunk, by the name that older notes have; None: this is the end of the file.
        begins_at: Behind which byte of the object.
        ends_at: Behind which byte it ends.
        parts: Those that it has filled, as the service has taken them.
        rest: The last bytes so far, if they fill no part.
    """

    token: str
    part: SerializedChunk | None
    begins_at: int
    ends_at: int
    parts: list[UploadedPart]
    rest: SpooledBytes | None


def sent_name(index: int | None) -> str:
    """Under which name it is noted what a chunk, or the end of the file, has added."""
    return "sent-end" if index is None else f"sent-{index:05d}"


def abort_noted(folder: AttemptFolder, files: ObjectStore) -> None:
    """Throws away the parts that an attempt has noted.

    In another bucket than that of the settings it is tried, and no more; at another service it is
    not. That one answers to the name of an upload as if it were misspelt or busy, for ever.

    Raises:
        ExportError: The service did not, though it may.
    """
    note = folder.read(UPLOAD, UploadNote)
    if note is None or note.begun is None or not note.is_at(files):
        return
    is_elsewhere = note.bucket != files.bucket
    there = files.of_bucket(note.bucket) if is_elsewhere else files
    with suppress(ExportError if is_elsewhere else AccessRefusedError):
        there.abort(note.begun)
