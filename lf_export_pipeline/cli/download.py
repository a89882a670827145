"""``lf-export download``: the file of a finished export, out of the bucket."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from lf_export_pipeline.adapters.object_stores import open_object_store
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.cli.export_lookup import existing_export, known_export_ids
from lf_export_pipeline.core.errors import AccessRefusedError, PermanentError
from lf_export_pipeline.core.ports import ObjectStore
from lf_export_pipeline.core.request.admission import is_stale
from lf_export_pipeline.core.request.model import ExportRow
from lf_export_pipeline.core.stored_objects import StoredObject
from lf_export_pipeline.file.file_names import saved_name
from lf_export_pipeline.file.links import key_of_link
from lf_export_pipeline.file.object_keys import extension_of
from lf_export_pipeline.settings import Settings

_UNFINISHED = {
    "QUEUED": "it waits for its run",
    "PROCESSING": "its file is being made",
}


@click.command(
    epilog="""\b
Examples:
  lf-export download lf-export-0123456789abcdef
  lf-export download lf-export-0123456789abcdef -o traces.csv
"""
)
@click.argument("export_id", metavar="ID", shell_complete=known_export_ids)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="A file, which is replaced, or a folder.  [default: here, under the export's name]",
)
def download(export_id: str, output: Path | None) -> None:
    """Save the file of a COMPLETED export and print its path.

    The file comes from the bucket with the credentials of the settings, so it does not matter
    whether the link in the e-mail has expired.
    """
    settings, now = Settings.load(), datetime.now(UTC)
    with closing(LangfusePostgres(settings)) as database:
        row = existing_export(database.exports, export_id)
    store = open_object_store(settings)
    key = object_key(row, store, settings.langfuse_s3_batch_export_prefix)
    stored = stored_object(store, key, row, now)
    if is_expired(row, now):
        click.echo(f"The link expired on {row.expires_at:%Y-%m-%d}; the file is there.", err=True)
    name = saved_name(row.name, row.table or "export", row.created_at, extension_of(key))
    path = target(output, name)
    with _sentences_of_the_disk(path), _bar(stored) as advance:
        store.download(key, path, advance)
    click.echo(path)


def object_key(row: ExportRow, store: ObjectStore, prefix: str) -> str:
    """The key of the file of an export.

    Raises:
        PermanentError: It has no file here; the sentence says what to do.
    """
    if row.status != "COMPLETED":
        raise PermanentError(_no_file_yet(row))
    if not row.url:
        raise PermanentError(
            f"The export {row.id} is COMPLETED and has no link, so nobody knows its file. "
            f"{_made_again(row, datetime.now(UTC))}"
        )
    key = key_of_link(row.url, store, prefix)
    if key is None:
        raise PermanentError(
            f"The link of export {row.id} does not lead to an export in the bucket "
            f"{store.bucket}; check LANGFUSE_S3_BATCH_EXPORT_BUCKET, "
            "_PREFIX and _ENDPOINT, which may have changed since."
        )
    return key


def stored_object(store: ObjectStore, key: str, row: ExportRow, now: datetime) -> StoredObject:
    """The object of a file that is there.

    Raises:
        PermanentError: It is gone. To users who may not list the bucket AWS says only that they may
            not see what is not there.
    """
    try:
        stored = store.head(key)
    except AccessRefusedError as error:
        raise PermanentError(f"{_gone(row, now, 'probably ')} The bucket says: {error}") from error
    if stored is None:
        raise PermanentError(_gone(row, now))
    return stored


def is_expired(row: ExportRow, now: datetime) -> bool:
    """Whether the link of an export is no longer good."""
    return row.expires_at is not None and row.expires_at <= now


def target(output: Path | None, name: str) -> Path:
    """Where the file goes; nothing is replaced that was not named.

    Raises:
        PermanentError: It cannot go there.
    """
    path = output or Path()
    if path.is_dir():
        path /= name
        if path.exists():
            raise PermanentError(f"{path} is there already; name another file with --output.")
    if not path.parent.is_dir():
        raise PermanentError(f"There is no folder {path.parent}; make it first.")
    return path


def _no_file_yet(row: ExportRow) -> str:
    if row.status in _UNFINISHED:
        return (
            f"The export {row.id} is {row.status}: {_UNFINISHED[row.status]}. "
            f"`lf-export status {row.id} --watch` shows how far it is."
        )
    why = f": {row.log.rstrip('.')}" if row.log else ""
    return (
        f"The export {row.id} is {row.status}{why}. It has no file; "
        f"`lf-export run {row.id}` or `lf-export requeue {row.id} --do-it` tries it again."
        if row.status == "FAILED"
        else f"The export {row.id} is {row.status}{why}. It has no file."
    )


def _gone(row: ExportRow, now: datetime, how_sure: str = "") -> str:
    since = f", and its link expired on {row.expires_at:%Y-%m-%d}" if is_expired(row, now) else ""
    return (
        f"The file of export {row.id} is {how_sure}no longer in the bucket{since}. "
        f"{_made_again(row, now)}"
    )


def _made_again(row: ExportRow, now: datetime) -> str:
    if is_stale(row.created_at, now):
        return "It is older than 30 days; `lf-export request` makes a new one."
    return f"`lf-export run {row.id} --force` makes it again."


@contextmanager
def _bar(stored: StoredObject) -> Iterator[Callable[[int], None]]:
    """A bar on the terminal's error stream, and what moves it."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("downloading", total=stored.size)
        yield lambda size: progress.advance(task, size)


@contextmanager
def _sentences_of_the_disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise PermanentError(f"{path} cannot be written: {why}.") from error
