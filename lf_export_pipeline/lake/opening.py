"""The lake that the settings describe."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lf_export_pipeline.core.errors import ConfigurationError
from lf_export_pipeline.core.ports import Bucket, RowReader
from lf_export_pipeline.lake.columns_left_out import excluded_columns, forbidden_columns
from lf_export_pipeline.lake.fingerprints import Observer
from lf_export_pipeline.lake.healing import Healer, LakeRules
from lf_export_pipeline.lake.keys import LakeKeys
from lf_export_pipeline.lake.layout import LakeLayout
from lf_export_pipeline.lake.manifests import Manifests
from lf_export_pipeline.lake.named_settings import NamedSettings
from lf_export_pipeline.lake.objects import LakeObjects
from lf_export_pipeline.settings import Settings
from lf_export_pipeline.settings.lake import listed


@dataclass(frozen=True, slots=True)
class Lake:
    """Everything that heals and looks at one lake."""

    observer: Observer
    objects: LakeObjects
    manifests: Manifests
    healer: Healer


def open_bucket(settings: Settings) -> tuple[Bucket, LakeKeys]:
    """Where the lake is, and its keys there.

    Raises:
        ConfigurationError: LF_EXPORT_LAKE_URL is not set.
    """
    # With it comes the client of the service, which loading definitions does not need.
    from lf_export_pipeline.adapters.object_folder import ObjectFolder  # noqa: PLC0415
    from lf_export_pipeline.adapters.object_stores import open_object_store  # noqa: PLC0415

    if settings.lf_export_lake_url is None:
        raise ConfigurationError("There is no lake; set LF_EXPORT_LAKE_URL.")
    if settings.lake_path is not None:
        return ObjectFolder(Path(settings.lake_path)), LakeKeys()
    _, prefix = settings.lake_bucket
    store = open_object_store(settings.lake_service(settings))
    own = settings.lake_has_own_service
    return NamedSettings(store, has_own_service=own), LakeKeys(prefix)


def open_lake(
    settings: Settings, reader: RowReader, now: datetime, bucket: Bucket | None = None
) -> Lake:
    """The lake as of now.

    Args:
        settings: Of this process.
        reader: Of the stores.
        now: Until when rows say which tables Langfuse writes.
        bucket: Where the lake is, if not where the settings say.
    """
    place, keys = open_bucket(settings)
    place = bucket or place
    layout = LakeLayout(settings.lf_export_lake_compression, settings.lf_export_lake_maps)
    projects = listed(settings.lf_export_lake_projects)
    observer = Observer(reader, now, projects or None)
    objects, manifests = LakeObjects(place, keys, layout), Manifests(place, keys)
    healer = Healer(observer, objects, manifests, _rules(settings))
    return Lake(observer, objects, manifests, healer)


def _rules(settings: Settings) -> LakeRules:
    excluded = excluded_columns(listed(settings.lf_export_lake_columns_excluded))
    forbidden = settings.file_defaults.forbidden

    def left_out(project: str) -> Collection[str]:
        return excluded | forbidden_columns(forbidden.of(project))

    return LakeRules(left_out, settings.lf_export_lake_moved_days)
