"""A lake in Dagster's UI: its days, and one that was healed by the daemon alone."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from lf_export_localstack.sample.rows import clickhouse_client
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.defs.lake.shape import lake_key
from lf_export_pipeline.lake.tables import LAKE_TABLES
from lf_export_pipeline_tests.ui.browser import Operator
from lf_export_pipeline_tests.ui.conftest import PROJECT, Deployment, deployed

pytestmark = [pytest.mark.services, pytest.mark.daemon, pytest.mark.browser, pytest.mark.long]

KEY = lake_key(LAKE_TABLES["traces"])
PAGE = f"/assets/{KEY.to_user_string()}"
DELETED = (
    "DELETE FROM traces "
    "WHERE project_id = {project:String} AND toDate(timestamp) = {day:Date} AND id < '8'"
)


@pytest.fixture(scope="module")
def days() -> list[str]:
    today = datetime.now(UTC).date()
    return [(today - timedelta(days=back)).isoformat() for back in range(5, 0, -1)]


@pytest.fixture(scope="module")
def deployment(
    _browser_is_installed: None,
    isolated_stack: LocalStack,
    tmp_path_factory: pytest.TempPathFactory,
    days: list[str],
) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("dagster")
    lake = {
        "LF_EXPORT_LAKE_URL": f"file://{folder}/lake",
        "LF_EXPORT_LAKE_TABLES": "traces",
        "LF_EXPORT_LAKE_START": days[0],
        "LF_EXPORT_LAKE_CRON": "* * * * *",
    }
    with deployed(isolated_stack, folder, lake) as found:
        yield found


def rows_of(deployment: Deployment, day: str) -> list[int]:
    """What each materialization of a day has told of its rows, the first one first."""
    found = deployment.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=KEY, asset_partitions=[day]), limit=10, ascending=True
    )
    told = [record.asset_materialization for record in found.records]
    return [int(str(each.metadata["dagster/row_count"].value)) for each in told if each]


def test_days_are_partitions_and_the_page_of_a_healed_one_says_what_it_holds(
    isolated_stack: LocalStack, deployment: Deployment, operator: Operator, days: list[str]
) -> None:
    deployment.wait_for(lambda: all(rows_of(deployment, day) for day in days))
    day = days[2]
    with clickhouse_client(isolated_stack.addresses()) as client:
        values = {"project": PROJECT, "day": day}
        client.command(DELETED, parameters=values, settings={"lightweight_deletes_sync": 2})
    deployment.wait_for(lambda: len(rows_of(deployment, day)) > 1)

    before, *_, after = rows_of(deployment, day)
    assert 0 < after < before
    operator.opens(f"{PAGE}?view=partitions")
    operator.sees(day)
    operator.photographs("lake_days")
    operator.opens(f"{PAGE}?view=partitions&partition={day}")
    operator.sees("objects_written")
    operator.sees(str(after))
    operator.photographs("lake_healed_day")
