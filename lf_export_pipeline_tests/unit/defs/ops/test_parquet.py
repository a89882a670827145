"""An export as Parquet through the whole job: its chunks, what it owes a run before it, its row."""

from typing import Any

import dagster as dg
import pytest

from lf_export_pipeline.core.errors import TransientError
from lf_export_pipeline.core.query.columns import ColumnType, OutputColumn
from lf_export_pipeline_tests.numbers_table import Numbers, export_row
from lf_export_pipeline_tests.typed_cells import table_of
from lf_export_pipeline_tests.unit.defs.ops.test_job import small_chunks
from lf_export_pipeline_tests.world import World


def only_file(world: World) -> bytes:
    ((_, data),) = world.files.objects.items()
    return data


def test_an_export_of_chunks_becomes_one_parquet_file(instance: dg.DagsterInstance) -> None:
    world = small_chunks(World(export_row(format="PARQUET")))

    assert world.run(instance).success

    table = table_of(only_file(world))
    assert world.reader.asked.count("rows") == 4
    assert table.column("id").to_pylist() == [f"n{number}" for number in range(10)]
    assert table.column("name").to_pylist()[:2] == ["number 0", "nameless"]
    ((key, content_type),) = world.files.content_types.items()
    assert key.endswith(".parquet")
    assert content_type == "application/vnd.apache.parquet"
    assert world.files.file_names[0].endswith(".parquet")
    assert world.state.log is None
    assert world.spool.files == {}


def test_what_is_sent_again_is_the_same_file(instance: dg.DagsterInstance) -> None:
    world = small_chunks(World(export_row(format="PARQUET")))
    world.files.failures = [TransientError("The bucket is away.")]

    assert world.run(instance).success

    assert world.reader.asked.count("rows") == 4
    assert table_of(only_file(world)).num_rows == 10


def test_an_export_without_rows_has_its_columns(instance: dg.DagsterInstance) -> None:
    world = World(export_row(format="PARQUET"))
    world.reader.count = 0

    assert world.run(instance).success

    table = table_of(only_file(world))
    assert (table.num_rows, table.column_names) == (0, ["id", "name"])


def test_jsonl_of_the_dialog_is_parquet_where_a_setting_says_so(
    instance: dg.DagsterInstance,
) -> None:
    world = World(export_row(format="JSONL"))
    world.environment["LF_EXPORT_PARQUET_PROJECTS"] = "other, project-1"

    assert world.run(instance).success

    assert table_of(only_file(world)).num_rows == 10
    assert world.state.format == "JSONL"
    assert "PARQUET" in str(world.mailer.sent[0])


def test_values_that_do_not_fit_are_said_in_the_row(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns: tuple[Any, ...] = (
        OutputColumn(name="id"),
        OutputColumn(name="name", type=ColumnType.INTEGER),
    )
    monkeypatch.setattr(Numbers, "columns", columns)
    world = small_chunks(World(export_row(format="PARQUET")))

    assert world.run(instance).success

    assert table_of(only_file(world)).column("name").null_count == 10
    assert world.state.log == (
        "10 values do not fit the types of this format and are missing from the file, in name; "
        "CSV has them."
    )


def test_gzip_is_refused_with_a_sentence(instance: dg.DagsterInstance) -> None:
    query: dict[str, object] = {"tableName": "numbers", "filter": [], "orderBy": None}
    options: dict[str, object] = {"lfExport": {"compression": "gzip"}}
    world = World(export_row(format="PARQUET", query=query | options))

    world.run(instance)

    assert world.state.status == "FAILED"
    assert "cannot be compressed with gzip" in (world.state.log or "")
