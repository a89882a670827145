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
    """

    step: str = ""
    chunks: int | None = None
    rows: int | None = None
    done_chunks: int = 0
    done_rows: int = 0


def progress_of(instance: dg.DagsterInstance, run_id: str) -> RunProgress:
    """The progress of a run of this job."""
    kinds = {dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_OUTPUT}
    records = instance.all_logs(run_id, of_type=kinds)
    events = [record.dagster_event for record in records if record.dagster_event]
    plan = next(_counts(events, PLAN_STEP, "plan"), {})
    # A chunk of an export that was stopped is not written, and its output has no counts.
    done = [counts for counts in _counts(events, CHUNK_STEP, "result") if counts]
    started = [event.step_key for event in events if event.is_step_start and event.step_key]
    return RunProgress(
        step=started[-1] if started else "",
        chunks=plan.get("chunks"),
        rows=plan.get("rows"),
        done_chunks=len(done),
        done_rows=sum(counts["rows"] for counts in done),
    )


def _counts(events: Sequence[dg.DagsterEvent], step: str, output: str) -> Iterator[dict[str, int]]:
    """The whole numbers that an op has attached to its outputs, once per output."""
    for event in events:
        is_output = event.event_type is dg.DagsterEventType.STEP_OUTPUT
        if is_output and (event.step_key or "").split("[")[0] == step:
            data = event.step_output_data
            if data.output_name == output:
                yield {
                    name: value.value
                    for name, value in data.metadata.items()
                    if isinstance(value.value, int)
                }
