"""Where bytes wait between the ops: a directory of one machine, or a bucket that all can reach."""

import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from lf_export_pipeline.adapters.s3.multipart_uploads import abort_upload, incomplete_uploads
from lf_export_pipeline.adapters.s3.s3_client import encryption_of, s3_client, s3_errors
from lf_export_pipeline.core.errors import ConfigurationError, TransientError
from lf_export_pipeline.core.ports import Spool
from lf_export_pipeline.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_WALKS_MAX = 100
_MEMORY_BYTES = 8 * 1024 * 1024
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}


def open_spool(settings: Settings) -> Spool:
    """The spool that LF_EXPORT_SPOOL names."""
    if not settings.spool_is_remote:
        return DirectorySpool(settings.spool_directory)
    scheme, _, rest = settings.lf_export_spool.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise ConfigurationError("LF_EXPORT_SPOOL must be a directory or s3://bucket/prefix.")
    return BucketSpool(settings, bucket, prefix)


def safe_parts(path: str) -> tuple[str, ...]:
    """The segments of a relative path that stays where it is put.

    Raises:
        ValueError: a segment is empty, hidden, ``..`` or holds a separator. Names come from our own
            code, so this is a mistake in it.
    """
    parts = tuple(path.split("/"))
    for part in parts:
        if not part or part.startswith(".") or "\\" in part or not part.isprintable():
            raise ValueError(f"{path!r} is not a path inside the spool.")
    return parts


class DirectorySpool:
    """A ``Spool`` in a directory that only this user can read: it holds users' data."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def create(self, path: str) -> Iterator[BinaryIO]:
        """A new file, renamed to its name when it is complete; gone if it never is.

        Complete on the disk, too: a power cut must not leave a name with nothing behind it.
        """
        target = self._root.joinpath(*safe_parts(path))
        with _disk_errors():
            self._make_folder(target.parent)
            draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
                    yield file
                    file.flush()
                    os.fsync(descriptor)
                draft.replace(target)
            except BaseException:
                draft.unlink(missing_ok=True)
                raise

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """The file for reading."""
        with _disk_errors(), self._root.joinpath(*safe_parts(path)).open("rb") as file:
            yield file

    def exists(self, path: str) -> bool:
        """Whether the complete file is there."""
        target = self._root.joinpath(*safe_parts(path))
        with _disk_errors():
            return target.is_file()

    def remove(self, folder: str) -> None:
        """Delete a folder with all that is in it, and the folders above that it leaves empty."""
        target = self._root.joinpath(*safe_parts(folder))
        with _disk_errors():
            _remove_tree(target)
        above = target.relative_to(self._root).parents
        with suppress(OSError):  # something else is in it, or somebody else has removed it
            for parent in list(above)[:-1]:
                (self._root / parent).rmdir()

    def folders(self, folder: str = "") -> Sequence[str]:
        """The folders in a folder, sorted; the top-level ones without it."""
        inside = self._root.joinpath(*safe_parts(folder)) if folder else self._root
        with _disk_errors():
            if not inside.is_dir():
                return []
            entries = inside.iterdir()
            return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))

    def _make_folder(self, folder: Path) -> None:
        missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
        for parent in reversed(missing):
            parent.mkdir(mode=0o700, exist_ok=True)


class BucketSpool:
    """A ``Spool`` under a prefix of a bucket, with the credentials of the export bucket.

    A file is written to a temporary one of this machine first, so that an object appears only when
    it is complete, and a failed request can be repeated.
    """

    def __init__(self, settings: Settings, bucket: str, prefix: str) -> None:
        self._settings = settings
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    @contextmanager
    def create(self, path: str) -> Iterator[BinaryIO]:
        """A new file; uploaded when the context ends without an exception."""
        key = self._key(path)
        with tempfile.SpooledTemporaryFile(_MEMORY_BYTES) as draft:
            yield cast("BinaryIO", draft)
            draft.seek(0)
            options = encryption_of(self._settings)
            with s3_errors():
                self._client.upload_fileobj(draft, self._bucket, key, ExtraArgs=options)

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """The file for reading, downloaded as a whole: a slow reader keeps no connection."""
        with tempfile.SpooledTemporaryFile(_MEMORY_BYTES) as copy:
            with s3_errors():
                self._client.download_fileobj(self._bucket, self._key(path), copy)
            copy.seek(0)
            yield cast("BinaryIO", copy)

    def exists(self, path: str) -> bool:
        """Whether the complete file is there.

        By its name: who may not list the whole bucket is refused to hear that an object is missing.
        """
        key = self._key(path)
        with s3_errors():
            answer = self._client.list_objects_v2(Bucket=self._bucket, Prefix=key, MaxKeys=1)
        return [found["Key"] for found in answer.get("Contents", [])] == [key]

    def remove(self, folder: str) -> None:
        """Delete a folder with all that is in it, and what was begun in it and not finished.

        A process that is killed cannot abort the upload of a file, and the bucket bills its parts.
        A policy need not let them be listed: then a rule of the bucket's own removes them.
        """
        inside = f"{self._key(folder)}/"
        with s3_errors():
            for key in list(self._keys(inside)):
                self._client.delete_object(Bucket=self._bucket, Key=key)
        with suppress(ConfigurationError):
            for upload in incomplete_uploads(self._client, self._bucket, inside):
                abort_upload(self._client, self._bucket, upload)

    def folders(self, folder: str = "") -> Sequence[str]:
        """The folders in a folder, sorted; the top-level ones without it.

        From the keys: some services list a folder on after its last object is gone.
        """
        above = f"{self._key(folder)}/" if folder else self._prefix
        with s3_errors():
            inside = [key.removeprefix(above) for key in self._keys(above)]
        return sorted({path.partition("/")[0] for path in inside if "/" in path})

    def _keys(self, prefix: str) -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=prefix
        )
        return (found["Key"] for page in pages for found in page.get("Contents", []))

    def _key(self, path: str) -> str:
        return self._prefix + "/".join(safe_parts(path))

    @cached_property
    def _client(self) -> "S3Client":
        endpoint = self._settings.langfuse_s3_batch_export_endpoint
        return s3_client(self._settings, self._bucket, endpoint)


def _remove_tree(folder: Path) -> None:
    """Delete a folder, also while somebody else deletes files in it.

    Before Python 3.13 a file that has gone meanwhile ends the walk, and the rest stays.
    """
    for _ in range(_WALKS_MAX):
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)
        if not folder.exists():
            return
    raise FileNotFoundError(errno.ENOENT, "files keep vanishing")


@contextmanager
def _disk_errors() -> Iterator[None]:
    """Turns the disk's errors into the pipeline's; errors of the body that are none pass."""
    try:
        yield
    except OSError as error:
        if error.errno in _FORBIDDEN:
            raise ConfigurationError(
                "The spool cannot be written; check LF_EXPORT_SPOOL and its permissions."
            ) from error
        raise TransientError(f"The spool failed ({os.strerror(error.errno or 0)}).") from error
