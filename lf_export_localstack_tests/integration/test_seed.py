import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from lf_export_localstack.sample.rows import (
    clickhouse_client,
    insert_clickhouse_batch,
    insert_postgres_rows,
    postgres_transaction,
)
from lf_export_localstack.sample.seed import load_seed
from lf_export_localstack.stack.local_stack import LocalStack

pytestmark = [pytest.mark.services, pytest.mark.long]


@pytest.fixture
def client(seeded_stack: LocalStack) -> Iterator[Client]:
    with clickhouse_client(seeded_stack.addresses()) as client:
        yield client


def _lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text().split("\n") if line]


def _projects(rows: list[dict[str, object]]) -> list[str]:
    return sorted({str(row["project_id"]) for row in rows})


def test_every_recorded_clickhouse_row_is_there_version_by_version(
    client: Client, golden_seed_dir: Path
) -> None:
    batches = json.loads((golden_seed_dir / "clickhouse" / "_batches.json").read_text())

    for table in batches:
        rows = _lines(golden_seed_dir / "clickhouse" / f"{table}.jsonl")
        query = (
            "SELECT count() FROM {table:Identifier} WHERE project_id IN {projects:Array(String)}"
        )
        found = client.query(query, {"table": table, "projects": _projects(rows)}).result_rows
        assert found == [(len(rows),)], table


def test_events_reach_their_short_copy_once(client: Client, golden_seed_dir: Path) -> None:
    rows = _lines(golden_seed_dir / "clickhouse" / "events_full.jsonl")

    query = (
        "SELECT count(), max(lengthUTF8(input)) FROM events_core "
        "WHERE project_id IN {projects:Array(String)}"
    )

    assert client.query(query, {"projects": _projects(rows)}).result_rows == [(len(rows), 200)]


def test_versions_stay_apart(client: Client, golden_seed_dir: Path) -> None:
    ids = json.loads((golden_seed_dir / "multi_version_ids.json").read_text())["traces"]

    query = "SELECT count(), uniqExact(id) FROM traces WHERE id IN {ids:Array(String)}"
    versions, distinct = client.query(query, {"ids": ids}).result_rows[0]
    client.command("OPTIMIZE TABLE traces")

    assert versions > distinct == len(ids)
    assert client.query(query, {"ids": ids}).result_rows == [(versions, distinct)]


def test_instants_arrive_to_the_millisecond_in_utc(client: Client, golden_seed_dir: Path) -> None:
    first = _lines(golden_seed_dir / "clickhouse" / "traces.jsonl")[0]

    query = (
        "SELECT formatDateTime(timestamp, '%Y-%m-%dT%H:%i:%S.', 'UTC') "
        "|| leftPad(toString(toUnixTimestamp64Milli(timestamp) % 1000), 3, '0') || 'Z' "
        "FROM traces WHERE id = {id:String} AND project_id = {project:String}"
    )

    found = client.query(query, {"id": first["id"], "project": first["project_id"]}).result_rows
    assert found == [(first["timestamp"],)]


def test_every_recorded_postgres_row_is_there(
    seeded_stack: LocalStack, golden_seed_dir: Path
) -> None:
    files = sorted((golden_seed_dir / "postgres").glob("*.jsonl"))
    assert len(files) > 10

    with postgres_transaction(seeded_stack.addresses()) as connection:
        for file in files:
            ids = [row["id"] for row in _lines(file)]
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT count(*) FROM {file.stem} WHERE id = ANY(%s)", (ids,))
                assert cursor.fetchone() == (len(ids),), file.stem


def test_batches_that_do_not_add_up_are_refused(stack: LocalStack, tmp_path: Path) -> None:
    (tmp_path / "clickhouse").mkdir()
    (tmp_path / "clickhouse" / "_batches.json").write_text('{"scores": [2]}')
    (tmp_path / "clickhouse" / "scores.jsonl").write_text('{"id": "one"}\n')

    with pytest.raises(ValueError, match="scores: the batches hold 2 rows, the file 1"):
        load_seed(stack.addresses(), tmp_path)


def test_equal_keys_in_one_batch_stay_two_rows(stack: LocalStack) -> None:
    rows = [
        json.dumps({"id": "same", "project_id": "one-batch", "name": name}) for name in ("a", "b")
    ]

    with clickhouse_client(stack.addresses()) as client:
        insert_clickhouse_batch(client, "traces", rows)
        query = "SELECT name FROM traces WHERE project_id = 'one-batch' ORDER BY name"
        assert client.query(query).result_rows == [("a",), ("b",)]


def test_columns_that_a_postgres_row_does_not_name_get_their_defaults(stack: LocalStack) -> None:
    rows = [
        '{"id": "d1", "email": "d1@example.com", "feature_flags": ["a", "b"]}',
        '{"id": "d2", "email": "d2@example.com", "admin": true}',
    ]

    with postgres_transaction(stack.addresses()) as connection, connection.cursor() as cursor:
        insert_postgres_rows(connection, "users", rows)
        cursor.execute(
            "SELECT admin, feature_flags FROM users WHERE id IN ('d1', 'd2') ORDER BY id"
        )
        assert cursor.fetchall() == [(False, ["a", "b"]), (True, [])]
        connection.rollback()
