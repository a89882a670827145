"""Rows that are planned and do not arrive, though nobody has deleted them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pytest

from lf_export_pipeline.core.formats import csv_format, json_rows
from lf_export_pipeline.core.formats.writer import slices
from lf_export_pipeline_tests.integration.adapters.proxy import (
    Instead,
    Request,
    Spoiler,
    Spoiling,
    proxy,
)
from lf_export_pipeline_tests.integration.job.real_exports import SOME_CHUNKS, RealExports

pytestmark = [pytest.mark.services, pytest.mark.sampled]

ONE_CHUNK: dict[str, str] = {}
_ROWS = re.compile(
    rb'(name="query"\r\n\r\n(?:(?:WITH|SELECT f0|SELECT if)(?:(?!FORMAT ).)*?\nFROM \(\n)?)'
    rb"(SELECT \* EXCEPT \(`#deleted`\)(?:(?!FORMAT ).)*?)"
    rb"(\s*FORMAT ArrowStream|\n\)\nSETTINGS format_template)",
    re.DOTALL,
)
SERIALISED_HERE = {"LF_EXPORT_ROWS": "arrow"}


@contextmanager
def behind_clickhouse(exports: RealExports, spoil: Spoiler) -> Iterator[dict[str, str]]:
    """The environment in which all that ClickHouse is asked can be spoiled.

    Without a preview, which would ask for the first rows once more, so that each chunk is one
    question.
    """
    with proxy(exports.addresses.clickhouse_url, spoil) as url:
        yield {"CLICKHOUSE_URL": url, "LF_EXPORT_PREVIEW": "false"}


@dataclass
class Rewritten:
    """Asks ClickHouse another question instead of the one for the rows of a chunk.

    The question that counts the rows that are left stays as it is: nothing was deleted.

    Attributes:
        template: The other question; ROWS is the right one.
        spared: How many chunks are read as they should be, before that.
    """

    template: bytes
    spared: int = 0

    def __call__(self, request: Request) -> Spoiling:
        if not _ROWS.search(request.body):
            return None
        if self.spared:
            self.spared -= 1
            return None
        question = self.template.replace(b"ROWS", rb"(\2)")
        body = _ROWS.sub(rb"\1" + question + rb"\3", request.body)
        return Instead(Request(request.method, request.path, body))


CASES = {
    "no rows": (b"SELECT * FROM ROWS LIMIT 0", ONE_CHUNK, 0),
    "the first rows": (b"SELECT * FROM ROWS LIMIT 300", ONE_CHUNK, 0),
    "all but one": (b"SELECT * FROM ROWS WHERE rowNumberInAllBlocks() != 5", ONE_CHUNK, 0),
    "each twice": (b"SELECT q.* FROM ROWS AS q ARRAY JOIN [1, 2] AS twice", ONE_CHUNK, 0),
    "first chunk": (b"SELECT * FROM ROWS LIMIT 300", SOME_CHUNKS, 0),
    "third chunk": (b"SELECT * FROM ROWS LIMIT 300", SOME_CHUNKS, 2),
}


@pytest.mark.parametrize(
    ("question", "environment", "chunk"),
    [
        pytest.param(question, {**environment, **way}, chunk, id=f"{name}, {number}")
        for name, (question, environment, chunk) in CASES.items()
        for number, way in enumerate([{}, SERIALISED_HERE])
    ],
)
def test_a_chunk_with_another_number_of_rows_than_planned_is_not_published(
    exports: RealExports,
    project: str,
    question: bytes,
    environment: dict[str, str],
    chunk: int,
) -> None:
    with behind_clickhouse(exports, Rewritten(question, spared=chunk)) as address:
        ended = exports.run(project, **environment, **address)

    said = rf"Chunk {chunk} gave ([\d,]+) of ([\d,]+) rows, and \2 are there"
    ended.assert_nothing_is_published(said)


@pytest.mark.parametrize("file_format", ["CSV", "JSON", "JSONL"])
def test_a_row_that_is_read_and_not_written_is_missed(
    exports: RealExports, project: str, monkeypatch: pytest.MonkeyPatch, file_format: str
) -> None:
    def lossy(batch: pa.RecordBatch, row_overhead: int) -> Iterator[pa.RecordBatch]:
        """Loses the first row of each batch, as a mistake in a serialiser may."""
        return slices(batch.slice(1), row_overhead)

    monkeypatch.setattr(csv_format, "slices", lossy)
    monkeypatch.setattr(json_rows, "slices", lossy)

    ended = exports.run(project, file_format=file_format, **SERIALISED_HERE)

    said = r"Chunk 0 gave (?!2,500)([\d,]+) of 2,500 rows, and 2,500 are there"
    ended.assert_nothing_is_published(said)
