"""What the row, the mail and Dagster's pages say of columns that are not in the file."""

from typing import Any

import dagster as dg
import pytest

from lf_export_pipeline.cli.request import requested_row
from lf_export_pipeline.core.errors import PermanentError
from lf_export_pipeline.core.parsing import compiled_unanswered
from lf_export_pipeline.core.query.export_query import ExportPlan
from lf_export_pipeline.file.attempt_folder import AttemptFolder
from lf_export_pipeline.file.bucket_file import BucketFile
from lf_export_pipeline.file.uploading import stored_file
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.unit.core.test_left_out_columns import asked
from lf_export_pipeline_tests.unit.defs.ops.test_job import small_chunks
from lf_export_pipeline_tests.world import ENVIRONMENT, World

NUMBERS: dict[str, Any] = {"tableName": "numbers", "filter": [], "orderBy": None}
REMARK = "The operator allows no export of this project to hold these columns: name."
NEEDLE = "number 0"


def world_of(options: dict[str, Any] | None, forbidden: str) -> World:
    query = NUMBERS if options is None else {**NUMBERS, "lfExport": options}
    world = small_chunks(World(export_row(query=query)))
    world.environment["LF_EXPORT_FORBIDDEN_COLUMNS"] = forbidden
    return world


def metadata_of(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (event,) = result.get_asset_materialization_events()
    return {name: value.value for name, value in event.materialization.metadata.items()}


@pytest.mark.parametrize("options", [None, {"columns": ["id", "name"]}])
def test_a_forbidden_column_is_nowhere_and_everybody_is_told(
    instance: dg.DagsterInstance, options: dict[str, Any] | None
) -> None:
    world = world_of(options, "project-1:name")

    result = world.run(instance)

    assert result.success
    assert world.text.splitlines()[:2] == ['"id"', '"n0"']
    assert "names" not in world.reader.asked
    assert world.state.log == REMARK
    assert REMARK in " ".join(str(world.mailer.sent[0]).split())
    found = metadata_of(result)
    assert found["remark"] == REMARK
    assert found["columns_left_out"] == "name"
    assert "| without | name |" in found["summary"]
    assert found["manifest"]["columns"] == ["id"]
    assert found["manifest"]["columns_forbidden"] == ["name"]
    assert found["manifest"]["columns_left_out"] == ["name"]
    assert [each.name for each in found["columns"].columns] == ["id"]
    events = "".join(map(str, instance.all_logs(result.run_id)))
    assert NEEDLE not in f"{found} {events}"


def test_what_an_export_leaves_out_by_itself_is_in_its_metadata_alone(
    instance: dg.DagsterInstance,
) -> None:
    world = world_of({"without": ["name"]}, "project-2:name")

    found = metadata_of(world.run(instance))

    assert world.text.startswith('"id"\n')
    assert world.state.log is None
    assert "remark" not in found
    assert found["manifest"]["columns_left_out"] == ["name"]
    assert found["manifest"]["columns_forbidden"] == []


def test_without_a_list_a_file_has_all_columns(instance: dg.DagsterInstance) -> None:
    world = world_of(None, "project-2:name")

    found = metadata_of(world.run(instance))

    assert NEEDLE in world.text
    assert NEEDLE in found["preview"]
    assert "columns_left_out" not in found
    assert "without" not in found["summary"]


def test_columns_that_are_unknown_fail_the_row_before_a_store_is_asked(
    instance: dg.DagsterInstance,
) -> None:
    world = world_of({"columns": ["nmae"]}, "")

    world.run(instance)

    assert world.state.status == "FAILED"
    assert world.state.log == (
        "Of numbers, 'nmae' is no column and no group of columns (similar: name)."
    )
    assert world.reader.asked == []


def test_what_was_forbidden_while_an_export_ran_is_not_published(
    instance: dg.DagsterInstance,
) -> None:
    world = world_of(None, "")
    query = compiled_unanswered(asked(None, "numbers"))
    plan = ExportPlan(query=query, folder="f", rows=0, limit_hit=False, chunk_rows=())
    settings = Settings.load(ENVIRONMENT | {"LF_EXPORT_FORBIDDEN_COLUMNS": "*:name"})
    folder = AttemptFolder(world.spool, "f")
    with (
        BucketFile.opened(plan, folder, world.files, settings) as file,
        pytest.raises(PermanentError, match="has forbidden name since"),
    ):
        stored_file(plan, file, world.files, settings)
    assert world.files.objects == {}


def test_the_command_keeps_what_was_asked_for_under_our_key() -> None:
    given: dict[str, Any] = {"project": "project-1", "table": "numbers", "file_format": "CSV"}
    row = requested_row(**given, columns="id, name,")
    assert row.query["lfExport"] == {"columns": ["id", "name"]}
    row = requested_row(**given, without="io")
    assert row.query["lfExport"] == {"without": ["io"]}
    assert requested_row(**given, columns="").query["lfExport"] == {"columns": []}
