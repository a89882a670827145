"""(c) Each phase apart: key scan, read and serialise, upload."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.world import World, requested
from lf_export_pipeline.core.parsing import parse_request
from lf_export_pipeline.core.query.chunk_plan import MEBIBYTE
from lf_export_pipeline.core.query.export_query import (
    Chunk,
    ExportPlan,
    ExportQuery,
    SerializedChunk,
)
from lf_export_pipeline.defs.ops.resolve_filters import resolved
from lf_export_pipeline.defs.ops.serialize_chunk import ChunkWriter
from lf_export_pipeline.defs.ops.stream_chunks import planned
from lf_export_pipeline.file.assembled_file import writer_of
from lf_export_pipeline.file.attempt_folder import AttemptFolder
from lf_export_pipeline.file.chunk_reading import ChunkReader, PlanTables
from lf_export_pipeline.file.chunk_sink import ChunkSink
from lf_export_pipeline.file.written_chunk import written_layout

if TYPE_CHECKING:
    from lf_export_pipeline.core.formats.compression import Compressor


class _Nowhere:
    """Takes the rows of chunks and forgets them: where they go is the upload's phase."""

    def finished(self, _index: int) -> SerializedChunk | None:
        return None

    def missing_before(self, _index: int) -> Sequence[Chunk]:
        return ()

    @contextmanager
    def rows_of(self, _index: int, compressor: "Compressor | None") -> Iterator[ChunkSink]:
        sink = ChunkSink(len, compressor)
        yield sink
        sink.finish()

    def finish(self, part: SerializedChunk) -> None:
        """Nothing is noted."""


@dataclass(frozen=True, slots=True)
class Phases:
    """One export, whose phases can be done again and again."""

    here: World
    query: ExportQuery
    folder: AttemptFolder

    @classmethod
    def of(cls, here: World, project: str, table: str, file_format: str) -> "Phases":
        # Its row is not added: a daemon that is measured later would take it up.
        row = requested(project, table, file_format)
        request = parse_request(row, defaults=here.settings.file_defaults)
        query = resolved(request, here.ports["reader"], here.settings)
        return cls(
            here,
            query,
            AttemptFolder(here.ports["spool"], f"bench-{project}-{table}-{file_format}"),
        )

    def scan(self) -> int:
        """The keys, in the spool; their bytes."""
        plan, _ = self._planned()
        return plan.rows * 8

    def read_and_serialise(self, rows_by: str = "clickhouse") -> int:
        """Scan, rows, lookups; the bytes of the rows, which go nowhere.

        Args:
            rows_by: Who makes the rows, as LF_EXPORT_ROWS.
        """
        _, chunks = self._planned()
        settings = self.here.settings.model_copy(update={"lf_export_rows": rows_by})
        writer = writer_of(self.query)
        rows = ChunkReader(self.here.ports["reader"], PlanTables())
        layout = written_layout(self.query, settings, rows)
        make = partial(ChunkWriter, rows, writer, self.query, preview=False, layout=layout)
        make = partial(make, file=_Nowhere())
        parts = [make(chunk=chunk, folder=self.folder).verified() for chunk in chunks]
        self.folder.remove()
        return sum(part.bytes for part in parts)

    def _planned(self) -> tuple[ExportPlan, list[Chunk]]:
        target = self.here.settings.lf_export_chunk_target_mib * MEBIBYTE
        return planned(self.query, self.here.ports["reader"], self.folder, target)


def uploaded(here: World, file: Path) -> int:
    """A finished file into the bucket, as the pipeline sends it."""
    size = file.stat().st_size
    with file.open("rb") as source:
        here.ports["files"].upload("bench-upload", source, "text/plain", size)
    here.ports["files"].delete("bench-upload")
    return size
