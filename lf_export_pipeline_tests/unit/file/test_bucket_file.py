"""A file whose chunks go into the bucket as they are read, and is gone on with at any point."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lf_export_pipeline.core.errors import (
    AccessRefusedError,
    ConfigurationError,
    ExportError,
    PermanentError,
    TimeLimitError,
    TransientError,
    UploadLostError,
)
from lf_export_pipeline.core.parsing import compiled_unanswered
from lf_export_pipeline.core.query.export_query import Chunk, ChunkList, ExportPlan, SerializedChunk
from lf_export_pipeline.core.stored_objects import BegunUpload, IncompleteUpload
from lf_export_pipeline.core.tables import register
from lf_export_pipeline.file import bucket_file
from lf_export_pipeline.file.attempt_folder import CHUNKS, AttemptFolder
from lf_export_pipeline.file.bucket_file import BucketFile
from lf_export_pipeline.file.cleanup import discard_attempt, discard_failed_attempt
from lf_export_pipeline.file.sent_object import SentObject
from lf_export_pipeline.file.spooled_bytes import keep
from lf_export_pipeline.file.upload_note import UPLOAD, SentChunk, UploadNote
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.effort import examples
from lf_export_pipeline_tests.fakes import MemoryObjectStore, MemorySpool
from lf_export_pipeline_tests.numbers_table import Numbers, export_row
from lf_export_pipeline_tests.told_checksums import sha256_of_parts
from lf_export_pipeline_tests.unit.core.test_left_out_columns import asked
from lf_export_pipeline_tests.unit.file.test_assembled_file import WITH_LIST
from lf_export_pipeline_tests.world import ENVIRONMENT

WRITER: Any = WITH_LIST
WRITER.content_type, WRITER.extension = "text/made-up", "csv"
PART_BYTES = 10
EXAMPLES = examples(200)
ROWS = [b"one of them", b"", b"two", b"three and a lot more of it", b"4"]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    register(Numbers())
    monkeypatch.setattr(bucket_file, "_part_bytes", lambda *_: PART_BYTES)
    monkeypatch.setattr(bucket_file, "writer_of", lambda *_: WRITER)


class Making:
    """A file of these rows, one text for each chunk, and how far it has come.

    Attributes:
        written: The chunks whose rows were written, in order.
    """

    def __init__(self, rows: Sequence[bytes] = ROWS) -> None:
        self.rows = rows
        self.files = MemoryObjectStore()
        self.spool = MemorySpool()
        self.settings = Settings.load(ENVIRONMENT)
        self.written: list[int] = []
        query = compiled_unanswered(asked(None, "numbers"))
        self.plan = ExportPlan(
            query=query,
            folder="export-1/root/run",
            rows=1,
            limit_hit=False,
            chunk_rows=(1,) * len(rows),
        )
        chunks = tuple(
            Chunk(folder="", index=at, chunk_count=len(rows), rows=1, first_row=at, total_rows=1)
            for at in range(len(rows))
        )
        AttemptFolder(self.spool, self.plan.folder).write(CHUNKS, ChunkList(chunks=chunks))

    @property
    def folder(self) -> AttemptFolder:
        return AttemptFolder(self.spool, "export-1/root")

    def opened(self) -> Any:
        return BucketFile.opened(self.plan, self.folder, self.files, self.settings)

    def write(self, file: BucketFile, index: int, *before: bytes) -> None:
        """Write a chunk; what is written of it before is read once more."""
        for rows in (*before, self.rows[index]):
            with file.rows_of(index, None) as sink:
                for at in range(0, len(rows), 7):
                    sink.write(memoryview(rows[at : at + 7]))
        self.written.append(index)
        file.finish(part(index, self.rows[index], sink.size))

    def go_on(self, until: int | None = None) -> None:
        """Write the chunks that are missing, up to one."""
        with self.opened() as file:
            for chunk in file.missing_before(len(self.rows) if until is None else until):
                self.write(file, chunk.index)

    def go_on_after_another(self) -> None:
        """Write two chunks; between them another run, which takes this one for dead, does too."""
        with self.opened() as first:
            self.write(first, 0)
            first.settle()
            self.go_on(until=2)
            self.write(first, 1)

    def end(self) -> SentObject:
        with self.opened() as file:
            parts = [file.finished(index) for index in range(len(self.rows))]
            return file.sent([found for found in parts if found])  # type: ignore[no-any-return]

    def assert_right(self, sent: SentObject) -> None:
        whole = whole_of(self.rows)
        assert self.files.objects == {sent.key: whole}
        assert sent.bytes == len(whole)
        assert self.files.incomplete == []
        if len(whole) >= PART_BYTES:
            assert sent.sha256_of_parts == sha256_of_parts(whole, PART_BYTES)
            assert sent.part_bytes == PART_BYTES


def part(index: int, rows: bytes, size: int) -> SerializedChunk:
    return SerializedChunk(
        index=index, rows=len(rows), bytes=size, expected_rows=len(rows), seconds=0
    )


def whole_of(rows: Sequence[bytes]) -> bytes:
    filled = [row for row in rows if row]
    if not filled:
        return b"[]"
    at, listed = 1, b""
    for row in filled:
        listed += b"%d:;" % at
        at += len(row) + 1
    return b"[" + b",".join(filled) + b"]" + listed


@settings(max_examples=EXAMPLES)
@given(rows=st.lists(st.binary(max_size=30), max_size=6))
def test_the_object_is_that_of_the_chunks_however_long_they_are(rows: list[bytes]) -> None:
    making = Making(rows)
    making.go_on()
    making.assert_right(making.end())


@settings(max_examples=EXAMPLES)
@given(
    rows=st.lists(st.binary(max_size=30), max_size=6),
    stops=st.lists(st.integers(0, 6), max_size=4),
)
def test_no_chunk_is_written_twice_by_who_goes_on(rows: list[bytes], stops: list[int]) -> None:
    making = Making(rows)
    for stop in stops:
        making.go_on(until=stop)
    making.go_on()
    making.assert_right(making.end())
    assert making.written == [*range(len(rows))]


@settings(max_examples=EXAMPLES)
@given(rows=st.lists(st.binary(max_size=30), min_size=1, max_size=4), void=st.binary(max_size=40))
def test_rows_that_are_read_again_take_the_place_of_those_before(
    rows: list[bytes], void: bytes
) -> None:
    making = Making(rows)
    with making.opened() as file:
        for index in range(len(rows)):
            making.write(file, index, void, void[:5])
    making.assert_right(making.end())


def test_who_is_killed_in_a_chunk_goes_on_with_that_chunk() -> None:
    making = Making()

    def be_killed() -> None:
        with making.opened() as file:
            for index in range(3):
                making.write(file, index)
            with file.rows_of(3, None) as sink:
                sink.write(memoryview(b"rows that are never finished" * 3))
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        be_killed()
    making.go_on()
    making.assert_right(making.end())
    assert making.written == [0, 1, 2, 3, 4]


def test_a_chunk_that_comes_too_early_is_refused() -> None:
    making = Making()
    with pytest.raises(TransientError, match="Chunk 1 comes before"), making.opened() as file:
        making.write(file, 1)


def lose_upload(making: Making) -> None:
    (upload,) = making.files.incomplete
    making.files.abort(upload)


def change_part(making: Making) -> None:
    (parts,) = making.files.parts.values()
    parts[1] = b"others"


def lose_rest(making: Making) -> None:
    (rest,) = [path for path in making.spool.files if PurePosixPath(path).name == "rest-0"]
    del making.spool.files[rest]


def change_rest(making: Making) -> None:
    (rest,) = [path for path in making.spool.files if PurePosixPath(path).name == "rest-0"]
    making.spool.files[rest] = b"others"


def lose_note(making: Making) -> None:
    (note,) = [path for path in making.spool.files if path.endswith("sent-00000.json")]
    del making.spool.files[note]


@pytest.mark.parametrize("found", [None, b"another one"], ids=["lost", "changed"])
def test_a_chunk_whose_ending_is_not_what_it_was_is_made_again(found: bytes | None) -> None:
    """Such as by a run that was taken for dead, and has read other rows since."""
    making = Making()
    with making.opened() as file:
        making.write(file, 0)
        file.settle()
    (note,) = [path for path in making.spool.files if path.endswith("sent-00000.json")]
    sent = SentChunk.model_validate_json(making.spool.files[note])
    assert sent.part is not None
    kept = keep(making.spool, "ending", memoryview(b"an ending"))
    noted = sent.model_copy(update={"part": sent.part.model_copy(update={"ending": kept})})
    making.spool.files[note] = noted.model_dump_json().encode()
    with making.opened() as file:
        assert file.finished(0) is not None
    making.spool.files |= {"ending": found or b""}
    if found is None:
        del making.spool.files["ending"]
    with making.opened() as file:
        assert file.finished(0) is None


@pytest.mark.parametrize("harm", [lose_upload, change_part, lose_rest, change_rest, lose_note])
def test_what_cannot_be_gone_on_with_is_made_anew(harm: Any) -> None:
    making = Making()
    making.go_on(until=3)
    harm(making)
    making.go_on()
    making.assert_right(making.end())
    assert making.written == [0, 1, 2, 0, 1, 2, 3, 4]


def test_an_upload_that_vanishes_at_work_is_made_anew_by_the_next_try() -> None:
    making = Making()

    def go_on_without_it() -> None:
        with making.opened() as file:
            making.write(file, 0)
            file.settle()
            lose_upload(making)
            for index in range(1, 5):
                making.write(file, index)

    with pytest.raises(UploadLostError):
        go_on_without_it()
    making.go_on()
    making.assert_right(making.end())


def test_what_was_completed_before_a_kill_is_not_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    making = Making()
    making.go_on()
    complete, send = making.files.complete, making.files.send_part

    def die(*arguments: Any) -> None:
        complete(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(making.files, "complete", die)
    with pytest.raises(KeyboardInterrupt):
        making.end()
    monkeypatch.setattr(making.files, "complete", complete)
    monkeypatch.setattr(making.files, "send_part", lambda *_: pytest.fail("It was sent."))
    making.go_on()
    making.assert_right(making.end())
    monkeypatch.setattr(making.files, "send_part", send)
    assert making.written == [0, 1, 2, 3, 4]


def test_an_object_that_is_gone_since_it_was_completed_is_made_anew() -> None:
    making = Making()
    making.go_on()
    making.files.delete(making.end().key)
    making.go_on()
    making.assert_right(making.end())
    assert making.written == [0, 1, 2, 3, 4] * 2


class Elsewhere(MemoryObjectStore):
    """A bucket of this name at another service, to which the names of uploads are misspelt."""

    def __init__(self, error: ExportError) -> None:
        super().__init__(service="another.test")
        self.error = error

    def listed_parts(self, upload: BegunUpload) -> set[tuple[int, str]] | None:
        return super().listed_parts(upload) if upload.upload_id in self.parts else self.refuse()

    def abort(self, upload: IncompleteUpload | BegunUpload) -> None:
        if upload.upload_id not in self.parts:
            self.refuse()
        super().abort(upload)

    def refuse(self) -> NoReturn:
        raise self.error


AS_UNKNOWN = pytest.mark.parametrize(
    "error", [ConfigurationError("Invalid argument."), TransientError("Busy.")], ids=["400", "503"]
)


@AS_UNKNOWN
def test_after_a_change_of_the_service_the_file_is_made_anew_at_the_new_one(
    error: ExportError,
) -> None:
    making = Making()
    making.go_on(until=3)
    making.files = Elsewhere(error)
    making.go_on()
    making.assert_right(making.end())
    assert making.written == [0, 1, 2, 0, 1, 2, 3, 4]


@AS_UNKNOWN
def test_an_attempt_at_a_service_of_before_is_removed(error: ExportError) -> None:
    making = Making()
    making.go_on(until=3)
    assert discard_attempt(making.folder, Elsewhere(error), None)
    assert making.spool.files == {}


@pytest.mark.parametrize("is_complete", [False, True])
def test_an_upload_that_was_begun_with_another_encryption_is_not_gone_on_with(
    is_complete: bool,
) -> None:
    making = Making()
    making.go_on()
    before = making.end() if is_complete else None
    making.files.encryption = "aws:kms a-key"
    begun = len(making.files.types)
    making.go_on()
    sent = making.end()
    assert before is None or sent == before
    assert len(making.files.types) == begun + 1
    making.assert_right(sent)
    assert making.written == [0, 1, 2, 3, 4] * 2


def noted_by_an_older_version(making: Making) -> None:
    """The note of an upload as it was before it named service and encryption."""
    note = making.folder.read(UPLOAD, UploadNote)
    assert note is not None
    path = f"{making.folder.path}/{UPLOAD}.json"
    older = note.model_dump_json(exclude={"service", "encryption"})
    making.spool.files[path] = older.encode()


def test_an_upload_that_an_older_version_has_noted_is_gone_on_with() -> None:
    making = Making()
    making.go_on(until=3)
    noted_by_an_older_version(making)
    making.go_on()
    making.assert_right(making.end())
    assert making.written == [0, 1, 2, 3, 4]


def test_an_upload_that_an_older_version_has_noted_is_aborted_with_its_attempt() -> None:
    making = Making()
    making.go_on(until=3)
    noted_by_an_older_version(making)
    discard_attempt(making.folder, making.files, None)
    assert making.files.incomplete == []


def test_a_bucket_that_does_not_list_parts_is_believed_until_the_end() -> None:
    class Hidden(MemoryObjectStore):
        def listed_parts(self, upload: BegunUpload) -> set[tuple[int, str]] | None:
            raise AccessRefusedError(upload.key)

    making = Making()
    making.files = Hidden()
    making.go_on(until=3)
    making.go_on()
    making.assert_right(making.end())
    assert making.written == [0, 1, 2, 3, 4]


def test_who_was_taken_for_dead_finishes_nothing_more() -> None:
    making = Making()
    with pytest.raises(TransientError, match="Another run"):
        making.go_on_after_another()
    making.go_on()
    making.assert_right(making.end())


def test_who_was_taken_for_dead_does_not_abort_the_upload_of_who_goes_on() -> None:
    """Its own has not begun, since what it has so far fills no part."""
    making = Making([b"one", b"two and all that belongs to it", b"three"])
    with pytest.raises(TransientError, match="Another run"):
        making.go_on_after_another()
    making.written.clear()
    making.go_on()
    making.assert_right(making.end())
    assert making.written == [2]


def test_who_was_taken_for_dead_puts_no_object_in_the_place_of_the_one_that_is_out() -> None:
    making = Making([b"one"])

    def end_after_another() -> None:
        with making.opened() as first:
            making.write(first, 0)
            first.settle()
            making.end()
            making.files.objects = dict.fromkeys(making.files.objects, b"what is out")
            first.sent([part(0, b"one", 3)])

    with pytest.raises(TransientError, match="Another run"):
        end_after_another()
    assert [*making.files.objects.values()] == [b"what is out"]


def test_a_plan_of_another_run_has_an_upload_of_its_own() -> None:
    making = Making()
    making.go_on(until=3)
    (old,) = making.files.incomplete
    making.plan = making.plan.model_copy(update={"folder": "export-1/root/later"})
    making.rows = [b"other rows than before, and fewer"]
    making.plan = making.plan.model_copy(update={"chunk_rows": (1,)})
    with making.opened() as file:
        making.write(file, 0)
    assert old not in making.files.incomplete
    making.assert_right(making.end())


def test_a_file_longer_than_10000_parts_is_begun_anew_with_larger_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bucket_file, "PART_MAX_COUNT", 4)
    making = Making()
    making.go_on()
    with pytest.raises(TransientError, match="longer than it was estimated"):
        making.end()
    making.go_on()
    sent = making.end()
    assert making.files.objects == {sent.key: whole_of(ROWS)}
    assert sent.part_bytes == 2 * PART_BYTES


@pytest.mark.parametrize(
    ("waited", "kind"), [(0.0, TimeLimitError), (1.0, TimeLimitError), (60.0, TransientError)]
)
def test_a_query_is_not_to_blame_for_a_bucket_that_holds_it_up(
    waited: float, kind: type[Exception]
) -> None:
    making = Making()

    def run_out_of_time() -> None:
        with making.opened() as file, file.rows_of(0, None):
            file._stream.waited_seconds += waited
            raise TimeLimitError("ClickHouse", "A_SETTING")

    with pytest.raises(kind) as raised:
        run_out_of_time()
    assert isinstance(raised.value, PermanentError) is (kind is TimeLimitError)
    assert ("LF_EXPORT_PARTS=spool" in str(raised.value)) is (kind is TransientError)


@pytest.mark.parametrize("status", ["CANCELLED", "COMPLETED"])
def test_the_upload_goes_with_the_folder_of_an_attempt_that_is_over(status: str) -> None:
    making = Making()
    making.go_on(until=3)
    discard_failed_attempt(making.folder, making.files, export_row(status=status))
    assert (making.files.incomplete, making.spool.files) == ([], {})


def test_the_upload_of_a_failed_attempt_is_kept_for_its_reexecution() -> None:
    making = Making()
    making.go_on(until=3)
    discard_failed_attempt(making.folder, making.files, export_row(status="FAILED"))
    assert len(making.files.incomplete) == 1
    making.go_on()
    making.assert_right(making.end())
    assert making.written == [0, 1, 2, 3, 4]


def test_the_upload_of_an_attempt_that_nobody_resumes_is_aborted_in_its_bucket() -> None:
    making = Making()
    making.go_on(until=3)
    elsewhere = MemoryObjectStore("another")
    elsewhere.others["exports"] = making.files
    assert discard_attempt(making.folder, elsewhere, None)
    assert (making.files.incomplete, making.spool.files) == ([], {})
