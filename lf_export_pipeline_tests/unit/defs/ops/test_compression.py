"""What is asked of a file's compression is what the bucket, the link, row and mail have."""

from typing import Any

import dagster as dg
import pytest

from lf_export_pipeline.cli.request import requested_row
from lf_export_pipeline.core.request.options import Compression
from lf_export_pipeline_tests.decompressed import decompressed
from lf_export_pipeline_tests.numbers_table import export_row
from lf_export_pipeline_tests.unit.defs.ops.test_job import small_chunks
from lf_export_pipeline_tests.world import World

NUMBERS: dict[str, Any] = {"tableName": "numbers", "filter": [], "orderBy": None}


def world_of(options: dict[str, str] | None, **environment: str) -> World:
    query = NUMBERS if options is None else {**NUMBERS, "lfExport": options}
    world = small_chunks(World(export_row(query=query)))
    world.environment |= environment
    return world


@pytest.mark.parametrize(
    ("options", "setting", "compression", "content_type"),
    [
        ({"compression": "gzip"}, "none", Compression.GZIP, "application/gzip"),
        ({"compression": "zstd"}, "gzip", Compression.ZSTD, "application/zstd"),
        (None, "gzip", Compression.GZIP, "application/gzip"),
        ({"compression": "none"}, "gzip", Compression.NONE, "text/csv; charset=utf-8"),
        ({}, "none", Compression.NONE, "text/csv; charset=utf-8"),
    ],
)
def test_an_export_is_compressed_as_it_asks_or_else_as_the_installation_has_it(
    instance: dg.DagsterInstance,
    options: dict[str, str] | None,
    setting: str,
    compression: Compression,
    content_type: str,
) -> None:
    world = world_of(options, LF_EXPORT_COMPRESSION=setting)

    assert world.run(instance).success

    ((key, data),) = world.files.objects.items()
    lines = decompressed(data, compression).decode().splitlines()
    assert len(lines) == 11
    assert lines[1] == '"n0","number 0"'
    assert key.endswith(f".csv{compression.extension}")
    assert world.files.file_names[0].endswith(f".csv{compression.extension}")
    assert world.files.content_types == {key: content_type}
    assert f"CSV{compression.words}" in str(world.mailer.sent[0])


def test_an_export_without_rows_is_a_compressed_file_too(instance: dg.DagsterInstance) -> None:
    world = world_of({"compression": "gzip"})
    world.reader.count = 0

    assert world.run(instance).success

    ((_, data),) = world.files.objects.items()
    assert data
    assert decompressed(data, Compression.GZIP) == b""


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"compression": "brotli"}, "'compression' is 'brotli'; expected one of none, gzip, zstd"),
        (
            {"compresion": "gzip"},
            "'lfExport' holds 'compresion'; expected no more than columns, compression, without",
        ),
        ("gzip", "'lfExport' is 'gzip'; expected an object"),
        (None, "'lfExport' is null; expected an object"),
    ],
)
def test_what_is_not_known_is_refused_with_a_sentence(
    instance: dg.DagsterInstance, options: Any, sentence: str
) -> None:
    world = World(export_row(query={**NUMBERS, "lfExport": options}))

    world.run(instance)

    assert world.state.status == "FAILED"
    assert sentence in (world.state.log or "")


def test_a_command_asks_under_our_key_and_only_if_it_was_asked() -> None:
    asked: dict[str, Any] = {"project": "project-1", "table": "numbers", "file_format": "CSV"}
    packed = requested_row(**asked, compression=Compression.ZSTD)
    assert packed.query["lfExport"] == {"compression": "zstd"}
    assert "lfExport" not in requested_row(**asked).query
