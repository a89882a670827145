from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from lf_export_localstack.sample.rows import clickhouse_client
from lf_export_pipeline.core.ports import RowReader
from lf_export_pipeline.defs.resources import open_resources
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.integration.lake.lake_world import LakeWorld, lake_settings
from lf_export_pipeline_tests.isolated_stack import IsolatedStack

NewWorld = Callable[..., LakeWorld]


@pytest.fixture(scope="module")
def lake_reader(isolated_stack: IsolatedStack) -> Iterator[RowReader]:
    with open_resources(Settings.load(isolated_stack.environment())) as ports:
        reader = ports["reader"]
        yield reader  # type: ignore[misc]


@pytest.fixture(scope="module")
def lake_writer(isolated_stack: IsolatedStack) -> Iterator[Client]:
    with clickhouse_client(isolated_stack.addresses()) as client:
        yield client


@pytest.fixture
def new_world(
    isolated_stack: IsolatedStack, lake_reader: RowReader, lake_writer: Client, tmp_path: Path
) -> NewWorld:
    """Makes projects of their own with lakes; further settings by name, without the prefix."""
    environment = isolated_stack.environment()

    def made(**settings: str) -> LakeWorld:
        loaded = lake_settings(environment, tmp_path / "lake", **settings)
        return LakeWorld(isolated_stack.addresses(), lake_writer, lake_reader, loaded)

    return made


@pytest.fixture
def world(new_world: NewWorld) -> LakeWorld:
    """An empty project whose lake is a folder."""
    return new_world()
