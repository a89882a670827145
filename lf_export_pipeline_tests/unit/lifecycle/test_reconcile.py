"""What a tick does about what was decided, on Dagster's own records."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import dagster as dg
import pytest

from lf_export_pipeline.core.errors import GENERIC_USER_MESSAGE, TransientError
from lf_export_pipeline.core.ports import ObjectStore, Spool
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.core.request.ownership import owner_of
from lf_export_pipeline.core.stored_objects import IncompleteUpload
from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.defs.sensors import reconciled
from lf_export_pipeline.file.attempt_folder import AttemptFolder
from lf_export_pipeline.file.object_keys import OBJECT, ObjectKey
from lf_export_pipeline.lifecycle import decision, reconcile
from lf_export_pipeline.lifecycle.launch import PAGE_ROWS
from lf_export_pipeline.lifecycle.notices import EMAIL_TAG
from lf_export_pipeline.lifecycle.partitions import (
    FAILURE_TAG,
    PARTITION_TAG,
    QUEUED_AT_TAG,
    RECOVERY_TAG,
)
from lf_export_pipeline.lifecycle.reconcile import Reconciler
from lf_export_pipeline.lifecycle.retries import WILL_RETRY_TAG
from lf_export_pipeline.settings.operating import OperatingSettings
from lf_export_pipeline_tests.fakes import FakeBatchExportRepository, MemoryObjectStore, MemorySpool
from lf_export_pipeline_tests.numbers_table import export_row

JOB = batch_export_job()
LONG_AGO = datetime.now(UTC) - timedelta(days=1)
KEYS = ("exports/1931774400123-a.csv", "exports/1931774400124-b.csv")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


class Place:
    """Rows, spool and bucket in memory, and the ticks that look at them."""

    def __init__(self, instance: dg.DagsterInstance, *rows: ExportRow, **settings: int) -> None:
        self.instance = instance
        self.rows = FakeBatchExportRepository(*rows)
        self.spool, self.files = MemorySpool(), MemoryObjectStore()
        self.settings = OperatingSettings(**{"lf_export_starts_per_tick": 100, **settings})
        self.cursor: str | None = None
        self.done: list[str] = []

    def tick(self, later: timedelta = timedelta(minutes=2)) -> list[dg.RunRequest]:
        """The requests of one tick, as if it came so much later."""
        now = datetime.now(UTC) + later
        reconciler = Reconciler(self.instance, self.rows, self.settings, self.stores, now)
        self.done = reconciler.done
        result = reconciled(reconciler, self.cursor)
        self.cursor = result.cursor
        return list(result.run_requests or ())

    def keys(self, later: timedelta = timedelta(minutes=2)) -> list[str | None]:
        return [request.partition_key for request in self.tick(later)]

    def status(self, export_id: str = "a") -> str:
        return self.rows.rows[export_id].status

    def leave_object(self, root: str, key: str) -> AttemptFolder:
        """What an attempt has noted and uploaded before it ended."""
        folder = AttemptFolder.of(self.spool, "a", root)
        folder.write(OBJECT, ObjectKey(key=key))
        self.files.objects[key] = b"1"
        self.files.incomplete.append(IncompleteUpload(key, "1", datetime.now(UTC)))
        return folder

    @contextmanager
    def stores(self) -> Iterator[tuple[Spool, ObjectStore]]:
        yield self.spool, self.files


def run_of(
    instance: dg.DagsterInstance, tags: Mapping[str, str] | None = None, *, begins: bool = True
) -> dg.DagsterRun:
    """A run for the queueing of long ago."""
    known = {PARTITION_TAG: "a", QUEUED_AT_TAG: LONG_AGO.isoformat(), **(tags or {})}
    run = instance.create_run_for_job(JOB, tags=known)
    if begins:
        event = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name)
        instance.report_dagster_event(event, run.run_id)
    return run


def waiting_row(export_id: str = "a", **values: Any) -> ExportRow:
    return export_row(export_id, **{"updated_at": LONG_AGO, **values})


def test_row_that_waits_gets_one_run(instance: dg.DagsterInstance) -> None:
    place = Place(instance, waiting_row())

    (request,) = place.tick()

    assert (request.partition_key, request.run_key) == ("a", "a:1")
    assert place.status() == "QUEUED"


def test_row_of_a_run_that_failed_unheard_is_failed(instance: dg.DagsterInstance) -> None:
    place = Place(instance, waiting_row())
    instance.report_run_failed(run_of(instance))

    assert place.keys() == []

    assert (place.status(), place.rows.rows["a"].log) == ("FAILED", GENERIC_USER_MESSAGE)
    assert "set FAILED" in place.done[0]


def test_row_whose_run_was_terminated_unheard_is_cancelled(instance: dg.DagsterInstance) -> None:
    place = Place(instance, waiting_row())
    instance.report_run_canceled(run_of(instance))

    assert place.keys() == []

    assert place.status() == "CANCELLED"


def test_export_that_can_never_be_launched_is_failed_in_the_end(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decision, "LAUNCHES_MAX", 3)
    place = Place(instance, waiting_row())
    for attempt in (1, 2, 3):
        (request,) = place.tick()
        assert request.run_key == f"a:{attempt}"
        instance.report_run_failed(run_of(instance, request.tags, begins=False))

    assert place.keys() == []

    assert place.status() == "FAILED"


def test_row_is_set_also_when_no_room_is_left(instance: dg.DagsterInstance) -> None:
    place = Place(instance, waiting_row(), lf_export_max_runs=1)
    run_of(instance, {PARTITION_TAG: "another"})
    place.rows.add(export_row("another", status="PROCESSING"))
    instance.report_run_failed(run_of(instance))

    assert place.keys() == []

    assert place.status() == "FAILED"


def test_sensor_looks_behind_a_page_of_rows_that_wait_for_retries(
    instance: dg.DagsterInstance,
) -> None:
    rows = [waiting_row(f"w{at:03d}", created_at=LONG_AGO) for at in range(PAGE_ROWS)]
    for row in rows:
        retried = {PARTITION_TAG: row.id, WILL_RETRY_TAG: "true"}
        instance.report_run_failed(run_of(instance, retried))
    place = Place(instance, *rows, waiting_row("last"), lf_export_max_runs=1_000)

    assert place.keys(timedelta(0)) == ["last"]


def test_lost_export_is_requeued_and_launched_with_the_number_of_its_recovery(
    instance: dg.DagsterInstance,
) -> None:
    lost = export_row("a", status="PROCESSING", updated_at=LONG_AGO, log="old")
    done = export_row("done", status="COMPLETED", updated_at=LONG_AGO)
    place = Place(instance, lost, export_row("alive", status="PROCESSING"), done)

    (request,) = place.tick()

    assert (request.partition_key, request.tags[RECOVERY_TAG]) == ("a", "1")
    assert (place.status(), place.rows.rows["a"].log) == ("QUEUED", None)
    assert (place.status("alive"), place.status("done")) == ("PROCESSING", "COMPLETED")


def test_recovery_that_found_no_room_stays_counted(instance: dg.DagsterInstance) -> None:
    lost = export_row("a", status="PROCESSING", updated_at=LONG_AGO)
    place = Place(instance, lost, lf_export_max_runs=1)
    other = run_of(instance, {PARTITION_TAG: "another"})
    place.rows.add(export_row("another", status="PROCESSING"))
    assert place.keys() == []
    assert place.status() == "QUEUED"
    instance.delete_run(other.run_id)

    (request,) = place.tick()

    assert request.tags[RECOVERY_TAG] == "1"


def test_missed_retry_is_asked_for_once(instance: dg.DagsterInstance) -> None:
    run = run_of(instance, {WILL_RETRY_TAG: "true"})
    instance.report_run_failed(run)
    place = Place(instance, export_row("a", status="PROCESSING"))

    for _ in range(3):
        place.tick()

    failures = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    assert len(failures) == 2


def test_dead_run_is_reported_as_failed(instance: dg.DagsterInstance) -> None:
    silent = run_of(instance)
    waits = instance.create_run_for_job(JOB, status=dg.DagsterRunStatus.NOT_STARTED)
    row = export_row("a", status="PROCESSING")
    place = Place(instance, row)

    place.tick(timedelta(minutes=59))
    assert instance.get_run_by_id(silent.run_id).status is dg.DagsterRunStatus.STARTED  # type: ignore[union-attr]
    place.tick(timedelta(hours=2))

    status = {run.run_id: run.status for run in instance.get_runs()}
    assert status[silent.run_id] is dg.DagsterRunStatus.FAILURE
    assert status[waits.run_id] is dg.DagsterRunStatus.NOT_STARTED


def test_run_that_cannot_be_terminated_hides_no_other_action(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    unwanted = run_of(instance, {PARTITION_TAG: "gone"})
    dead = run_of(instance)
    place = Place(instance, export_row("a", status="PROCESSING"), waiting_row("waits"))
    refusal = Mock(side_effect=RuntimeError("this launcher is away"))
    monkeypatch.setattr(instance.run_coordinator, "cancel_run", refusal)
    place.settings = place.settings.model_copy(update={"lf_export_lost_after_seconds": 60})

    with pytest.raises(RuntimeError):
        place.tick(timedelta(seconds=59))
    instance.delete_run(unwanted.run_id)
    place.tick(timedelta(hours=2))

    refusal.assert_called_once_with(unwanted.run_id)
    found = instance.get_run_by_id(dead.run_id)
    assert found
    assert found.status is dg.DagsterRunStatus.FAILURE


def test_objects_of_all_attempts_go_with_an_export_whose_run_was_terminated(
    instance: dg.DagsterInstance,
) -> None:
    place = Place(instance, export_row("a", status="PROCESSING"))
    earlier, run = run_of(instance), run_of(instance)
    instance.report_run_failed(earlier)
    place.rows.start("a", run.run_id)
    for root, key in zip((run.run_id, earlier.run_id), KEYS, strict=True):
        place.leave_object(root, key)
    elsewhere = AttemptFolder.of(place.spool, "a", "run-of-another-dagster")
    elsewhere.write(OBJECT, ObjectKey(key="exports/1931774400125-c.csv"))
    instance.report_run_canceled(run)

    place.tick()
    assert place.status() == "CANCELLED"
    place.tick()

    assert not place.files.objects
    assert not place.files.incomplete
    assert list(place.spool.folders("a")) == ["run-of-another-dagster"]


def test_unpublished_object_goes_with_an_export_whose_run_has_failed(
    instance: dg.DagsterInstance,
) -> None:
    place = Place(instance, export_row("a", status="PROCESSING"))
    run = run_of(instance)
    place.rows.start("a", run.run_id)
    folder = place.leave_object(run.run_id, KEYS[0])
    instance.report_run_failed(run)

    place.tick()
    assert place.status() == "FAILED"
    place.tick()

    assert not place.files.objects
    assert folder.has(OBJECT)  # a re-execution goes on with the rest of the folder


def test_what_cannot_be_removed_is_tried_again_and_what_is_removed_is_not(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(instance, export_row("a", status="CANCELLED"))
    run = run_of(instance)
    place.leave_object(run.run_id, KEYS[0])
    instance.report_run_canceled(run)
    removals: list[str] = []

    def away(folder: str) -> None:
        removals.append(folder)
        raise TransientError("The spool is away.")

    with monkeypatch.context() as broken:
        broken.setattr(place.spool, "remove", away)
        place.tick()
    place.tick()
    monkeypatch.setattr(place.spool, "remove", away)
    place.tick()

    assert not place.spool.files
    assert len(removals) == 1


@pytest.mark.parametrize("damaged", [b"", b"\x00" * 9, b"{}", b'{"key": 1}', b"\xff"], ids=repr)
@pytest.mark.parametrize("status", ["FAILED", "CANCELLED"])
def test_a_note_that_cannot_be_read_keeps_no_other_export_from_its_run(
    instance: dg.DagsterInstance, status: str, damaged: bytes
) -> None:
    """As a disk or an older version may have left it."""
    place = Place(instance, export_row("a", status=status), waiting_row("b"))
    run = run_of(instance)
    folder = place.leave_object(run.run_id, KEYS[0])
    place.spool.files[f"{folder.path}/{OBJECT}.json"] = damaged
    (instance.report_run_failed if status == "FAILED" else instance.report_run_canceled)(run)

    assert place.keys() == ["b"]
    assert folder.has(OBJECT)
    reconcile._bucket_answers.set()


def test_attempt_of_another_dagster_is_left_alone(instance: dg.DagsterInstance) -> None:
    place = Place(instance, export_row("a"))
    place.rows.start("a", "run-of-another-dagster")
    place.leave_object("run-of-another-dagster", KEYS[0])
    instance.report_run_canceled(run_of(instance))

    place.tick()

    assert KEYS[0] in place.files.objects
    assert owner_of(place.rows.rows["a"]) == "run-of-another-dagster"


def failed_with_object(place: Place) -> dg.DagsterRun:
    """A run that has failed and left an object."""
    run = run_of(place.instance)
    place.leave_object(run.run_id, KEYS[0])
    place.instance.report_run_failed(run)
    return run


def test_nothing_is_removed_that_a_run_goes_on_with_since_the_tick_has_looked(
    instance: dg.DagsterInstance,
) -> None:
    place = Place(instance, export_row("a", status="FAILED"))
    run = failed_with_object(place)
    settled = Reconciler._settle

    def settle_and_resume(self: Reconciler, active: Any) -> Any:
        due = settled(self, active)
        tags = {PARTITION_TAG: "a"}
        instance.create_run_for_job(
            JOB, tags=tags, root_run_id=run.run_id, parent_run_id=run.run_id
        )
        return due

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Reconciler, "_settle", settle_and_resume)
        place.tick()

    assert KEYS[0] in place.files.objects


def test_bucket_that_did_not_answer_is_not_asked_by_a_tick_that_starts_runs(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is silent takes longer than a tick may: Dagster would forget its requests."""
    place = Place(instance, export_row("a", status="FAILED"), waiting_row("b"))
    failed_with_object(place)
    asked: list[str] = []

    def away(key: str) -> None:
        asked.append(key)
        raise TransientError("The bucket's service did not answer.")

    with monkeypatch.context() as broken:
        broken.setattr(place.files, "delete", away)
        assert [place.keys(), place.keys()] == [["b"], ["b"]]
        assert asked == [KEYS[0]]
        run_of(instance, {PARTITION_TAG: "b"})
        assert place.keys() == []
        assert len(asked) == 2
    place.tick()

    assert KEYS[0] not in place.files.objects
    assert reconcile._bucket_answers.is_set()


def test_what_an_earlier_tick_is_still_removing_is_left_to_it(
    instance: dg.DagsterInstance,
) -> None:
    place = Place(instance, export_row("a", status="FAILED"))
    failed_with_object(place)

    with reconcile._cleaning:
        place.tick()
    assert KEYS[0] in place.files.objects
    place.tick()

    assert KEYS[0] not in place.files.objects


@pytest.mark.parametrize("fails", [False, True])
def test_failure_is_owed_before_the_row_is_set(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """A process that dies behind the update must not be the only one who knows of it."""
    place = Place(instance, waiting_row())
    run = run_of(instance, {FAILURE_TAG: "request"})
    instance.report_run_failed(run)

    def fail(*_: object) -> bool:
        found = instance.get_run_by_id(run.run_id)
        assert found
        assert found.tags[EMAIL_TAG] == "owed"
        return fails

    monkeypatch.setattr(place.rows, "fail", fail)
    place.tick()

    found = instance.get_run_by_id(run.run_id)
    assert found
    assert found.tags[FAILURE_TAG] == ("operation" if fails else "request")
