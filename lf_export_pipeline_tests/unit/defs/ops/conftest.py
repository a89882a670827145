from collections.abc import Iterator

import dagster as dg
import pytest


@pytest.fixture(autouse=True)
def no_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for that only a cluster has."""
    monkeypatch.setattr("lf_export_pipeline.defs.ops.serialize_chunk.LAG_SECONDS", 0)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral
