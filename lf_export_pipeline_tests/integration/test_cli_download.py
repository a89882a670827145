"""``lf-export download`` on the real table and the real bucket."""

import gc
import io
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.adapters.s3.object_store import S3ObjectStore
from lf_export_pipeline.cli.main import main
from lf_export_pipeline.cli.request import requested_row
from lf_export_pipeline.core.errors import AccessRefusedError
from lf_export_pipeline.settings import Settings

pytestmark = pytest.mark.services

DATA = b"id\n" + secrets.token_bytes(1 << 20)
HOUR = timedelta(hours=1)
MEBIBYTE = 1 << 20

rest_is_never_read = pytest.mark.filterwarnings("ignore:Exception ignored in. <socket")
"""The client leaves connections open where it gives a download up, until they are collected."""


@pytest.fixture
def settings(stack: LocalStack) -> Settings:
    return Settings.load(dict(stack.environment()))


@pytest.fixture
def database(settings: Settings) -> Iterator[LangfusePostgres]:
    with closing(LangfusePostgres(settings)) as opened:
        yield opened


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cli(stack: LocalStack, here: Path) -> CliRunner:
    return CliRunner(env={**stack.environment(), "COLUMNS": "250"})


@pytest.fixture
def store(settings: Settings) -> S3ObjectStore:
    return S3ObjectStore(settings)


def new_key(settings: Settings) -> str:
    milliseconds = 10**12 + secrets.randbelow(10**12)
    return f"{settings.langfuse_s3_batch_export_prefix}{milliseconds}-lf-traces-export-p.csv"


def added(database: LangfusePostgres, **values: object) -> str:
    row = requested_row(project="p", table="traces", file_format="CSV", name="My / traces")
    database.exports.add(replace(row, **values))  # type: ignore[arg-type]
    return row.id


def completed(
    database: LangfusePostgres, store: S3ObjectStore, key: str, lives: timedelta = HOUR
) -> str:
    url = store.signed_url(key, HOUR, "x.csv")
    expires_at = datetime.now(UTC) + lives
    return added(database, status="COMPLETED", url=url, expires_at=expires_at)


@pytest.fixture
def key(settings: Settings, store: S3ObjectStore) -> Iterator[str]:
    found = new_key(settings)
    store.upload(found, io.BytesIO(DATA), "text/csv", len(DATA))
    yield found
    store.delete(found)


@pytest.fixture
def export_id(database: LangfusePostgres, store: S3ObjectStore, key: str) -> str:
    return completed(database, store, key)


def call(cli: CliRunner, *arguments: str) -> Result:
    return cli.invoke(main, ["download", *arguments])


def refusal_of(result: Result) -> str:
    assert (result.exit_code, result.stdout) == (1, "")
    assert "X-Amz-Signature" not in result.output
    return result.stderr


def test_file_is_saved_under_the_name_that_a_browser_would_use(
    cli: CliRunner, export_id: str, here: Path
) -> None:
    result = call(cli, export_id)

    assert result.exit_code == 0, result.output
    path = here / result.stdout.strip()
    assert re.fullmatch(r"My _ traces-\d{4}-\d\d-\d\d\.csv", path.name)
    assert path.read_bytes() == DATA
    assert "X-Amz-Signature" not in result.output


def test_named_file_is_replaced_and_one_that_was_not_named_is_kept(
    cli: CliRunner, export_id: str, here: Path
) -> None:
    (here / "mine.csv").write_text("old")

    assert call(cli, export_id, "-o", "mine.csv").exit_code == 0
    assert call(cli, export_id, "-o", str(here)).exit_code == 0
    assert "is there already; name another" in refusal_of(call(cli, export_id))
    assert (here / "mine.csv").read_bytes() == DATA
    assert len(list(here.iterdir())) == 2


def test_file_behind_an_expired_link_is_saved_and_that_is_said(
    cli: CliRunner, database: LangfusePostgres, store: S3ObjectStore, key: str
) -> None:
    result = call(cli, completed(database, store, key, lives=-HOUR))

    assert result.exit_code == 0
    assert "The link expired on" in result.stderr


