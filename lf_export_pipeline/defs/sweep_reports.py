"""How a sweep is run, and what its page in Dagster's UI shows of it."""

from collections.abc import Sequence

import dagster as dg
from pydantic import Field

from lf_export_pipeline.core.markdown import markdown_table
from lf_export_pipeline.sweeps.findings import SweepItem

TAGS = {"lf_export/housekeeping": "true"}
SHOWN_MAX_ROWS = 200


class SweepConfig(dg.Config):
    """How a sweep is run; its schedule sets ``dry_run`` to false."""

    dry_run: bool = Field(default=True, description="Only report what would be deleted.")


def summary_of(findings: Sequence[SweepItem], *, dry_run: bool) -> str:
    """One line with the counts."""
    failures = [finding.failure for finding in findings if finding.failure]
    litter = sum(finding.removable for finding in findings)
    deed = "would be deleted" if dry_run else "deleted"
    done = f"{litter - len(failures):,} {deed}, {len(findings) - litter:,} kept"
    return f"{done}, {len(failures):,} could not be deleted: {failures[0]}" if failures else done


def report_of(findings: Sequence[SweepItem], *, dry_run: bool) -> dict[str, dg.MetadataValue]:
    """What the run's page shows: first what could not be deleted, then what was."""
    ordered = sorted(
        findings, key=lambda finding: (not finding.failure, not finding.removable, finding.name)
    )
    removed = sum(finding.removable and not finding.failure for finding in findings)
    rows = (_line(finding, dry_run=dry_run) for finding in ordered[:SHOWN_MAX_ROWS])
    return {
        "removed": dg.MetadataValue.int(0 if dry_run else removed),
        "looked_at": dg.MetadataValue.int(len(findings)),
        "dry_run": dg.MetadataValue.bool(dry_run),
        "report": dg.MetadataValue.md(markdown_table(("what", "outcome", "why"), rows)),
    }


def _line(finding: SweepItem, *, dry_run: bool) -> tuple[str, str, str]:
    if finding.failure:
        return finding.name, "not deleted", finding.failure
    deed = "would be deleted" if dry_run else "deleted"
    return finding.name, deed if finding.removable else "kept", finding.reason
