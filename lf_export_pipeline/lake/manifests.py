"""The manifests in the bucket."""

from collections.abc import Collection, Iterator
from io import BytesIO

from pydantic import ValidationError

from lf_export_pipeline.lake.keys import LakeKeys, Place, project_of
from lf_export_pipeline.lake.layout import LakeLayout
from lf_export_pipeline.lake.manifest import Manifest, manifest_json
from lf_export_pipeline.lake.ports import LakeBucket
from lf_export_pipeline.lake.source import LakeTable

_JSON = "application/json"


class Manifests:
    """Reads and writes manifests, and the schemas that they name."""

    def __init__(self, bucket: LakeBucket, keys: LakeKeys) -> None:
        self._bucket = bucket
        self._keys = keys
        self._described: set[str] = set()

    def read(self, place: Place) -> Manifest | None:
        """What is known of an object; None: nothing, or nothing that this version understands."""
        data = self._bucket.read(self._keys.manifest(place))
        try:
            return Manifest.model_validate_json(data) if data is not None else None
        except ValidationError:
            return None

    def write(self, place: Place, manifest: Manifest) -> None:
        """Say what is known of an object that is there."""
        self._put(self._keys.manifest(place), manifest_json(manifest))

    def describe(self, table: LakeTable, layout: LakeLayout) -> str:
        """The id of a table's schema, which is in the bucket from now on."""
        schema_id = layout.schema_id(table)
        key = self._keys.schema(table.name, schema_id)
        if key not in self._described and self._bucket.head(key) is None:
            self._put(key, layout.schema_json(table))
        self._described.add(key)
        return schema_id

    def projects(self, table: LakeTable) -> Iterator[str]:
        """The ids of the projects that have manifests of a table."""
        prefix = self._keys.manifests(table.name)
        if not table.has_days:
            yield from (place.project for place in self.places(table))
            return
        for folder in self._bucket.folders(prefix):
            project = project_of(folder)
            if project is not None:
                yield project

    def places(self, table: LakeTable, projects: Collection[str] | None = None) -> Iterator[Place]:
        """The objects that a table's manifests are about."""
        for stored in self._bucket.listed(self._keys.manifests(table.name)):
            place = self._keys.manifest_place(table.name, stored.key)
            if place is not None and (projects is None or place.project in projects):
                yield place

    def _put(self, key: str, data: bytes) -> None:
        self._bucket.put(key, BytesIO(data), _JSON, len(data))
