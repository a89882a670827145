"""What tests of standing exports share."""

from collections.abc import Iterator

import dagster as dg
import pytest

from lf_export_pipeline_tests.unit.schedules.standing_world import StandingWorld


@pytest.fixture
def world() -> Iterator[StandingWorld]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield StandingWorld(instance)
