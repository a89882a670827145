"""What an operator is told of a finished export, where it is counted from another point."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from lf_export_pipeline.defs.job import batch_export_job
from lf_export_pipeline.lifecycle.partitions import ATTEMPT_TAG, PARTITIONS_NAME
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.world import World

MINUTE = timedelta(minutes=1)


def facts_of(
    world: World, instance: dg.DagsterInstance, *, force: bool = False
) -> dict[str, object]:
    result = world.run(instance, force=force)
    (event,) = result.get_asset_materialization_events()
    return {name: value.value for name, value in event.materialization.metadata.items()}


@pytest.mark.parametrize(
    ("status", "queued_ago", "minutes"),
    [("QUEUED", 60 * MINUTE, 60), ("QUEUED", 2 * MINUTE, 2), ("FAILED", 30 * MINUTE, 0)],
    ids=["asked for once", "queued again later", "asked for by a person, not by its row"],
)
def test_wait_is_counted_from_when_the_export_was_queued_for_the_last_time(
    instance: dg.DagsterInstance, status: str, queued_ago: timedelta, minutes: int
) -> None:
    now = datetime.now(UTC)
    row = export_row(status=status, created_at=now - 60 * MINUTE, updated_at=now - queued_ago)

    waited = facts_of(World(row), instance)["queue_wait_seconds"]

    assert isinstance(waited, float)
    assert minutes <= waited / 60 < minutes + 1


def test_runs_that_the_sensor_has_not_numbered_are_counted(instance: dg.DagsterInstance) -> None:
    world = World(export_row())

    assert [facts_of(world, instance, force=True)["attempt"] for _ in range(3)] == [1, 2, 3]


def test_words_in_the_tag_of_an_attempt_fail_no_export(instance: dg.DagsterInstance) -> None:
    world = World(export_row())
    instance.add_dynamic_partitions(PARTITIONS_NAME, [world.row.id])

    result = batch_export_job().execute_in_process(
        instance=instance,
        partition_key=world.row.id,
        tags={ATTEMPT_TAG: "the third"},
        resources=world.resources(),
    )
    world.uploads_ahead.close()

    (event,) = result.get_asset_materialization_events()
    assert event.materialization.metadata["attempt"].value == 1


def test_the_metadata_say_who_has_made_the_rows(instance: dg.DagsterInstance) -> None:
    assert facts_of(World(export_row()), instance)["rows_by"] == "arrow"


LANGFUSE = {"NEXTAUTH_URL": "https://langfuse.test"}
FILTER: dict[str, object] = {
    "type": "string",
    "column": "colour",
    "operator": "contains",
    "value": "s3cr3t",
}


def numbers_query(*filters: dict[str, object], **others: object) -> dict[str, object]:
    return {"tableName": "numbers", "filter": [*filters], "orderBy": None, **others}


def first_output_of(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    events = result.filter_events(lambda event: event.is_successful_output)
    metadata = events[0].step_output_data.metadata
    return {name: value.value for name, value in metadata.items()}


def test_a_run_says_at_its_beginning_who_asked_for_what(instance: dg.DagsterInstance) -> None:
    query = numbers_query(FILTER, FILTER | {"column": "size"}, searchQuery="s3cr3t")
    result = World(export_row(query=query), environment=LANGFUSE).run(instance)

    told = first_output_of(result)

    assert (told["name"], told["user"], told["project"]) == ("My numbers", "u-alice", "project-1")
    assert told["table"] == "numbers as CSV"
    assert told["filters"] == "colour contains, size contains, a search"
    assert told["exports_page"] == "https://langfuse.test/project/project-1/settings/exports"
    assert "s3cr3t" not in str(told)


def test_a_run_says_at_its_end_what_came_out_in_one_table(instance: dg.DagsterInstance) -> None:
    world = World(export_row(query=numbers_query(FILTER)), environment=LANGFUSE)

    told = facts_of(world, instance)

    summary = str(told["summary"])
    (key,) = world.files.objects
    assert "| rows | 10 |" in summary
    assert f"| size | {len(world.text)} bytes |" in summary
    assert f"| file | {key.rpartition('/')[2]} |" in summary
    assert "| filters | colour contains |" in summary
    assert "| user | u-alice |" in summary
    assert "| waited | " in summary
    assert told["exports_page"] == "https://langfuse.test/project/project-1/settings/exports"
    assert "s3cr3t" not in str(told)


def test_many_filters_are_counted_and_no_address_is_no_link(instance: dg.DagsterInstance) -> None:
    long = [FILTER | {"column": "c" * 100} for _ in range(30)]
    told = first_output_of(World(export_row(query=numbers_query(*long))).run(instance))

    assert str(told["filters"]).endswith("10 more")
    assert len(str(told["filters"])) < 2_000
    assert "exports_page" not in told


def test_a_run_of_no_export_ends_with_a_sentence(instance: dg.DagsterInstance) -> None:
    world = World(export_row())

    result = batch_export_job().execute_in_process(
        instance=instance, resources=world.resources(), raise_on_error=False
    )
    world.uploads_ahead.close()

    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_key == "validate_export"
    assert "No export was chosen" in str(failure.step_failure_data.user_failure_data)
    assert "DagsterInvariantViolationError" not in str(failure.step_failure_data)
    assert world.state.status == "QUEUED"


def test_each_chunk_has_one_line_of_progress(instance: dg.DagsterInstance) -> None:
    world = World(export_row(), environment={"LF_EXPORT_CHUNK_TARGET_MIB": "1"})
    world.reader.row_bytes = 340_000.0  # three rows per chunk

    result = world.run(instance)

    lines = [
        record.user_message
        for record in instance.all_logs(result.run_id)
        if record.dagster_event is None and " chunks, " in record.user_message
    ]
    assert len(lines) > 1
    assert [line.split()[0] for line in lines] == [str(at + 1) for at in range(len(lines))]
    assert all(" left" in line for line in lines[:-1])
