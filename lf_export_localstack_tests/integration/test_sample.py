from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from clickhouse_connect.driver.client import Client

from lf_export_localstack.sample.rows import clickhouse_client, postgres_transaction
from lf_export_localstack.sample.sample_project import (
    ProjectNotEmptyError,
    SampleSize,
    generate_sample,
)
from lf_export_localstack.stack.local_stack import LocalStack

pytestmark = [pytest.mark.services, pytest.mark.long]

SIZE = SampleSize(
    traces=400,
    observations_per_trace=5,
    text_bytes=2_000,
    comments=40,
    dataset_items=30,
    audit_logs=20,
)
CLICKHOUSE_TABLES = (
    "traces",
    "observations",
    "scores",
    "dataset_run_items_rmt",
    "events_full",
    "events_core",
)
POSTGRES_TABLES = ("comments", "trace_sessions", "datasets", "dataset_items", "audit_logs")


@pytest.fixture(scope="module")
def project(stack: LocalStack) -> str:
    name = f"sample-{uuid4()}"
    generate_sample(stack.addresses(), name, SIZE)
    return name


@pytest.fixture
def client(stack: LocalStack) -> Iterator[Client]:
    with clickhouse_client(stack.addresses()) as client:
        yield client


def _value(client: Client, query: str, project: str) -> object:
    return client.query(query, {"project": project}).result_rows[0][0]


def test_a_project_has_the_size_that_was_asked_for(stack: LocalStack) -> None:
    counts = generate_sample(stack.addresses(), f"sample-{uuid4()}", SIZE)

    assert counts.pop("scores") > 400
    assert counts == {
        "traces": 400,
        "observations": 2_000,
        "events_full": 2_400,
        "dataset_run_items_rmt": 60,
        "comments": 40,
        "trace_sessions": 60,
        "datasets": 2,
        "dataset_items": 30,
        "audit_logs": 20,
    }


def test_a_project_may_be_empty_or_have_traces_alone(stack: LocalStack) -> None:
    empty = SampleSize(traces=0, comments=5, dataset_items=0, audit_logs=0)
    bare = SampleSize(traces=10, observations_per_trace=0)

    assert generate_sample(stack.addresses(), f"sample-{uuid4()}", empty)["comments"] == 0
    counts = generate_sample(stack.addresses(), f"sample-{uuid4()}", bare)
    assert (counts["traces"], counts["observations"], counts["events_full"]) == (10, 0, 10)


def test_texts_are_about_as_long_as_asked_for(client: Client, project: str) -> None:
    query = (
        "SELECT avg(length(input) + length(ifNull(output, ''))) FROM traces "
        "WHERE project_id = {project:String}"
    )

    assert 1_600 < float(str(_value(client, query, project))) < 2_800


def test_the_same_arguments_make_the_same_rows_anywhere(stack: LocalStack, state_dir: Path) -> None:
    name, other = f"sample-{uuid4()}", f"sample-{uuid4()}"
    size = SampleSize(traces=60)

    with LocalStack(state_dir) as elsewhere:
        for where, seed in ((stack, 1), (elsewhere, 2)):
            generate_sample(where.addresses(), name, size)
            generate_sample(where.addresses(), other, size, seed=seed)
        equal, different = _fingerprints(stack, name), _fingerprints(stack, other)

        assert _fingerprints(elsewhere, name) == equal
        assert _fingerprints(elsewhere, other)["traces"] != different["traces"]


def _fingerprints(stack: LocalStack, project: str) -> dict[str, object]:
    query = "SELECT groupBitXor(cityHash64(toString(tuple(*)))) FROM {table} WHERE project_id = "
    with clickhouse_client(stack.addresses()) as client:
        fingerprints = {
            table: _value(client, query.format(table=table) + "{project:String}", project)
            for table in CLICKHOUSE_TABLES
        }
    with postgres_transaction(stack.addresses()) as connection, connection.cursor() as cursor:
        for table in POSTGRES_TABLES:
            cursor.execute(
                f"SELECT md5(string_agg(t::text, '|' ORDER BY id)) FROM {table} AS t "
                "WHERE project_id = %s",
                (project,),
            )
            fingerprints[table] = cursor.fetchone()
    return fingerprints


def test_events_hold_the_same_traffic_as_the_legacy_tables(client: Client, project: str) -> None:
    legacy = """
        SELECT concat('t-', id), id, ifNull(input, ''), ifNull(output, ''), ''
        FROM traces WHERE project_id = {project:String}
        UNION ALL
        SELECT id, trace_id, ifNull(input, ''), ifNull(output, ''),
            ifNull(parent_observation_id, concat('t-', trace_id))
        FROM observations WHERE project_id = {project:String}
    """
    events = """
        SELECT span_id, trace_id, input, output, parent_span_id
        FROM events_full WHERE project_id = {project:String}
    """

    parameters = {"project": project}
    expected = {tuple(row) for row in client.query(legacy, parameters).result_rows}
    assert {tuple(row) for row in client.query(events, parameters).result_rows} == expected
    assert len(expected) == 2_400


