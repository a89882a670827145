"""Whether a lake is what it should be; nothing is changed."""

from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from lf_export_pipeline.core.query.statement import Params, Statement, Store, in_texts
from lf_export_pipeline.lake.fingerprints import Observer
from lf_export_pipeline.lake.keys import Place
from lf_export_pipeline.lake.manifest import Manifest
from lf_export_pipeline.lake.manifests import Manifests
from lf_export_pipeline.lake.objects import LakeObjects
from lf_export_pipeline.lake.source import LakeTable

_READ_AT_ONCE: Final = 16
_IDS_AT_ONCE: Final = 1_000

Pairs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class RowsFound:
    """What manifests say, beside what Langfuse has.

    Attributes:
        rows: In all manifests.
        missing: With rows, and without a manifest.
        behind: Changed in Langfuse since they were written.
        wrong: Not changed since, and yet with other rows.
        unfit: By column, how many values are null as they do not fit its type.
    """

    rows: int = 0
    missing: list[Place] = field(default_factory=list)
    behind: list[Place] = field(default_factory=list)
    wrong: list[Place] = field(default_factory=list)
    unfit: dict[str, int] = field(default_factory=dict)


def rows_found(
    observer: Observer, manifests: Manifests, table: LakeTable, days: Collection[str]
) -> RowsFound:
    """Compares each project and day, and reads the manifests of all of them."""
    found = observer.of(table, days)
    wanted = {*days} if table.has_days else {""}
    places = {*found, *(p for p in manifests.places(table, observer.projects) if p.day in wanted)}
    known = dict(_read(manifests, places))
    result = RowsFound(rows=sum(each.rows for each in known.values()))
    for place in sorted(places, key=lambda each: (each.project, each.day)):
        manifest = known.get(place)
        if manifest is None or (manifest.is_note and place in found):
            result.missing.append(place)
            continue
        for name, number in manifest.unfit.items():
            result.unfit[name] = result.unfit.get(name, 0) + number
        now = found.get(place)
        if (now is None and manifest.rows) or (now and now != manifest.fingerprint):
            result.behind.append(place)
        elif manifest.rows + manifest.overlap.superseded != (now.rows if now else 0):
            result.wrong.append(place)
    return result


@dataclass(frozen=True, slots=True)
class Unpaired:
    """Objects without a manifest, and manifests whose object is not there, or is another."""

    objects: list[Place]
    manifests: list[Place]


def unpaired(objects: LakeObjects, manifests: Manifests, table: LakeTable) -> Unpaired:
    """Compares what is stored; of those that have both, by the tags of the objects.

    What does not match is looked at once more: a run may have written it between the two lists.
    """
    stored = objects.etags(table.name)
    noted = {*manifests.places(table)}
    known = dict(_read(manifests, noted))
    without = stored.keys() - noted
    others = {place for place, each in known.items() if stored.get(place, "") != each.etag}
    again = dict(_read(manifests, without | others))
    return Unpaired(
        objects=[
            place
            for place in sorted(without, key=str)
            if place not in again and objects.etag(place)
        ],
        manifests=[
            place for place in sorted(again, key=str) if again[place].etag != objects.etag(place)
        ],
    )


@dataclass(frozen=True, slots=True)
class ColumnsFound:
    """How the server's tables differ from those that this version knows."""

    added: list[str]
    dropped: list[str]


def columns_found(observer: Observer, table: LakeTable) -> ColumnsFound:
    """By the names of columns; a source that the server does not have is left out."""
    added, dropped = [], []
    for source in table.sources:
        known = observer.reading(source).known
        if known:
            added += [f"{source.table}.{name}" for name in source.unknown(known)]
            dropped += [f"{source.table}.{name}" for name in source.missing(known)]
    return ColumnsFound(added, dropped)


def not_erased(observer: Observer, table: LakeTable, within_days: int) -> Pairs:
    """The project and id of traces whose deletion was asked for, and which Langfuse still has.

    What Langfuse no longer has is not in the lake either, save for days that are behind.

    Args:
        observer: Of the stores.
        table: One that has an id of traces.
        within_days: How long ago the deletion was asked for at most.
    """
    found: Pairs = []
    for project, ids in _to_be_erased(observer, within_days).items():
        for source in table.sources:
            column = {"traces": "t.id"}.get(source.table, "t.trace_id")
            if observer.reading(source).known:
                for start in range(0, len(ids), _IDS_AT_ONCE):
                    statement = _still_there(
                        *(source.store, source.table, column),
                        project=project,
                        ids=ids[start : start + _IDS_AT_ONCE],
                    )
                    found += [(project, str(each)) for (each,) in observer.reader.rows(statement)]
    return sorted(set(found))


def _to_be_erased(observer: Observer, within_days: int) -> dict[str, list[str]]:
    sql = (
        "SELECT project_id, object_id FROM pending_deletions WHERE object = 'trace' "
        "AND created_at >= CURRENT_TIMESTAMP AT TIME ZONE 'UTC' - make_interval(days => :days) "
        "AND created_at < CURRENT_TIMESTAMP AT TIME ZONE 'UTC' - make_interval(days => 1)"
    )
    statement = Statement(store=Store.POSTGRES, sql=sql, params={"days": within_days})
    found: dict[str, list[str]] = {}
    for project, identity in observer.reader.rows(statement):
        if observer.projects is None or project in observer.projects:
            found.setdefault(str(project), []).append(str(identity))
    return found


def _still_there(
    store: Store, table: str, column: str, *, project: str, ids: Collection[str]
) -> Statement:
    params = Params()
    condition = f"t.project_id = {params.text(project)} AND {in_texts(column, params, ids)}"
    sql = f"SELECT DISTINCT {column} FROM {table} AS t FINAL WHERE {condition}"
    return Statement(store=store, sql=sql, params=params.values)


def _read(manifests: Manifests, places: Iterable[Place]) -> list[tuple[Place, Manifest]]:
    """Many small objects: side by side, since each is a wait."""
    wanted = list(places)
    with ThreadPoolExecutor(_READ_AT_ONCE, "read-manifest") as threads:
        found = threads.map(manifests.read, wanted)
        return [
            (place, manifest)
            for place, manifest in zip(wanted, found, strict=True)
            if manifest is not None
        ]
