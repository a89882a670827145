"""What can be asked of an export beyond Langfuse's dialog: one key of ours in the stored query.

``{"tableName": …, "lfExport": {"compression": "zstd"}}``. Langfuse's web app never writes the key
and ignores it, so its rows mean what they always meant.
"""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from lf_export_pipeline.core.request.filters import Text

OPTIONS_KEY = "lfExport"


class Compression(StrEnum):
    """How a file of text is compressed."""

    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"

    @property
    def extension(self) -> str:
        """What is added to the name of a file, with its dot."""
        match self:
            case Compression.NONE:
                return ""
            case Compression.GZIP:
                return ".gz"
            case Compression.ZSTD:
                return ".zst"

    @property
    def words(self) -> str:
        """What is added to the word for a format, where people read it: nothing, or `` (gzip)``."""
        return f" ({self})" if self.extension else ""


class ExportOptions(BaseModel):
    """The value of ``lfExport``; what is not known in it is refused.

    Whoever wrote the key wanted something, and would not see that it was ignored.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    compression: Compression | None = None  # None: as the installation has it
    columns: tuple[Text, ...] | None = None  # only these, by names of columns or groups
    without: tuple[Text, ...] | None = None  # all but these
