"""Where the files of one attempt lie in the spool.

::

    <export id>/<root run id>/
      values/<run id>/<step>.<output>.json   what the ops hand on, the plan among it
      object.json                            the key of the object in the bucket
      stored.json                            the object, complete, before it is published
      notified.json                          the e-mail has been sent
      <run id>/                              of the run that made the plan
        chunks.json                          the chunks of the plan
        keys-00007                           the keys of a chunk
        part-00007, part-00007.json          a finished chunk, and what is known of it, unless it is
                                             in the bucket (``upload_note.py``)
        ending-00007                         what the chunk has left for the end of the file
        preview.json                         the first rows, for the run's metadata

The root run is the first of a chain of re-executions, so each of them finds what the ones before
it have finished. Chunks belong to a plan: a run that scans the keys anew makes its chunks anew.
"""

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from lf_export_pipeline.core.errors import TransientError
from lf_export_pipeline.core.ports import Spool
from lf_export_pipeline.core.query.export_query import SerializedChunk, SpooledBytes
from lf_export_pipeline.file.spooled_bytes import keep

Model = TypeVar("Model", bound=BaseModel)

CHUNKS = "chunks"
VALUES = "values"
STORED = "stored"

FOLDER_MAX_CHARACTERS = 255
"""What file systems take for a name; an id of other letters than ours takes up to twelve each."""


def export_folder(export_id: str) -> str:
    """The top-level folder of an export: a plain name, whatever the id holds."""
    return quote(export_id, safe="").replace(".", "%2E")


@dataclass(frozen=True, slots=True)
class AttemptFolder:
    """The files of one attempt, by what they mean."""

    spool: Spool
    path: str

    @classmethod
    def of(cls, spool: Spool, export_id: str, root_run_id: str) -> "AttemptFolder":
        """The folder of the chain of runs that began with this one."""
        return cls(spool, f"{export_folder(export_id)}/{root_run_id}")

    def plan(self, run_id: str) -> "AttemptFolder":
        """The folder of the plan that this run has made."""
        return AttemptFolder(self.spool, f"{self.path}/{run_id}")

    def write_keys(self, index: int, keys: bytes | Sequence[str]) -> None:
        """Store a chunk's keys: those that are packed as they are, texts as a JSON list."""
        with self.spool.create(_numbered(self.path, "keys", index)) as file:
            file.write(keys if isinstance(keys, bytes) else json.dumps(keys).encode())

    def read_packed_keys(self, index: int) -> bytes:
        """The 64-bit keys of a chunk, 8 bytes each."""
        with self.spool.open(_numbered(self.path, "keys", index)) as file:
            return file.read()

    def read_text_keys(self, index: int) -> Sequence[str]:
        """The textual keys of a chunk."""
        keys: list[str] = json.loads(self.read_packed_keys(index))
        return keys

    def create_chunk(self, index: int) -> AbstractContextManager[BinaryIO]:
        """The file for a chunk's bytes; it appears only if the context ends well."""
        return self.spool.create(self.chunk_location(index))

    def write_ending(self, index: int, data: bytes) -> SpooledBytes:
        """Store what a chunk has left for the end of the file."""
        return keep(self.spool, _numbered(self.path, "ending", index), memoryview(data))

    def chunk_location(self, index: int) -> str:
        """Where in the spool the bytes of a chunk are."""
        return _numbered(self.path, "part", index)

    def finished_chunk(self, index: int) -> SerializedChunk | None:
        """What is known of a chunk's bytes, if an earlier run has finished it."""
        if not self.spool.exists(self.chunk_location(index)):
            return None
        return self.read(_chunk_name(index), SerializedChunk)

    def finish_chunk(self, chunk: SerializedChunk) -> None:
        """Note what is known of a chunk; from now on it is a finished one."""
        self.write(_chunk_name(chunk.index), chunk)

    def write(self, name: str, value: BaseModel) -> None:
        """Store a small value as ``<name>.json``."""
        with self.spool.create(f"{self.path}/{name}.json") as file:
            file.write(value.model_dump_json().encode())

    def read(self, name: str, model: type[Model]) -> Model | None:
        """A small value, or None if it was never stored.

        Raises:
            TransientError: What is there is not what was stored.
        """
        path = f"{self.path}/{name}.json"
        if not self.spool.exists(path):
            return None
        with self.spool.open(path) as file:
            data = file.read()
        try:
            return model.model_validate_json(data)
        except ValidationError:
            raise TransientError(
                f"{path} in the spool cannot be read any more; if that goes on, remove its folder "
                "and queue the export again."
            ) from None

    def has(self, name: str) -> bool:
        """Whether the small value is there."""
        return self.spool.exists(f"{self.path}/{name}.json")

    def remove(self) -> None:
        """Delete the files of this attempt: last the marks, and before them the values.

        Who is killed meanwhile is started again: as long as there is something to go on with, there
        must be the mark that says what is done already.
        """
        for name in sorted(self.spool.folders(self.path), key=VALUES.__eq__):
            self.spool.remove(f"{self.path}/{name}")
        self.spool.remove(self.path)


def _chunk_name(index: int) -> str:
    return f"part-{index:05d}"


def _numbered(folder: str, word: str, index: int) -> str:
    return f"{folder}/{word}-{index:05d}"
