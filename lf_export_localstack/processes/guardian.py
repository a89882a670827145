"""Ends what a command has started, once the command is gone: ``python -m … STATE_DIR MARK``.

Everything it needs is imported before it waits: by then the environment may have been removed.
"""

import signal
import sys
from pathlib import Path

from lf_export_localstack.processes.running_processes import end_processes, sentence_of


def main(state_dir: Path, prefix: str) -> None:
    """Waits for the end of its standard input, which is the end of the command."""
    for request in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(request, signal.SIG_IGN)
    sys.stdin.buffer.read()
    if ended := end_processes(state_dir, prefix):
        print(f"Ended {sentence_of(ended)}.", flush=True)  # noqa: T201 - its log


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
