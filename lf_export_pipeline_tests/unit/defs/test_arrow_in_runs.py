"""Arrow imports no pandas in the process of a run, and anywhere else it may."""

import importlib
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

import pyarrow as pa

from lf_export_pipeline.defs.arrow_in_runs import leave_pandas_out

SPAWN = multiprocessing.get_context("spawn")


def _arrays_of_a_run() -> tuple[bool, list[int], bool]:
    is_out = leave_pandas_out()
    values = pa.array([1, 2]).to_pylist()
    return is_out, values, "pandas" in sys.modules


def _pandas_in_a_run() -> int:
    leave_pandas_out()
    return len(importlib.import_module("pandas").DataFrame({"a": [1, 2]}))


def test_arrays_in_a_run_import_no_pandas() -> None:
    with ProcessPoolExecutor(1, SPAWN) as pool:
        assert pool.submit(_arrays_of_a_run).result() == (True, [1, 2], False)


def test_pandas_can_still_be_imported_in_a_run() -> None:
    with ProcessPoolExecutor(1, SPAWN) as pool:
        assert pool.submit(_pandas_in_a_run).result() == 2


def test_a_shell_is_left_alone() -> None:
    assert not leave_pandas_out()
    assert sys.modules.get("pandas", sys) is not None