@pytest.mark.parametrize(
    "orphans",
    [
        "FROM observations WHERE trace_id NOT IN (SELECT id FROM traces)",
        "FROM observations WHERE parent_observation_id NOT IN (SELECT id FROM observations)",
        "FROM scores WHERE trace_id NOT IN (SELECT id FROM traces)",
        "FROM scores WHERE observation_id NOT IN (SELECT id FROM observations)",
        "FROM dataset_run_items_rmt WHERE trace_id NOT IN (SELECT id FROM traces)",
        "FROM scores WHERE session_id NOT IN (SELECT session_id FROM traces)",
    ],
)
def test_everything_belongs_to_something(client: Client, project: str, orphans: str) -> None:
    query = f"SELECT count() {orphans} AND project_id = {{project:String}}"

    assert _value(client, query, project) == 0


def test_comments_are_on_objects_that_exist(
    stack: LocalStack, client: Client, project: str
) -> None:
    with postgres_transaction(stack.addresses()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT object_id FROM comments WHERE project_id = %s", (project,))
        commented = {object_id for (object_id,) in cursor.fetchall()}
    query = """
        SELECT id FROM traces WHERE project_id = {project:String} UNION DISTINCT
        SELECT id FROM observations WHERE project_id = {project:String} UNION DISTINCT
        SELECT assumeNotNull(session_id) FROM traces WHERE project_id = {project:String}
    """

    existing = {row[0] for row in client.query(query, {"project": project}).result_rows}

    assert len(commented) > 10
    assert commented <= existing


def test_sessions_of_postgres_are_those_of_the_traces(
    stack: LocalStack, client: Client, project: str
) -> None:
    with postgres_transaction(stack.addresses()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM trace_sessions WHERE project_id = %s", (project,))
        sessions = {session for (session,) in cursor.fetchall()}
    query = (
        "SELECT DISTINCT session_id FROM traces "
        "WHERE project_id = {project:String} AND session_id IS NOT NULL"
    )

    assert {row[0] for row in client.query(query, {"project": project}).result_rows} == sessions


def test_costs_follow_from_usage_and_the_prices_in_postgres(
    stack: LocalStack, client: Client, project: str
) -> None:
    with postgres_transaction(stack.addresses()) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT model_id, usage_type, price FROM prices WHERE model_id LIKE 'model-%'"
        )
        prices = {(model, usage): price for model, usage, price in cursor.fetchall()}
    query = (
        "SELECT internal_model_id, usage_details, cost_details, total_cost FROM observations "
        "WHERE project_id = {project:String} AND type = 'GENERATION'"
    )

    rows = client.query(query, {"project": project}).result_rows

    assert len({model for model, *_ in rows}) == 4
    for model, usage, cost, total in rows:
        assert cost["input"] == usage["input"] * prices[model, "input"]
        assert cost["output"] == usage["output"] * prices[model, "output"]
        assert total == cost["total"] == cost["input"] + cost["output"]


def test_the_traffic_is_varied(client: Client, project: str) -> None:
    def distinct(table: str, column: str) -> set[object]:
        query = f"SELECT DISTINCT {column} FROM {table} WHERE project_id = {{project:String}}"
        return {row[0] for row in client.query(query, {"project": project}).result_rows}

    assert distinct("scores", "data_type") == {
        "NUMERIC",
        "BOOLEAN",
        "CATEGORICAL",
        "TEXT",
        "CORRECTION",
    }
    assert distinct("observations", "type") >= {"SPAN", "GENERATION", "TOOL", "AGENT", "RETRIEVER"}
    assert distinct("observations", "level") == {"DEBUG", "DEFAULT", "WARNING", "ERROR"}
    assert len(distinct("traces", "metadata['language']")) == 9
    assert distinct("traces", "isValidJSON(assumeNotNull(input))") == {0, 1}
    assert distinct("traces", "output IS NULL") == {0, 1}


def test_nothing_is_younger_than_asked_for_nor_older(stack: LocalStack, client: Client) -> None:
    name = f"sample-{uuid4()}"
    until = datetime(2025, 3, 1, 12, tzinfo=UTC)

    generate_sample(stack.addresses(), name, SampleSize(traces=500), until=until, days=2)

    query = (
        "SELECT min(start_time), max(start_time) FROM events_full "
        "WHERE project_id = {project:String}"
    )
    oldest, youngest = client.query(query, {"project": name}, query_tz="UTC").result_rows[0]
    assert datetime(2025, 2, 27, 11, tzinfo=UTC) < oldest.replace(tzinfo=UTC)
    assert youngest.replace(tzinfo=UTC) < until


def test_projects_do_not_share_ids(stack: LocalStack, client: Client, project: str) -> None:
    other = f"sample-{uuid4()}"
    generate_sample(stack.addresses(), other, SampleSize(traces=50))

    query = (
        "SELECT count() FROM traces WHERE project_id = {project:String} "
        "AND id IN (SELECT id FROM traces WHERE project_id = {other:String})"
    )
    assert client.query(query, {"project": project, "other": other}).result_rows == [(0,)]


def test_a_project_with_traces_is_refused(stack: LocalStack, project: str) -> None:
    with pytest.raises(ProjectNotEmptyError, match=f"Project {project} has traces already"):
        generate_sample(stack.addresses(), project, SIZE)
