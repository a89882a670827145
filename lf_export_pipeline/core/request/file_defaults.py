"""What the operator decides about the files of all exports."""

from dataclasses import dataclass, field

from lf_export_pipeline.core.request.column_groups import ForbiddenColumns
from lf_export_pipeline.core.request.csv_options import AS_LANGFUSE, CsvOptions
from lf_export_pipeline.core.request.options import Compression


@dataclass(frozen=True, slots=True)
class FileDefaults:
    """How files are written where an export does not say so itself, and what they may not hold."""

    compression: Compression = Compression.NONE  # of text
    parquet_projects: frozenset[str] = frozenset()  # ``*`` among them: all of them
    csv: CsvOptions = AS_LANGFUSE
    forbidden: ForbiddenColumns = field(default_factory=ForbiddenColumns)

    def are_parquet(self, project_id: str) -> bool:
        """Whether what the dialog calls JSONL is Parquet in this project."""
        return not self.parquet_projects.isdisjoint({"*", project_id})
