"""Arrow in the processes of runs, without pandas."""

import multiprocessing
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType


def leave_pandas_out() -> bool:
    """Keep Arrow from importing pandas in a process that a code server has made for a run.

    ``pyarrow.array`` asks whether a list is one of pandas' columns, and imports pandas to know:
    0.4 s of processor time and 34 MB in each run, which has no use for it. It tries once, so the
    one time is made to fail. A shell or a notebook, where somebody may want a data frame from
    Arrow, is left alone.

    Returns:
        Whether the process is a run's, and had not imported pandas before.
    """
    if multiprocessing.parent_process() is None or "pandas" in sys.modules:
        return False
    import pyarrow as pa  # noqa: PLC0415 - only in a run

    nowhere = _NoPandas()
    sys.meta_path.insert(0, nowhere)
    try:
        pa.array([])
    finally:
        sys.meta_path.remove(nowhere)
    return True


class _NoPandas(MetaPathFinder):
    """Finds that pandas is not there."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - wherever it is looked for
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError(name=fullname)
