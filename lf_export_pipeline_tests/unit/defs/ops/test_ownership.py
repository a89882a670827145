"""Two Dagsters, or what else works on the same row: whose export it is, and how it ends."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest

from lf_export_pipeline.core.errors import PermanentError
from lf_export_pipeline.core.request.ownership import mark_of, owner_of
from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.lifecycle.partitions import PARTITION_TAG
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.fakes import MemoryObjectStore, MemorySpool
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.ticks import tick
from lf_export_pipeline_tests.world import ENVIRONMENT, World

OPERATORS = Settings.load(ENVIRONMENT)
AT_WORK = [
    "rows",
    "link",
    pytest.param("scan", marks=pytest.mark.long),
    pytest.param("upload", marks=pytest.mark.long),
]


@pytest.fixture
def elsewhere() -> Iterator[dg.DagsterInstance]:
    """The records of a second Dagster, which knows nothing of the first one's runs."""
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def meanwhile(world: World, place: str, happens: Callable[[], object]) -> None:
    """Lets something happen once, while the export is there."""
    todo = [happens]

    def once(*_: object) -> None:
        if todo:
            todo.pop()()

    def then(method: Callable[..., Any]) -> Callable[..., Any]:
        def first_once(*them: object) -> object:
            once()
            return method(*them)

        return first_once

    hooks: dict[str, tuple[object, str, Callable[..., Any]]] = {
        "scan": (world.reader, "before_scan", once),
        "rows": (world.reader, "before_rows", once),
        "upload": (world.files, "upload", then(world.files.upload)),
        "link": (world.files, "signed_url", then(world.files.signed_url)),
        "mail": (world.mailer, "send", then(world.mailer.send)),
    }
    setattr(*hooks[place])


def union_all(world: World) -> World:
    """The same row, bucket and mail server; a spool of its own, as another machine has."""
    other = World(world.row)
    other.rows, other.mailer, other.spool = world.rows, world.mailer, MemorySpool()
    other.files = MemoryObjectStore()
    other.files.objects, other.files.content_types = (
        world.files.objects,
        world.files.content_types,
    )
    return other


def refusing(world: World) -> World:
    """As ``beside``, with a wrong S3 secret."""
    other = union_all(world)
    other.files.failures = [PermanentError("The bucket refuses it.")] * 9
    return other


def assert_one_good_file(world: World) -> None:
    """One object, the row's link leads to it, nobody has heard of it twice, nothing is left."""
    (key,) = world.files.objects
    assert (world.state.status, world.state.log) == ("COMPLETED", None)
    assert key in (world.state.url or "")
    assert len(world.mailer.sent) == 1
    assert not world.spool.files


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("place", AT_WORK)
def test_a_second_dagster_that_cannot_upload_takes_no_good_run_down(
    place: str, force: bool, instance: dg.DagsterInstance, elsewhere: dg.DagsterInstance
) -> None:
    world = World(export_row())
    other, ends = refusing(world), list[bool]()
    meanwhile(world, place, lambda: ends.append(other.run(elsewhere, force=force).success))

    assert world.run(instance).success

    assert ends == [True]
    assert not other.spool.files
    assert_one_good_file(world)


@pytest.mark.parametrize("place", [*AT_WORK, "mail"])
def test_of_two_good_runs_one_makes_the_export(
    place: str, instance: dg.DagsterInstance, elsewhere: dg.DagsterInstance
) -> None:
    world = World(export_row())
    meanwhile(world, place, lambda: union_all(world).run(elsewhere))

    assert world.run(instance).success

    assert_one_good_file(world)


