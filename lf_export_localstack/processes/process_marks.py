"""The mark that tells a stack's processes apart from all others: a variable of their environment.

Whatever a process starts inherits its environment, however deep it is nested, in whatever session
or process group, and whoever is its parent by now. So a look at all processes finds everything that
a stack has started, and nothing else: an id that the operating system uses again belongs to a
process without the mark. No list has to be kept right for that.
"""

import secrets

import psutil

VARIABLE = "LF_EXPORT_STARTED_BY"


def new_mark(*parts: str) -> str:
    """The parts as a path; without any a mark that is like no other.

    It ends in a slash: so no mark is the beginning of another but of those below it.
    """
    return "/".join([*(parts or (secrets.token_hex(8),)), ""])


def mark_of(process: psutil.Process) -> str:
    """What the process, or one it descends from, was marked with; empty if it bears no mark."""
    try:
        mark: str = process.environ().get(VARIABLE, "")
    except (psutil.Error, OSError):  # it has ended meanwhile, or it is another user's
        return ""
    return mark


def marked(prefix: str) -> list[psutil.Process]:
    """All processes whose mark begins so, and their descendants: Postgres' overwrite theirs."""
    if not prefix:
        return []
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        if mark_of(process).startswith(prefix):
            found |= {each.pid: each for each in (process, *descendants(process))}
    return list(found.values())


def descendants(process: psutil.Process) -> list[psutil.Process]:
    """What the process has started and what these have; none if it has ended."""
    try:
        children: list[psutil.Process] = process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return children
