"""How far a run is, from what Dagster has recorded of it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import dagster as dg

from lf_export_pipeline.defs.progress_format import parse_progress

CHUNK_STEP = "serialize_chunk"
PLAN_STEP = "stream_chunks"
_OURS = re.compile(r"lf_export_pipeline\.core\.(?:errors|redaction)\.\w+: (.+)")


@dataclass(frozen=True, slots=True)
class RunProgress:
    """What has been done and what is to do.

    Attributes:
        step: The step that began last; empty before the first one.
        chunks: How many chunks there are; None until that is known.
        rows: How many rows there are; None until that is known.
        done_chunks: How many chunks are written.
        done_rows: How many rows are in these.
        seconds_left: How long the other rows take at the same speed; None until that is known.
        failed_step: The step that has failed for good; empty without one.
        failure: What it has failed with: a sentence of ours, or else the kind of the error alone.
    """

    step: str = ""
    chunks: int | None = None
    rows: int | None = None
    done_chunks: int = 0
    done_rows: int = 0
    seconds_left: float | None = None
    failed_step: str = ""
    failure: str = ""


@dataclass(frozen=True, slots=True)
class _Position:
    """A place in the file: how many chunks and rows are before it."""

    chunks: int
    rows: int


def progress_of(instance: dg.DagsterInstance, run_id: str) -> RunProgress:
    """The progress of a run of this job.

    A step writes several chunks, from its beginning in the file to the end of the one that it has
    logged last.
    """
    records = instance.all_logs(run_id)
    events = [record.dagster_event for record in records if record.dagster_event]
    _, plan = next(_counts(events, "plan"), ("", {}))
    begins = {
        f"{CHUNK_STEP}[{key}]": _Position(int(key or 0), counts["first_row"])
        for key, counts in _counts(events, "chunks")
    }
    done = [(begins[step], end) for step, end in _ends(records).items() if step in begins]
    done_rows = sum(end.rows - begin.rows for begin, end in done)
    started = [event.step_key for event in events if event.is_step_start and event.step_key]
    failed = next((event for event in reversed(events) if event.is_step_failure), None)
    return RunProgress(
        step=started[-1] if started else "",
        chunks=plan.get("chunks"),
        rows=plan.get("rows"),
        done_chunks=sum(end.chunks - begin.chunks for begin, end in done),
        done_rows=done_rows,
        seconds_left=_seconds_left(records, plan.get("rows", 0) - done_rows, done_rows),
        failed_step=(failed.step_key or "") if failed else "",
        failure=_sentence_of(failed) if failed else "",
    )


def _sentence_of(failed: dg.DagsterEvent) -> str:
    """What the error of ours says that a step has failed with, without a secret; else its kind.

    Dagster has errors of its own around it.
    """
    kind, error = "", failed.step_failure_data.error
    while error is not None:
        if ours := _OURS.match(error.message):
            return ours[1]
        kind, error = error.cls_name or kind, error.cause
    return kind


def _seconds_left(records: Sequence[dg.EventLogEntry], left: int, done: int) -> float | None:
    """By what the chunks that are written took, from the beginning of the first one."""
    begun = [
        record.timestamp
        for record in records
        if (record.step_key or "").startswith(f"{CHUNK_STEP}[")
        and record.dagster_event
        and record.dagster_event.is_step_start
    ]
    written = [record.timestamp for record in records if parse_progress(record.user_message)]
    if not begun or not written or not done or left <= 0:
        return None
    return left * (max(written) - min(begun)) / done


def _ends(records: Sequence[dg.EventLogEntry]) -> dict[str, _Position]:
    """Where in the file each step is that has written a chunk."""
    return {
        record.step_key or "": _Position(*position)
        for record in records
        if (position := parse_progress(record.user_message))
    }


def _counts(
    events: Sequence[dg.DagsterEvent], output: str
) -> Iterator[tuple[str | None, dict[str, int]]]:
    """The whole numbers that the plan's op has attached to an output, with its mapping key."""
    for event in events:
        if event.event_type is dg.DagsterEventType.STEP_OUTPUT and event.step_key == PLAN_STEP:
            data = event.step_output_data
            if data.output_name == output:
                yield (
                    data.mapping_key,
                    {
                        name: value.value
                        for name, value in data.metadata.items()
                        if isinstance(value.value, int)
                    },
                )
