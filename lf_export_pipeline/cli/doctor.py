"""Tries every part that an export needs, and says of each whether it is good or what to do."""

import json
import logging
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass

import click
import sqlalchemy as sa
from dotenv import dotenv_values
from rich.console import Console
from rich.markup import escape

from lf_export_pipeline.adapters.clickhouse.clickhouse_reader import ClickHouseReader
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.adapters.postgres.postgres_errors import MAY_NOT_INSERT, postgres_errors
from lf_export_pipeline.adapters.postgres.secret_values import hand_over
from lf_export_pipeline.adapters.smtp.mailer import open_mailer
from lf_export_pipeline.adapters.spool import open_spool
from lf_export_pipeline.adapters.tls import unverified_postgres
from lf_export_pipeline.cli.bucket_check import bucket
from lf_export_pipeline.cli.dagster_storage import check_dagster_storage
from lf_export_pipeline.cli.instances import configured_instance
from lf_export_pipeline.cli.lake_check import lake
from lf_export_pipeline.cli.write_mode_check import write_mode
from lf_export_pipeline.core.errors import (
    ConfigurationError,
    ExportError,
)
from lf_export_pipeline.core.ports import RowReader
from lf_export_pipeline.core.query.statement import Statement, Store
from lf_export_pipeline.core.request.model import ExportFormat
from lf_export_pipeline.core.tables import stored_tables
from lf_export_pipeline.notify.email_message import sender_of
from lf_export_pipeline.schedules.requests import is_paused
from lf_export_pipeline.schedules.store import StandingExports
from lf_export_pipeline.settings import Settings

_OWN_TABLES = ("batch_exports", "users", "projects", "organization_memberships")
"""What is read in Postgres beside the rows of exports: who asks for what, and may they."""

_OLDEST_CLICKHOUSE = (24, 3)
_SPOOL_FREE_GIB = 5
_GIB = 1 << 30
_OTHERS_MAY = 0o077
_NAME_WIDTH = 20
_CLIENTS_LOGGERS = ("clickhouse_connect", "urllib3.connectionpool")


@dataclass(frozen=True, slots=True)
class Check:
    """What was found out about one part.

    Attributes:
        name: The part.
        ok: Whether an export can rely on it.
        message: What is good about it, or what is wrong and what to do.
    """

    name: str
    ok: bool
    message: str


Probe = Callable[[], str]


def run_checks(settings: Settings, environ: Mapping[str, str] | None = None) -> Iterator[Check]:
    """All checks, each as soon as it is done and whatever the others found.

    Changes nothing that stays.

    Args:
        settings: What to check.
        environ: Where Dagster's own variables are looked up; default: where Dagster does.
    """
    probes = _probes(settings, _environ_of_dagster() if environ is None else environ)
    return (_check(name, probe) for name, probe in probes)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, when all is tried.")
def doctor(*, as_json: bool) -> None:
    """Try every part that exports need; exit code 1 if one of them is not good."""
    with _clients_silenced():
        checks = list(_checks()) if as_json else _told(_checks())
    if as_json:
        click.echo(json.dumps([asdict(check) for check in checks], indent=2))
    if not all(check.ok for check in checks):
        raise click.exceptions.Exit(1)


@contextmanager
def _clients_silenced() -> Iterator[None]:
    """They log a warning for each attempt that fails, of which a check's line says all there is.

    Here alone: in runs these warnings are the operator's.
    """
    levels = {logger: logger.level for logger in map(logging.getLogger, _CLIENTS_LOGGERS)}
    for logger in levels:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)


def _told(checks: Iterable[Check]) -> list[Check]:
    """The checks, each printed as soon as it is done."""
    console, done = Console(highlight=False), []
    for check in checks:
        mark = "[green]good [/]" if check.ok else "[red]wrong[/]"
        console.print(f"{mark}  {check.name:<{_NAME_WIDTH}}{escape(check.message)}", soft_wrap=True)
        done.append(check)
    return done


def _checks() -> Iterator[Check]:
    """The settings first: without them nothing else can be tried."""
    try:
        settings = Settings.load()
    except ConfigurationError as error:
        yield Check("settings", ok=False, message=str(error))
        return
    yield Check("settings", ok=True, message="read")
    yield from run_checks(settings)


def _probes(settings: Settings, environ: Mapping[str, str]) -> Iterator[tuple[str, Probe]]:
    yield "Postgres", lambda: _postgres(settings)
    yield "ClickHouse", lambda: _clickhouse(settings, Store.CLICKHOUSE)
    yield "ClickHouse, events", lambda: _clickhouse(settings, Store.EVENTS)
    yield "write mode", lambda: write_mode(settings)
    yield "S3", lambda: bucket(settings)
    yield "e-mail", lambda: _mail(settings)
    yield "spool", lambda: _spool(settings)
    yield "Dagster storage", lambda: check_dagster_storage(environ)
    yield "standing exports", lambda: _standing_exports(settings)
    if settings.lf_export_lake_url is not None:
        yield "lake", lambda: lake(settings)


def _environ_of_dagster() -> Mapping[str, str]:
    """What Dagster's own commands see: a ``.env`` file in the working directory wins there."""
    from_file = {name: value for name, value in dotenv_values(".env").items() if value is not None}
    return {**os.environ, **from_file}


