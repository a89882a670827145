"""What an operator decides about the lake."""

from datetime import date
from typing import Annotated, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BaseModel, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from lf_export_pipeline.settings.s3 import S3Settings
from lf_export_pipeline.settings.values import PublicUrl, credential

_EXPORTS = "LANGFUSE_S3_BATCH_EXPORT"


def _is_lake(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    # Services and clients do not agree on what stands under a key with such a part.
    leads_elsewhere = {".", ".."}.intersection(unquote(parts.path).split("/"))
    if url != url.strip() or parts.query or parts.fragment or leads_elsewhere:
        return False
    if parts.scheme == "file":
        return not parts.netloc and parts.path.startswith("/")
    return parts.scheme == "s3" and bool(parts.netloc) and not {*parts.netloc} & {*"@:"}


def _lake_url() -> AfterValidator:
    def check(value: str) -> str:
        if not _is_lake(value):
            raise PydanticCustomError("url", "s3://bucket/prefix or file:///path")
        return value

    return AfterValidator(check)


_FIRST_DAY = date(1970, 1, 1)
"""ClickHouse's ``Date``, by which days are told apart, begins there."""


def _iso_date() -> AfterValidator:
    def check(value: str) -> str:
        try:
            is_day = date.fromisoformat(value) >= _FIRST_DAY
        except ValueError:
            is_day = False
        if not is_day:
            raise PydanticCustomError("url", "a date such as 2026-01-31, not before 1970")
        return value

    return AfterValidator(check)


class LakeSettings(BaseModel):
    """The lake: Langfuse's tables as Parquet, which follows them ([lake.md](lake.md))."""

    lf_export_lake_url: Annotated[str, _lake_url()] | None = Field(
        default=None,
        repr=False,  # a wrong one may have a key in it
        description="Where the lake is: `s3://bucket/prefix`, or `file:///path`. Without it there "
        "is none, and Dagster shows nothing of it.",
    )
    lf_export_lake_tables: str = Field(
        default="",
        description="Tables of the lake, with commas between them. Default: all.",
    )
    lf_export_lake_projects: str = Field(
        default="",
        description="Ids of the projects that are in the lake, with commas between them. Default: "
        "all.",
    )
    lf_export_lake_start: Annotated[str, _iso_date()] = Field(
        default="2026-01-01",
        description="The first day of the lake, of UTC. An earlier one makes a longer lake; "
        "objects of days before it are left alone.",
    )
    lf_export_lake_today: bool = Field(
        default=False,
        description="Have the day that has not ended in the lake, too. It is written anew whenever "
        "its rows were found changed, with all that it has by then.",
    )
    lf_export_lake_cron: str = Field(
        default="7 * * * *",
        description="When it is looked which of the last 35 days have changed: a cron expression "
        "in UTC. All days are looked at once a night.",
    )
    lf_export_lake_columns_excluded: str = Field(
        default="",
        description="Columns that are null in the lake, with commas between them, such as "
        "`input,output`: they are not even read. Those of LF_EXPORT_FORBIDDEN_COLUMNS are, too.",
    )
    lf_export_lake_compression: Literal["zstd", "snappy"] = Field(
        default="zstd", description="Of the objects; `zstd` is at level 1."
    )
    lf_export_lake_maps: Literal["map", "json"] = Field(
        default="map",
        description="How metadata, usage and costs are stored; `json` is text, for engines that "
        "know no maps.",
    )
    lf_export_lake_moved_days: int = Field(
        default=7,
        ge=0,
        le=366,
        description="How many days before and after a changed one are searched for other versions "
        "of its rows, which have moved to or from there; 0: none.",
    )
    lf_export_lake_s3_endpoint: PublicUrl | None = Field(
        default=None,
        repr=False,
        description="Address of the lake's service, if it is another one than that of exports. "
        "Once this, the region or a key is set, nothing of the exports' bucket is used for the "
        "lake but its certificates and the number of attempts.",
    )
    lf_export_lake_s3_region: str | None = Field(
        default=None, description="Region of the lake's bucket."
    )
    lf_export_lake_s3_access_key_id: Annotated[str, credential()] | None = Field(
        default=None, repr=False, description="Who writes the lake."
    )
    lf_export_lake_s3_secret_access_key: Annotated[SecretStr, credential()] | None = Field(
        default=None, description="Belongs to the access key id."
    )
    lf_export_lake_s3_force_path_style: bool = Field(
        default=False, description="Bucket in the path, for a lake with an endpoint of its own."
    )

    @model_validator(mode="after")
    def _keys_of_the_lake_come_in_pairs(self) -> Self:
        has_key = self.lf_export_lake_s3_access_key_id is not None
        if has_key != (self.lf_export_lake_s3_secret_access_key is not None):
            raise PydanticCustomError(
                "sentence",
                "LF_EXPORT_LAKE_S3_ACCESS_KEY_ID and LF_EXPORT_LAKE_S3_SECRET_ACCESS_KEY belong "
                "together; set both or neither.",
            )
        return self

    @property
    def lake_has_own_service(self) -> bool:
        """Whether the lake is reached in a way of its own."""
        own = (
            self.lf_export_lake_s3_endpoint,
            self.lf_export_lake_s3_region,
            self.lf_export_lake_s3_access_key_id,
        )
        return any(each is not None for each in own)

    @property
    def lake_first_day(self) -> date:
        """The first day of the lake."""
        return date.fromisoformat(self.lf_export_lake_start)

    @property
    def lake_path(self) -> str | None:
        """The folder that the lake is in, if it is one."""
        parts = urlsplit(self.lf_export_lake_url or "")
        return unquote(parts.path) if parts.scheme == "file" else None

    @property
    def lake_bucket(self) -> tuple[str, str]:
        """The bucket, and what its keys begin with: nothing, or what ends in a slash."""
        parts = urlsplit(self.lf_export_lake_url or "")
        prefix = unquote(parts.path).strip("/")
        return parts.netloc, f"{prefix}/" if prefix else ""

    def lake_service(self, exports: S3Settings) -> S3Settings:
        """How the lake's bucket is reached, in the settings that the bucket of exports has.

        Args:
            exports: The settings of that one.
        """
        bucket, _ = self.lake_bucket
        changed: dict[str, object] = {"langfuse_s3_batch_export_bucket": bucket}
        if self.lake_has_own_service:
            changed |= {
                "langfuse_s3_batch_export_endpoint": self.lf_export_lake_s3_endpoint,
                "langfuse_s3_batch_export_external_endpoint": None,
                "langfuse_s3_batch_export_region": self.lf_export_lake_s3_region,
                "langfuse_s3_batch_export_access_key_id": self.lf_export_lake_s3_access_key_id,
                "langfuse_s3_batch_export_secret_access_key": (
                    self.lf_export_lake_s3_secret_access_key
                ),
                "langfuse_s3_batch_export_force_path_style": (
                    self.lf_export_lake_s3_force_path_style
                ),
                "langfuse_s3_batch_export_sse": None,
                "langfuse_s3_batch_export_sse_kms_key_id": None,
            }
        return exports.model_copy(update=changed)


def listed(text: str) -> tuple[str, ...]:
    """What stands between the commas of a setting."""
    return tuple(each for each in map(str.strip, text.split(",")) if each)
