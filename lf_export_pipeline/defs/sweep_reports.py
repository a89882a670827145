"""How a sweep is run, and what its page in Dagster's UI shows of it."""

from collections.abc import Sequence

import dagster as dg
from pydantic import Field

from lf_export_pipeline.core.markdown import markdown_table
from lf_export_pipeline.sweeps.sweep_item import SweepItem

TAGS = {"lf_export/housekeeping": "true"}
SHOWN_MAX_ROWS = 200


class SweepConfig(dg.Config):
    """How a sweep is run; its schedule sets ``dry_run`` to false."""

    dry_run: bool = Field(default=True, description="Only report what would be deleted.")


def summary_of(items: Sequence[SweepItem], *, dry_run: bool) -> str:
    """One line with the counts."""
    failures = [item.failure for item in items if item.failure]
    removable = sum(item.removable for item in items)
    deed = "would be deleted" if dry_run else "deleted"
    done = f"{removable - len(failures):,} {deed}, {len(items) - removable:,} kept"
    return f"{done}, {len(failures):,} could not be deleted: {failures[0]}" if failures else done


def report_of(items: Sequence[SweepItem], *, dry_run: bool) -> dict[str, dg.MetadataValue]:
    """What the run's page shows: first what could not be deleted, then what was."""
    ordered = sorted(items, key=lambda item: (not item.failure, not item.removable, item.name))
    removed = sum(item.removable and not item.failure for item in items)
    rows = (_line(item, dry_run=dry_run) for item in ordered[:SHOWN_MAX_ROWS])
    return {
        "removed": dg.MetadataValue.int(0 if dry_run else removed),
        "looked_at": dg.MetadataValue.int(len(items)),
        "dry_run": dg.MetadataValue.bool(dry_run),
        "report": dg.MetadataValue.md(markdown_table(("what", "outcome", "why"), rows)),
    }


def _line(item: SweepItem, *, dry_run: bool) -> tuple[str, str, str]:
    if item.failure:
        return item.name, "not deleted", item.failure
    deed = "would be deleted" if dry_run else "deleted"
    return item.name, deed if item.removable else "kept", item.reason
