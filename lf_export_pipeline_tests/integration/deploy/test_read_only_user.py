"""Exports by a user of ClickHouse who may change no setting: ``readonly = 1``."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import clickhouse_connect
import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError

from lf_export_localstack.sample.sample_project import SampleSize, generate_sample
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.cli.doctor import run_checks
from lf_export_pipeline.core.tables import table_names
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.integration.adapters.proxy import Request, proxy
from lf_export_pipeline_tests.integration.deploy.file_of_job import file_of_job
from lf_export_pipeline_tests.integration.deploy.restricted import clickhouse_role, clickhouse_user

pytestmark = [pytest.mark.services, pytest.mark.long]

PROJECT = "read-only-project"
SIZE = SampleSize(traces=60, comments=30, dataset_items=10, audit_logs=10)
# The embedded server sets this itself, as soon as somebody connects.
NO_CHANGES = "readonly = 1,\n    implicit_select = 0"
NO_SETTING = re.compile(
    "database|query_id|wait_end_of_query|client_protocol_version"
    r"|(probe|sent_\d+)_(structure|format)"  # of tables that are sent along
)
NO_SETTINGS_FIELD = re.compile(r"query|param_.*|probe|sent_\d+")
HARMLESS = {("limit", "0"), ("offset", "0")}
TABLES = [
    *((table, False) for table in sorted(set(table_names()) - {"numbers"})),
    ("observations", True),
    ("sessions", True),
]


@pytest.fixture(scope="module")
def files_with_settings(own_stack: LocalStack) -> dict[tuple[str, bool], list[bytes]]:
    """What the user of ``clickhouse_role.sql`` exports, whose queries bring settings."""
    generate_sample(own_stack.addresses(), PROJECT, SIZE, until=datetime.now(UTC))
    with clickhouse_user(own_stack) as address:
        environment = own_stack.environment() | address
        return {
            (table, events): file_of_job(environment, PROJECT, table, events_table=events)
            for table, events in TABLES
        }


@pytest.fixture(scope="module")
def environment(
    own_stack: LocalStack, files_with_settings: dict[tuple[str, bool], list[bytes]]
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
    checks = list(run_checks(Settings.load(environment), environment))
    assert [check for check in checks if not check.ok] == []


@pytest.mark.parametrize(("table", "events"), TABLES)
def test_every_table_is_exported_as_by_a_user_who_may(
    environment: dict[str, str],
    files_with_settings: dict[tuple[str, bool], list[bytes]],
    *,
    table: str,
    events: bool,
) -> None:
    """Slashes may be escaped, as the server's own settings have it."""
    found = file_of_job(environment, PROJECT, table, events_table=events)
    expected = files_with_settings[table, events]
    assert len(found) > 0
    assert [json.loads(line) for line in found] == [json.loads(line) for line in expected]


def test_no_request_of_an_export_asks_for_a_setting(environment: dict[str, str]) -> None:
    asked: list[Request] = []
    with proxy(environment["CLICKHOUSE_URL"], asked.append) as url:
        file_of_job(environment | {"CLICKHOUSE_URL": url}, PROJECT, "traces")
    named = {pair for one in asked for pair in parse_qsl(urlsplit(one.path).query)}
    fields = {name.decode() for one in asked for name in re.findall(rb'name="(\w+)"', one.body)}
    assert len(asked) > 5
    settings = {(name, value) for name, value in named if not NO_SETTING.fullmatch(name)}
    assert settings <= HARMLESS
    assert {name for name in fields if not NO_SETTINGS_FIELD.fullmatch(name)} == set()
    assert "query" in fields
