"""Where standing exports are kept: in Dagster's own records, which all of its processes share.

The ids are a set of dynamic partitions, since adding to it and removing from it cannot be lost, who
ever else does so. What belongs to an id are two values by key: what people have asked for, and how
far it is. Each has one kind of writer, so that neither overwrites the other.
"""

from collections.abc import Iterable

import dagster as dg

from lf_export_pipeline.core.errors import PermanentError
from lf_export_pipeline.core.request.validation_messages import join_limited, quote_value
from lf_export_pipeline.schedules.standing import Progress, StandingExport

PARTITIONS_NAME = "standing_exports"
_KEY = "lf_export/standing_exports"


class StandingExports:
    """The standing exports of an instance of Dagster."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._values = instance.daemon_cursor_storage

    def all(self) -> list[tuple[StandingExport, Progress]]:
        """All of them, by id, with how far they are."""
        ids = sorted(self._instance.get_dynamic_partitions(PARTITIONS_NAME))
        if not ids:
            return []
        keys = {key for each in ids for key in (_asked(each), _done(each))}
        values = self._values.get_cursor_values(keys)
        found = []
        for each in ids:
            if asked := values.get(_asked(each)):
                standing = StandingExport.model_validate_json(asked)
                done = values.get(_done(each))
                new = Progress(begin=standing.begin)
                found.append((standing, Progress.model_validate_json(done) if done else new))
        return found

    def these(self, ids: Iterable[str]) -> list[tuple[StandingExport, Progress]]:
        """Those of these ids, in their order.

        Raises:
            PermanentError: There is none of one of them.
        """
        known = {standing.id: (standing, progress) for standing, progress in self.all()}
        wanted = list(dict.fromkeys(ids))
        for each in wanted:
            if each not in known:
                there = f"there are {join_limited(list(known))}" if known else "there are none"
                raise PermanentError(f"There is no standing export {quote_value(each)}; {there}.")
        return [known[each] for each in wanted]

    def add(self, standing: StandingExport) -> None:
        """Keep a new one; first its value, so that whoever sees the id finds it."""
        self.change(standing)
        self._instance.add_dynamic_partitions(PARTITIONS_NAME, [standing.id])

    def change(self, standing: StandingExport) -> None:
        """Keep what was asked for."""
        self._values.set_cursor_values({_asked(standing.id): standing.model_dump_json()})

    def record(self, standing_id: str, progress: Progress) -> None:
        """Keep how far one is."""
        self._values.set_cursor_values({_done(standing_id): progress.model_dump_json()})

    def remove(self, standing_id: str) -> None:
        """Forget one; the exports that it has queued stay."""
        self._instance.delete_dynamic_partition(PARTITIONS_NAME, standing_id)
        for key in (_asked(standing_id), _done(standing_id)):
            self._values.set_cursor_values({key: ""})  # of several at once, new ones may get lost


def _asked(standing_id: str) -> str:
    return f"{_KEY}/{standing_id}/asked"


def _done(standing_id: str) -> str:
    return f"{_KEY}/{standing_id}/done"
