"""A deployment whose queries a test can hold back: the real daemon, run workers and stores."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from lf_export_localstack.processes import dagster_processes as dagster
from lf_export_localstack.sample.sample_project import (
    ProjectNotEmptyError,
    SampleSize,
    generate_sample,
)
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.adapters.s3.object_store import S3ObjectStore
from lf_export_pipeline.adapters.spool import DirectorySpool
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.integration.adapters.proxy import proxy
from lf_export_pipeline_tests.integration.operations.deployment import PROJECTS, Deployment
from lf_export_pipeline_tests.integration.operations.gate import Gate

SIZE = SampleSize(traces=3_000, observations_per_trace=0, text_bytes=1_000)


@pytest.fixture(scope="module")
def quiet_deployment(
    isolated_stack: LocalStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """Everything but the daemon; small chunks and short intervals."""
    for project in PROJECTS:
        with suppress(ProjectNotEmptyError):
            generate_sample(isolated_stack.addresses(), project, SIZE, until=datetime.now(UTC))
    home = dagster.prepare_home(tmp_path_factory.mktemp("operations"))
    gate = Gate()
    clickhouse = proxy(isolated_stack.addresses().clickhouse_url, gate)
    with clickhouse as clickhouse_url, pytest.MonkeyPatch.context() as patch:
        environment = dict(isolated_stack.environment()) | {
            "CLICKHOUSE_URL": clickhouse_url,
            "LF_EXPORT_CHUNK_TARGET_MIB": "1",
            "LF_EXPORT_SENSOR_INTERVAL_SECONDS": "1",
            "LF_EXPORT_SPOOL": str(home / "spool"),
            "NEXTAUTH_URL": "https://langfuse.test",  # else mails hold the link to the file
        }
        for name, value in environment.items():
            if "DAGSTER" in name:
                patch.setenv(name, value)
        settings = Settings.load(environment)
        database = LangfusePostgres(settings)
        with dg.DagsterInstance.from_config(str(home)) as instance:
            yield Deployment(
                environment=dagster.environment_for(environment, home),
                home=home,
                settings=settings,
                database=database,
                instance=instance,
                spool=DirectorySpool(Path(settings.lf_export_spool)),
                files=S3ObjectStore(settings),
                inbox=isolated_stack.addresses().inbox,
                gate=gate,
            )
        database.close()


@pytest.fixture(scope="module")
def deployment(quiet_deployment: Deployment) -> Iterator[Deployment]:
    """With the daemon, which runs from one test to the next."""
    with quiet_deployment.daemon():
        yield quiet_deployment


@pytest.fixture(autouse=True)
def _nothing_is_left_over(quiet_deployment: Deployment) -> Iterator[None]:
    """What a test leaves waiting or running is no business of the next one."""
    _clear(quiet_deployment)
    yield
    quiet_deployment.gate.let_go()
    _clear(quiet_deployment)


def _clear(deployment: Deployment) -> None:
    with deployment.database.engine.begin() as connection:
        connection.execute(
            sa.text("DELETE FROM batch_exports WHERE status IN ('QUEUED', 'PROCESSING')")
        )
