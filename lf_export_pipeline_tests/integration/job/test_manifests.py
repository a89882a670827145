"""What a run tells Dagster of a file, against the bytes that its link downloads."""

import csv
import io
import json
import urllib.request
from importlib.metadata import version
from urllib.parse import urlsplit

import pytest

from lf_export_pipeline.core.request.model import ExportFormat
from lf_export_pipeline_tests.integration.job.real_exports import SOME_CHUNKS, Ended, RealExports
from lf_export_pipeline_tests.told_checksums import checksums_of
from lf_export_pipeline_tests.typed_cells import table_of

pytestmark = [pytest.mark.services, pytest.mark.sampled]

every_format = pytest.mark.parametrize("file_format", list(ExportFormat))
SOME_ROWS = {"column": "name", "type": "string", "operator": "contains", "value": "support"}
NO_ROWS = {"column": "name", "type": "string", "operator": "=", "value": "nobody's"}


def downloaded(ended: Ended) -> bytes:
    """As a user does it: by the link of the row, and with nothing else."""
    assert (ended.row.status, ended.row.finished_at is None) == ("COMPLETED", False)
    with urllib.request.urlopen(ended.row.url or "", timeout=30) as answer:
        data: bytes = answer.read()
    return data


def columns_and_rows(file_format: str, data: bytes) -> tuple[list[str], int]:
    """What a program finds in the file that knows its format alone."""
    if file_format == ExportFormat.PARQUET:
        table = table_of(data)
        return list(table.column_names), int(table.num_rows)
    text = data.decode()
    if file_format == ExportFormat.CSV:
        header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        return header, len(rows)
    if file_format == ExportFormat.JSON:
        objects = json.loads(text)
    else:
        objects = [json.loads(line) for line in text.removesuffix("\n").split("\n")]
    return list(objects[0]), len(objects)


def assert_said_of(ended: Ended, data: bytes, rows: int) -> None:
    """Rows, bytes and checksum: in the manifest, and where Dagster's pages plot them."""
    manifest = ended.said["manifest"]
    found = {"rows": rows, "bytes": len(data), **checksums_of(data, manifest)}
    assert {name: manifest[name] for name in found} == found
    shown = {name: value for name, value in found.items() if value and name != "part_bytes"}
    assert {name: ended.said.get(name) for name in shown} == shown
    assert ended.said["dagster/row_count"] == rows


@pytest.mark.parametrize(
    "environment",
    [{}, SOME_CHUNKS, SOME_CHUNKS | {"LF_EXPORT_PARTS": "spool"}],
    ids=["one chunk", "chunks", "chunks in the spool"],
)
@every_format
def test_the_manifest_is_that_of_the_file_behind_the_link(
    exports: RealExports, project: str, file_format: str, environment: dict[str, str]
) -> None:
    ended = exports.run(project, file_format=file_format, **environment)

    data, manifest = downloaded(ended), ended.said["manifest"]
    columns, rows = columns_and_rows(file_format, data)
    assert rows == 2_500
    assert_said_of(ended, data, rows)
    assert manifest["columns"] == columns
    assert manifest["format"] == file_format
    assert urlsplit(ended.row.url or "").path.endswith(f"/{manifest['object_key']}")
    assert (len(manifest["chunk_rows"]), sum(manifest["chunk_rows"])) == (ended.chunks, rows)
    assert (ended.chunks > 1) is bool(environment)
    is_in_parts = environment == SOME_CHUNKS and len(data) > 5 << 20
    assert (manifest["part_bytes"] is not None) is is_in_parts
    assert manifest["cutoff"] == ended.row.created_at.isoformat()
    assert manifest["versions"] == {name: version(name) for name in manifest["versions"]}
    assert {"lf-export-pipeline", "dagster", "pyarrow"} <= set(manifest["versions"])


def test_the_manifest_says_what_was_asked_for_but_not_the_words_of_users(
    exports: RealExports, project: str
) -> None:
    ended = exports.run(project, filters=[SOME_ROWS])

    data = downloaded(ended)
    _, rows = columns_and_rows("JSONL", data)
    assert 0 < rows < 2_500
    assert_said_of(ended, data, rows)
    query = ended.said["manifest"]["query"]
    assert query["table"] == "traces"
    assert query["filter"] == [{n: v for n, v in SOME_ROWS.items() if n != "value"}]
    assert "support" not in json.dumps(ended.said["manifest"])


@every_format
def test_a_file_without_rows_has_a_manifest_too(
    exports: RealExports, project: str, file_format: str
) -> None:
    ended = exports.run(project, file_format=file_format, filters=[NO_ROWS])

    data = downloaded(ended)
    if file_format == ExportFormat.PARQUET:
        assert columns_and_rows(file_format, data) == (ended.said["manifest"]["columns"], 0)
    else:
        assert data == (b"[]" if file_format == ExportFormat.JSON else b"")
    assert_said_of(ended, data, 0)
    assert ended.said["manifest"]["chunk_rows"] == []


def test_a_file_that_is_cut_at_the_limit_says_so(exports: RealExports, project: str) -> None:
    ended = exports.run(project, BATCH_EXPORT_ROW_LIMIT="100")

    data = downloaded(ended)
    assert len(data.splitlines()) == 100
    assert_said_of(ended, data, 100)
    assert ended.said["manifest"]["row_limit_hit"] is True
    assert ended.said["row_limit_hit"] is True
