"""The life of an export through the whole job, on ports in memory."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from lf_export_pipeline.cli.run_progress import progress_of
from lf_export_pipeline.core.errors import (
    GENERIC_USER_MESSAGE,
    ConfigurationError,
    PermanentError,
    TransientError,
)
from lf_export_pipeline.defs.ops.validate_export import DISABLED_MESSAGE, STALE_MESSAGE
from lf_export_pipeline.lifecycle.notices import EMAIL_TAG
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.world import World

STEPS = [
    "validate_export",
    "resolve_filters",
    "stream_chunks",
    "serialize_chunk",
    "upload_file",
    "notify_requester",
]


def small_chunks(world: World) -> World:
    """Chunks of three rows: the sample says that a row takes a third of the target."""
    world.reader.row_bytes = 340_000.0
    world.environment["LF_EXPORT_CHUNK_TARGET_MIB"] = "1"
    return world


def finished_steps(result: dg.ExecuteInProcessResult) -> list[str]:
    keys = [event.step_key or "" for event in result.get_step_success_events()]
    return list(dict.fromkeys(key.split("[")[0] for key in keys))


def test_queued_export_becomes_one_file_one_link_and_one_mail(
    instance: dg.DagsterInstance,
) -> None:
    world = small_chunks(World(export_row()))

    result = world.run(instance)

    assert finished_steps(result) == STEPS
    assert world.reader.asked.count("rows") == 4
    lines = world.text.splitlines()
    assert lines[0] == '"id","name"'
    assert lines[1:3] == ['"n0","number 0"', '"n1","nameless"']
    assert len(lines) == 11
    assert world.state.status == "COMPLETED"
    assert world.state.log is None
    assert world.state.url is not None
    assert len(world.mailer.sent) == 1
    assert world.spool.files == {}


@pytest.mark.parametrize(("file_format", "expected"), [("CSV", ""), ("JSON", "[]"), ("JSONL", "")])
def test_export_without_rows_is_the_empty_file_of_its_format(
    file_format: str, expected: str, instance: dg.DagsterInstance
) -> None:
    world = World(export_row(format=file_format), numbers=0)

    world.run(instance)

    assert world.text == expected
    assert world.state.status == "COMPLETED"


def test_json_parts_are_joined_to_one_array(instance: dg.DagsterInstance) -> None:
    world = small_chunks(World(export_row(format="JSON"), numbers=5))

    world.run(instance)

    assert world.text.startswith('[{"id":"n0"')
    assert world.text.count("},{") == 4


def test_row_limit_is_exact_and_said_in_the_row(instance: dg.DagsterInstance) -> None:
    world = World(export_row(), numbers=10, environment={"BATCH_EXPORT_ROW_LIMIT": "7"})

    world.run(instance)

    assert len(world.text.splitlines()) == 1 + 7
    assert world.state.log == "The export was cut at the limit of 7 rows; there are more."


def test_row_limit_that_is_just_met_cuts_nothing(instance: dg.DagsterInstance) -> None:
    world = World(export_row(), numbers=7, environment={"BATCH_EXPORT_ROW_LIMIT": "7"})

    world.run(instance)

    assert world.state.log is None


@pytest.mark.parametrize("status", ["FAILED", "PROCESSING", "SOMETHING_ELSE"])
def test_export_in_another_state_is_processed_like_a_queued_one(
    status: str, instance: dg.DagsterInstance
) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=1)  # nobody works on it any more
    world = World(export_row(status=status, log="An earlier failure", updated_at=long_ago))

    world.run(instance)

    assert world.state.status == "COMPLETED"
    assert world.state.log is None


def test_completed_export_is_left_alone(instance: dg.DagsterInstance) -> None:
    world = World(export_row(status="COMPLETED", url="https://earlier"))

    result = world.run(instance)

    assert result.success
    assert world.state == world.row
    assert not world.files.objects


def test_completed_export_is_made_again_by_force(instance: dg.DagsterInstance) -> None:
    world = World(export_row(status="COMPLETED", url="https://earlier"))

    world.run(instance, force=True)

    assert world.state.status == "COMPLETED"
    assert world.state.url != "https://earlier"


@pytest.mark.parametrize(
    ("file_format", "name", "content"),
    [
        (None, "csv", b'"id","name"\n'),
        ("JSONL", "jsonl", b'{"id":"n0"'),
        ("PARQUET", "parquet", b"PAR1"),
    ],
)
def test_a_run_writes_another_format_where_the_launchpad_says_so(
    file_format: str | None, name: str, content: bytes, instance: dg.DagsterInstance
) -> None:
    world = World(export_row(status="COMPLETED", url="https://earlier", format="CSV"), numbers=2)

    world.run(instance, force=True, format=file_format)

    ((key, data),) = world.files.objects.items()
    assert key.endswith(f".{name}")
    assert data.startswith(content)
    assert world.state.status == "COMPLETED"


@pytest.mark.parametrize("force", [False, True])
def test_cancelled_export_writes_nothing(force: bool, instance: dg.DagsterInstance) -> None:
    world = World(export_row(status="CANCELLED"))

    result = world.run(instance, force=force)

    assert result.success
    assert world.state == world.row
    assert not world.files.objects
    assert not world.mailer.sent


def test_export_older_than_thirty_days_is_refused_and_the_run_succeeds(
    instance: dg.DagsterInstance,
) -> None:
    created_at = datetime.now(UTC) - timedelta(days=30, seconds=1)
    world = World(export_row(created_at=created_at))

    result = world.run(instance)

    assert result.success
    assert (world.state.status, world.state.log) == ("FAILED", STALE_MESSAGE)


def test_export_of_another_project_counts_as_missing(instance: dg.DagsterInstance) -> None:
    world = World(export_row())

    result = world.run(instance, project_id="project-2")

    assert result.success
    assert world.state.status == "QUEUED"


def test_switched_off_feature_fails_the_export_with_what_to_do(
    instance: dg.DagsterInstance,
) -> None:
    world = World(export_row(), environment={"LANGFUSE_S3_BATCH_EXPORT_ENABLED": "false"})

    result = world.run(instance)

    assert not result.success
    assert (world.state.status, world.state.log) == ("FAILED", DISABLED_MESSAGE)


def test_query_that_cannot_be_read_fails_with_a_sentence(instance: dg.DagsterInstance) -> None:
    world = World(export_row(query={"tableName": "numbers"}))

    result = world.run(instance)

    assert not result.success
    assert world.state.status == "FAILED"
    assert "filter" in (world.state.log or "")


def test_transient_error_is_tried_again_and_forgotten(instance: dg.DagsterInstance) -> None:
    world = World(export_row())
    world.files.failures = [TransientError("the bucket is busy")] * 2

    result = world.run(instance)

    assert result.success
    assert world.state.status == "COMPLETED"
    assert len(world.files.objects) == 1


def test_transient_error_that_stays_fails_with_the_generic_sentence(
    instance: dg.DagsterInstance,
) -> None:
    world = World(export_row())
    world.files.failures = [TransientError("password=hunter2")] * 9

    result = world.run(instance)

    assert not result.success
    assert (world.state.status, world.state.log) == ("FAILED", GENERIC_USER_MESSAGE)
    assert len(world.files.failures) == 9 - 3


def test_permanent_error_is_not_tried_again(instance: dg.DagsterInstance) -> None:
    world = World(export_row())
    world.files.failures = [PermanentError("The bucket refuses it."), TransientError("unused")]

    world.run(instance)

    assert (world.state.status, world.state.log) == ("FAILED", "The bucket refuses it.")
    assert len(world.files.failures) == 1


def test_export_that_is_cancelled_while_it_runs_publishes_nothing(
    instance: dg.DagsterInstance,
) -> None:
    world = small_chunks(World(export_row()))
    world.reader.before_rows = lambda numbers: (
        world.rows.cancel(world.row.id) if 3 in numbers else False
    )

    result = world.run(instance)

    assert result.success
    assert world.reader.asked.count("rows") == 2
    assert world.state.status == "CANCELLED"
    assert not world.files.objects
    assert not world.mailer.sent
    assert world.spool.files == {}


def test_export_that_is_cancelled_before_any_chunk_is_done_leaves_nothing(
    instance: dg.DagsterInstance,
) -> None:
    world = small_chunks(World(export_row()))
    world.reader.before_scan = lambda: world.rows.cancel(world.row.id)

    result = world.run(instance)

    assert result.success
    assert world.reader.asked.count("rows") == 0
    assert world.spool.files == {}
    progress = progress_of(instance, result.run_id)
    assert (progress.step, progress.done_chunks, progress.done_rows) == ("upload_file", 0, 0)


def test_export_that_is_cancelled_during_the_upload_loses_its_object(
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(export_row())
    signed_url = world.files.signed_url

    def cancel_then_sign(key: str, expires_in: timedelta, file_name: str) -> str:
        world.rows.cancel(world.row.id)
        return signed_url(key, expires_in, file_name)

    monkeypatch.setattr(world.files, "signed_url", cancel_then_sign)

    result = world.run(instance)

    assert result.success
    assert world.state.status == "CANCELLED"
    assert not world.files.objects
    assert not world.mailer.sent


def test_mail_that_cannot_be_sent_leaves_the_export_completed(
    instance: dg.DagsterInstance,
) -> None:
    world = World(export_row())
    world.mailer.failures = [ConfigurationError("no mail server")] * 9

    result = world.run(instance)

    assert result.success
    assert world.state.status == "COMPLETED"


def test_mail_that_is_not_taken_is_left_owed(instance: dg.DagsterInstance) -> None:
    world = World(export_row())
    world.mailer.failures = [TransientError("the mail server is busy")]

    result = world.run(instance)

    run = instance.get_run_by_id(result.run_id)
    assert result.success
    assert run is not None
    assert run.tags[EMAIL_TAG] == "owed"
    assert world.state.status == "COMPLETED"
    assert world.mailer.sent == []
    assert world.spool.files == {}


def test_user_without_an_address_gets_no_mail(instance: dg.DagsterInstance) -> None:
    world = World(export_row(user_id="u-nobody"))

    world.run(instance)

    assert world.state.status == "COMPLETED"
    assert not world.mailer.sent


def test_signed_link_is_nowhere_in_the_events(instance: dg.DagsterInstance) -> None:
    world = World(export_row())

    result = world.run(instance)

    recorded = "".join(str(entry) for entry in instance.all_logs(result.run_id))
    assert "exports/" in recorded
    assert "s3cr3t" not in recorded


def test_asset_event_tells_what_was_exported(instance: dg.DagsterInstance) -> None:
    world = World(export_row())

    result = world.run(instance)

    (event,) = result.get_asset_materialization_events()
    assert event.asset_key == dg.AssetKey(["batch_exports", "numbers"])
    facts = {name: value.value for name, value in event.materialization.metadata.items()}
    assert (facts["table"], facts["format"], facts["rows"]) == ("numbers", "CSV", 10)
    assert facts["object_key"] in world.files.objects
    assert facts["bytes"] == len(world.text)
    assert str(facts["preview"]).startswith("| id | name |")


def test_preview_can_be_switched_off(instance: dg.DagsterInstance) -> None:
    world = World(export_row(), environment={"LF_EXPORT_PREVIEW": "false"})

    result = world.run(instance)

    (event,) = result.get_asset_materialization_events()
    assert "preview" not in event.materialization.metadata


def test_two_exports_of_one_table_never_share_a_key(instance: dg.DagsterInstance) -> None:
    world = World(export_row())
    world.run(instance)
    world.rows.rows[world.row.id] = replace(world.row)

    world.run(instance)

    assert len(world.files.objects) == 2
