from types import SimpleNamespace
from typing import Any, cast

import pytest

from lf_export_pipeline.adapters.clickhouse.clickhouse_reader import ClickHouseReader
from lf_export_pipeline.adapters.clickhouse.query_settings import query_settings
from lf_export_pipeline.settings import ClickHouseSettings


def settings(**changes: object) -> ClickHouseSettings:
    required = {
        "clickhouse_url": "http://ch:8123",
        "clickhouse_user": "lf",
        "clickhouse_password": "secret",
    }
    return ClickHouseSettings.model_validate(required | changes)


def known(**values: tuple[str, int]) -> Any:
    """A client whose server knows these settings: value, and whether it is read-only."""
    found = {
        name: SimpleNamespace(value=value, readonly=readonly)
        for name, (value, readonly) in values.items()
    }
    return cast("Any", SimpleNamespace(server_settings=found))


def test_a_user_that_may_change_nothing_is_asked_to_change_nothing() -> None:
    names = query_settings(settings(), {"op": "x"})
    client = known(**dict.fromkeys(names, ("0", 1)))
    asked = ClickHouseReader(settings(), {"op": "x"})._query_settings(client, "CLICKHOUSE_URL")
    assert asked == {"limit": 0, "offset": 0}  # which no server refuses that does not set them


def test_days_are_told_in_the_zone_of_the_server_whatever_the_profile_says() -> None:
    """Sorting keys hold days in that zone; another one would look for rows beside them."""
    client = known(session_timezone=("Asia/Kolkata", 0))
    asked = ClickHouseReader(settings())._query_settings(client, "CLICKHOUSE_URL")
    assert asked["session_timezone"] == ""


def test_settings_that_an_older_server_does_not_know_are_left_out() -> None:
    client = known(max_execution_time=("0", 0), http_send_timeout=("300", 0))
    asked = ClickHouseReader(settings())._query_settings(client, "CLICKHOUSE_URL")
    assert asked == {"max_execution_time": 185, "limit": 0, "offset": 0}


def test_sorts_and_groups_go_to_disk_at_half_of_the_memory() -> None:
    asked = query_settings(settings(lf_export_clickhouse_memory_mib=1000), {})
    assert asked["max_memory_usage"] == 1000 << 20
    assert asked["max_bytes_before_external_sort"] == 500 << 20
    assert asked["max_bytes_before_external_group_by"] == 500 << 20


@pytest.mark.parametrize("name", ["max_memory_usage", "max_bytes_before_external_sort"])
def test_without_a_bound_the_profile_of_the_server_counts(name: str) -> None:
    assert name not in query_settings(settings(lf_export_clickhouse_memory_mib=0), {})


@pytest.mark.parametrize(("switch", "asked"), [("true", 0), ("false", None), ("auto", None)])
def test_lazy_materialization_is_switched_off_only_on_request(
    switch: str, asked: int | None
) -> None:
    found = query_settings(settings(clickhouse_disable_lazy_materialization=switch), {})
    assert found.get("query_plan_optimize_lazy_materialization") == asked
