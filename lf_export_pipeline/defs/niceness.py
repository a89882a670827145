"""Runs give way to what has to answer at once on the same machine."""

import multiprocessing
import os


def set_niceness(niceness: int) -> bool:
    """Lower the priority of this process if it is one that a code server has made for a run.

    Ten exports that work keep every core busy. The daemon, the code server and the databases answer
    in milliseconds if they are served first; otherwise each tick of a sensor takes seconds, and a
    code server that is starved shuts down. The exports lose nothing but these moments.

    Args:
        niceness: As of ``nice``, from 0 to 19; a process that is nicer already stays so. Threads
            inherit it from the one that starts them.

    Returns:
        Whether the process is a run's. Code server, daemon and shell are left alone.
    """
    if multiprocessing.parent_process() is None:
        return False
    present = os.getpriority(os.PRIO_PROCESS, 0)
    if niceness > present:
        os.setpriority(os.PRIO_PROCESS, 0, niceness)
    return True
