"""How far a run is, by its records alone."""

from collections.abc import Callable, Iterator

import dagster as dg
import pytest

from lf_export_pipeline.cli.run_progress import progress_of
from lf_export_pipeline.core.errors import PermanentError, TransientError
from lf_export_pipeline.core.redaction import redacted
from lf_export_pipeline.defs.progress_format import parse_progress


@dg.op(out={"plan": dg.Out(int), "chunks": dg.DynamicOut(int)})
def stream_chunks(
    context: dg.OpExecutionContext,
) -> Iterator[dg.Output[int] | dg.DynamicOutput[int]]:
    context.add_output_metadata({"rows": 40, "chunks": 4}, output_name="plan")
    yield dg.Output(1, output_name="plan")
    for first in (0, 2):
        counts = {"chunks": 2, "rows": 20, "first_row": 10 * first}
        yield dg.DynamicOutput(
            first, mapping_key=f"{first:05d}", output_name="chunks", metadata=counts
        )


@dg.op
def serialize_chunk(context: dg.OpExecutionContext, plan: int, first: int) -> int:
    """Two chunks; the last one of all fails."""
    for done in (first + 1, first + 2):
        if done == 4:
            raise ValueError(plan)
        context.log.info("%d of 4 chunks, %d of 40 rows, 5 s left", done, 10 * done)
    return first


@dg.job
def batch_export() -> None:
    plan, chunks = stream_chunks()
    chunks.map(lambda first: serialize_chunk(plan, first))


def test_the_rest_takes_as_long_per_row_as_what_is_written() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run = batch_export.execute_in_process(instance=instance, raise_on_error=False)
        progress = progress_of(instance, run.run_id)
        records = instance.all_logs(run.run_id)

    assert (progress.rows, progress.done_rows, progress.done_chunks) == (40, 30, 3)
    begun = min(
        record.timestamp
        for record in records
        if record.dagster_event
        and record.dagster_event.is_step_start
        and (record.step_key or "").startswith("serialize")
    )
    ends = [record.timestamp for record in records if parse_progress(record.user_message)]
    assert len(ends) == 3
    assert progress.seconds_left == pytest.approx(10 * (max(ends) - begun) / 30)


SECRET = "hunter2"


def foreign() -> Exception:
    return ValueError(SECRET)


def told() -> Exception:
    error = TransientError("The bucket did not answer.")
    error.__cause__ = foreign()
    return error


def told_to_the_user() -> Exception:
    error = dg.Failure("No such column.", allow_retries=False)
    error.__cause__ = PermanentError("No such column.")
    return error


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (told, "The bucket did not answer."),
        (told_to_the_user, "No such column."),
        (lambda: redacted(foreign()), "ValueError; what it says is left out"),
        (foreign, "ValueError"),
    ],
)
def test_failure_has_the_words_of_our_errors_and_the_kind_of_others(
    made: Callable[[], Exception], sentence: str
) -> None:
    @dg.op
    def publish() -> None:
        raise made()

    @dg.job
    def one_step() -> None:
        publish()

    with dg.DagsterInstance.ephemeral() as instance:
        run = one_step.execute_in_process(instance=instance, raise_on_error=False)
        progress = progress_of(instance, run.run_id)

    assert (progress.failed_step, progress.failure) == ("publish", sentence)
    assert SECRET not in repr(progress)
