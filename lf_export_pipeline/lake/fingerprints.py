"""What Langfuse's tables hold, by project and day, as fingerprints."""

from collections.abc import Collection, Iterable
from datetime import datetime

from lf_export_pipeline.core.errors import ConfigurationError, TimeLimitError
from lf_export_pipeline.core.ports import RowReader
from lf_export_pipeline.core.query.export_query import WriteMode
from lf_export_pipeline.core.query.statement import Store
from lf_export_pipeline.core.query.write_mode import written_tables
from lf_export_pipeline.lake.days import WHOLE, Span, spans
from lf_export_pipeline.lake.keys import Place
from lf_export_pipeline.lake.manifest import Fingerprint
from lf_export_pipeline.lake.source import LakeTable, Source
from lf_export_pipeline.lake.statements import Reading, known_columns, server_version

Fingerprints = dict[Place, Fingerprint]


class Observer:
    """Asks the stores; what it has learnt of a server or a project holds for as long as it does.

    Args:
        reader: Of the stores.
        now: Until when rows say where Langfuse writes.
        projects: The ids of those that are in the lake; None: all.
    """

    def __init__(
        self, reader: RowReader, now: datetime, projects: Collection[str] | None = None
    ) -> None:
        self.reader = reader
        self.projects = None if projects is None else frozenset(projects)
        self._now = now
        self._readings: dict[str, Reading] = {}
        self._modes: dict[str, WriteMode] = {}
        self._versions: dict[Store, str] = {}

    def of(
        self, table: LakeTable, days: Iterable[str], projects: Collection[str] | None = None
    ) -> Fingerprints:
        """Of each project and day that has rows.

        Args:
            table: The table.
            days: Their dates; what is asked for a table without days is its rows in all.
            projects: Whose; None: of all that are in the lake.
        """
        asked = self.projects if projects is None else projects
        parts: list[Span | None] = [*spans(days)] if table.has_days else [None]
        found: list[Fingerprints] = []
        for source in self._there(table):
            reading = self.reading(source)
            each: Fingerprints = {}
            for span in parts:
                for row in self._rows(reading, span, asked):
                    place, fingerprint = _read(table, source, row)
                    each[place] = fingerprint
            found.append(each)
        return self._chosen(found)

    def one(self, table: LakeTable, place: Place) -> Fingerprint:
        """Of one project and day as it is now, with or without rows."""
        found = self.of(table, [place.day] if place.day else [], [place.project])
        return found.get(place) or no_rows(table)

    def reading(self, source: Source) -> Reading:
        """How a source is read on this server."""
        if source.table not in self._readings:
            columns = {str(name): null for name, null in self.reader.rows(known_columns(source))}
            nullable = frozenset(name for name, null in columns.items() if null)
            self._readings[source.table] = Reading(source, frozenset(columns), nullable)
        return self._readings[source.table]

    def source(self, table: LakeTable, fingerprint: Fingerprint) -> Source:
        """Where the rows of a fingerprint are."""
        return next(each for each in table.sources if each.table == fingerprint.source)

    def version(self, source: Source) -> str:
        """The version of the server that a source is on."""
        if source.store not in self._versions:
            ((version,),) = self.reader.rows(server_version(source.store))
            self._versions[source.store] = str(version)
        return self._versions[source.store]

    def mode(self, project: str) -> WriteMode:
        """Which tables Langfuse writes for a project."""
        if project not in self._modes:
            self._modes[project] = written_tables(project, self._now, self.reader.rows).mode
        return self._modes[project]

    def _rows(
        self, reading: Reading, span: Span | None, projects: Collection[str] | None
    ) -> list[tuple[object, ...]]:
        """Fewer days at a time, where a server takes longer for them than it may."""
        try:
            return self.reader.rows(reading.fingerprints(span, projects))
        except TimeLimitError:
            halves = span.halves if span else None
            if halves is None:
                raise
            return [row for half in halves for row in self._rows(reading, half, projects)]

    def _there(self, table: LakeTable) -> list[Source]:
        """The sources that the server has.

        Raises:
            ConfigurationError: It has none of them: an empty table is another thing, and would take
                all its rows out of the lake.
        """
        found = [each for each in table.sources if self.reading(each).known]
        if not found:
            names = " or ".join(each.table for each in table.sources)
            raise ConfigurationError(
                f"The lake's table {table.name} is made of {names}, which is not there or may not "
                "be read; grant it (deploy/sql), or leave the table out of LF_EXPORT_LAKE_TABLES."
            )
        return found

    def _chosen(self, found: list[Fingerprints]) -> Fingerprints:
        if len(found) == 1:
            return found[0]
        events, legacy = found
        return {place: self._preferred(place, events, legacy) for place in {**events, **legacy}}

    def _preferred(self, place: Place, events: Fingerprints, legacy: Fingerprints) -> Fingerprint:
        """Of the events table where Langfuse writes no other one, and that has the whole day.

        A day of before Langfuse wrote it may have few rows there, such as what has come late.
        """
        if place not in legacy:
            return events[place]
        if place not in events or events[place].rows < legacy[place].rows:
            return legacy[place]
        is_events = self.mode(place.project) is WriteMode.EVENTS_ONLY
        return events[place] if is_events else legacy[place]


def no_rows(table: LakeTable) -> Fingerprint:
    """The fingerprint of a project and day that has none."""
    return Fingerprint(source=table.sources[-1].table)


def _read(table: LakeTable, source: Source, row: tuple[object, ...]) -> tuple[Place, Fingerprint]:
    project, day, rows, newest, digest = row
    place = Place(table.name, str(project), str(day) or WHOLE)
    return place, Fingerprint(
        source=source.table, rows=int(str(rows)), newest=int(str(newest)), digest=str(digest)
    )
