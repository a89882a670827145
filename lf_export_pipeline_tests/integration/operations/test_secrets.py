"""Secrets appear nowhere, with the real daemon: ticks, records, logs and arguments are searched."""

import secrets
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import dagster as dg
import psutil
import pytest
import sqlalchemy as sa
from dagster._core.scheduler.instigation import InstigatorTick, TickStatus

from lf_export_localstack.processes.process import ProcessRecord
from lf_export_pipeline_tests.faults.secret_texts import Places, places_of
from lf_export_pipeline_tests.integration.operations.deployment import Deployment, eventually

pytestmark = [pytest.mark.services, pytest.mark.daemon, pytest.mark.long]

SENSOR = "reconcile_exports"
SECRETS = (
    "CLICKHOUSE_PASSWORD",
    "LANGFUSE_S3_BATCH_EXPORT_SECRET_ACCESS_KEY",
    "DAGSTER_POSTGRES_PASSWORD",
)
URLS = ("DATABASE_URL", "SMTP_CONNECTION_URL")
WRONG = f"wr0ng&<'\"\\é{secrets.token_hex(8)}"


def secrets_of(environment: Mapping[str, str]) -> list[str]:
    """The passwords that the processes of a deployment know."""
    of_urls = (urlsplit(environment[name]).password for name in URLS)
    return [*(environment[name] for name in SECRETS), *(word for word in of_urls if word)]


def failed_tick(deployment: Deployment) -> InstigatorTick | None:
    states = deployment.instance.all_instigator_state()
    for state in (state for state in states if state.instigator_name == SENSOR):
        ticks = deployment.instance.get_ticks(
            state.instigator_origin_id, state.selector_id, statuses=[TickStatus.FAILURE]
        )
        if ticks:
            return ticks[0]
    return None


def arguments_of(record: ProcessRecord) -> Places:
    """How the daemon and all that it has started were called, as everybody on the machine sees."""
    root = psutil.Process(record.pid)
    found = {}
    for each in [root, *root.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            found[f"arguments of {each.pid}"] = " ".join(each.cmdline()).encode()
    return found


def records_of(environment: Mapping[str, str]) -> Places:
    """All tables of Dagster's database, with what is packed in them."""
    named = ("USER", "PASSWORD", "HOST", "PORT", "DB")
    user, password, host, port, name = (environment[f"DAGSTER_POSTGRES_{each}"] for each in named)
    url = sa.URL.create("postgresql+psycopg2", user, password, host, int(port), name)
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        tables = sa.inspect(connection).get_table_names()
        found = {f"table {each}": _rows(connection, each) for each in tables}
    engine.dispose()
    assert {"table job_ticks", "table event_logs", "table runs"} <= set(found)
    return found


def _rows(connection: sa.Connection, table: str) -> bytes:
    rows = connection.execute(sa.select(sa.text("*")).select_from(sa.table(table)))
    return b"\n".join(_plain(value) for row in rows for value in row)


def _plain(value: object) -> bytes:
    if not isinstance(value, bytes | memoryview):
        return str(value).encode()
    data = bytes(value)
    with suppress(zlib.error):
        return data + zlib.decompress(data)
    return data


def left_behind(deployment: Deployment) -> Places:
    """Dagster's records, the output of all its processes, and what is in the spool."""
    files = [path for path in deployment.home.rglob("*") if path.is_file()]
    assert deployment.home / "daemon.log" in files
    return records_of(deployment.environment) | {str(path): _read(path) for path in files}


def _read(path: Path) -> bytes:
    with suppress(FileNotFoundError):
        return path.read_bytes()
    return b""


def test_a_tick_that_fails_tells_no_password(quiet_deployment: Deployment) -> None:
    host = quiet_deployment.environment["DATABASE_URL"].rpartition("@")[2]
    url = f"postgresql://langfuse:{quote(WRONG, safe='')}@{host}"
    with quiet_deployment.daemon(DATABASE_URL=url, CLICKHOUSE_PASSWORD=WRONG) as daemon:
        tick = eventually(lambda: failed_tick(quiet_deployment))
        arguments = arguments_of(daemon)
    assert "Postgres refuses the sign-in" in str(tick.error)
    secret_texts = [WRONG, url, *secrets_of(quiet_deployment.environment)]
    assert places_of(secret_texts, arguments | left_behind(quiet_deployment)) == set()


def test_daemon_and_run_worker_tell_neither_passwords_nor_the_link(
    quiet_deployment: Deployment,
) -> None:
    with quiet_deployment.daemon() as daemon:
        export_id = quiet_deployment.queue(hold_after=1)
        run = quiet_deployment.held(export_id, queries=2)
        arguments = arguments_of(daemon)
        worker = quiet_deployment.worker_of(run).pid
        while_at_work = left_behind(quiet_deployment)
        quiet_deployment.gate.let_go(export_id)
        row = quiet_deployment.ended(export_id)
        quiet_deployment.run_in(export_id, dg.DagsterRunStatus.SUCCESS)
    assert row.url
    (signature,) = parse_qs(urlsplit(row.url).query)["X-Amz-Signature"]
    assert f"arguments of {worker}" in arguments
    assert any("part-" in place or "/spool/" in place for place in while_at_work)
    secret_texts = [row.url, signature, *secrets_of(quiet_deployment.environment)]
    for places in (arguments, while_at_work, left_behind(quiet_deployment)):
        assert places_of(secret_texts, places) == set()


def test_the_search_finds_what_a_record_holds(quiet_deployment: Deployment) -> None:
    secret = f"https://planted/é?a=\"<'{secrets.token_hex(8)}"
    quiet_deployment.instance.run_storage.set_cursor_values({"planted": secret})
    assert places_of([secret], records_of(quiet_deployment.environment)) == {"table kvs"}
    quiet_deployment.instance.run_storage.set_cursor_values({"planted": ""})
