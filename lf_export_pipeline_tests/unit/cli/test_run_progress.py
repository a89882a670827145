"""How far a run is, by its events alone."""

from collections.abc import Iterator

import dagster as dg

from lf_export_pipeline.cli.run_progress import progress_of


@dg.op(out={"plan": dg.Out(int), "chunks": dg.DynamicOut(int)})
def stream_chunks(
    context: dg.OpExecutionContext,
) -> Iterator[dg.Output[int] | dg.DynamicOutput[int]]:
    context.add_output_metadata({"rows": 40, "chunks": 4}, output_name="plan")
    yield dg.Output(1, output_name="plan")
    for index in range(4):
        yield dg.DynamicOutput(index, mapping_key=f"{index:05d}", output_name="chunks")


@dg.op
def serialize_chunk(plan: int, chunk: int) -> dg.Output[int]:
    if chunk == 3:
        raise ValueError(plan)
    return dg.Output(chunk, metadata={"rows": 10})


@dg.job
def batch_export() -> None:
    plan, chunks = stream_chunks()
    chunks.map(lambda chunk: serialize_chunk(plan, chunk))


def test_the_rest_takes_as_long_per_row_as_what_is_written() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run = batch_export.execute_in_process(instance=instance, raise_on_error=False)
        progress = progress_of(instance, run.run_id)
        kinds = {dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_OUTPUT}
        records = instance.all_logs(run.run_id, of_type=kinds)
        of_chunks = [one for one in records if (one.step_key or "").startswith("serialize")]
        outputs = [one.timestamp for one in of_chunks if not one.get_dagster_event().is_step_start]

    assert (progress.rows, progress.done_rows, progress.done_chunks) == (40, 30, 3)
    assert progress.seconds_left is not None
    taken = max(outputs) - min(one.timestamp for one in of_chunks)
    assert abs(progress.seconds_left - 10 * taken / 30) < 0.001
