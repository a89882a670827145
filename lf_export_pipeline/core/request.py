"""From a stored row to a request that is known to be sound."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class ExportFormat(StrEnum):
    """The formats of Langfuse's export dialog."""

    CSV = "CSV"
    JSON = "JSON"
    JSONL = "JSONL"


@dataclass(frozen=True, slots=True)
class ExportRow:
    """A row of ``batch_exports`` as it is stored; instants are timezone-aware UTC."""

    id: str
    project_id: str
    user_id: str
    created_at: datetime
    updated_at: datetime
    name: str
    status: str
    format: str
    query: Any
    log: str | None = None
    url: str | None = None
    finished_at: datetime | None = None
    expires_at: datetime | None = None


class ExportLimits(BaseModel):
    """The numbers that bound every export."""

    model_config = ConfigDict(frozen=True)

    row_limit: int = Field(default=1_500_000, gt=0)
    comment_filter_limit: int = Field(default=50_000, gt=0)
