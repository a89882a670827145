"""Five thousand exports that wait, in the real Postgres."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.ticks import tick

pytestmark = [pytest.mark.services, pytest.mark.long]

HEAVY, LIGHT = "project-with-many-exports", "project-with-one-export"
MANY = 5_000
FILL = """
INSERT INTO batch_exports
       (id, project_id, user_id, created_at, updated_at, name, status, format, query)
SELECT :prefix || '-' || lpad(n::text, 5, '0'), :project, 'user-ada',
       timestamp '2031-03-01' + n * interval '1 second', timestamp '2031-03-01',
       'many', 'QUEUED', 'CSV',
       '{"tableName": "traces", "filter": [], "orderBy": null}'
FROM generate_series(:first, :last) AS n
"""


@pytest.fixture
def settings(isolated_stack: LocalStack) -> Settings:
    limits = {"LF_EXPORT_MAX_RUNS": "10", "LF_EXPORT_STARTS_PER_TICK": "100"}
    return Settings.load(dict(isolated_stack.environment()) | limits)


@pytest.fixture
def database(settings: Settings) -> Iterator[LangfusePostgres]:
    connected = LangfusePostgres(settings)
    with connected.engine.begin() as connection:
        for project, first, last in ((HEAVY, 1, MANY), (LIGHT, MANY + 1, MANY + 1)):
            connection.execute(
                sa.text(FILL),
                {"prefix": project, "project": project, "first": first, "last": last},
            )
    yield connected
    with connected.engine.begin() as connection:
        connection.execute(
            sa.text("DELETE FROM batch_exports WHERE project_id IN (:heavy, :light)"),
            {"heavy": HEAVY, "light": LIGHT},
        )
    connected.close()


def test_a_tick_on_five_thousand_rows_reads_a_page_and_starts_a_few_runs(
    settings: Settings, database: LangfusePostgres
) -> None:
    read: list[int] = []

    def note(_connection: object, cursor: Any, *_: object) -> None:
        if cursor.rowcount >= 0:  # a setting has none
            read.append(cursor.rowcount)

    sa.event.listen(database.engine, "after_cursor_execute", note)
    with dg.DagsterInstance.ephemeral() as instance:
        result = tick(instance, database.exports, settings)

    asked = [request.partition_key or "" for request in result.run_requests or ()]
    assert len(asked) == settings.lf_export_max_runs
    assert asked[:2] == [f"{HEAVY}-00001", f"{LIGHT}-{MANY + 1:05d}"]
    assert asked[2:] == [f"{HEAVY}-{at:05d}" for at in range(2, 10)]
    assert len(read) <= 5
    assert sum(read) < 300
