"""What came of an export: the row, the file as a user downloads it, and the e-mail."""

import csv
import json
import shutil
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from lf_export_localstack.demo.exports import DemoExport
from lf_export_pipeline.core.request.model import ExportRow

CELL_MAX_BYTES = 1 << 30
DOWNLOAD_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the demo's table.

    Attributes:
        problems: What is not as it should be; none if all is well.
    """

    export: DemoExport
    row: ExportRow
    file: Path | None
    mail: Path | None
    rows: int | None
    problems: tuple[str, ...]

    @property
    def seconds(self) -> float | None:
        """From the request to the end."""
        if self.row.finished_at is None:
            return None
        return (self.row.finished_at - self.row.created_at).total_seconds()


def result_of(
    export: DemoExport, row: ExportRow, counts: Mapping[str, int], folder: Path, inbox: Path
) -> Result:
    """The outcome of an export that has ended, with its file downloaded to the folder."""
    mail = find_mail(inbox, export.name)
    if export.counted_as is None:
        problems = tuple(_problems_of_failure(export, row, mail))
        return Result(export, row, None, mail, None, problems)
    file = download(row, folder)
    rows = count_rows(file) if file else None
    problems = tuple(_problems_of_success(row, counts[export.counted_as], rows, mail))
    return Result(export, row, file, mail, rows, problems)


def download(row: ExportRow, folder: Path) -> Path | None:
    """The file behind the row's signed link, fetched without credentials as a browser does."""
    if row.url is None:
        return None
    with urllib.request.urlopen(row.url, timeout=DOWNLOAD_SECONDS) as answer:  # noqa: S310
        name = answer.headers.get_filename() or f"{row.id}.{row.format.lower()}"
        path = folder / Path(name).name
        with path.open("wb") as file:
            shutil.copyfileobj(answer, file, 1 << 20)
    return path


def count_rows(path: Path) -> int:
    """The records in a file, read as a user's tools would read it."""
    with path.open(encoding="utf-8", newline="") as file:
        if path.suffix == ".json":
            return len(json.load(file))
        if path.suffix == ".jsonl":
            return sum(1 for line in file if json.loads(line))
        csv.field_size_limit(min(CELL_MAX_BYTES, sys.maxsize))
        return sum(1 for _ in csv.DictReader(file))


def find_mail(inbox: Path, export_name: str) -> Path | None:
    """The message that names the export."""
    for path in sorted(inbox.glob("*.eml")):
        if export_name in _text(message_from_bytes(path.read_bytes(), policy=policy.default)):
            return path
    return None


def _text(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    return str(body.get_content()) if body else ""


def _problems_of_success(
    row: ExportRow, expected_rows: int, rows: int | None, mail: Path | None
) -> Iterator[str]:
    if row.status != "COMPLETED":
        yield f"is {row.status}" + (f": {row.log}" if row.log else "")
        return
    if rows != expected_rows:
        yield f"holds {rows} rows instead of {expected_rows:,}"
    if mail is None:
        yield "has no e-mail"


def _problems_of_failure(export: DemoExport, row: ExportRow, mail: Path | None) -> Sequence[str]:
    problems = []
    if row.status != "FAILED" or export.failure not in (row.log or ""):
        problems.append(f"is {row.status} ({row.log}) instead of failing over {export.failure!r}")
    if row.url is not None:
        problems.append("has a link although it failed")
    if mail is None or export.failure not in mail.read_text(encoding="utf-8"):
        problems.append("has no e-mail that says why")
    return problems
