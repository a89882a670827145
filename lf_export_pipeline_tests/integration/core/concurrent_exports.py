"""An export while writers are at work, and what became of it."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from lf_export_pipeline_tests.exporting import Exported, Project
from lf_export_pipeline_tests.integration.core.concurrent_promises import Promises
from lf_export_pipeline_tests.integration.core.concurrent_reader import BesideWriters
from lf_export_pipeline_tests.integration.core.concurrent_writers import CREATED_AT, Busy

CHUNK_ROWS = 200


@dataclass(frozen=True, slots=True)
class Beside:
    """What became of an export.

    Attributes:
        before: What was exported before anybody wrote.
        found: What was exported then.
        broken: The promises that were not kept.
        idle: The deeds that nobody has done after the scan.
        busy: What the writers have done.
    """

    before: Exported
    found: Exported
    broken: dict[str, set[str]]
    idle: set[str]
    busy: Busy


def export_beside(
    project: Project,
    asked: Mapping[str, Any],
    writers: AbstractContextManager[Busy],
    shown: Sequence[str] = (),
) -> Beside:
    """Exports, then exports again while the writers are at work.

    Args:
        project: What is exported.
        asked: The table, and more.
        writers: They write as long as the context lasts.
        shown: The columns that tell the version.
    """
    asked = {**asked, "created_at": CREATED_AT}
    before = project.export(**asked)
    with writers as busy:
        promises = Promises.now(busy, before.rows, shown)
        beside = replace(project, reader=BesideWriters(project.reader, busy), is_quiet=False)
        found = beside.export(**asked, chunk_rows=CHUNK_ROWS)
        idle, broken = busy.idle(), promises.broken(found.rows, busy)
    return Beside(before, found, broken, idle, busy)
