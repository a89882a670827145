"""Where things are in the lake.

``project`` and ``day`` are no names of columns: engines fail or guess where a part of a path has
the name of a column.
"""

from dataclasses import dataclass
from urllib.parse import quote, unquote

LAYOUT = "v1"
_MANIFESTS, _SCHEMAS = "_manifests", "_schemas"
_PROJECT, _DAY = "project=", "day="
_OBJECT, _JSON = "data.parquet", ".json"


@dataclass(frozen=True, slots=True)
class Place:
    """One object of the lake.

    Attributes:
        table: The name of the table in the lake.
        project: The project's id.
        day: Its date, or ``WHOLE``.
    """

    table: str
    project: str
    day: str


@dataclass(frozen=True, slots=True)
class LakeKeys:
    """Keys below a prefix, which is empty or ends in a slash."""

    prefix: str = ""

    def object(self, place: Place) -> str:
        """That of the rows."""
        return f"{self.objects(place.table)}{'/'.join(_path(place))}/{_OBJECT}"

    def manifest(self, place: Place) -> str:
        """That of what is known of the rows."""
        return f"{self.manifests(place.table)}{'/'.join(_path(place))}{_JSON}"

    def schema(self, table: str, schema_id: str) -> str:
        """That of the description of columns."""
        return f"{self._root}{_SCHEMAS}/{table}-{schema_id}{_JSON}"

    def objects(self, table: str) -> str:
        """What the keys of all objects of a table begin with."""
        return f"{self._root}{table}/"

    def manifests(self, table: str) -> str:
        """What the keys of all manifests of a table begin with."""
        return f"{self._root}{_MANIFESTS}/{table}/"

    def object_place(self, table: str, key: str) -> Place | None:
        """Whose object it is; None: nobody's."""
        path = key.removeprefix(self.objects(table))
        return _place(table, path, f"/{_OBJECT}")

    def manifest_place(self, table: str, key: str) -> Place | None:
        """Whose manifest it is; None: nobody's."""
        return _place(table, key.removeprefix(self.manifests(table)), _JSON)

    @property
    def _root(self) -> str:
        return f"{self.prefix}{LAYOUT}/"


def project_of(folder: str) -> str | None:
    """The id of the project whose folder has this name; None: it is no project's."""
    return unquote(folder.removeprefix(_PROJECT)) if folder.startswith(_PROJECT) else None


def _path(place: Place) -> list[str]:
    day = [f"{_DAY}{place.day}"] if place.day else []
    return [f"{_PROJECT}{_encoded(place.project)}", *day]


def _encoded(project: str) -> str:
    """Percent-encoded; dots, too, of an id that has no other character."""
    encoded = quote(project, safe="")
    return encoded if encoded.strip(".") else encoded.replace(".", "%2E")


def _place(table: str, path: str, ending: str) -> Place | None:
    folders = path.removesuffix(ending).split("/")
    project = project_of(folders[0])
    day = folders[1].removeprefix(_DAY) if len(folders) == 2 else ""
    if project is None:
        return None
    place = Place(table, project, day)
    return place if f"{'/'.join(_path(place))}{ending}" == path else None
