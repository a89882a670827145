"""(a) The limit: what ClickHouse itself needs to write the same columns to a file, over HTTP."""

from functools import partial
from pathlib import Path
from typing import Any

from bench.world import World

COLUMNS = {
    "traces": "id, timestamp, name, user_id, session_id, release, version, environment, tags, "
    "bookmarked, public, input, output, metadata",
    "observations": "id, trace_id, start_time, end_time, project_id, parent_observation_id, type, "
    "environment, name, level, status_message, version, created_at, updated_at, input, output, "
    "metadata, provided_model_name, internal_model_id, model_parameters, completion_start_time, "
    "prompt_id, prompt_name, prompt_version, provided_usage_details, usage_details, cost_details, "
    "provided_cost_details, usage_pricing_tier_id, usage_pricing_tier_name, tool_definitions, "
    "tool_calls, tool_call_names",
}
"""What the tables hold, unconverted: no order, no newest versions, no scores, no comments."""

FORMATS = {"CSV": "CSVWithNames", "JSONL": "JSONEachRow"}
PIECE_BYTES = 1 << 20


def written_by_clickhouse(here: World, project: str, table: str, file_format: str) -> int:
    """The bytes of the file."""
    query = f"SELECT {COLUMNS[table]} FROM {table} WHERE project_id = {{p:String}}"
    target = here.folder / "limit"
    with here.clickhouse() as client:
        response: Any = client.raw_stream(query, {"p": project}, fmt=FORMATS[file_format])
        size = _copied(response, target)
        response.close()
    target.unlink()
    return size


def _copied(response: Any, target: Path) -> int:
    size = 0
    with target.open("wb") as file:
        for piece in iter(partial(response.read1, PIECE_BYTES), b""):
            size += file.write(piece)
    return size
