"""Rows are compressed where they are written, whoever has made them."""

import pytest

from lf_export_pipeline.core.query.export_query import RowsBy
from lf_export_pipeline.core.request.options import Compression
from lf_export_pipeline_tests.decompressed import decompressed
from lf_export_pipeline_tests.exporting import Project

pytestmark = pytest.mark.services


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.ZSTD])
@pytest.mark.parametrize("rows_by", list(RowsBy))
def test_a_compressed_file_of_chunks_is_the_plain_one(
    project: Project, compression: Compression, rows_by: RowsBy
) -> None:
    project.add("traces", *({"id": f"t{at:02}", "input": "text " * 99} for at in range(25)))
    settings = project.settings.model_copy(update={"lf_export_rows": rows_by.value})
    here = Project(project.addresses, project.client, project.reader, settings, project.id)
    options = {"compression": compression.value}
    for file_format in ("CSV", "JSON", "JSONL"):
        plain = here.export("traces", file_format=file_format)
        packed = here.export("traces", file_format=file_format, chunk_rows=10, lfExport=options)
        assert len(packed.chunk_rows) > 1
        assert packed.rows_by == {rows_by}
        assert decompressed(packed.data, compression) == plain.data
        assert len(packed.data) < len(plain.data)