def _check(name: str, probe: Probe) -> Check:
    try:
        with _waited_for(name):
            return Check(name, ok=True, message=probe())
    except ExportError as error:
        return Check(name, ok=False, message=str(error))
    except Exception as error:  # noqa: BLE001 - a doctor that dies helps nobody
        return Check(name, ok=False, message=f"The check itself failed ({type(error).__name__}).")


def _waited_for(name: str) -> AbstractContextManager[object]:
    """Says on a terminal which part is tried, as long as it is.

    A server that takes a request and never answers it is waited for as in a run: for minutes.
    """
    if not sys.stderr.isatty():
        return nullcontext()
    return Console(stderr=True).status(f"Trying {name}")


def _postgres(settings: Settings) -> str:
    with closing(LangfusePostgres(settings)) as database:
        tables = {*_OWN_TABLES, *_read_in(Store.POSTGRES)}
        _select(database.reader, Store.POSTGRES, sorted(tables))
        touch = sa.text("UPDATE batch_exports SET status = status, log = log WHERE false")
        with postgres_errors(), database.engine.connect() as connection:
            connection.execute(touch)
            hand_over(connection, "lf_export_doctor", "no secret")
            connection.rollback()
            doubt = unverified_postgres(connection, "DATABASE_URL")
        database.exports.recipient("nobody", "nothing")
        waiting = database.exports.oldest_queued()
    queue = (
        f"the export that waits longest was queued at {waiting.updated_at:%Y-%m-%d %H:%M}"
        if waiting
        else "no export is waiting"
    )
    done = f"{len(tables)} tables can be read, batch_exports can be updated; {queue}"
    return "; but ".join([done, *doubt])


def _standing_exports(settings: Settings) -> str:
    """Of those there are, whether their exports can be queued."""
    with configured_instance() as instance:
        if instance is None:
            return "not known here, since DAGSTER_HOME is not set"
        found = StandingExports(instance).all()
    if not found:
        return "there are none"
    with closing(LangfusePostgres(settings)) as database:
        if not database.exports.may_add():
            raise ConfigurationError(MAY_NOT_INSERT)
    paused = sum(is_paused(*each) for each in found)
    return f"there are {len(found)}, {paused} of them paused, and their exports can be queued"


def _read_in(store: Store) -> list[str]:
    """The tables of a store that exports read."""
    return [table.name for table in stored_tables() if table.store is store]


def _clickhouse(settings: Settings, store: Store) -> str:
    names = _read_in(store)
    with closing(ClickHouseReader(settings).tagged(op="doctor")) as reader:
        facts = Statement(store=store, sql="SELECT version(), timezone()")
        version, zone = map(str, reader.rows(facts)[0])
        if tuple(map(int, version.split(".")[:2])) < _OLDEST_CLICKHOUSE:
            raise ConfigurationError(f"ClickHouse is {version}, but 24.3 is needed; upgrade it.")
        if zone not in {"UTC", "Etc/UTC"}:
            raise ConfigurationError(
                f"ClickHouse's time zone is {zone}, but Langfuse needs UTC; set <timezone> to UTC."
            )
        _select(reader, store, names)
        way = _rows_by(settings, reader, store)
    return f"version {version}, {len(names)} tables can be read, {way}"


def _rows_by(settings: Settings, reader: ClickHouseReader, store: Store) -> str:
    """Who makes the rows of files, and why it is not ClickHouse."""
    if settings.lf_export_rows == "arrow":
        return "rows are serialised here (LF_EXPORT_ROWS)"
    texts = [export_format for export_format in ExportFormat if export_format.is_text]
    if all(reader.takes_written(store, export_format) for export_format in texts):
        return "it writes the rows of files itself"
    return "rows are serialised here: it does not take FORMAT Template as exports need it"


def _select(reader: RowReader, store: Store, tables: Iterable[str]) -> None:
    for table in tables:
        reader.rows(Statement(store=store, sql=f"SELECT 1 FROM {table} LIMIT 1"))


def _mail(settings: Settings) -> str:
    mailer = open_mailer(settings)
    if not mailer.configured:
        return "not configured, so exports complete without one"
    mailer.greet(sender_of(settings))
    return "; but ".join(["sign-in works; nothing was sent", *mailer.doubts])


def _spool(settings: Settings) -> str:
    spool, folder = open_spool(settings), f"doctor-{secrets.token_hex(8)}"
    try:
        with spool.create(f"{folder}/probe") as file:
            file.write(b"probe")
        with spool.open(f"{folder}/probe") as file:
            file.read()
    finally:
        spool.remove(folder)
    if settings.spool_is_remote:
        return "the bucket can be written and read"
    free = shutil.disk_usage(settings.spool_directory).free // _GIB
    if free < _SPOOL_FREE_GIB:
        raise ConfigurationError(
            f"The spool has {free} GiB left, which a large export fills; "
            "free some space or point LF_EXPORT_SPOOL elsewhere."
        )
    done = f"writable, {free} GiB free"
    if settings.spool_directory.stat().st_mode & _OTHERS_MAY:
        return f"{done}; but others can see the names of its folders: chmod 700 the spool"
    return done
