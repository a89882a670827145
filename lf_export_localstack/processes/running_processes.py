"""What of a stack runs, and its end."""

from collections import Counter
from pathlib import Path

import psutil

from lf_export_localstack.processes import state
from lf_export_localstack.processes.process import is_alive
from lf_export_localstack.processes.process_marks import mark_of, marked, new_mark
from lf_export_localstack.processes.stopping import kill_marked, stop_all


def end_processes(state_dir: Path, prefix: str) -> Counter[str]:
    """Ends everything with such a mark, in order, and says how many processes each name had.

    Args:
        state_dir: Of the stack; its records say how each is asked to end. Without them, because
            somebody has removed the folder, all are killed.
        prefix: A stack's mark, or that of one of its sessions.
    """
    ended = names_of(marked(prefix))
    remembered = state.load(state_dir)
    records = remembered.processes.values() if remembered else ()
    stop_all([record for record in records if record.mark.startswith(prefix)])
    kill_marked(prefix)
    return ended


def end_other_sessions(state_dir: Path, kept: str | None) -> Counter[str]:
    """Ends everything of the stack but one session, if it is named; returns what it has ended."""
    remembered = state.load(state_dir)
    if remembered is None:
        return Counter()
    marks = {mark_of(process) for process in marked(new_mark(remembered.stack))}
    sessions = {new_mark(*mark.split("/")[:2]) for mark in marks if mark}
    ended = Counter[str]()
    for session in sessions - ({new_mark(remembered.stack, kept)} if kept else set()):
        ended += end_processes(state_dir, session)
    return ended


def names_below(prefix: str) -> Counter[str]:
    """How many processes of each name run with such a mark."""
    return names_of(marked(prefix))


def names_of(processes: list[psutil.Process]) -> Counter[str]:
    """How many of the processes each name has; a descendant without a mark has its parent's."""
    names = (_name(process) for process in processes if is_alive(process))
    return Counter(name for name in names if name)


def _name(process: psutil.Process) -> str:
    for each in (process, *process.parents()):
        if mark := mark_of(each):
            return mark.rstrip("/").rpartition("/")[2]
    return ""


def sentence_of(ended: Counter[str]) -> str:
    """``postgres (7 processes), smtp``."""
    return ", ".join(
        name if count == 1 else f"{name} ({count} processes)"
        for name, count in sorted(ended.items())
    )
