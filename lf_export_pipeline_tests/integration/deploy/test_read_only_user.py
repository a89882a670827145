"""Exports by a user of ClickHouse who may change no setting: ``readonly = 1``."""

import json
import re
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import clickhouse_connect
import dagster as dg
import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError

from lf_export_pipeline.cli.doctor import run_checks
from lf_export_pipeline.cli.request import requested_row
from lf_export_pipeline.core.tables import table_names
from lf_export_pipeline.job import batch_export_job
from lf_export_pipeline.local.sample import SampleSize, generate_sample
from lf_export_pipeline.local.stack import LocalStack
from lf_export_pipeline.resources.database import LangfusePostgres
from lf_export_pipeline.resources.wiring import ports_with
from lf_export_pipeline.runs.in_process import run_export
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.integration.deploy.restricted import clickhouse_role, clickhouse_user
from lf_export_pipeline_tests.integration.resources.proxy import Request, proxy

pytestmark = pytest.mark.services

PROJECT = "read-only-project"
SIZE = SampleSize(traces=60, comments=30, dataset_items=10, audit_logs=10)
# The embedded server sets this itself, as soon as somebody connects.
NO_CHANGES = "readonly = 1,\n    implicit_select = 0"
NO_SETTINGS = {"database", "query_id", "wait_end_of_query", "client_protocol_version"}
HARMLESS = {("limit", "0"), ("offset", "0")}
TABLES = [
    *((table, False) for table in sorted(set(table_names()) - {"numbers"})),
    ("observations", True),
    ("sessions", True),
]


def exported(stack: LocalStack, environment: dict[str, str], table: str, *, events: bool) -> bytes:
    """The file of the real job."""
    row = requested_row(project=PROJECT, table=table, file_format="JSONL", events_table=events)
    settings = Settings.load(environment)
    database = LangfusePostgres(settings)
    try:
        database.exports.add(row)
        with dg.DagsterInstance.ephemeral() as instance:
            run_export(batch_export_job(retries=None), instance, row.id, ports_with(settings))
        ended = database.exports.get(row.id)
    finally:
        database.close()
    assert ended
    assert (ended.status, ended.log) == ("COMPLETED", None)
    with urllib.request.urlopen(ended.url or "", timeout=30) as answer:
        data: bytes = answer.read()
    return data


@pytest.fixture(scope="module")
def files_with_settings(own_stack: LocalStack) -> dict[tuple[str, bool], bytes]:
    """What the user of ``clickhouse_role.sql`` exports, whose queries bring settings."""
    generate_sample(own_stack.addresses(), PROJECT, SIZE, until=datetime.now(UTC))
    with clickhouse_user(own_stack) as address:
        environment = own_stack.environment() | address
        return {
            (table, events): exported(own_stack, environment, table, events=events)
            for table, events in TABLES
        }


@pytest.fixture(scope="module")
def environment(
    own_stack: LocalStack, files_with_settings: dict[tuple[str, bool], bytes]
) -> Iterator[dict[str, str]]:
    """The same user with ``readonly = 1``; the engine opens its folder for one server at a time."""
    script = clickhouse_role().replace("readonly = 2", NO_CHANGES)
    assert NO_CHANGES in script
    with clickhouse_user(own_stack, script) as address:
        yield own_stack.environment() | address


def test_this_user_may_change_no_setting(environment: dict[str, str]) -> None:
    with clickhouse_connect.get_client(
        dsn=environment["CLICKHOUSE_URL"],
        username=environment["CLICKHOUSE_USER"],
        password=environment["CLICKHOUSE_PASSWORD"],
        autogenerate_session_id=False,
    ) as client:
        for setting in ("max_threads = 3", "log_comment = 'x'", "max_execution_time = 185"):
            with pytest.raises(ClickHouseError, match="Code: 164"):
                client.command(f"SELECT count() FROM traces SETTINGS {setting}")


def test_the_doctor_finds_nothing_to_object_to(environment: dict[str, str]) -> None:
    checks = run_checks(Settings.load(environment), environment)
    assert [check for check in checks if not check.ok] == []


@pytest.mark.parametrize(("table", "events"), TABLES)
def test_every_table_is_exported_as_by_a_user_who_may(
    own_stack: LocalStack,
    environment: dict[str, str],
    files_with_settings: dict[tuple[str, bool], bytes],
    *,
    table: str,
    events: bool,
) -> None:
    """Slashes may be escaped, as the server's own settings have it."""
    found = exported(own_stack, environment, table, events=events).splitlines()
    expected = files_with_settings[table, events].splitlines()
    assert len(found) > 0
    assert [json.loads(line) for line in found] == [json.loads(line) for line in expected]


def test_no_request_of_an_export_asks_for_a_setting(
    own_stack: LocalStack, environment: dict[str, str]
) -> None:
    asked: list[Request] = []
    with proxy(environment["CLICKHOUSE_URL"], asked.append) as url:
        exported(own_stack, environment | {"CLICKHOUSE_URL": url}, "traces", events=False)
    named = {pair for one in asked for pair in parse_qsl(urlsplit(one.path).query)}
    fields = {name.decode() for one in asked for name in re.findall(rb'name="(\w+)"', one.body)}
    assert len(asked) > 5
    assert {(name, value) for name, value in named if name not in NO_SETTINGS} <= HARMLESS
    assert {name for name in fields if not name.startswith("param_")} == {"query"}
