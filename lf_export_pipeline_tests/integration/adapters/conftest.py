from collections.abc import Callable, Iterator

import pytest

from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.adapters.clickhouse.clickhouse_reader import ClickHouseReader
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.settings import Settings

SettingsWith = Callable[..., Settings]


@pytest.fixture(scope="session")
def settings_with(stack: LocalStack) -> SettingsWith:
    """Settings of the embedded stack, with changes."""
    return lambda **changes: Settings.load(dict(stack.environment()) | changes)


@pytest.fixture(scope="session")
def settings(settings_with: SettingsWith) -> Settings:
    return settings_with()


@pytest.fixture(scope="session")
def database(settings: Settings) -> Iterator[LangfusePostgres]:
    connected = LangfusePostgres(settings)
    yield connected
    connected.close()


@pytest.fixture(scope="session")
def clickhouse(settings: Settings) -> Iterator[ClickHouseReader]:
    reader = ClickHouseReader(settings)
    yield reader
    reader.close()
