"""Everything that runs leave behind, and the search for what must not be there.

The logs of the four servers are among it. Not searched are the data of Postgres, where the row has
its link, of ClickHouse and of the bucket, which hold the users' rows, and the file in which the
embedded stack remembers the passwords that it has made up.
"""

import base64
import html
import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import asdict
from email import message_from_bytes, policy
from pathlib import Path
from urllib.parse import quote, quote_plus

from lf_export_pipeline.core.request.export_search import ExportSearch
from lf_export_pipeline_tests.faults.bench import Bench, FaultRun

Places = dict[str, bytes]

EXPECTED = {"output.log", "runs.db"} | {
    f"{server}.log" for server in ("postgres", "clickhouse", "seaweedfs", "smtp")
}

ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "percent": quote,
    "percent, slashes too": lambda text: quote(text, safe=""),
    "form": quote_plus,
    "html": html.escape,
    "json": lambda text: json.dumps(text)[1:-1],
    "json with letters": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "javascript": lambda text: text.replace("&", "\\u0026").replace("/", "\\/"),
    "repr": lambda text: repr(text)[1:-1],
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
}


def forms_of(secret: str) -> set[str]:
    """The secret as logs, tables and pages write it, also one in the other."""
    once = {encode(secret) for encode in ENCODINGS.values()}
    return {encode(form) for form in once for encode in ENCODINGS.values()}


def left_behind(fault_run: FaultRun) -> Places:
    """Dagster's records and the output of every process, the spool, logs, rows and e-mails."""
    bench = fault_run.bench
    logs = bench.stack.state_dir / "logs"
    places = (fault_run.circumstances.folder, bench.settings.spool_directory, logs)
    files = [path for place in places for path in place.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= EXPECTED
    found = {str(path): path.read_bytes() + _unpacked(path) for path in files}
    return found | _rows(bench) | {str(path): mail_text(path) for path in bench.inbox()}


def _unpacked(path: Path) -> bytes:
    """All rows of a database: a page boundary may cut what is searched for in two."""
    if path.suffix != ".db":
        return b""
    with sqlite3.connect(path) as database:
        text = "\n".join(database.iterdump())
    database.close()
    return text.replace("''", "'").encode()


def _rows(bench: Bench) -> Places:
    """``batch_exports`` without the links, for which the table is the place."""
    rows = bench.rows.search(ExportSearch())
    told = ((row.id, asdict(row) | {"url": None}) for row in rows)
    return {f"row {id_}": "\n".join(map(str, values.values())).encode() for id_, values in told}


def mail_text(path: Path) -> bytes:
    """A message as it is, and what a reader sees of it."""
    data = path.read_bytes()
    parts = message_from_bytes(data, policy=policy.default).walk()
    seen = (part.get_payload(decode=True) for part in parts if not part.is_multipart())
    return b"\n".join([data, *(part for part in seen if isinstance(part, bytes))])


def places_of(secret_texts: Sequence[str], places: Places) -> set[str]:
    """Where one of the needles is, in one form or another."""
    forms = {form.encode() for secret in secret_texts for form in forms_of(secret)}
    return {place for place, data in places.items() if any(form in data for form in forms)}
