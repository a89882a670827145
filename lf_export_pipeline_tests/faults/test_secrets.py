"""Secrets appear nowhere: everything that runs leave behind is searched for them."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, quote, quote_plus, urlsplit

import pytest

from lf_export_pipeline.settings import Settings
from lf_export_pipeline.wiring import open_ports
from lf_export_pipeline_tests.faults import scenarios as s
from lf_export_pipeline_tests.faults.bench import Bench, Trial, open_bench
from lf_export_pipeline_tests.integration.resources.proxy import Drop

pytestmark = [pytest.mark.services, pytest.mark.faults]

LOUD = {"LF_EXPORT_PREVIEW": "true"}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with open_bench(tmp_path_factory.mktemp("secrets")) as made:
        yield made


def passwords(bench: Bench) -> list[str]:
    credentials = bench.stack.addresses().credentials
    plain = [
        credentials.postgres_password,
        credentials.clickhouse_password,
        credentials.s3_secret_access_key,
        credentials.smtp_password,
    ]
    return [form for secret in plain for form in {secret, quote(secret), quote_plus(secret)}]


def left_behind(trial: Trial) -> dict[str, bytes]:
    """Dagster's records and the output of every process, and what is in the spool."""
    spool = trial.bench.settings.spool_directory
    places = (trial.circumstances.folder, spool)
    files = [path for place in places for path in place.rglob("*") if path.is_file()]
    assert any(path.name == "output.log" for path in files)
    return {str(path): path.read_bytes() + _unpacked(path) for path in files}


def _unpacked(path: Path) -> bytes:
    """All rows of a database: a page boundary may cut what is searched for in two."""
    if path.suffix != ".db":
        return b""
    with sqlite3.connect(path) as database:
        text = "\n".join(database.iterdump())
    database.close()
    return text.encode()


def assert_silent(trial: Trial, secrets: list[str]) -> None:
    found = {
        place
        for place, data in left_behind(trial).items()
        for secret in secrets
        if secret.encode() in data
    }
    assert not found


def signature_of(url: str) -> list[str]:
    (signature,) = parse_qs(urlsplit(url).query)["X-Amz-Signature"]
    return [signature, url]


def test_a_finished_export_tells_neither_passwords_nor_its_link(bench: Bench) -> None:
    trial = bench.new_export()
    assert trial.run(environment={**bench.environment, **LOUD}) == 0
    row = bench.rows.get(trial.export_id)
    assert row
    assert row.url
    assert_silent(trial, [*passwords(bench), *signature_of(row.url)])


@pytest.mark.parametrize(
    "strike",
    [
        s.Strike("ClickHouse", s.rows_are_read, s.with_failure_at_row),
        s.Strike("ClickHouse", s.anything, s.always(Drop()), times=None),
        s.Strike("Postgres", s.row_is_completed, s.always(Drop()), times=None),
        s.Strike("S3", s.anything, s.always(s.s3_error(403, "SignatureDoesNotMatch")), times=None),
        s.Strike("SMTP", s.anything, s.always(s.reply(535, "no")), times=None),
    ],
    ids=["query fails", "no ClickHouse", "row cannot be set", "S3 refuses", "SMTP refuses"],
)
def test_a_run_that_fails_tells_no_secrets(bench: Bench, strike: s.Strike) -> None:
    trial = bench.new_export()
    trial.run(strike)
    assert strike.struck
    assert_silent(trial, [*passwords(bench), "X-Amz-Signature="])


def test_nothing_that_holds_a_secret_shows_it(bench: Bench) -> None:
    settings = Settings.load(bench.environment)
    with open_ports(settings) as ports:
        shown = "".join(f"{port!r}{port!s}" for port in (settings, *ports.values()))
    shown += repr(bench.stack.addresses())
    assert not [secret for secret in passwords(bench) if secret in shown]
