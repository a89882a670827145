"""What is left of an attempt's folder when its removal is cut short."""

from contextlib import suppress
from itertools import count

from lf_export_pipeline.core.query.export_query import SerializedChunk
from lf_export_pipeline.file.attempt_folder import AttemptFolder
from lf_export_pipeline_tests.fakes import MemorySpool

FILES = ("notified.json", "object.json", "values/run-1/upload_file.result.json", "run-1/part-00000")


class Killed(BaseException):
    """No more files are removed."""


class DyingSpool(MemorySpool):
    """Removes file by file, the marks before the values, and dies when it has removed so many."""

    left = 0

    def remove(self, folder: str) -> None:
        for path in sorted(path for path in self.files if path.startswith(f"{folder}/")):
            if not self.left:
                raise Killed
            self.left -= 1
            del self.files[path]


def left_after(removals: int) -> set[str]:
    """The files that are left when the process dies after so many."""
    spool = DyingSpool()
    spool.left = removals
    spool.files = {f"export-1/run-1/{name}": b"{}" for name in FILES}
    with suppress(Killed):
        AttemptFolder(spool, "export-1/run-1").remove()
    return {path.removeprefix("export-1/run-1/") for path in spool.files}


def test_whoever_finds_values_to_go_on_with_finds_the_marks_too() -> None:
    for removals in count():
        left = left_after(removals)
        if any(path.startswith("values/") for path in left):
            assert {"notified.json", "object.json"} <= left
        if not left:
            return


def test_a_run_that_goes_on_finds_what_a_part_has_left_for_the_end() -> None:
    folder = AttemptFolder(MemorySpool(), "export/run")
    with folder.create_chunk(3) as file:
        file.write(b"rows")
    part = SerializedChunk(
        index=3,
        rows=1,
        bytes=4,
        checksum="",
        location=folder.chunk_location(3),
        expected_rows=1,
        seconds=0,
        ending=folder.write_ending(3, b"footer"),
    )
    folder.finish_chunk(part)
    assert folder.finished_chunk(3) == part
