import threading
from collections.abc import Iterable

import pytest

from lf_export_pipeline.core.errors import TransientError
from lf_export_pipeline.core.query.export_query import SerializedChunk
from lf_export_pipeline.file.upload_ahead import (
    ChunksInOrder,
    Sent,
    UploadsAhead,
    UploadStoppedError,
)

SECONDS = 10


def part(index: int, checksum: str = "") -> SerializedChunk:
    return SerializedChunk(
        index=index,
        rows=1,
        bytes=1,
        checksum=checksum,
        location=f"part-{index}",
        expected_rows=1,
        seconds=0.0,
    )


class Bucket:
    """Takes parts as they come; its object is there when they have ended."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.arrived = threading.Condition()
        self.is_complete = False
        self.aborted: BaseException | None = None

    def send(self, parts: Iterable[SerializedChunk]) -> Sent:
        try:
            for one in parts:
                with self.arrived:
                    self.taken.append(one.index)
                    self.arrived.notify_all()
        except BaseException as error:
            self.aborted = error
            raise
        self.is_complete = True
        return ("key", "sum")

    def has(self, count: int) -> bool:
        with self.arrived:
            return self.arrived.wait_for(lambda: len(self.taken) == count, SECONDS)


def test_parts_are_taken_in_order_as_soon_as_those_before_them_are_there() -> None:
    bucket, uploads = Bucket(), UploadsAhead()
    uploads.offer("plan", part(1), bucket.send)
    uploads.offer("plan", part(0), bucket.send)
    assert bucket.has(2)
    uploads.offer("plan", part(2), bucket.send)
    assert bucket.has(3)
    assert bucket.taken == [0, 1, 2]
    uploads.close()


def test_the_object_is_complete_only_when_somebody_wants_it() -> None:
    bucket, uploads = Bucket(), UploadsAhead()
    for index in range(3):
        uploads.offer("plan", part(index), bucket.send)
    assert bucket.has(3)
    assert not bucket.is_complete

    assert uploads.finished("plan", [part(0), part(1), part(2)]) == ("key", "sum")
    assert bucket.is_complete


def test_parts_that_were_never_offered_are_sent_at_the_end() -> None:
    bucket, uploads = Bucket(), UploadsAhead()
    uploads.offer("plan", part(0), bucket.send)
    uploads.finished("plan", [part(1), part(0)])
    assert bucket.taken == [0, 1]


@pytest.mark.parametrize(
    ("plan", "parts"), [("plan", [part(0, "other")]), ("plan", []), ("another plan", [part(0)])]
)
def test_an_upload_of_other_parts_is_aborted(plan: str, parts: list[SerializedChunk]) -> None:
    bucket, uploads = Bucket(), UploadsAhead()
    uploads.offer("plan", part(0), bucket.send)
    assert bucket.has(1)

    assert uploads.finished(plan, parts) is None
    assert isinstance(bucket.aborted, UploadStoppedError)


def test_what_the_upload_raises_is_raised_where_it_is_wanted_and_only_once() -> None:
    def fail(_: Iterable[SerializedChunk]) -> Sent:
        raise TransientError("The bucket is away.")

    uploads = UploadsAhead()
    uploads.offer("plan", part(0), fail)
    with pytest.raises(TransientError, match="away"):
        uploads.finished("plan", [part(0)])
    assert uploads.finished("plan", [part(0)]) is None


def test_closing_aborts_what_was_not_finished() -> None:
    bucket, uploads = Bucket(), UploadsAhead()
    uploads.offer("plan", part(0), bucket.send)
    assert bucket.has(1)
    uploads.close()
    assert isinstance(bucket.aborted, UploadStoppedError)
    assert uploads.finished("plan", [part(0)]) is None


def test_a_new_plan_ends_the_upload_of_the_one_before() -> None:
    old, new, uploads = Bucket(), Bucket(), UploadsAhead()
    uploads.offer("old", part(0), old.send)
    uploads.offer("new", part(0), new.send)
    assert isinstance(old.aborted, UploadStoppedError)
    assert uploads.finished("new", [part(0)]) == ("key", "sum")


def test_nothing_is_begun_when_it_is_off() -> None:
    uploads = UploadsAhead(is_on=False)
    uploads.offer("plan", part(0), lambda _: pytest.fail("It was begun."))
    assert uploads.finished("plan", [part(0)]) is None


def test_one_who_takes_parts_waits_for_the_next_one() -> None:
    parts, taken = ChunksInOrder(), threading.Event()
    found: list[int] = []

    def take() -> None:
        found.extend(one.index for one in parts)
        taken.set()

    threading.Thread(target=take, daemon=True).start()
    parts.offer(part(0))
    assert not taken.wait(0.05)
    assert parts.end_with([part(0)])
    assert taken.wait(SECONDS)
    assert found == [0]