def test_file_that_is_gone_is_said_to_be_gone_and_leaves_no_trace(
    cli: CliRunner, database: LangfusePostgres, store: S3ObjectStore, settings: Settings, here: Path
) -> None:
    export_id = completed(database, store, new_key(settings), lives=-HOUR)

    said = refusal_of(call(cli, export_id))

    assert "is no longer in the bucket, and its link expired" in said
    assert f"`lf-export run {export_id} --force`" in said
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"status": "QUEUED"}, "is QUEUED: it waits for its run"),
        ({"status": "PROCESSING"}, "is PROCESSING: its file is being made"),
        (
            {"status": "FAILED", "log": "Column x is none."},
            "is FAILED: Column x is none. It has no",
        ),
        ({"status": "CANCELLED"}, "is CANCELLED. It has no file"),
        ({"status": "COMPLETED"}, "is COMPLETED and has no link"),
        (
            {"status": "COMPLETED", "url": "https://elsewhere.test/b/k"},
            "does not lead to an export",
        ),
    ],
)
def test_export_without_a_file_says_why(
    cli: CliRunner, database: LangfusePostgres, values: dict[str, str], sentence: str
) -> None:
    assert sentence in refusal_of(call(cli, added(database, **values)))


def test_unknown_export_is_said_to_be_unknown(cli: CliRunner) -> None:
    assert "There is no export 'nope'" in refusal_of(call(cli, "nope"))


@rest_is_never_read
@pytest.mark.parametrize(
    ("output", "sentence"),
    [("nowhere/a.csv", "There is no folder nowhere"), ("/proc/a.csv", "cannot be written")],
)
def test_place_that_cannot_be_written_is_named(
    cli: CliRunner, export_id: str, output: str, sentence: str
) -> None:
    said = refusal_of(call(cli, export_id, "-o", output))
    gc.collect()

    assert sentence in said


@rest_is_never_read
def test_download_that_breaks_off_leaves_the_old_file_and_nothing_else(
    cli: CliRunner, export_id: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("s3transfer.utils.DeferredOpenFile.write", full)
    (here / "mine.csv").write_text("old")

    said = refusal_of(call(cli, export_id, "-o", "mine.csv"))
    gc.collect()

    assert "mine.csv cannot be written: No space left on device" in said
    assert [(path.name, path.read_text()) for path in here.iterdir()] == [("mine.csv", "old")]


def test_object_that_may_not_be_seen_is_probably_gone(
    cli: CliRunner, export_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise AccessRefusedError("The bucket refuses access.")

    monkeypatch.setattr(S3ObjectStore, "head", refused)

    said = refusal_of(call(cli, export_id))

    assert "is probably no longer in the bucket" in said
    assert "The bucket says: The bucket refuses access." in said


PEAK = (
    "import re, sys; from lf_export_pipeline.cli.main import main;"
    "main(sys.argv[1:], standalone_mode=False);"
    "print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"
)
"""KiB. What ``getrusage`` gives counts what this process has, from which the other is forked."""


@pytest.mark.long
def test_memory_does_not_grow_with_the_file(
    stack: LocalStack,
    database: LangfusePostgres,
    store: S3ObjectStore,
    settings: Settings,
    here: Path,
) -> None:
    piece, peaks = secrets.token_bytes(MEBIBYTE), []
    for mebibytes in (1, 400):
        key = new_key(settings)
        source = io.BytesIO(piece * mebibytes)
        store.upload(key, source, "text/csv", mebibytes * MEBIBYTE)
        words = ["download", completed(database, store, key), "-o", "large.csv"]
        ended = subprocess.run(
            [sys.executable, "-c", PEAK, *words],
            env={**os.environ, **stack.environment()},
            capture_output=True,
            text=True,
            check=True,
        )
        store.delete(key)
        assert (here / "large.csv").stat().st_size == mebibytes * MEBIBYTE
        peaks.append(int(ended.stdout.splitlines()[-1]) / 1024)

    assert peaks[1] - peaks[0] < 80, peaks
