"""What one process keeps between the steps of a run."""

from dataclasses import dataclass, field

from lf_export_pipeline.file.chunk_reading import PlanTables
from lf_export_pipeline.file.upload_ahead import UploadsAhead
from lf_export_pipeline.settings import Settings


@dataclass(frozen=True, slots=True)
class RunCache:
    """State of a process, which the steps that share the process find as the last one left it.

    It saves time, and nothing depends on it: a step in a process of its own finds it empty, reads
    the lookups itself, and uploads all of the file.
    """

    tables: PlanTables = field(default_factory=PlanTables)
    uploads: UploadsAhead = field(default_factory=UploadsAhead)

    @classmethod
    def of(cls, settings: Settings) -> "RunCache":
        """An empty one; nothing is uploaded ahead if the steps do not share this process."""
        shares_process = settings.lf_export_executor == "in_process"
        is_on = shares_process and settings.lf_export_upload_ahead
        return cls(uploads=UploadsAhead(is_on=is_on))

    def close(self) -> None:
        """Abort the upload that has not been finished."""
        self.uploads.close()
