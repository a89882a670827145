"""Some bytes in the spool that are read as a whole, and found out if they have changed."""

from lf_export_pipeline.core.errors import TransientError
from lf_export_pipeline.core.ports import Spool
from lf_export_pipeline.core.query.export_query import SpooledBytes
from lf_export_pipeline.file.running_checksum import RunningChecksum


def keep(spool: Spool, location: str, data: memoryview) -> SpooledBytes:
    """Write them; what was there before is replaced."""
    known = RunningChecksum()
    with spool.create(location) as file:
        known.write(file, data)
    return SpooledBytes(location=location, checksum=known.checksum)


def read_kept(spool: Spool, kept: SpooledBytes) -> bytes:
    """The same bytes.

    Raises:
        TransientError: They are others, or cannot be read now.
    """
    found, data = _read(spool, kept)
    require_unchanged(found, kept.checksum, kept.location)
    return data


def is_kept(spool: Spool, kept: SpooledBytes) -> bool:
    """Whether they are there, and the same.

    Raises:
        TransientError: That cannot be told now.
    """
    return spool.exists(kept.location) and _read(spool, kept)[0].checksum == kept.checksum


def _read(spool: Spool, kept: SpooledBytes) -> tuple[RunningChecksum, bytes]:
    found = RunningChecksum()
    with spool.open(kept.location) as file:
        data = file.read()
    found.take(memoryview(data))
    return found, data


def require_unchanged(found: RunningChecksum, checksum: str, location: str) -> None:
    """Nothing, if what was read is what was written.

    Raises:
        TransientError: It is something else.
    """
    if found.checksum != checksum:
        raise TransientError(f"The bytes of {location} have changed in the spool.")
