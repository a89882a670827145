"""Standing exports are checked before they are kept: what could never work is refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lf_export_pipeline.core.errors import PermanentError
from lf_export_pipeline.core.tables import register
from lf_export_pipeline.schedules.requests import Action, change, record_of
from lf_export_pipeline_tests.numbers_table import Numbers, export_row
from lf_export_pipeline_tests.unit.schedules.standing_world import QUERY, StandingWorld, original


def test_what_is_kept_is_listed(world: StandingWorld) -> None:
    standing = world.schedule(timezone="Europe/Berlin", name="Every day", lag_minutes=20)

    ((found, progress),) = world.kept.all()

    assert found == standing
    assert record_of(found, progress) == {
        "id": standing.id,
        "state": "active",
        "name": "Every day",
        "project": "project-1",
        "table": "traces",
        "cron": "0 6 * * *",
        "timezone": "Europe/Berlin",
        "window": "previous-day",
        "lag_minutes": "20",
        "missed": "catch-up",
        "next_begin": "2031-03-18T23:00:00.000Z",
        "next_due": "2031-03-20T05:20:00.000Z",
        "last_export": "",
        "export": "original",
        "said": "",
    }


@pytest.mark.parametrize(
    "since", ["2031-03-01", "2031-03-01T00:00", "2031-03-01T00:00+01:00", "2031-02-28T23:00Z"]
)
def test_an_instant_without_a_zone_is_in_that_of_the_timetable(
    world: StandingWorld, since: str
) -> None:
    standing = world.schedule(timezone="Europe/Berlin", since=since)

    assert standing.begin == datetime(2031, 2, 28, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"export_id": "nope"}, "There is no export 'nope'"),
        ({"export_id": ""}, "There is no export ''"),
        ({"cron": "x"}, "is not a cron expression"),
        ({"timezone": "Mars"}, "no time zone 'Mars'"),
        ({"window": "today"}, "The window 'today' is not known"),
        ({"window": "previous-hour"}, "leave a gap"),
        ({"lag_minutes": -1}, "The lag is not between"),
        ({"lag_minutes": 10**30}, "The lag is not between"),
        ({"missed": "never"}, "'missed' is 'never'; expected one of catch-up, skip"),
        ({"since": "yesterday"}, "since is 'yesterday', which is not a valid time"),
        ({"since": "2099-01-01"}, "expected a time of the last ten years"),
        ({"since": "0001-01-01"}, "expected a time of the last ten years"),
    ],
)
def test_what_could_never_work_is_refused_in_one_sentence(
    world: StandingWorld, config: dict[str, Any], said: str
) -> None:
    with pytest.raises(PermanentError) as refusal:
        world.schedule(**config)

    assert said in str(refusal.value)
    assert world.kept.all() == []


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (None, "The stored query is null; expected an object."),
        ({"tableName": "numbers", "filter": [], "orderBy": None}, "Rows of numbers have no time"),
        ({"tableName": "colours", "filter": [], "orderBy": None}, "'colours' cannot be exported"),
        ({"tableName": "traces", "filter": [{"type": "colour"}], "orderBy": None}, "'colour'"),
        ({"tableName": "traces", "filter": [{"type": "string", "column": "colour", "operator": "=",
                                             "value": "x"}], "orderBy": None}, "colour"),
    ],
)  # fmt: skip
def test_an_export_that_could_not_be_made_over_a_window_is_refused(
    world: StandingWorld, query: object, said: str
) -> None:
    register(Numbers())
    world.rows.add(export_row("other", query=query))

    with pytest.raises(PermanentError) as refusal:
        world.schedule(export_id="other")

    assert said in str(refusal.value)


def test_an_export_of_forbidden_columns_alone_is_refused_before_it_is_kept(
    world: StandingWorld,
) -> None:
    asked = {**QUERY, "lfExport": {"columns": ["input", "output"]}}
    world.rows.add(original(id="payload", query=asked))
    world.environment = {"LF_EXPORT_FORBIDDEN_COLUMNS": "project-1:input,output"}

    with pytest.raises(PermanentError, match="the operator has forbidden it"):
        world.schedule(export_id="payload")

    assert not world.kept.all()


def test_ids_that_are_not_there_are_named_and_nothing_is_changed(world: StandingWorld) -> None:
    standing = world.schedule()

    with pytest.raises(PermanentError, match=f"'nope'; there are {standing.id}"):
        change(world.kept, Action.REMOVE, [standing.id, "nope"], world.now)
    with pytest.raises(PermanentError, match="Name the standing exports to pause"):
        change(world.kept, Action.PAUSE, [], world.now)

    assert len(change(world.kept, Action.LIST, [], world.now)) == 1


def test_several_are_changed_at_once(world: StandingWorld) -> None:
    ids = [world.schedule().id for _ in range(3)]

    paused = change(world.kept, Action.PAUSE, ids[:2], world.now)
    removed = change(world.kept, Action.REMOVE, ids[2:], world.now + timedelta(1))

    assert [each["state"] for each in paused] == ["paused", "paused"]
    assert [each["state"] for each in removed] == ["removed"]
    assert {standing.id for standing, _ in world.kept.all()} == set(ids[:2])
