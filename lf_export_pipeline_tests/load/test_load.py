"""The short form of the load: ten exports at once, each of them once."""

from pathlib import Path

import pytest

from lf_export_localstack.sample.sample_project import SampleSize
from lf_export_pipeline_tests.load.deployment import WISHES, open_deployment
from lf_export_pipeline_tests.load.phases import keep_making
from lf_export_pipeline_tests.load.verdict import problems
from lf_export_pipeline_tests.load.watch import Watch

pytestmark = [pytest.mark.services, pytest.mark.daemon, pytest.mark.long]

AT_ONCE = 10
SIZE = SampleSize(traces=300, observations_per_trace=1)


def test_of_ten_exports_at_once_none_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LF_EXPORT_STARTS_PER_TICK", str(AT_ONCE))
    specs = WISHES[:AT_ONCE]
    with open_deployment(tmp_path, SIZE, specs) as deployment:
        with deployment.daemon(AT_ONCE) as daemon:
            watch = Watch(deployment, daemon, AT_ONCE)
            made = keep_making(deployment, watch, seconds=0, unfinished=AT_ONCE)
        assert set(made.asked.values()) == set(specs)
        assert problems(deployment, made.asked) == []
    assert watch.peaks["runs at once"] > 1
