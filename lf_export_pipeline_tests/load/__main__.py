"""Puts load on a deployment of its own, prints what it took, and keeps that in a document."""

import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from lf_export_pipeline.core.markdown import markdown_table
from lf_export_pipeline_tests.load.deployment import PROJECTS, LoadDeployment, open_deployment
from lf_export_pipeline_tests.load.phases import (
    Made,
    Ticks,
    keep_making,
    let_wait,
    out_of_order,
    ticks_since,
)
from lf_export_pipeline_tests.load.verdict import problems
from lf_export_pipeline_tests.load.watch import Watch

BEGIN, END = "<!-- load: begin -->", "<!-- load: end -->"
TICKS = 12
OLDEST = "waits-00001"
TICK_MAX_SECONDS = 2.0
BOUNDS = {
    "memory of one run, MiB": 600,
    "connections to ClickHouse": 40,
    "connections to Postgres": 60,
}
"""What ten runs may take: each up to four connections to ClickHouse and six to Postgres."""


def keep(table: str, document: Path) -> None:
    """Put the table between its marks."""
    text = document.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    document.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", encoding="utf-8")


def _of_load(
    made: Made, wrong: list[str], watch: Watch, ticks: Sequence[float]
) -> Iterator[tuple[str, str]]:
    yield "exports asked for", f"{len(made.asked):,}"
    yield "of them lost, wrong or without their one e-mail", f"{len(wrong):,}"
    yield "seconds", f"{made.seconds:,.0f}"
    yield "exports per minute", f"{len(made.asked) * 60 / made.seconds:.1f}"
    yield "runs at once, in the median", f"{_median_at_once(watch):,.0f}"
    yield "of them past their imports", f"{statistics.median(watch.at_work or [0]):,.0f}"
    yield "seconds of a tick of the sensor meanwhile, in the median", _median(ticks)
    for name, most in sorted(watch.peaks.items()):
        yield f"most: {name}", f"{most:,}"


def _unbounded(watch: Watch, at_once: int) -> list[str]:
    found = [
        f"{name}: {watch.peaks[name]:,}, more than {most:,}"
        for name, most in BOUNDS.items()
        if watch.peaks[name] > most
    ]
    runs = _median_at_once(watch)
    return found + ([f"{runs:.0f} runs at once instead of {at_once}"] if runs != at_once else [])


def _median_at_once(watch: Watch) -> float:
    return statistics.median(watch.at_once or [0])


def _median(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds):.2f}"


def _of_waiting(waiting: int, ticks: Ticks, late: list[str]) -> Iterator[tuple[str, str]]:
    yield "exports that wait", f"{waiting:,}"
    yield "ticks of the sensor on them", f"{len(ticks.seconds):,}"
    yield "median of a tick, seconds", _median(ticks.seconds)
    yield "longest tick, seconds (aim: below 2)", f"{max(ticks.seconds):.2f}"
    yield "of it the sensor itself, at most, seconds", f"{max(ticks.own_seconds):.2f}"
    yield "runs begun meanwhile", f"{len(ticks.order):,}"
    yield "of them begun after a younger export of their project", f"{len(late):,}"


def _many_at_once(
    deployment: LoadDeployment, seconds: float, at_once: int
) -> tuple[list[tuple[str, str]], list[str]]:
    """The figures of the first part, and what is wrong."""
    began = time.time()
    with deployment.daemon(at_once) as daemon:
        watch = Watch(deployment, daemon, at_once)
        made = keep_making(deployment, watch, seconds, unfinished=2 * at_once)
        ticks = ticks_since(deployment, began)
    wrong = problems(deployment, made.asked)
    return [*_of_load(made, wrong, watch, ticks)], wrong + _unbounded(watch, at_once)


def _many_that_wait(
    deployment: LoadDeployment, waiting: int
) -> tuple[list[tuple[str, str]], list[str]]:
    """The figures of the second part, under the limits that are shipped, and what is wrong."""
    with deployment.daemon():
        ticks = let_wait(deployment, waiting, TICKS)
    late = out_of_order(ticks.order, len(PROJECTS))
    wrong = [f"{export_id} was begun too late" for export_id in late]
    for what, seconds in (("a tick", ticks.seconds), ("the sensor itself", ticks.own_seconds)):
        wrong += [f"{what} took {s:.2f} s" for s in seconds if s >= TICK_MAX_SECONDS]
    if not ticks.order or ticks.order[0] != OLDEST:
        wrong.append(f"the first was {ticks.order[:1]} instead of {OLDEST}")
    return [*_of_waiting(waiting, ticks, late)], wrong


@click.command()
@click.option("--minutes", default=10.0, help="How long exports are kept going.")
@click.option("--at-once", default=10, help="Runs at once.")
@click.option("--waiting", default=5_000, help="Exports that wait in the second part; 0: none.")
@click.option("--document", type=click.Path(path_type=Path), help="Where to keep good figures.")
@click.option("--logs", type=click.Path(path_type=Path), help="Where to leave the daemon's log.")
def main(
    minutes: float, at_once: int, waiting: int, document: Path | None, logs: Path | None
) -> None:
    """Put load on a deployment; the exit code is 1 if something is lost or wrong."""
    with (
        tempfile.TemporaryDirectory(prefix="lf-export-load-") as folder,
        open_deployment(Path(folder)) as deployment,
    ):
        try:
            figures, wrong = _many_at_once(deployment, 60 * minutes, at_once)
            if waiting:
                more, too = _many_that_wait(deployment, waiting)
                figures, wrong = figures + more, wrong + too
        finally:
            if logs is not None:
                shutil.copyfile(deployment.home / "daemon.log", logs)
    table = markdown_table(("figure", "value"), figures)
    click.echo(table)
    for problem in wrong:
        click.echo(f"WRONG: {problem}")
    if document is not None and not wrong:
        keep(table, document)
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