def test_the_second_of_two_that_read_the_row_at_the_same_time_stands_down(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(export_row())
    start = world.rows.start

    def too_late(export_id: str, owner: str, unchanged_since: datetime | None = None) -> bool:
        start(export_id, "a-faster-run")
        return start(export_id, owner, unchanged_since)

    monkeypatch.setattr(world.rows, "start", too_late)

    assert world.run(instance).success

    assert owner_of(world.state) == "a-faster-run"
    assert not world.files.objects


def older_version_fails(world: World) -> None:
    """It starts a row that is PROCESSING, and guards its failure by the state alone."""
    put(world, status="PROCESSING", log=None)
    put(world, status="FAILED", log="The bucket refuses it.")


def older_version_works(world: World) -> None:
    put(world, status="PROCESSING", log=None)


def worker_fails_and_tries_again(world: World) -> None:
    """Langfuse's own worker: its updates have no guard, and leave the log as it was."""
    put(world, status="PROCESSING")
    put(world, status="FAILED", log="An internal error occurred")
    put(world, status="PROCESSING")


def worker_works(world: World) -> None:
    put(world, status="PROCESSING")


def put(world: World, **values: object) -> None:
    changed = replace(world.state, updated_at=datetime.now(UTC), **values)  # type: ignore[arg-type]
    world.rows.rows[world.row.id] = changed


@pytest.mark.parametrize("place", AT_WORK)
@pytest.mark.parametrize(
    "happens",
    [older_version_fails, older_version_works, worker_fails_and_tries_again, worker_works],
)
def test_a_run_whose_file_is_good_publishes_it_whatever_nobody_can_be_asked_about_does(
    happens: Callable[[World], None], place: str, instance: dg.DagsterInstance
) -> None:
    world = World(export_row())
    meanwhile(world, place, lambda: happens(world))

    assert world.run(instance).success

    assert_one_good_file(world)


@pytest.mark.parametrize("place", AT_WORK)
def test_a_file_that_langfuses_worker_has_published_is_the_only_one(
    place: str, instance: dg.DagsterInstance
) -> None:
    world, theirs = World(export_row()), "https://bucket.test/exports/of-the-worker.csv"
    meanwhile(world, place, lambda: put(world, status="COMPLETED", url=theirs))

    assert world.run(instance).success

    assert (world.state.status, world.state.url) == ("COMPLETED", theirs)
    assert not world.files.objects
    assert not world.mailer.sent
    assert not world.spool.files


def test_a_link_that_the_worker_has_replaced_just_after_ours_is_told_of_by_the_worker_alone(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, theirs = World(export_row()), "https://bucket.test/exports/of-the-worker.csv"
    complete = world.rows.complete

    def overtaken(*them: str, **values: object) -> bool:
        done = complete(*them, **values)  # type: ignore[arg-type]
        put(world, url=theirs)
        return done

    monkeypatch.setattr(world.rows, "complete", overtaken)

    assert world.run(instance).success

    assert world.state.url == theirs
    assert not world.files.objects
    assert not world.mailer.sent


@pytest.mark.parametrize(
    ("log", "force"),
    [
        (mark_of("run-of-another-dagster"), True),
        (mark_of("run-of-another-dagster"), False),
        (None, False),
    ],
)
def test_an_export_that_somebody_works_on_is_started_only_when_he_is_silent_for_long(
    log: str | None, force: bool, instance: dg.DagsterInstance
) -> None:
    now = datetime.now(UTC)
    row = export_row(status="PROCESSING", log=log, updated_at=now - OPERATORS.lost_after / 2)
    world = World(row)

    assert world.run(instance, force=force).success
    assert world.state == row

    put_silent = replace(row, updated_at=now - OPERATORS.lost_after)
    world.rows.rows[row.id] = put_silent
    assert world.run(instance).success
    assert_one_good_file(world)


def test_an_export_that_nobody_says_to_work_on_is_started_by_force(
    instance: dg.DagsterInstance,
) -> None:
    world = World(export_row(status="PROCESSING", log=None, updated_at=datetime.now(UTC)))

    assert world.run(instance, force=True).success
    assert_one_good_file(world)


@pytest.mark.parametrize(
    ("status", "is_taken"),
    [(dg.DagsterRunStatus.STARTED, False), (dg.DagsterRunStatus.FAILURE, True)],
)
def test_an_export_whose_owner_is_known_to_be_dead_is_started_at_once(
    status: dg.DagsterRunStatus, is_taken: bool, instance: dg.DagsterInstance
) -> None:
    world = World(export_row())
    tags = {PARTITION_TAG: world.row.id}
    owner = instance.create_run_for_job(batch_export_job(), status=status, tags=tags)
    world.rows.start(world.row.id, owner.run_id)

    assert world.run(instance).success

    assert (world.state.status == "COMPLETED") is is_taken


def test_a_run_that_wakes_when_its_export_is_anothers_leaves_it_alone(
    instance: dg.DagsterInstance,
) -> None:
    world = World(export_row())
    taken = mark_of("run-that-has-taken-it-over")
    meanwhile(world, "rows", lambda: put(world, log=taken))

    assert world.run(instance).success

    assert (world.state.status, world.state.log) == ("PROCESSING", taken)
    assert not world.files.objects
    assert not world.spool.files


@pytest.mark.parametrize("place", AT_WORK)
def test_a_run_that_fails_when_its_export_is_anothers_leaves_it_alone(
    place: str, instance: dg.DagsterInstance
) -> None:
    world = World(export_row())
    taken = mark_of("run-that-has-taken-it-over")

    def take_and_break() -> None:
        put(world, log=taken)
        raise PermanentError("The server gave up.")

    meanwhile(world, place, take_and_break)

    assert not world.run(instance).success

    assert (world.state.status, world.state.log) == ("PROCESSING", taken)


def test_the_sensor_of_a_second_dagster_leaves_a_run_of_the_first_alone(
    elsewhere: dg.DagsterInstance,
) -> None:
    """Its own run of the export has ended, and the other one waits for a pod."""
    world = World(export_row(status="PROCESSING", log=mark_of("run-of-the-first")))
    waits = replace(world.state, updated_at=datetime.now(UTC) - OPERATORS.lost_after / 2)
    world.rows.rows[world.row.id] = waits
    tags = {PARTITION_TAG: world.row.id}
    ended = elsewhere.create_run_for_job(batch_export_job(), tags=tags)
    elsewhere.report_run_failed(ended)

    result = tick(elsewhere, world.rows, OPERATORS)

    assert not result.run_requests
    assert world.state == waits
