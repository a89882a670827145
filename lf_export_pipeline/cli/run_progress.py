"""How far a run is, from what Dagster has recorded of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import dagster as dg

CHUNK_STEP = "serialize_chunk"
PLAN_STEP = "stream_chunks"


@dataclass(frozen=True, slots=True)
class RunProgress:
    """What has been done and what is to do.

    Attributes:
        step: The step that began last; empty before the first one.
        chunks: How many chunks there are; None until that is known.
        rows: How many rows there are; None until that is known.
        done_chunks: How many chunks are written.
        done_rows: How many rows are in these.
        seconds_left: For the other rows, if they are as fast; None until a chunk is written.
    """

    step: str = ""
    chunks: int | None = None
    rows: int | None = None
    done_chunks: int = 0
    done_rows: int = 0
    seconds_left: float | None = None


def progress_of(instance: dg.DagsterInstance, run_id: str) -> RunProgress:
    """The progress of a run of this job."""
    kinds = {dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_OUTPUT}
    records = [one for one in instance.all_logs(run_id, of_type=kinds) if one.dagster_event]
    events = [record.get_dagster_event() for record in records]
    plan = next(_counts(events, PLAN_STEP, "plan"), {})
    # A chunk of an export that was stopped is not written, and its output has no counts.
    done = [counts for counts in _counts(events, CHUNK_STEP, "result") if counts]
    done_rows = sum(counts["rows"] for counts in done)
    started = [event.step_key for event in events if event.is_step_start and event.step_key]
    return RunProgress(
        step=started[-1] if started else "",
        chunks=plan.get("chunks"),
        rows=plan.get("rows"),
        done_chunks=len(done),
        done_rows=done_rows,
        seconds_left=_seconds_left(records, plan.get("rows", 0) - done_rows, done_rows),
    )


def _seconds_left(records: Sequence[dg.EventLogEntry], left: int, done: int) -> float | None:
    """By what the chunks that are written took, from the beginning of the first one."""
    steps = [(one.get_dagster_event(), one.timestamp) for one in records]
    of_chunks = [(event, at) for event, at in steps if _step_of(event) == CHUNK_STEP]
    ends = [at for event, at in of_chunks if event.event_type is dg.DagsterEventType.STEP_OUTPUT]
    if not ends or not done or left <= 0:
        return None
    return left * (max(ends) - min(at for _, at in of_chunks)) / done


def _step_of(event: dg.DagsterEvent) -> str:
    """The op of an event; that of a chunk has its number behind it."""
    return (event.step_key or "").split("[")[0]


def _counts(events: Sequence[dg.DagsterEvent], step: str, output: str) -> Iterator[dict[str, int]]:
    """The whole numbers that an op has attached to its outputs, once per output."""
    for event in events:
        is_output = event.event_type is dg.DagsterEventType.STEP_OUTPUT
        if is_output and _step_of(event) == step:
            data = event.step_output_data
            if data.output_name == output:
                yield {
                    name: value.value
                    for name, value in data.metadata.items()
                    if isinstance(value.value, int)
                }
