"""Secrets appear nowhere: everything that runs leave behind is searched for them."""

import html
import itertools
import secrets
import traceback
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from lf_export_localstack.services.seaweedfs_service import BUCKET
from lf_export_pipeline.cli.main import main
from lf_export_pipeline.defs.resources import open_resources
from lf_export_pipeline.file.attempt_folder import export_folder
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.faults import scenarios as s
from lf_export_pipeline_tests.faults.bench import Bench, FaultRun, open_bench
from lf_export_pipeline_tests.faults.injected_secrets import PLANTS, into_row
from lf_export_pipeline_tests.faults.secret_texts import (
    ENCODINGS,
    left_behind,
    mail_text,
    places_of,
)
from lf_export_pipeline_tests.integration.adapters.proxy import Drop, Meanwhile, Request

pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.long]

LOUD = {"LF_EXPORT_PREVIEW": "true"}
# Words of every signed link and of every signed request; no encoding but base64 changes them.
SIGNED = ("X-Amz-Signature", "AWS4-HMAC-SHA256")
NASTY = f"wr0ng/p@ss\"&<'é\\{secrets.token_hex(4)}"
# Postgres writes a statement that fails to its log, as it is.
REFUSE_THE_LINK = """
CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'no'; END $$ LANGUAGE plpgsql;
CREATE TRIGGER refuse BEFORE UPDATE ON batch_exports FOR EACH ROW
WHEN (NEW.status = 'COMPLETED') EXECUTE FUNCTION refuse()
"""
ACCEPT_IT_AGAIN = "DROP TRIGGER refuse ON batch_exports; DROP FUNCTION refuse"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with open_bench(tmp_path_factory.mktemp("secrets")) as made:
        yield made


def passwords(bench: Bench) -> list[str]:
    """Each by itself, and as HTTP and SMTP send it with its user."""
    known = bench.stack.addresses().credentials
    pairs = (
        (known.postgres_user, known.postgres_password),
        (known.clickhouse_user, known.clickhouse_password),
        (known.s3_access_key_id, known.s3_secret_access_key),
        (known.smtp_user, known.smtp_password),
    )
    sent = (text for user, word in pairs for text in (f"{user}:{word}", f"\0{user}\0{word}"))
    return [*(word for _, word in pairs), *map(ENCODINGS["base64"], sent)]


def assert_silent(fault_run: FaultRun, *secret_texts: str, mails_with_link: int = 0) -> None:
    """Neither passwords nor signatures are anywhere; a link may be in an e-mail."""
    places = left_behind(fault_run)
    assert places_of([*passwords(fault_run.bench), NASTY], places) == set()
    linked = places_of([*SIGNED, *secret_texts], places)
    assert {Path(place).suffix for place in linked} <= {".eml"}
    assert len(linked & {str(path) for path in fault_run.bench.inbox()}) == mails_with_link


def link_of(fault_run: FaultRun) -> tuple[str, str]:
    """The row's link, and the signature that makes it one."""
    row = fault_run.bench.rows.get(fault_run.export_id)
    assert row
    assert row.url
    (signature,) = parse_qs(urlsplit(row.url).query)["X-Amz-Signature"]
    return row.url, signature


def test_a_finished_export_tells_neither_passwords_nor_its_link(bench: Bench) -> None:
    fault_run = bench.new_export()
    assert fault_run.run(environment={**bench.environment, **LOUD}) == 0
    assert_silent(fault_run, *link_of(fault_run))


def test_a_run_that_was_killed_and_goes_on_tells_neither_passwords_nor_its_link(
    bench: Bench,
) -> None:
    """It dies when the link is published and the e-mail is not, and the spool is full."""
    fault_run = bench.new_export()
    fault_action = s.FaultAction("SMTP", s.anything, s.always(Meanwhile(fault_run.kill)))
    assert fault_run.run(fault_action) == -9
    assert fault_run.spooled() > 0
    link = link_of(fault_run)
    assert_silent(fault_run, *link)
    assert fault_run.repaired().repairs[0] == "resumed"
    assert link_of(fault_run) == link
    assert_silent(fault_run, *link)


