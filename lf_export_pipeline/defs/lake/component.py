"""The lake as a component of ``dg``, for code locations that are not this one."""

from typing import Literal

import dagster as dg
from pydantic import Field

from lf_export_pipeline.defs.lake.definitions import lake_definitions
from lf_export_pipeline.defs.lake.shape import LakeShape
from lf_export_pipeline.settings import Settings
from lf_export_pipeline.settings.lake import LakeSettings
from lf_export_pipeline.settings.sentences import in_sentences


class LangfuseLake(dg.Component, dg.Model, dg.Resolvable):
    """Langfuse's tables as Parquet, one object per project and day, which follow their rows.

    Where ClickHouse and Postgres are, and who reads them, is in the environment, with the names of
    Langfuse's worker; so are the keys of the bucket.
    """

    url: str = Field(description="s3://bucket/prefix or file:///path.")
    start: str = Field(description="The first day of the lake, such as 2026-01-31.")
    tables: list[str] = Field(default_factory=list, description="Default: all.")
    projects: list[str] = Field(default_factory=list, description="Ids. Default: all.")
    columns_excluded: list[str] = Field(
        default_factory=list, description="Columns that are null in the lake, such as input."
    )
    today: bool = Field(default=False, description="Have the day that has not ended, too.")
    cron: str = Field(default="7 * * * *", description="When the last 35 days are looked at, UTC.")
    compression: Literal["zstd", "snappy"] = "zstd"
    maps: Literal["map", "json"] = "map"
    moved_days: int = Field(
        default=7, description="How far from a changed day rows are searched that have moved."
    )

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """The definitions of the lake.

        Raises:
            ConfigurationError: An attribute has a wrong value.
        """
        return lake_definitions(LakeShape.of(self._lake), self._loaded)

    def _loaded(self) -> Settings:
        """The environment, and the attributes for what is of the lake."""
        given = self._lake.model_dump(exclude_unset=True)
        return Settings.load().model_copy(update=given)

    @property
    def _lake(self) -> LakeSettings:
        given = {
            f"lf_export_lake_{name}": ",".join(value) if isinstance(value, list) else value
            for name, value in self.model_dump().items()
        }
        with in_sentences(LakeSettings):
            return LakeSettings.model_validate(given)
