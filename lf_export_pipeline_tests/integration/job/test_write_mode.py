"""An export of a table that Langfuse has left behind says so, wherever somebody looks."""

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from lf_export_localstack.sample.rows import (
    clickhouse_client,
    insert_clickhouse_batch,
    insert_postgres_rows,
    postgres_transaction,
)
from lf_export_pipeline_tests.integration.job.real_exports import RealExports

pytestmark = pytest.mark.services

SAID = "Langfuse no longer writes the table that this export reads (its newest row is of {})"


@pytest.fixture
def left_behind(exports: RealExports) -> tuple[str, str]:
    """A project with a trace of five days ago and events of today, and the day of the trace."""
    project, now = f"job-{uuid.uuid4().hex}", datetime.now(UTC)
    old, recent = now - timedelta(days=5), now - timedelta(hours=2)
    with clickhouse_client(exports.addresses) as client:
        for table, row in (
            ("traces", {"id": "t", "timestamp": old.isoformat()}),
            ("events_full", {"span_id": "s", "start_time": recent.isoformat()}),
        ):
            row |= {"project_id": project, "event_ts": recent.isoformat()}
            insert_clickhouse_batch(client, table, [json.dumps(row)])
    return project, f"{old.date()}"


def test_the_row_the_run_and_the_e_mail_say_that_a_table_is_old(
    exports: RealExports, left_behind: tuple[str, str]
) -> None:
    project, day = left_behind
    user = {"id": f"user-{project}", "name": "Ada", "email": f"{project}@x.test"}
    with postgres_transaction(exports.addresses) as connection:
        insert_postgres_rows(connection, "users", [json.dumps(user)])
    anybody = {"LF_EXPORT_REQUIRE_MEMBERSHIP": "false"}
    ended = exports.run(project, "traces", user=user["id"], **anybody)
    said = SAID.format(day)
    assert ended.row.status == "COMPLETED"
    assert (ended.row.log or "").startswith(said)
    assert ended.said["langfuse_write_mode"] == "events_only"
    assert ended.said["remark"] == ended.row.log
    assert ended.said["manifest"]["write_mode"] == "events_only"
    (mail,) = ended.mails
    plain = mail.get_body(("plain",))
    assert plain is not None
    assert said in plain.get_content()


def test_a_table_that_is_written_needs_no_word(
    exports: RealExports, left_behind: tuple[str, str]
) -> None:
    ended = exports.run(left_behind[0], "events")
    assert (ended.row.status, ended.row.log) == ("COMPLETED", None)
    assert ended.said["langfuse_write_mode"] == "events_only"
    assert "remark" not in ended.said
