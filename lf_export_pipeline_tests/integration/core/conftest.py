from collections.abc import Callable, Iterator

import pytest
from clickhouse_connect.driver.client import Client

from lf_export_localstack.sample.rows import clickhouse_client
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.core.ports import RowReader
from lf_export_pipeline.defs.resources import open_resources
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.effort import long
from lf_export_pipeline_tests.exporting import Project

NewProject = Callable[[], Project]


@pytest.fixture(scope="session")
def core_settings(stack: LocalStack) -> Settings:
    return Settings.load(stack.environment())


@pytest.fixture(scope="session")
def stores(core_settings: Settings) -> Iterator[RowReader]:
    """The reader of all stores, as the job gets it."""
    with open_resources(core_settings) as ports:
        reader = ports["reader"]
        yield reader  # type: ignore[misc]


@pytest.fixture(scope="session")
def clickhouse_writer(stack: LocalStack) -> Iterator[Client]:
    with clickhouse_client(stack.addresses()) as client:
        yield client


@pytest.fixture(scope="session")
def new_project(
    stack: LocalStack, clickhouse_writer: Client, stores: RowReader, core_settings: Settings
) -> NewProject:
    """Makes empty projects with ids of their own, so that tests do not see each other's rows."""
    addresses = stack.addresses()
    return lambda: Project(addresses, clickhouse_writer, stores, core_settings)


@pytest.fixture(params=["few", long("many"), "searched"])
def looked_up(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Scores and comments are fetched at once, or those of each chunk and batch apart.

    Of a chunk that has most of the project's scores, as in small tests, all are read, unless they
    have to be searched for. The short form leaves the former to ``test_moved.py``.
    """
    if request.param != "few":
        monkeypatch.setattr("lf_export_pipeline.core.query.score_names.FEW_SCORES", -1)
        monkeypatch.setattr("lf_export_pipeline.core.query.lookups.FEW_COMMENTS", -1)
    if request.param == "searched":
        monkeypatch.setattr(
            "lf_export_pipeline.core.query.newest_scores._dense", lambda *_: "SELECT 0 AS dense"
        )
    return str(request.param)


@pytest.fixture
def project(new_project: NewProject) -> Project:
    """An empty project."""
    return new_project()