def test_a_spool_in_the_bucket_holds_neither_passwords_nor_the_link(bench: Bench) -> None:
    """The run is killed when all that it keeps there is there."""
    fault_run = bench.new_export()
    fault_action = s.FaultAction("SMTP", s.anything, s.always(Meanwhile(fault_run.kill)))
    spool = {"LF_EXPORT_SPOOL": f"s3://{BUCKET}/spool"}
    assert fault_run.run(fault_action, environment=bench.environment | spool) == -9
    kept = bench.objects(f"spool/{export_folder(fault_run.export_id)}/")
    assert any("values" in key for key in kept)
    assert places_of([*passwords(bench), *SIGNED, *link_of(fault_run)], kept) == set()


def link_is_told(request: Request) -> bool:
    return b"X-Amz-Signature" in request.body


@pytest.mark.parametrize(
    "fault_action",
    [
        s.FaultAction("ClickHouse", s.rows_are_read, s.with_failure_at_row),
        s.FaultAction("ClickHouse", s.anything, s.always(Drop()), times=None),
        s.FaultAction("Postgres", s.row_is_completed, s.always(Drop()), times=None),
        s.FaultAction("Postgres", link_is_told, s.always(Drop()), times=None),
        s.FaultAction(
            "S3", s.anything, s.always(s.s3_error(403, "SignatureDoesNotMatch")), times=None
        ),
        s.FaultAction("SMTP", s.anything, s.always(s.reply(535, "no")), times=None),
    ],
    ids=[
        "query fails",
        "no ClickHouse",
        "row cannot be set",
        "link is lost",
        "S3 refuses",
        "SMTP refuses",
    ],
)
def test_a_run_that_fails_tells_no_secrets(bench: Bench, fault_action: s.FaultAction) -> None:
    fault_run = bench.new_export()
    fault_run.run(fault_action)
    assert fault_action.struck
    assert_silent(fault_run)


def test_a_link_that_postgres_refuses_is_not_in_the_log_of_postgres(bench: Bench) -> None:
    fault_run = bench.new_export()
    with bench.database.engine.begin() as connection:
        connection.execute(sa.text(REFUSE_THE_LINK))
    assert fault_run.run() == 1
    with bench.database.engine.begin() as connection:
        connection.execute(sa.text(ACCEPT_IT_AGAIN))
    log = bench.stack.state_dir / "logs" / "postgres.log"
    assert "STATEMENT:  UPDATE batch_exports" in log.read_text()
    assert_silent(fault_run)


def wrong(bench: Bench) -> dict[str, str]:
    """The variables of all passwords, with one that needs quoting everywhere."""
    sign_in = f"langfuse:{quote(NASTY, safe='')}"
    mail = bench.environment["SMTP_CONNECTION_URL"].rpartition("@")[2]
    database = bench.environment["DATABASE_URL"].rpartition("@")[2]
    return {
        "CLICKHOUSE_PASSWORD": NASTY,
        "LANGFUSE_S3_BATCH_EXPORT_SECRET_ACCESS_KEY": NASTY,
        "SMTP_CONNECTION_URL": f"smtp://{sign_in}@{mail}",
        "DATABASE_URL": f"postgresql://{sign_in}@{database}",
        "DAGSTER_POSTGRES_PASSWORD": NASTY,
    }


@pytest.mark.parametrize(
    ("variable", "status"),
    [
        ("CLICKHOUSE_PASSWORD", "FAILED"),
        ("LANGFUSE_S3_BATCH_EXPORT_SECRET_ACCESS_KEY", "FAILED"),
        ("SMTP_CONNECTION_URL", "COMPLETED"),
        ("DATABASE_URL", "QUEUED"),
    ],
)
def test_a_run_with_a_wrong_password_does_not_tell_it(
    bench: Bench, variable: str, status: str
) -> None:
    fault_run = bench.new_export()
    fault_run.run(environment=bench.environment | {variable: wrong(bench)[variable]})
    assert fault_run.outcome().status == status
    assert_silent(fault_run)


