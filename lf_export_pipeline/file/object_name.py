"""Where the object of an attempt is: a key that is noted before it is used."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from lf_export_pipeline.core.errors import ExportError
from lf_export_pipeline.core.ports import ObjectStore
from lf_export_pipeline.core.request.model import ExportRequest
from lf_export_pipeline.file.attempt_folder import AttemptFolder
from lf_export_pipeline.file.cleanup import abort_uploads_to, discard_object
from lf_export_pipeline.file.object_keys import OBJECT, ObjectKey, extension_of, object_key


@dataclass(frozen=True, slots=True)
class ObjectName:
    """The key of an attempt's object.

    Attributes:
        request: What it is named for.
        folder: The attempt's.
        files: The bucket.
        prefix: That is set now.
        extension: Of the format.
    """

    request: ExportRequest
    folder: AttemptFolder
    files: ObjectStore
    prefix: str
    extension: str

    def key(self) -> str:
        """The key that an earlier try has written to, or a new one, noted before it is used.

        One in another bucket, or below another prefix, than are set now is given up: the web app,
        the sweeps and the policy of the bucket's user know the new ones alone. So is one that ends
        as a file of another format or compression, which whoever reads the file goes by. What lies
        there is deleted.
        """
        noted = self.folder.read(OBJECT, ObjectKey)
        if noted is not None and not self._fits(noted):
            with suppress(ExportError):
                discard_object(self.folder, self.files, None)
            noted = None
        if noted is None:
            noted = ObjectKey(key=self._new_key(), bucket=self.files.bucket)
            self.folder.write(OBJECT, noted)
        else:
            # A process that is killed cannot abort what it has begun.
            abort_uploads_to(noted.key, self.files)
        return noted.key

    def _fits(self, noted: ObjectKey) -> bool:
        is_in_place = noted.is_in(self.files.bucket, self.prefix)
        return is_in_place and extension_of(noted.key) == self.extension

    def _new_key(self) -> str:
        now, attempt = datetime.now(UTC), self.folder.path
        return object_key(self.request, self.prefix, self.extension, now, attempt=attempt)
