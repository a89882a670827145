"""What is known of one object of the lake, written when the object is there."""

from functools import cache
from importlib.metadata import version
from typing import Final

from pydantic import BaseModel, ConfigDict

VERSIONED: Final = ("lf-export-pipeline", "pyarrow")


class Fingerprint(BaseModel):
    """What changes when rows do, told by narrow columns.

    Attributes:
        source: The table of Langfuse that was asked.
        rows: How many there are.
        newest: The greatest ``event_ts`` in microseconds; 0: there is no row.
        digest: Of the rows' ids, versions, and of every narrow column that can change in place.
    """

    model_config = ConfigDict(frozen=True)

    source: str
    rows: int = 0
    newest: int = 0
    digest: str = "0"

    def __str__(self) -> str:
        return f"{self.source}:{self.rows}:{self.newest}:{self.digest}"


class Overlap(BaseModel):
    """What rows of other days, and other keys, say of the rows of a day.

    Attributes:
        superseded: How many rows of the day have a newer version elsewhere, and are left out.
        digest: Of these rows' keys.
        neighbours: The other days that hold versions of rows of this day.
    """

    model_config = ConfigDict(frozen=True)

    superseded: int = 0
    digest: str = ""
    neighbours: tuple[str, ...] = ()


NO_OVERLAP: Final = Overlap()


class Manifest(BaseModel):
    """What a reader, a check, and the next writer have to know of an object."""

    model_config = ConfigDict(frozen=True)

    table: str
    project: str
    day: str
    rows: int
    bytes: int
    sha256: str
    etag: str
    fingerprint: Fingerprint
    overlap: Overlap = NO_OVERLAP
    layout: str
    schema_id: str
    columns_left_out: tuple[str, ...] = ()
    columns_missing: tuple[str, ...] = ()
    compression: str
    settled: bool
    write_mode: str
    unfit: dict[str, int] = {}
    versions: dict[str, str] = {}

    @property
    def is_note(self) -> bool:
        """Whether it only tells of neighbours: the day itself was not written yet."""
        is_empty = not (self.settled or self.etag or self.rows or self.fingerprint.rows)
        return is_empty and bool(self.overlap.neighbours)


def manifest_json(manifest: Manifest) -> bytes:
    """As it is stored; equal manifests have equal bytes."""
    return manifest.model_dump_json(indent=1).encode() + b"\n"


@cache
def our_versions() -> tuple[tuple[str, str], ...]:
    """The versions of what writes objects."""
    return tuple((name, version(name)) for name in VERSIONED)
