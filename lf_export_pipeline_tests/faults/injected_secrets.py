"""Puts a text where a run might leave a secret, to see that the search finds it there."""

import base64
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from lf_export_pipeline_tests.faults.fault_run import FaultRun


def into_records(fault_run: FaultRun, text: str) -> None:
    """Where the boundary of a page cuts it in two."""
    path = fault_run.circumstances.folder / "planted.db"
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA page_size = 512")
        database.execute("CREATE TABLE planted (text TEXT)")
        database.execute("INSERT INTO planted VALUES ('')")
        for before in range(0, 1_000, 8):
            padded = f"{'x' * before}{text}{'x' * (1_000 - before)}"
            database.execute("UPDATE planted SET text = ?", (padded,))
            database.commit()
            if text.encode() not in path.read_bytes():
                break
        else:
            pytest.fail("no page cuts it")
    database.close()


def into_row(fault_run: FaultRun, text: str) -> None:
    change = sa.text("UPDATE batch_exports SET log = :text WHERE id = :id")
    with fault_run.bench.database.engine.begin() as connection:
        connection.execute(change, {"text": text, "id": fault_run.export_id})


def into_mail(fault_run: FaultRun, text: str) -> None:
    head = b"Subject: planted\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    body = base64.encodebytes(f"{'x' * 70}{text}".encode())
    (fault_run.bench.stack.addresses().inbox / "planted.eml").write_bytes(head + body)


def into(folder: Callable[[FaultRun], Path], name: str) -> Callable[[FaultRun, str], None]:
    def append(fault_run: FaultRun, text: str) -> None:
        with (folder(fault_run) / name).open("a", encoding="utf-8") as file:
            file.write(f"planted: {text}\n")

    return append


PLANTS: dict[str, Callable[[FaultRun, str], None]] = {
    "planted.db": into_records,
    "output.log": into(lambda fault_run: fault_run.circumstances.folder, "output.log"),
    "part-planted": into(
        lambda fault_run: fault_run.bench.settings.spool_directory, "part-planted"
    ),
    "postgres.log": into(
        lambda fault_run: fault_run.bench.stack.state_dir / "logs", "postgres.log"
    ),
    "row": into_row,
    "planted.eml": into_mail,
}
