"""A directory that holds objects, for who has no bucket: a disk, or a share that is mounted."""

import errno
import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from lf_export_pipeline.core.errors import ConfigurationError, TransientError
from lf_export_pipeline.core.ports import ByteSource
from lf_export_pipeline.core.stored_objects import StoredObject, UploadedObject

_DRAFT = ".part"
_READ_BYTES = 1 << 20
_ENDING_BYTES = 1 << 16
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}


class ObjectFolder:
    """Objects by key, as files below a root; a key's slashes are folders.

    Files are readable by the group, as others are to query them, and appear whole or not at all.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def upload(
        self,
        key: str,
        source: ByteSource,
        content_type: str,  # noqa: ARG002 - as of a bucket
        expected_bytes: int,  # noqa: ARG002
    ) -> UploadedObject:
        """Write an object.

        What is left of a process that is killed meanwhile begins with a dot and does not end as
        objects do, so that nobody takes it for one; whoever next writes or removes the object
        removes it, too.

        Raises:
            TransientError: The disk is full, or has failed.
            ConfigurationError: This user may not write there.
        """
        path = self._path(key)
        with _mapped(self._root):
            path.parent.mkdir(parents=True, exist_ok=True)
            _remove_drafts(path)
            waiting = path.with_name(f".{path.name}.{secrets.token_hex(8)}{_DRAFT}")
            try:
                with waiting.open("xb") as file:
                    _is_locked(file)
                    sha256 = _copied(source, file)
                    file.flush()
                    os.fsync(file.fileno())
                    with _lost_draft(self._root):
                        stored = _described(key, waiting)
                        waiting.replace(path)
            except BaseException:
                waiting.unlink(missing_ok=True)
                raise
        return UploadedObject(sha256, stored.size, stored.etag)

    def read(self, key: str) -> bytes | None:
        """The bytes of a small object; None: there is none."""
        with _mapped(self._root), suppress(FileNotFoundError):
            return self._path(key).read_bytes()
        return None

    def head(self, key: str) -> StoredObject | None:
        """The object, if it is there; its tag is made of its size and its end."""
        with _mapped(self._root), suppress(FileNotFoundError):
            return _described(key, self._path(key))
        return None

    def delete(self, key: str) -> None:
        """Remove the object; a missing one is no error."""
        path = self._path(key)
        with _mapped(self._root):
            path.unlink(missing_ok=True)
            _remove_drafts(path)

    def listed(self, prefix: str) -> Iterator[StoredObject]:
        """The objects whose keys begin with a prefix, in the order of their keys."""
        folder = self._root / prefix.rpartition("/")[0]
        with _mapped(self._root):
            files = (each for each in folder.rglob("*") if each.is_file())
            keys = (each.relative_to(self._root).as_posix() for each in files)
            for key in sorted(keys):
                if key.startswith(prefix) and not key.rpartition("/")[2].startswith("."):
                    stored = self.head(key)
                    if stored is not None:  # it may have been removed meanwhile
                        yield stored

    def folders(self, prefix: str) -> Iterator[str]:
        """What stands between a prefix, which ends in a slash, and the next slash, each once."""
        folder = self._root / prefix
        if folder.is_dir():
            yield from sorted(each.name for each in folder.iterdir() if each.is_dir())

    def _path(self, key: str) -> Path:
        """Where the object is.

        Raises:
            ValueError: The key leads elsewhere; keys come from our own code.
        """
        parts = key.split("/")
        if any(part in ("", ".", "..") or "\x00" in part for part in parts):
            message = f"{key!r} is no key of an object"
            raise ValueError(message)
        return self._root.joinpath(*parts)


@contextmanager
def _lost_draft(root: Path) -> Iterator[None]:
    """Where locks hold on one machine only, another one may have taken the draft for a dead one."""
    try:
        yield
    except FileNotFoundError:
        raise TransientError(f"Another process has removed what was written to {root}.") from None


def _remove_drafts(path: Path) -> None:
    """Removes what dead processes have left of an object; those at work have locked theirs.

    An empty one holds no row, and may be about to be locked.
    """
    for draft in path.parent.glob(f".{path.name}.*{_DRAFT}"):
        with suppress(FileNotFoundError), draft.open("rb") as file:
            if os.fstat(file.fileno()).st_size and _is_locked(file):
                draft.unlink()


def _is_locked(file: BinaryIO) -> bool:
    """Whether the file is now locked for this process, as long as it is open.

    Not on a share that has no locks: there drafts are left.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _copied(source: ByteSource, file: BinaryIO) -> str:
    digest, buffer = hashlib.sha256(), memoryview(bytearray(_READ_BYTES))
    while taken := source.readinto(buffer):
        digest.update(buffer[:taken])
        file.write(buffer[:taken])
    return digest.hexdigest()


def _described(key: str, path: Path) -> StoredObject:
    """With the end of the file in the tag: that of a Parquet file tells where its columns are."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - _ENDING_BYTES))
        ending = hashlib.sha256(file.read()).hexdigest()
    return StoredObject(key, size, None, f"{size}-{ending[:32]}")


@contextmanager
def _mapped(root: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in _REFUSED:
            raise ConfigurationError(
                f"{root} cannot be written ({error.strerror}); let this user write there, or "
                "change LF_EXPORT_LAKE_URL."
            ) from error
        raise TransientError(f"{root} cannot be used for now ({error.strerror}).") from error
