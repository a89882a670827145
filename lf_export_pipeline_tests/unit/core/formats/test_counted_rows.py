"""Writers count the rows that they have written, not those that they were given."""

import pyarrow as pa
import pytest

from lf_export_pipeline.core.formats import format_writer, writer
from lf_export_pipeline.core.query.columns import OutputColumn
from lf_export_pipeline.core.request.model import ExportFormat
from lf_export_pipeline_tests.unit.core.formats.reference import TEXTS, Record, record_batch

ID = (OutputColumn(name="id"),)
BATCH = record_batch(ID, [Record({"id": f"row {number}"}) for number in range(50)])
ALIKE = record_batch(ID, [Record({"id": None})] * 50)

every_format = pytest.mark.parametrize("fmt", TEXTS)


@every_format
@pytest.mark.parametrize("batch", [BATCH, ALIKE], ids=["rows that differ", "rows that do not"])
def test_every_row_is_counted_in_however_many_pieces(
    fmt: ExportFormat, batch: pa.RecordBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "SLICE_BYTES", 100)
    pieces = list(format_writer(fmt, ID).encoder().rows(batch))
    assert len(pieces) > 10
    assert sum(piece.count for piece in pieces) == 50
    for piece in pieces:
        ends = {"CSV": b"\n", "JSON": b"}", "JSONL": b"\n"}
        assert bytes(piece.data).count(ends[fmt]) == piece.count
