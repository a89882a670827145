import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def judge(golden_dir: Path) -> ModuleType:
    """``compare.py``, which lies beside the recordings."""
    specification = importlib.util.spec_from_file_location("compare", golden_dir / "compare.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def no_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for that only a cluster has."""
    monkeypatch.setattr("lf_export_pipeline.defs.ops.serialize_chunk.LAG_SECONDS", 0)
