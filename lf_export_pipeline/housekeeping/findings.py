"""What a sweep has looked at, and what has become of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import dagster as dg
from pydantic import Field

from lf_export_pipeline.markdown import markdown_table

BATCH = 500
SHOWN_MAX_ROWS = 200


class SweepConfig(dg.Config):
    """How a sweep is run; its schedule sets ``dry_run`` to false."""

    dry_run: bool = Field(default=True, description="Only say what would be removed.")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing and the decision about it.

    Attributes:
        name: A folder, a key or a partition.
        is_litter: Whether it is removed.
        reason: Why, or why not.
    """

    name: str
    is_litter: bool
    reason: str


def summary_of(findings: Sequence[Finding], *, dry_run: bool) -> str:
    """One line with the counts."""
    litter = sum(finding.is_litter for finding in findings)
    deed = "would be removed" if dry_run else "removed"
    return f"{litter:,} {deed}, {len(findings) - litter:,} left alone"


def report_of(findings: Sequence[Finding], *, dry_run: bool) -> dict[str, dg.MetadataValue]:
    """What the run's page shows: what is removed comes first."""
    deed = "would be removed" if dry_run else "removed"
    ordered = sorted(findings, key=lambda finding: (not finding.is_litter, finding.name))
    rows = (
        (finding.name, deed if finding.is_litter else "left alone", finding.reason)
        for finding in ordered[:SHOWN_MAX_ROWS]
    )
    return {
        "removed": dg.MetadataValue.int(
            0 if dry_run else sum(finding.is_litter for finding in findings)
        ),
        "looked_at": dg.MetadataValue.int(len(findings)),
        "dry_run": dg.MetadataValue.bool(dry_run),
        "report": dg.MetadataValue.md(markdown_table(("what", "outcome", "why"), rows)),
    }


def batches_of(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The names a page at a time, so that no question to a database grows with their number."""
    rest = iter(names)
    while page := tuple(islice(rest, BATCH)):
        yield page
