"""Puts load on a deployment of its own, prints what it took, and keeps that in a document."""

import shutil
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from lf_export_pipeline.markdown import markdown_table
from lf_export_pipeline_tests.load.deployment import PROJECTS, LoadDeployment, open_deployment
from lf_export_pipeline_tests.load.phases import Made, Ticks, keep_making, let_wait, out_of_order
from lf_export_pipeline_tests.load.verdict import problems
from lf_export_pipeline_tests.load.watch import Watch

BEGIN, END = "<!-- load: begin -->", "<!-- load: end -->"
TICKS = 12
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


def _of_load(made: Made, wrong: list[str], watch: Watch) -> Iterator[tuple[str, str]]:
    yield "exports asked for", f"{len(made.asked):,}"
    yield "of them lost, wrong or without their one e-mail", f"{len(wrong):,}"
    yield "seconds", f"{made.seconds:,.0f}"
    yield "exports per minute", f"{len(made.asked) * 60 / made.seconds:.1f}"
    yield "median of the runs at once", f"{statistics.median(watch.at_once):,.0f}"
    for name, most in sorted(watch.peaks.items()):
        yield f"most: {name}", f"{most:,}"


def _unbounded(watch: Watch, at_once: int) -> list[str]:
    found = [
        f"{name}: {watch.peaks[name]:,}, more than {most:,}"
        for name, most in BOUNDS.items()
        if watch.peaks[name] > most
    ]
    runs = watch.peaks["runs at once"]
    return found + ([f"{runs} runs at once instead of {at_once}"] if runs != at_once else [])


def _of_waiting(waiting: int, ticks: Ticks, late: list[str]) -> Iterator[tuple[str, str]]:
    yield "exports that wait", f"{waiting:,}"
    yield "ticks of the sensor on them", f"{len(ticks.seconds):,}"
    yield "median of a tick, seconds", f"{statistics.median(ticks.seconds):.2f}"
    yield "longest tick, seconds (aim: 2)", f"{max(ticks.seconds):.2f}"
    yield "runs begun meanwhile", f"{len(ticks.order):,}"
    yield "of them begun after a younger export of their project", f"{len(late):,}"


def _load(
    deployment: LoadDeployment, seconds: float, at_once: int, waiting: int
) -> tuple[list[tuple[str, str]], list[str]]:
    """The figures, and what is wrong."""
    with deployment.daemon() as daemon:
        watch = Watch(deployment, daemon)
        made = keep_making(deployment, watch, seconds, unfinished=2 * at_once)
        wrong = problems(deployment, made.asked)
        figures = [*_of_load(made, wrong, watch)]
        wrong += _unbounded(watch, at_once)
        if waiting:
            ticks = let_wait(deployment, waiting, TICKS)
            late = out_of_order(ticks.order, len(PROJECTS))
            figures += _of_waiting(waiting, ticks, late)
            wrong += [f"{export_id} was begun too late" for export_id in late]
            wrong += [f"a tick took {s:.2f} s" for s in ticks.seconds if s >= TICK_MAX_SECONDS]
    return figures, wrong


@click.command()
@click.option("--minutes", default=10.0, help="How long exports are kept going.")
@click.option("--at-once", default=10, help="Runs at once.")
@click.option("--waiting", default=5_000, help="Exports that wait in the second part; 0: none.")
@click.option("--document", type=click.Path(path_type=Path), help="Where to keep the figures.")
@click.option("--logs", type=click.Path(path_type=Path), help="Where to leave the daemon's log.")
def main(
    minutes: float, at_once: int, waiting: int, document: Path | None, logs: Path | None
) -> None:
    """Put load on a deployment; the exit code is 1 if something is lost or wrong."""
    with (
        tempfile.TemporaryDirectory(prefix="lf-export-load-") as folder,
        open_deployment(Path(folder), at_once) as deployment,
    ):
        try:
            figures, wrong = _load(deployment, 60 * minutes, at_once, waiting)
        finally:
            if logs is not None:
                shutil.copyfile(deployment.home / "daemon.log", logs)
    table = markdown_table(("figure", "value"), figures)
    click.echo(table)
    for problem in wrong:
        click.echo(f"WRONG: {problem}")
    if document is not None:
        keep(table, document)
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