def of_the_chain(bench: Bench, **variables: str) -> dict[str, str]:
    """The environment of who leaves the bucket's credentials to AWS's own chain."""
    unset = {"LANGFUSE_S3_BATCH_EXPORT_ACCESS_KEY_ID", "LANGFUSE_S3_BATCH_EXPORT_SECRET_ACCESS_KEY"}
    known = bench.stack.addresses().credentials
    return {
        **{name: value for name, value in bench.environment.items() if name not in unset},
        "AWS_ACCESS_KEY_ID": known.s3_access_key_id,
        "AWS_SECRET_ACCESS_KEY": known.s3_secret_access_key,
        **variables,
    }


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"])
def test_a_credential_that_makes_no_header_is_not_quoted(bench: Bench, variable: str) -> None:
    """As a mounted secret ends with a line break; botocore quotes the header that it refuses."""
    fault_run = bench.new_export()
    mounted = f"{secrets.token_hex(16)}\n"
    assert fault_run.run(environment=of_the_chain(bench, **{variable: mounted})) == 1
    row = fault_run.outcome().row
    assert row
    assert variable in (row.log or "")
    assert_silent(fault_run, mounted.strip())


def test_keys_that_end_with_a_line_break_make_an_export(bench: Bench) -> None:
    names = ("CLICKHOUSE_PASSWORD", "LANGFUSE_S3_BATCH_EXPORT_ACCESS_KEY_ID", "DATABASE_URL")
    fault_run = bench.new_export()
    changes = {name: f"{bench.environment[name]}\n" for name in names}
    assert fault_run.run(environment=bench.environment | changes) == 0
    assert_silent(fault_run, *link_of(fault_run))


def test_only_the_email_tells_the_link_where_there_is_no_page_to_lead_to(bench: Bench) -> None:
    fault_run = bench.new_export()
    assert fault_run.run(environment=bench.environment | {"NEXTAUTH_URL": ""}) == 0
    assert_silent(fault_run, *link_of(fault_run), mails_with_link=1)
    (mail,) = [path for path in bench.inbox() if fault_run.export_id.encode() in mail_text(path)]
    mail.unlink()  # so that the others may go on to find none


def output_of(bench: Bench, *words: str, **environment: str) -> tuple[int, bytes]:
    """Exit code of a command, and all that it has said or raised; no line of it is folded."""
    runner = CliRunner(env=bench.environment | environment | {"COLUMNS": "9999"})
    result = runner.invoke(main, words)
    raised = traceback.format_exception(result.exception) if result.exception else []
    return result.exit_code, f"{result.output}{result.stderr}{''.join(raised)}".encode()


@pytest.fixture(scope="module")
def finished(bench: Bench) -> FaultRun:
    """An export whose row has a link."""
    fault_run = bench.new_export()
    assert fault_run.run() == 0
    return fault_run


@pytest.mark.parametrize(
    ("command", "state"),
    [
        *itertools.product(("doctor", "status", "run", "requeue"), ("well", "wrong passwords")),
        *itertools.product(("doctor", "status", "requeue"), ("no servers",)),
    ],
)
def test_commands_tell_no_secrets(
    bench: Bench, finished: FaultRun, command: str, state: str
) -> None:
    fault_run = bench.new_export()
    bench.fault_proxy.play(s.always(Drop()) if state == "no servers" else None)
    changes = wrong(bench) if state == "wrong passwords" else {}
    words = (command, fault_run.export_id) if command == "run" else (command,)
    code, said = output_of(bench, *words, **changes)
    bench.fault_proxy.play()
    assert code == (0 if state == "well" else 1), said
    assert said.strip()
    assert places_of([*passwords(bench), NASTY, *SIGNED, *link_of(finished)], {"": said}) == set()


def test_nothing_that_holds_a_secret_shows_it(bench: Bench) -> None:
    for environment in (bench.environment, bench.environment | wrong(bench)):
        settings = Settings.load(environment)
        with open_resources(settings) as ports:
            shown = "".join(f"{port!r}{port!s}" for port in (settings, *ports.values()))
        shown += repr(bench.stack.addresses())
        assert places_of([*passwords(bench), NASTY], {"shown": shown.encode()}) == set()


def test_the_search_finds_what_is_planted_in_every_place_and_form(bench: Bench) -> None:
    fault_run = bench.new_export()
    fault_run.run()
    for name, inject in PLANTS.items():
        for encode in ENCODINGS.values():  # all of them in HTML on top
            secret = f"https://planted/é?a=1&b=\"<'{secrets.token_hex(8)}"
            inject(fault_run, html.escape(encode(secret)))
            found = places_of([secret], left_behind(fault_run))
            assert [Path(place.partition(" ")[0]).name for place in found] == [name]
    into_row(fault_run, secret := secrets.token_hex(8))
    _, said = output_of(bench, "status")
    assert places_of([secret], {"said": said}) == {"said"}
