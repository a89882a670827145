"""The picture of a demo in README.md: what it prints, on a real run, as an SVG.

python -m tools.demo_picture docs/images/demo.svg
"""

import io
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS = 108
STYLES = {
    r"COMPLETED|answers": "green",
    r"FAILED": "red",
    r"^ *[0-9.]+ s ": "dim",
    r"All is as it should be.*": "bold green",
    r"^  (file|mail|link|why )": "cyan",
}
# Between two changes of state there are as many lines as the machine is slow.
PROGRESS = re.compile(r": (PROCESSING, (?!0 of)|QUEUED, )")
FONT = re.compile(r"@font-face \{.*?\}", re.DOTALL)


def main(target: Path) -> int:
    """Run the demo, print what it prints, and draw it if it ends well; its exit code."""
    command = [sys.executable, "-u", "-m", "lf_export_pipeline.cli", "demo"]
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo:  # noqa: S603
        for line in demo.stdout or ():
            sys.stdout.write(line)
            lines.append(line.rstrip())
    if demo.returncode == 0:
        target.write_text(drawn(["$ make demo", *shortened(lines)]), encoding="utf-8")
    return demo.returncode


def shortened(lines: Sequence[str]) -> Iterator[str]:
    """The lines without most of those that say how far a run is, cut to the width."""
    is_left_out = False
    for line in lines:
        if PROGRESS.search(line):
            if not is_left_out:
                yield " " * 10 + "…"
            is_left_out = True
            continue
        is_left_out = False
        yield line if len(line) <= COLUMNS else f"{line[: COLUMNS - 1]}…"


def drawn(lines: Sequence[str]) -> str:
    """A terminal that shows these lines, as SVG that fetches nothing."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    for line in lines:
        text = Text(line)
        for pattern, style in STYLES.items():
            text.highlight_regex(pattern, style)
        console.print(text, no_wrap=True, crop=True)
    return FONT.sub("", console.export_svg(title="lf_export_pipeline", unique_id="demo"))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
