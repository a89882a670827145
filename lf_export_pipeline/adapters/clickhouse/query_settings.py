"""The settings that each query brings, whatever the profile of its user says."""

import json
from collections.abc import Mapping
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.models import SettingDef

from lf_export_pipeline.core.errors import ConfigurationError
from lf_export_pipeline.settings import ClickHouseSettings

_BLOCK_ROWS = 2048
_SAME_EVERYWHERE = {
    "compatibility": "",  # it would change what the other settings are by default
    "output_format_json_escape_forward_slashes": 0,  # as JSON.stringify
    "output_format_json_quote_64bit_integers": 0,  # on by default in older versions
    "output_format_json_quote_64bit_floats": 0,
    "output_format_json_quote_decimals": 0,
    "output_format_json_quote_denormals": 0,
    "output_format_json_named_tuples_as_objects": 1,
    "output_format_json_map_as_array_of_tuples": 0,
    "allow_simdjson": 1,  # the other parser takes other texts for JSON
    "bool_true_representation": "true",
    "bool_false_representation": "false",
    "output_format_decimal_trailing_zeros": 0,
    "date_time_output_format": "simple",
    "date_time_64_output_format_cut_trailing_zeros_align_to_groups_of_thousands": 0,
    # As the values in sorting keys were made, of instants that these types cannot hold, too.
    "date_time_overflow_behavior": "ignore",
    "enable_extended_results_for_datetime_functions": 0,
    "session_timezone": "",  # the server's: the days in sorting keys are told in that zone
    "join_default_strictness": "ALL",
    "join_use_nulls": 0,
    "group_by_use_nulls": 0,
    "transform_null_in": 0,
    "cast_keep_nullable": 0,
    "aggregate_functions_null_for_empty": 0,
    "allow_experimental_analyzer": 1,
    "enable_analyzer": 1,
    "final": 0,  # versions are told apart by more than their time
    "apply_deleted_mask": 1,  # without it rows that were deleted come back
    "use_query_cache": 0,  # whoever asks again, asks what has changed
}
"""What the text of a cell, or a row of a file, depends on; tried with every other value."""

_NOTHING_CUT = {
    "read_overflow_mode": "throw",
    "read_overflow_mode_leaf": "throw",
    "group_by_overflow_mode": "throw",
    "sort_overflow_mode": "throw",
    "distinct_overflow_mode": "throw",
    "set_overflow_mode": "throw",
    "join_overflow_mode": "throw",
    "transfer_overflow_mode": "throw",
    "result_overflow_mode": "throw",
    "timeout_overflow_mode": "throw",
    "timeout_overflow_mode_leaf": "throw",
    "skip_unavailable_shards": 0,
}
"""With other values than these ClickHouse leaves rows out and calls that a success."""

_ALWAYS_SENT = {"limit": 0, "offset": 0}
"""These cut every result. They are changed to 0 before a query runs, so whoever asks is told 0."""

_EVERY_SETTING = "SELECT groupArray((name, value, readonly)) FROM system.settings"


def query_settings(settings: ClickHouseSettings, tags: Mapping[str, str]) -> dict[str, Any]:
    """What every query asks of the server.

    No query runs for longer than it may, the key scan no more than others. Blocks are short, so
    that sorted rows of 2 KB arrive 5 MB at a time and not as one block of a whole chunk. The text
    of values and the meaning of NULL are the same on every server, whatever its version and its
    profiles say, and a query that reaches a bound of its profile fails. Memory is bounded, and
    sorts and groups go to disk before they reach the bound; a reader that leaves ends its query.
    """
    memory = settings.lf_export_clickhouse_memory_mib << 20
    values: dict[str, Any] = {
        **_SAME_EVERYWHERE,
        **_NOTHING_CUT,
        **_ALWAYS_SENT,
        "max_result_rows": 0,  # the row limit of an export is told to its user
        "max_result_bytes": 0,
        "output_format_arrow_string_as_string": 1,
        "output_format_arrow_low_cardinality_as_dictionary": 0,
        "output_format_arrow_compression_method": "lz4_frame",
        "max_block_size": _BLOCK_ROWS,
        "cancel_http_readonly_queries_on_client_close": 1,
        "max_execution_time": settings.lf_export_clickhouse_query_seconds,
        "http_send_timeout": 300,
        "http_receive_timeout": 300,
        "log_comment": json.dumps(dict(tags), sort_keys=True) if tags else "",
    }
    if memory:
        values["max_memory_usage"] = memory
        values["max_bytes_before_external_sort"] = memory // 2
        values["max_bytes_before_external_group_by"] = memory // 2
    if settings.lf_export_clickhouse_threads:
        values["max_threads"] = settings.lf_export_clickhouse_threads
    if settings.clickhouse_disable_lazy_materialization == "true":
        values["query_plan_optimize_lazy_materialization"] = 0
    return values


def changeable(wanted: Mapping[str, Any], known: Mapping[str, SettingDef]) -> dict[str, Any]:
    """Settings that this user may change; for the others the server's own values must do."""
    return {
        name: value
        for name, value in wanted.items()
        if name in _ALWAYS_SENT
        or (name in known and not known[name].readonly and _differs(known[name], value))
    }


def learn_settings(client: Client) -> None:
    """Makes sure that the client knows its server's settings, and that none of them cuts results.

    The client has read the list under the profile, which may have cut that very list; so it is read
    again, as a single row.

    Raises:
        ConfigurationError: One of them does, and this user may not change it.
    """
    if any(_may_cut(client.server_settings.get(name), name) for name in _NOTHING_CUT):
        ((listed,),) = client.query(_EVERY_SETTING).result_rows
        client.server_settings = {name: SettingDef(name, *rest) for name, *rest in listed}
    for name, own in client.server_settings.items():
        if own.readonly and name in _NOTHING_CUT and _may_cut(own, name):
            raise ConfigurationError(_refusal(own))
    for name in _ALWAYS_SENT:
        client.server_settings.pop(name, None)  # the client sends what it does not know


def _may_cut(own: SettingDef | None, name: str) -> bool:
    return own is None or _differs(own, _NOTHING_CUT[name])


def _refusal(own: SettingDef) -> str:
    return (
        f"The profile of CLICKHOUSE_USER sets {own.name} = {own.value} and lets no query change "
        "it, so that exports would lose rows without a word; please set it to "
        f"{_NOTHING_CUT[own.name]}."
    )


def _differs(own: SettingDef, wanted: Any) -> bool:
    return str(own.value) != str(wanted)
