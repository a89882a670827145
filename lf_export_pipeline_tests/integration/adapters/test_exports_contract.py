"""What every ``BatchExportRepository`` must do: its guards, in memory and on Postgres."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

import pytest
import sqlalchemy as sa

from lf_export_pipeline.adapters.postgres.batch_exports import PostgresBatchExportRepository
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.core.ports import BatchExportRepository, Recipient
from lf_export_pipeline.core.request.admission import OversizedQuery
from lf_export_pipeline.core.request.export_search import SEARCH_MAX_ROWS, ExportSearch
from lf_export_pipeline.core.request.model import ExportRow, StoredExport
from lf_export_pipeline.core.request.ownership import Claim, mark_of, owner_of
from lf_export_pipeline_tests.fakes import FakeBatchExportRepository

pytestmark = pytest.mark.services

LONG_AGO = datetime(1999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
NOW = datetime(2031, 3, 20, 12, 0, 0, 123_000, tzinfo=UTC)
ALL = ["QUEUED", "PROCESSING", "COMPLETED", "FAILED", "CANCELLED", "WEIRD"]
PROJECT = "project-of-the-exports-contract"


class Rows(BatchExportRepository, Protocol):
    """The port, and what the command line needs besides."""

    def recent(self, limit: int) -> list[ExportRow]: ...


@pytest.fixture(params=["memory", "postgres"])
def rows(request: pytest.FixtureRequest, database: LangfusePostgres) -> Iterator[Rows]:
    yield FakeBatchExportRepository() if request.param == "memory" else database.exports
    with database.engine.begin() as connection:
        connection.execute(
            sa.text("DELETE FROM batch_exports WHERE project_id = :project"), {"project": PROJECT}
        )


def row(status: str = "QUEUED", age: timedelta = timedelta()) -> StoredExport:
    return StoredExport(
        id=f"export-{secrets.token_hex(8)}",
        project_id=PROJECT,
        user_id="u-alice",
        created_at=LONG_AGO - age,
        updated_at=LONG_AGO,
        name="Traces",
        status=status,
        format="CSV",
        query={"tableName": "traces", "filter": [], "orderBy": None},
        log="of an earlier attempt",
        url="https://old",
        finished_at=LONG_AGO,
        expires_at=LONG_AGO,
    )


def added(rows: Rows, status: str = "QUEUED", age: timedelta = timedelta()) -> str:
    new = row(status, age)
    rows.add(new)
    return new.id


def stored(rows: Rows, export_id: str) -> ExportRow:
    found = rows.get(export_id)
    assert found is not None
    return found


Change = Callable[[Rows, str], bool]
START: Change = lambda rows, i: rows.start(i, "run")  # noqa: E731 - a table of changes
COMPLETE: Change = lambda rows, i: rows.complete(  # noqa: E731
    i, "run", "https://new", finished_at=NOW, expires_at=NOW, log=None
)
FAIL: Change = lambda rows, i: rows.fail(i, "A sentence.", NOW)  # noqa: E731
CANCEL: Change = lambda rows, i: rows.cancel(i)  # noqa: E731
REQUEUE: Change = lambda rows, i: rows.requeue(i)  # noqa: E731


@pytest.mark.parametrize(
    ("change", "to", "allowed"),
    [
        (START, "PROCESSING", {"QUEUED", "PROCESSING", "FAILED", "WEIRD"}),
        (COMPLETE, "COMPLETED", {"PROCESSING", "FAILED"}),
        (FAIL, "FAILED", {"QUEUED", "PROCESSING"}),
        (CANCEL, "CANCELLED", {"QUEUED", "PROCESSING"}),
        (REQUEUE, "QUEUED", {"COMPLETED", "FAILED", "CANCELLED"}),
    ],
    ids=["start", "complete", "fail", "cancel", "requeue"],
)
@pytest.mark.parametrize("status", ALL)
def test_a_change_happens_from_its_states_only(
    rows: Rows, change: Change, to: str, allowed: set[str], status: str
) -> None:
    export_id = added(rows, status)
    before = stored(rows, export_id)
    assert change(rows, export_id) is (status in allowed)
    after = stored(rows, export_id)
    if status in allowed:
        assert after.status == to
        assert after.updated_at > before.updated_at
    else:
        assert after == before


@pytest.mark.parametrize("change", [START, COMPLETE, FAIL, CANCEL, REQUEUE])
def test_a_row_that_is_not_there_is_not_changed(rows: Rows, change: Change) -> None:
    assert change(rows, "there-is-no-such-export") is False
    assert rows.get("there-is-no-such-export") is None


@pytest.mark.parametrize(("change", "status"), [(START, "FAILED"), (REQUEUE, "COMPLETED")])
def test_a_new_attempt_keeps_nothing_of_the_last_one(
    rows: Rows, change: Change, status: str
) -> None:
    export_id = added(rows, status)
    change(rows, export_id)
    after = stored(rows, export_id)
    assert after.log == (mark_of("run") if change is START else None)
    assert (after.url, after.finished_at, after.expires_at) == (None, None, None)


def test_completion_is_stored_to_the_millisecond_in_utc(rows: Rows) -> None:
    export_id = added(rows, "PROCESSING")
    elsewhere = NOW.astimezone(datetime.strptime("+0530", "%z").tzinfo)
    tomorrow = NOW + timedelta(days=1)
    rows.complete(
        export_id,
        "run",
        "https://new",
        finished_at=elsewhere,
        expires_at=tomorrow,
        log="Cut at 10 rows.",
    )
    after = stored(rows, export_id)
    assert after.finished_at == NOW
    assert after.expires_at == tomorrow
    assert (after.url, after.log) == ("https://new", "Cut at 10 rows.")


def test_a_sentence_with_characters_that_cannot_be_stored_is_stored_without_them(
    rows: Rows,
) -> None:
    export_id = added(rows)
    rows.fail(export_id, "No column 'a\x00b'.", NOW)
    assert stored(rows, export_id).log == "No column 'ab'."


def test_of_many_rows_the_one_that_was_queued_first_waits_longest(rows: Rows) -> None:
    for _ in range(SEARCH_MAX_ROWS):
        added(rows, age=timedelta(days=9))
    longest = replace(row(), updated_at=LONG_AGO - timedelta(days=1))
    for waiting in (longest, replace(longest, id=f"{longest.id}-also")):
        rows.add(waiting)
    rows.add(replace(row("PROCESSING"), updated_at=LONG_AGO - timedelta(days=2)))
    assert rows.oldest_queued() == rows.get(longest.id)


def test_recent_rows_come_newest_first_whatever_their_state(rows: Rows) -> None:
    ids = [added(rows, status, timedelta(days=age)) for age, status in enumerate(ALL)]
    found = [one.id for one in rows.recent(10_000) if one.id in ids]
    assert found == ids


def test_numbers_of_a_query_keep_their_digits(database: LangfusePostgres) -> None:
    new = row()
    with database.engine.begin() as connection:
        database.exports.add(new)
        connection.execute(
            sa.text(
                """UPDATE batch_exports SET query = '{"a": 0.10, "b": 12345678901234567890}'
                WHERE id = :id"""
            ),
            {"id": new.id},
        )
    found = database.exports.stored(new.id)
    assert found is not None
    query = found.query
    database.exports.cancel(new.id)
    assert query == {"a": Decimal("0.10"), "b": 12_345_678_901_234_567_890}
    assert str(query["a"]) == "0.10"


def test_nothing_but_the_check_of_a_request_fetches_a_query(
    database: LangfusePostgres, rows: Rows
) -> None:
    export_id = added(rows, age=timedelta(days=20_000))
    fetched: list[int] = []

    @sa.event.listens_for(database.engine, "after_cursor_execute")
    def look(_: object, cursor: Any, *__: object) -> None:
        fetched.append(sum(column.name == "query" for column in cursor.description or ()))

    try:
        known = [
            rows.get(export_id),
            *rows.list_queued(1_000, 1),
            *rows.search(ExportSearch(ids=(export_id,), tables=("traces",))),
            *(one for one in rows.recent(10_000) if one.id == export_id),
        ]
        assert not any(fetched)
        assert rows.stored(export_id) is not None
    finally:
        sa.event.remove(database.engine, "after_cursor_execute", look)
    assert [one.table for one in known if one is not None] == ["traces"] * 4
    assert rows.oldest_queued() is not None


LONG = "é" * 200_000


@pytest.mark.parametrize(
    ("query", "table"),
    [
        ({"tableName": "traces", "filter": [str(number) for number in range(400_000)]}, None),
        ({"tableName": "traces", "filter": ["x" * 1_500_000]}, "traces"),
        ({"tableName": LONG}, LONG[:100]),
        ([LONG] * 4, None),
    ],
    ids=["incompressible", "compressible", "long table", "no object"],
)
def test_a_query_above_the_bound_stays_in_the_database(
    database: LangfusePostgres, query: object, table: str | None
) -> None:
    exports = PostgresBatchExportRepository(database.engine, query_max_bytes=100_000)
    new = replace(row(), query=query)
    exports.add(new)
    found, known = exports.stored(new.id), exports.get(new.id)
    exports.cancel(new.id)
    assert found is not None
    assert known is not None
    assert isinstance(found.query, OversizedQuery)
    assert found.query.size > found.query.limit == 100_000
    assert known.table == table


def test_long_texts_of_a_row_are_cut(database: LangfusePostgres) -> None:
    names = ("project_id", "user_id", "name", "status", "format", "log", "url")
    new = replace(row(), **dict.fromkeys(names, LONG))  # type: ignore[arg-type]
    database.exports.add(new)
    found = database.exports.get(new.id)
    with database.engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM batch_exports WHERE id = :id"), {"id": new.id})
    assert found is not None
    assert all(0 < len(getattr(found, name)) <= 10_000 for name in names)


@pytest.fixture(scope="module")
def people(database: LangfusePostgres) -> Iterator[str]:
    """A project with members; ids end with a random word, since other tests share the database."""
    word = secrets.token_hex(4)
    statements = [
        "INSERT INTO users (id, name, email) VALUES ('member-{w}', 'Zoë', 'member-{w}@x.test'), "
        "('nameless-{w}', NULL, 'nameless-{w}@x.test'), "
        "('mute-{w}', 'Mute', NULL), ('stranger-{w}', 'S', 'stranger-{w}@x.test'), "
        "('foreigner-{w}', 'F', 'foreigner-{w}@x.test')",
        "INSERT INTO organizations (id, name) VALUES ('org-{w}', 'O'), ('abroad-{w}', 'A')",
        "INSERT INTO projects (id, name, org_id) VALUES ('project-{w}', 'P', 'org-{w}'), "
        "('faraway-{w}', 'Q', 'abroad-{w}')",
        "INSERT INTO organization_memberships (id, org_id, user_id, role) VALUES "
        "('m-foreigner-{w}', 'abroad-{w}', 'foreigner-{w}', 'OWNER')",
        "INSERT INTO organization_memberships (id, org_id, user_id, role) SELECT "
        "'m-' || u || '-{w}', 'org-{w}', u || '-{w}', 'MEMBER' "
        "FROM unnest(ARRAY['member', 'nameless', 'mute']) AS u",
    ]
    with database.engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement.format(w=word)))
    yield word
    with database.engine.begin() as connection:
        for table in ("organization_memberships", "projects", "organizations", "users"):
            connection.execute(sa.text(f"DELETE FROM {table} WHERE id LIKE '%-{word}'"))


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("member", Recipient("member-{}@x.test", "Zoë")),
        ("nameless", Recipient("nameless-{}@x.test", None)),
        ("mute", None),
    ],
)
def test_the_recipient_is_a_member_with_an_address(
    database: LangfusePostgres, people: str, user: str, expected: Recipient | None
) -> None:
    found = database.exports.recipient(f"{user}-{people}", f"project-{people}")
    if expected:
        expected = replace(expected, email=expected.email.format(people))
    assert found == expected


def test_a_member_with_an_empty_address_gets_no_mail(
    database: LangfusePostgres, people: str
) -> None:
    with database.engine.begin() as connection:
        # Addresses are unique, and other tests may have given this one to somebody.
        connection.execute(
            sa.text("INSERT INTO users (id, email) VALUES (:id, '') ON CONFLICT DO NOTHING"),
            {"id": f"empty-{people}"},
        )
        owner = connection.scalar(sa.text("SELECT id FROM users WHERE email = ''"))
        connection.execute(
            sa.text(
                "INSERT INTO organization_memberships (id, org_id, user_id, role) "
                "VALUES (:id, :org, :owner, 'MEMBER')"
            ),
            {"id": f"m-empty-{people}", "org": f"org-{people}", "owner": owner},
        )
    assert database.exports.recipient(str(owner), f"project-{people}") is None


def test_a_stranger_gets_mail_only_where_membership_is_not_required(
    database: LangfusePostgres, people: str
) -> None:
    who, project = f"stranger-{people}", f"project-{people}"
    lenient = PostgresBatchExportRepository(database.engine, require_membership=False)
    assert database.exports.recipient(who, project) is None
    assert lenient.recipient(who, project) == Recipient(f"{who}@x.test", "S")
    assert lenient.recipient("gone", project) is None


def test_an_owner_of_another_organization_is_a_stranger_here(
    database: LangfusePostgres, people: str
) -> None:
    who = f"foreigner-{people}"
    lenient = PostgresBatchExportRepository(database.engine, require_membership=False)
    at_home = Recipient(f"{who}@x.test", "F")
    assert database.exports.recipient(who, f"project-{people}") is None
    assert database.exports.recipient(who, f"faraway-{people}") == at_home
    assert lenient.recipient(who, f"project-{people}") == at_home


def test_two_that_complete_the_same_row_do_not_both_succeed(rows: Rows) -> None:
    export_id = added(rows, "PROCESSING")
    assert [COMPLETE(rows, export_id), COMPLETE(rows, export_id)] == [True, False]
    assert stored(rows, export_id).url == "https://new"


TOUCH: Change = lambda rows, i: rows.touch(i, "run")  # noqa: E731
MINE, ANOTHERS, UNMARKED = mark_of("run"), mark_of("another"), "of an earlier attempt"


@pytest.mark.parametrize("change", [START, COMPLETE, TOUCH], ids=["start", "complete", "touch"])
@pytest.mark.parametrize(("log", "allowed"), [(MINE, True), (ANOTHERS, False), (UNMARKED, True)])
def test_a_row_that_another_has_taken_is_left_alone(
    rows: Rows, change: Change, log: str, allowed: bool
) -> None:
    new = replace(row("PROCESSING"), log=log)
    rows.add(new)
    before = stored(rows, new.id)
    assert change(rows, new.id) is allowed
    assert (stored(rows, new.id) == before) is not allowed


@pytest.mark.parametrize("log", [MINE, ANOTHERS, UNMARKED, None])
def test_only_the_owner_ends_a_row_badly(rows: Rows, log: str | None) -> None:
    own, failed, cancelled = Claim(owner="run"), row("PROCESSING"), row("PROCESSING")
    for new in (failed, cancelled):
        rows.add(replace(new, log=log))
    assert rows.fail(failed.id, "A sentence.", NOW, own) is (log == MINE)
    assert rows.cancel(cancelled.id, own) is (log == MINE)


@pytest.mark.parametrize("status", ["QUEUED", "PROCESSING"])
def test_a_row_is_ended_by_who_has_seen_it_as_it_is(rows: Rows, status: str) -> None:
    before, now = Claim(unchanged_since=LONG_AGO - MILLISECOND), Claim(unchanged_since=LONG_AGO)
    after = Claim(unchanged_since=LONG_AGO + MILLISECOND)
    failed, cancelled = added(rows, status), added(rows, status)
    for claim in (Claim(), Claim(owner="run"), before, after):
        assert not rows.fail(failed, "A sentence.", NOW, claim)
        assert not rows.cancel(cancelled, claim)
    assert rows.fail(failed, "A sentence.", NOW, now)
    assert rows.cancel(cancelled, now)


def test_a_row_is_taken_from_another_only_as_it_was_seen_dead(rows: Rows) -> None:
    new = replace(row("PROCESSING"), log=ANOTHERS)
    rows.add(new)
    assert not rows.start(new.id, "run", LONG_AGO - MILLISECOND)
    assert rows.start(new.id, "run", LONG_AGO)
    assert not rows.start(new.id, "a third", LONG_AGO)
    assert owner_of(stored(rows, new.id)) == "run"


def test_of_two_that_start_the_same_row_one_has_it(rows: Rows) -> None:
    seen = stored(rows, added(rows))
    assert [rows.start(seen.id, owner, seen.updated_at) for owner in ("a", "b")] == [True, False]


def test_a_row_that_is_cancelled_says_nothing_of_who_had_taken_it(rows: Rows) -> None:
    export_id = added(rows)
    rows.start(export_id, "run")
    assert rows.cancel(export_id)
    assert stored(rows, export_id).log is None


def test_a_row_is_inserted_once_and_the_first_one_stays(rows: Rows) -> None:
    first = row()
    assert rows.add(first)
    assert not rows.add(replace(row(), id=first.id, name="another"))
    assert rows.stored(first.id) == first
