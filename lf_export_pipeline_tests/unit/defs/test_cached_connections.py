"""What outlives a tick."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from lf_export_pipeline.defs.cached_connections import cached_database, cached_instance
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.world import ENVIRONMENT


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as opened:
        yield opened


def tick(instance: dg.DagsterInstance) -> dg.SensorEvaluationContext:
    """What a code server makes for a tick: it knows the instance by its reference alone."""
    return dg.SensorEvaluationContext(
        instance_ref=instance.get_ref(),
        last_tick_completion_time=None,
        last_run_key=None,
        cursor=None,
        repository_name=None,
    )


def test_the_next_tick_finds_the_instance_open(instance: dg.DagsterInstance) -> None:
    first = cached_instance(tick(instance))
    instance.add_dynamic_partitions("batch_exports", ["a"])

    again = cached_instance(tick(instance))

    assert again is first
    assert again.get_dynamic_partitions("batch_exports") == ["a"]


def test_a_tick_of_another_instance_finds_its_own(
    instance: dg.DagsterInstance, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cached_instance(tick(instance))
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("other"))) as other:
        other.add_dynamic_partitions("batch_exports", ["b"])

        assert cached_instance(tick(other)).get_dynamic_partitions("batch_exports") == ["b"]


def test_a_tick_that_was_given_an_instance_uses_it(instance: dg.DagsterInstance) -> None:
    assert cached_instance(dg.build_sensor_context(instance=instance)) is instance


def test_the_database_is_that_of_the_settings() -> None:
    first = cached_database(Settings.load(ENVIRONMENT))

    assert cached_database(Settings.load(ENVIRONMENT)) is first
    other = ENVIRONMENT | {"DATABASE_URL": "postgresql://user:word@127.0.0.1:1/other"}
    assert cached_database(Settings.load(other)).engine.url.database == "other"
