from collections.abc import Iterator
from pathlib import Path

import pytest

from lf_export_localstack.sample.seed import load_seed
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline_tests.golden.direct import DirectRunner
from lf_export_pipeline_tests.isolated_stack import IsolatedStack


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
