"""The exports that the demo asks for, and what has to come of them."""

from dataclasses import dataclass
from typing import Any

from lf_export_localstack.sample.sample_project import SampleSize
from lf_export_pipeline.cli.request import requested_row
from lf_export_pipeline.core.request.model import ExportFormat, StoredExport

PROJECT = "demo-project"
SIZE = SampleSize(traces=10_000, observations_per_trace=3, text_bytes=1_500, comments=200)


@dataclass(frozen=True, slots=True)
class DemoExport:
    """One export.

    Attributes:
        table: What is exported.
        counted_as: Whose rows of the sample the file has to hold; None: the export has to fail.
        failure: What the user's sentence has to name.
        filters: As the web app stores them.
    """

    name: str
    table: str
    file_format: ExportFormat
    user_id: str
    counted_as: str | None
    failure: str = ""
    filters: tuple[dict[str, Any], ...] = ()

    def row(self) -> StoredExport:
        """The queued row, with an id of its own."""
        return requested_row(
            project=PROJECT,
            table=self.table,
            file_format=self.file_format,
            filters=list(self.filters),
            user=self.user_id,
            name=self.name,
        )


EXPORTS = (
    DemoExport("All traces", "traces", ExportFormat.CSV, "user-ada", "traces"),
    DemoExport("Traces for the notebook", "traces", ExportFormat.JSON, "user-grace", "traces"),
    DemoExport("Every step", "observations", ExportFormat.JSONL, "user-alan", "observations"),
    DemoExport(
        "Colourful traces",
        "traces",
        ExportFormat.CSV,
        "user-barbara",
        counted_as=None,
        failure="colour",
        filters=({"type": "string", "column": "colour", "operator": "=", "value": "green"},),
    ),
)
