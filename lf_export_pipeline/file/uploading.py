"""Writes the object of an export from its parts."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from lf_export_pipeline.core.errors import ExportError, PermanentError, TransientError
from lf_export_pipeline.core.ports import ObjectStore
from lf_export_pipeline.core.query.export_query import (
    ExportPlan,
    PartFile,
    StoredFile,
    rows_by,
    unfit_of,
)
from lf_export_pipeline.core.request.column_groups import SCORES
from lf_export_pipeline.core.request.validation_messages import join_limited
from lf_export_pipeline.file.assembled_file import AssembledFile, size_of, writer_of
from lf_export_pipeline.file.attempt_folder import AttemptFolder
from lf_export_pipeline.file.cleanup import abort_uploads_to, discard_object
from lf_export_pipeline.file.object_keys import OBJECT, ObjectKey, object_key
from lf_export_pipeline.settings import Settings


@dataclass(frozen=True, slots=True)
class SentObject:
    """What was sent to the bucket, and arrived."""

    key: str
    sha256: str


class Upload:
    """The upload of one export's file."""

    def __init__(
        self, plan: ExportPlan, folder: AttemptFolder, files: ObjectStore, settings: Settings
    ) -> None:
        self._request = plan.query.request
        self._plan = plan
        self._folder = folder
        self._files = files
        self._settings = settings
        self._writer = writer_of(plan.query, settings)

    def send(self, parts: Iterable[PartFile], expected_bytes: int) -> SentObject:
        """Upload the parts in their order; they may still be made while the first ones are sent.

        Raises:
            TransientError: A part is damaged, or the bucket did not take the file.
        """
        key = self._key()
        file = AssembledFile(self._writer, parts, self._folder.spool)
        sha256 = self._files.upload(key, file, self._writer.content_type, expected_bytes)
        return SentObject(key, sha256)

    def require_all(self, parts: Sequence[PartFile]) -> None:
        """Raise unless each chunk has its part; an upload that has begun would wait for the others.

        Raises:
            TransientError: A part is missing.
        """
        found = sorted(part.index for part in parts)
        if found != list(range(len(self._plan.chunk_rows))):
            raise TransientError(
                f"Of {len(self._plan.chunk_rows):,} chunks {len(found):,} are there."
            )

    def stored(self, parts: Sequence[PartFile], sent: SentObject | None) -> StoredFile:
        """The object of all parts, of the right size; it is sent now unless it has been.

        Raises:
            TransientError: A part is damaged, or the bucket holds another size.
            PermanentError: The file holds columns that have been forbidden meanwhile.
        """
        self._require_allowed()
        parts = sorted(parts, key=lambda part: part.index)
        size = size_of(self._writer, parts, self._folder.spool)
        sent = sent or self.send(parts, size)
        self._check_object(sent.key, size)
        # If the answer to the beginning of an upload is lost, the client begins another one.
        abort_uploads_to(sent.key, self._files)
        finished_at = datetime.now(UTC)
        return StoredFile(
            request=self._request,
            object_key=sent.key,
            rows=sum(part.rows for part in parts),
            bytes=size,
            sha256=sent.sha256,
            finished_at=finished_at,
            expires_at=finished_at + self._settings.link_lifetime,
            limit_hit=self._plan.limit_hit,
            row_limit=self._plan.query.row_limit,
            vanished_rows=sum(part.expected_rows - part.rows for part in parts),
            write_mode=self._plan.query.write_mode,
            remark=self._plan.query.user_remark,
            unfit=unfit_of(parts),
            rows_by=rows_by(parts),
        )

    def _require_allowed(self) -> None:
        """Nothing, unless an operator has forbidden a column since the first run of the export."""
        query = self._plan.query
        forbidden = self._settings.file_defaults.forbidden.of(self._request.project_id)
        held = [column.name for column in query.columns if column.name in forbidden]
        held += [SCORES] if query.score_columns and SCORES in forbidden else []
        if held:
            raise PermanentError(
                f"The operator has forbidden {join_limited(held)} since this export was taken up. "
                "Please request it again; it will not have these columns."
            )

    def _key(self) -> str:
        """The key that an earlier try has written to, or a new one, noted before it is used.

        One in another bucket, or below another prefix, than are set now is given up: the web app,
        the sweeps and the policy of the bucket's user know the new ones alone. What lies there is
        deleted.
        """
        prefix, bucket = self._settings.langfuse_s3_batch_export_prefix, self._files.bucket
        noted = self._folder.read(OBJECT, ObjectKey)
        if noted is not None and not noted.is_in(bucket, prefix):
            with suppress(ExportError):
                discard_object(self._folder, self._files, None)
            noted = None
        if noted is None:
            attempt, extension = self._folder.path, self._writer.extension
            key = object_key(self._request, prefix, extension, datetime.now(UTC), attempt=attempt)
            noted = ObjectKey(key=key, bucket=bucket)
            self._folder.write(OBJECT, noted)
        else:
            # A process that is killed cannot abort what it has begun.
            abort_uploads_to(noted.key, self._files)
        return noted.key

    def _check_object(self, key: str, size: int) -> None:
        stored = self._files.head(key)
        if stored is None or stored.size != size:
            found = f"{stored.size:,} bytes" if stored else "nothing"
            raise TransientError(f"The bucket holds {found} instead of {size:,} bytes.")
