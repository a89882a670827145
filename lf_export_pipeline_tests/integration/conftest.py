import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from lf_export_localstack.sample.seed import load_seed
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline_tests.golden.direct import DirectRunner
from lf_export_pipeline_tests.isolated_stack import IsolatedStack


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


@pytest.fixture(scope="session")
def recorded_stack(
    stack: LocalStack, golden_seed_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[IsolatedStack]:
    """Databases with nothing but the recorded rows, whose versions stay unmerged."""
    recorded = IsolatedStack(stack, tmp_path_factory.mktemp("golden"))
    load_seed(recorded.addresses(), golden_seed_dir)
    yield recorded
    recorded.destroy()


@pytest.fixture(scope="session")
def direct(recorded_stack: IsolatedStack) -> Iterator[DirectRunner]:
    with DirectRunner(recorded_stack.addresses()) as ready:
        yield ready
