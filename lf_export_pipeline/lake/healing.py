"""Makes the lake equal to what Langfuse's tables hold, and writes nothing that is.

For each project and day the fingerprint of the rows is compared with the one in the manifest. What
differs is written: first the object, then its manifest, and then it is looked whether the object is
still the one that the manifest tells of, since another process may have written it meanwhile. So a
process may be killed between any two calls, and two may work on the same day: what is not right in
the end is seen by whoever looks next.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from lf_export_pipeline.core.errors import ExportError, TransientError
from lf_export_pipeline.lake.fingerprints import Observer, no_rows
from lf_export_pipeline.lake.keys import Place
from lf_export_pipeline.lake.layout import LAYOUT_VERSION, ChosenColumns
from lf_export_pipeline.lake.manifest import Fingerprint, Manifest, Overlap, our_versions
from lf_export_pipeline.lake.manifests import Manifests
from lf_export_pipeline.lake.objects import LakeObjects, WrittenObject
from lf_export_pipeline.lake.overlaps import DayOverlap, day_overlap
from lf_export_pipeline.lake.row_reading import RowReading
from lf_export_pipeline.lake.source import LakeTable

_WRITES_MAX = 5

FAILURES_MAX = 3
"""What one project or day holds must keep no other out of the lake; but if several fail one after
another, a server is away."""


class Action(StrEnum):
    """What was done with one project and day."""

    UNCHANGED = "unchanged"
    WRITTEN = "written"
    EMPTIED = "emptied"
    NOTED = "noted"  # its manifest was written, and its object left as it is


@dataclass(frozen=True, slots=True)
class Healed:
    """What has become of one project and day; the fingerprint is that of the rows it has now."""

    place: Place
    action: Action
    rows: int = 0
    bytes: int = 0
    is_settled: bool = True
    fingerprint: Fingerprint | None = None


@dataclass(frozen=True, slots=True)
class LakeRules:
    """What an operator has decided of the lake's rows.

    Attributes:
        left_out: The columns that a project's objects do without.
        moved_days: How far back and ahead other versions of a row are looked for; 0: not at all.
    """

    left_out: Callable[[str], Collection[str]] = lambda _: ()
    moved_days: int = 7


@dataclass(frozen=True, slots=True)
class _State:
    """A project and day, as Langfuse has it and as the lake does."""

    place: Place
    fingerprint: Fingerprint
    manifest: Manifest | None
    chosen: ChosenColumns
    missing: tuple[str, ...]
    overlap: DayOverlap = field(default_factory=DayOverlap)


class Healer:
    """Heals tables of one lake."""

    def __init__(
        self, observer: Observer, objects: LakeObjects, manifests: Manifests, rules: LakeRules
    ) -> None:
        self._observer = observer
        self._objects = objects
        self._manifests = manifests
        self._rules = rules

    def heal(
        self, table: LakeTable, days: Collection[str], *, anew: bool = False
    ) -> Iterator[Healed]:
        """Each project and day of these, and of days that have lost rows to them, as it is done.

        Args:
            table: The table.
            days: Their dates; none for a table without days.
            anew: Write also what has not changed.

        Raises:
            ExportError: A store or the bucket failed; what was done is complete, and the other
                projects were done, unless too many failed.
        """
        found = self._observer.of(table, days)
        places = {*found, *self._noted(table, days)}
        by_project: dict[str, list[_State]] = {}
        for place in sorted(places, key=lambda each: (each.project, each.day)):
            state = self._state(table, place, found.get(place, no_rows(table)))
            if self._is_nothing(state):
                continue
            if anew or self._has_changed(table, state):
                by_project.setdefault(place.project, []).append(state)
            else:
                yield _unchanged(state)
        failed: list[ExportError] = []
        in_a_row = 0
        for changed in by_project.values():
            try:
                yield from self._healed(table, changed)
                in_a_row = 0
            except ExportError as error:
                failed.append(error)
                in_a_row += 1
                if in_a_row == FAILURES_MAX:
                    break
        if failed:
            raise failed[0]

    def changed(self, table: LakeTable, days: Collection[str]) -> list[Place]:
        """The projects and days that would be written."""
        found = self._observer.of(table, days)
        places = {*found, *self._noted(table, days)}
        nothing = no_rows(table)
        states = (self._state(table, place, found.get(place, nothing)) for place in places)
        return [
            state.place
            for state in states
            if not self._is_nothing(state) and self._has_changed(table, state)
        ]

    def _healed(self, table: LakeTable, changed: list[_State]) -> Iterator[Healed]:
        """Days of one project. Those that only have lost rows, or have got them back, come first.

        A day whose manifest is still old is looked at again by whoever comes after a crash, and so
        are its neighbours; a neighbour that has not changed by itself would be forgotten.
        """
        if not (table.moves and self._rules.moved_days):
            for state in changed:
                yield self._write(table, state)
            return
        grown = self._with_neighbours(table, changed)
        for state in grown.neighbours:
            yield self._settle(table, state)
        for state in grown.changed:
            yield self._write(table, state)

    def _with_neighbours(self, table: LakeTable, changed: list[_State]) -> "_Grown":
        """The changed days and all that share rows with them, each with what is superseded."""
        seen: dict[str, _State] = {}
        neighbours: list[_State] = []
        waiting = list(changed)
        while waiting:
            state = self._compared(table, waiting.pop())
            seen[state.place.day] = state
            for day in sorted(self._touched(state) - seen.keys()):
                place = replace(state.place, day=day)
                other = self._state(table, place, self._observer.one(table, place))
                if any(each.place == other.place for each in waiting):
                    continue
                if other.manifest is None or other.manifest.is_note:
                    self._note_neighbour(table, other, state.place.day)
                    continue
                if self._has_changed(table, other):
                    waiting.append(other)
                elif all(each.place != other.place for each in neighbours):
                    neighbours.append(self._compared(table, other))
        ordered = sorted(seen.values(), key=lambda each: each.place.day)
        return _Grown([each for each in neighbours if each.place.day not in seen], ordered)

    def _note_neighbour(self, table: LakeTable, other: _State, day: str) -> None:
        """Leaves word, for whoever first writes a day, that its rows supersede those of another.

        Should they be gone by then, nobody would look at that other day for them.
        """
        known = other.manifest.overlap.neighbours if other.manifest else ()
        if other.fingerprint.rows and day not in known:
            noted = DayOverlap(noted=Overlap(neighbours=tuple(sorted({*known, day}))))
            state = replace(other, fingerprint=no_rows(table), overlap=noted)
            manifest = self._manifest(table, state, WrittenObject(), is_settled=False)
            self._manifests.write(other.place, manifest)

    def _compared(self, table: LakeTable, state: _State) -> _State:
        """With what other days say of its rows."""
        if not state.fingerprint.rows:
            return replace(state, overlap=DayOverlap())
        source = self._observer.source(table, state.fingerprint)
        reading, days = self._observer.reading(source), self._rules.moved_days
        rows = self._observer.reader.rows(reading.overlaps(state.place, days))
        return replace(state, overlap=day_overlap(state.place.day, rows, days))

    def _touched(self, state: _State) -> set[str]:
        before = state.manifest.overlap.neighbours if state.manifest else ()
        return {*before, *state.overlap.noted.neighbours}

    def _settle(self, table: LakeTable, state: _State) -> Healed:
        """A day whose own rows are as they were."""
        manifest = state.manifest
        if manifest is None or manifest.overlap == state.overlap.noted:
            return _unchanged(state)
        if manifest.overlap.digest != state.overlap.noted.digest:
            return self._write(table, state)
        noted = manifest.model_copy(update={"overlap": state.overlap.noted})
        self._manifests.write(state.place, noted)
        return Healed(state.place, Action.NOTED, manifest.rows, fingerprint=state.fingerprint)

    def _write(self, table: LakeTable, state: _State) -> Healed:
        """The object, its manifest, and a look whether both are of the same hand.

        Raises:
            TransientError: Somebody else writes it all the time.
        """
        begun = state.fingerprint
        for _ in range(_WRITES_MAX):
            written = self._written(table, state)
            now = self._seen_again(table, state)
            is_same = now.fingerprint == state.fingerprint
            if is_same and now.overlap.left_out != state.overlap.left_out:
                state = now
                continue
            was_read = written.rows + state.overlap.noted.superseded, written.digest
            is_whole = was_read == (state.fingerprint.rows, state.fingerprint.digest)
            is_settled = is_same and is_whole and state.fingerprint == begun
            manifest = self._manifest(table, state, written, is_settled=is_settled)
            self._manifests.write(state.place, manifest)
            if self._objects.etag(state.place) == written.etag:
                action = Action.WRITTEN if written.rows else Action.EMPTIED
                return Healed(
                    *(state.place, action, written.rows, written.bytes, is_settled),
                    fingerprint=state.fingerprint,
                )
            state = self._seen_again(table, state)
        raise TransientError(
            f"{state.place.table} of project {state.place.project} and day {state.place.day} is "
            "written by others at the same time; look for a second Dagster with this lake."
        )

    def _seen_again(self, table: LakeTable, state: _State) -> _State:
        """As it is now. What other days say of its rows may have changed, while these have not.

        Nobody else would write it again for that: neither who is asked for days with other rows,
        nor who has written the other days since, and with them this one, before we did. Where its
        own rows have changed, the other days are looked at by whoever is asked for it next.
        """
        now = state
        if table.moves and self._rules.moved_days:
            found = self._compared(table, state).overlap
            now = replace(state, overlap=found.beside(state.overlap))
        # Asked last: so what has changed in its own rows is never taken for others' change.
        return replace(now, fingerprint=self._observer.one(table, state.place))

    def _written(self, table: LakeTable, state: _State) -> WrittenObject:
        if not state.fingerprint.rows:
            self._objects.remove(state.place)
            return WrittenObject()
        source = self._observer.source(table, state.fingerprint)
        rows = RowReading(
            reader=self._observer.reader,
            reading=self._observer.reading(source),
            place=state.place,
            chosen=state.chosen,
            without=state.overlap.left_out,
            maps_as_json=self._objects.layout.maps == "json",
        )
        return self._objects.write(rows, state.fingerprint.rows)

    def _manifest(
        self, table: LakeTable, state: _State, written: WrittenObject, *, is_settled: bool
    ) -> Manifest:
        place, observer = state.place, self._observer
        source = observer.source(table, state.fingerprint)
        mode = observer.mode(place.project).value if len(table.sources) > 1 else ""
        return Manifest(
            table=place.table,
            project=place.project,
            day=place.day,
            rows=written.rows,
            bytes=written.bytes,
            sha256=written.sha256,
            etag=written.etag,
            fingerprint=state.fingerprint,
            overlap=state.overlap.noted,
            layout=LAYOUT_VERSION,
            schema_id=self._manifests.describe(table, self._objects.layout),
            columns_left_out=tuple(sorted(state.chosen.left_out)),
            columns_missing=state.missing,
            compression=self._objects.layout.codec,
            settled=is_settled,
            write_mode=mode,
            unfit=written.unfit,
            versions={**dict(our_versions()), source.store.value: observer.version(source)},
        )

    def _state(self, table: LakeTable, place: Place, fingerprint: Fingerprint) -> _State:
        source = self._observer.source(table, fingerprint)
        return _State(
            place=place,
            fingerprint=fingerprint,
            manifest=self._manifests.read(place),
            chosen=ChosenColumns.of(table, self._rules.left_out(place.project)),
            missing=source.missing(self._observer.reading(source).known),
        )

    def _is_nothing(self, state: _State) -> bool:
        """Whether there are no rows, and the lake has never had any.

        An object without a manifest is what a process has left that was killed between the two.
        """
        if state.manifest is not None or state.fingerprint.rows:
            return False
        return not self._objects.etag(state.place)

    def _has_changed(self, table: LakeTable, state: _State) -> bool:
        """Whether the object is another than it would be if it were written now."""
        known, layout = state.manifest, self._objects.layout
        if known is None or not known.settled or not _is_same(known.fingerprint, state.fingerprint):
            return True
        written_so = (known.layout, known.schema_id, known.compression)
        if known.rows and written_so != (LAYOUT_VERSION, layout.schema_id(table), layout.codec):
            return True
        columns = (known.columns_left_out, known.columns_missing)
        if known.rows and columns != (tuple(sorted(state.chosen.left_out)), state.missing):
            return True
        return known.etag != self._objects.etag(state.place)

    def _noted(self, table: LakeTable, days: Iterable[str]) -> Iterator[Place]:
        """What the lake may have of these days, whether or not there are still rows."""
        wanted = self._observer.projects
        for project in {*self._manifests.projects(table), *self._objects.projects(table)}:
            if wanted is None or project in wanted:
                for day in days if table.has_days else [""]:
                    yield Place(table.name, project, day)


@dataclass(frozen=True, slots=True)
class _Grown:
    """Days that are looked at together.

    Attributes:
        neighbours: Their own rows are as they were.
        changed: Their own rows are others.
    """

    neighbours: list[_State]
    changed: list[_State]


def _unchanged(state: _State) -> Healed:
    """What the lake has already."""
    rows = state.manifest.rows if state.manifest else 0
    return Healed(state.place, Action.UNCHANGED, rows, fingerprint=state.fingerprint)


def _is_same(known: Fingerprint, found: Fingerprint) -> bool:
    """Rows that are none are the same wherever they are none."""
    return known == found or not (known.rows or found.rows)
