"""Plays every row of the table of faults, prints the outcomes and keeps them in a document.

Several benches, each with servers of its own, work side by side.
"""

import queue
import re
import shutil
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from lf_export_pipeline.core.markdown import markdown_table
from lf_export_pipeline_tests.faults.baseline import Baseline, ExportSpec
from lf_export_pipeline_tests.faults.bench import Bench, open_bench
from lf_export_pipeline_tests.faults.fault import Fault, problems_of
from lf_export_pipeline_tests.faults.outcome import Outcome
from lf_export_pipeline_tests.faults.table import all_faults

BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
HEADERS = ("fault", "where", "op at work", "what was done then", "in the end")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a fault."""

    fault: Fault
    outcomes: Sequence[Outcome]
    problems: Sequence[str]

    @property
    def cells(self) -> tuple[str, ...]:
        """Its row of the table."""
        last = self.outcomes[-1] if self.outcomes else None
        op = last.op_at_work if last else ""
        repairs = ", ".join(last.repairs) if last else ""
        end = "RED: " + "; ".join(self.problems) if self.problems else _said(last)
        return (self.fault.name, self.fault.where, op or "-", repairs or "nothing", end)


def _said(last: Outcome | None) -> str:
    if last is None or last.status == "gone":
        file = "the file" if last and last.objects else "no file"
        mail = "an e-mail" if last and last.mails else "no e-mail"
        return f"no row, {file}, {mail}"
    return f"{last.status}, the right file, {last.mails} e-mail{'s' * (last.mails != 1)}"


def judged(fault: Fault, bench: Bench) -> Verdict:
    """The verdict on a fault that is played on this bench."""
    try:
        outcomes = fault.play(bench)
    except Exception as error:  # noqa: BLE001 - whatever it is, the row is red
        return Verdict(fault, [], [f"{type(error).__name__}: {error}"[:300]])
    return Verdict(fault, outcomes, problems_of(fault, outcomes))


def _next(waiting: "queue.SimpleQueue[tuple[int, Fault]]") -> tuple[int, Fault] | None:
    try:
        return waiting.get_nowait()
    except queue.Empty:
        return None


def play_all(faults: Sequence[Fault], benches: int, folder: Path) -> list[Verdict]:
    """The verdicts in the order of the table."""
    waiting: queue.SimpleQueue[tuple[int, Fault]] = queue.SimpleQueue()
    for numbered in enumerate(faults):
        waiting.put(numbered)
    found: dict[int, Verdict] = {}
    known: dict[ExportSpec, Baseline] = {}  # the benches have the same rows

    def work(number: int) -> None:
        own = folder / str(number)
        own.mkdir()
        with open_bench(own) as bench:
            bench.baselines = known
            while (numbered := _next(waiting)) is not None:
                at, fault = numbered
                found[at] = judged(fault, bench)
                print(" | ".join(found[at].cells), flush=True)  # noqa: T201 - the table

    threads = [threading.Thread(target=work, args=(number,)) for number in range(benches)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[at] for at in sorted(found)]


def keep(rows: Sequence[Sequence[str]], document: Path) -> None:
    """Put the outcomes into the table between its marks; of faults not played the old ones stay."""
    text = document.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    old, _, after = rest.partition(END)
    known = _rows_of(old) | _rows_of(markdown_table(HEADERS, rows))
    names = _rows_of(markdown_table(HEADERS, [(f.name, f.where) for f in all_faults()]))
    lines = [known[name] for name in names if name in known]
    red = sum("| RED" in line for line in lines)
    head = markdown_table(HEADERS, [])
    summary = f"{len(lines)} of {len(names)} faults played, {red} red."
    table = "\n".join((head, *lines))
    document.write_text(
        f"{before}{BEGIN}\n\n{summary}\n\n{table}\n\n{END}{after}", encoding="utf-8"
    )


def _rows_of(table: str) -> dict[tuple[str, str], str]:
    """The lines of a table by their first two cells, without its head."""
    lines = [line for line in table.splitlines() if line.startswith("| ")][2:]
    cells = {line: [cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines}
    return {(found[0], found[1]): line for line, found in cells.items()}


@click.command()
@click.option("--benches", default=2, help="How many work side by side.")
@click.option("--only", default="", help="Faults whose name matches this expression.")
@click.option("--document", type=click.Path(path_type=Path), help="Where to keep the table.")
def main(benches: int, only: str, document: Path | None) -> None:
    """Play the faults; the exit code is 1 if one of them ends badly."""
    faults = [fault for fault in all_faults() if re.search(only, fault.id)]
    folder = Path(tempfile.mkdtemp(prefix="lf-export-faults-"))
    try:
        verdicts = play_all(faults, benches, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if document is not None:
        keep([verdict.cells for verdict in verdicts], document)
    red = [verdict for verdict in verdicts if verdict.problems]
    click.echo(f"{len(verdicts)} of {len(faults)} faults played, {len(red)} red")
    raise SystemExit(bool(red) or len(verdicts) < len(faults))


if __name__ == "__main__":
    main()
