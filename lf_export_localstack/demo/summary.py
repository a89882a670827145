"""What the demo says at its end: what came of each export, where it is, and what to try next."""

import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from lf_export_localstack.demo.results import Result
from lf_export_pipeline.notify.channels import instant_text, size_text


def lines_of(result: Result) -> Iterator[str]:
    """The export, then its file, its mail and its link, as far as there are any."""
    row = result.row
    yield f"{result.export.name}: {', '.join(_facts(result))}"
    if row.log:
        yield f"  why   {row.log}"
    for label, path in (("file", result.file), ("mail", result.mail)):
        if path is not None:
            yield f"  {label}  {shown_path(path)}"
    if row.url is not None:
        until = f", signed until {instant_text(row.expires_at)}" if row.expires_at else ""
        yield f"  link  in the mail{until}"


def _facts(result: Result) -> Iterator[str]:
    has_to_fail = result.export.counted_as is None and not result.problems
    yield f"{result.row.status}, as it has to" if has_to_fail else result.row.status
    yield f"{result.export.table} as {result.row.format}"
    if result.rows is not None:
        yield f"{result.rows:,} rows"
    if result.file is not None:
        yield size_text(result.file.stat().st_size)
    if result.seconds is not None:
        yield f"{result.seconds:.1f} s"


def next_commands(results: Sequence[Result], state_dir: Path) -> Iterator[str]:
    """Three commands to try, each with what it shows."""
    python = Path(sys.executable).absolute()
    program = shown_path(python.with_name("lf-export"))
    folder = shlex.quote(shown_path(state_dir))
    file = next((result.file for result in results if result.file), None)
    yield f"{program} local up --state-dir {folder}"
    yield "    starts these servers again, so that the links in the mails answer"
    if file is not None:
        code = "from lf_export_pipeline import read_export; "
        code += f"print(read_export({shown_path(file)!r}))"
        yield f'{shown_path(python)} -c "{code}"'
        yield "    opens the file as a pandas data frame"
    yield f"{program} dev"
    yield "    shows Dagster's UI, with servers and a project to export from"


def shown_path(path: Path) -> str:
    """Relative to where the command was called, if it is below that."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
