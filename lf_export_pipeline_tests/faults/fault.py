"""One row of the table of faults, and what must have come of it in the end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lf_export_pipeline_tests.faults.bench import ADDRESS, Bench
from lf_export_pipeline_tests.faults.outcome import Outcome, key_of


@dataclass(frozen=True)
class Fault:
    """One row of the table.

    Attributes:
        name: What happens.
        where: When, or to which words.
        play: Makes an export to which it happens, and gives the outcome.
        op: The op that it must befall; None: it befalls the whole run, or whatever is at work.
        mails: How many e-mails are right.
        is_short: Whether it is part of the short form.
        is_published: Whether a file may be there although the row is gone.
    """

    name: str
    where: str
    play: Callable[[Bench], list[Outcome]]
    op: str | None = None
    mails: tuple[int, ...] = (1,)
    is_short: bool = False
    is_published: bool = False

    @property
    def id(self) -> str:
        """A name for the test."""
        return f"{self.name}, {self.where}"


def problems_of(fault: Fault, outcomes: Sequence[Outcome]) -> list[str]:
    """What is wrong in the end, and at the stages before."""
    last = outcomes[-1]
    is_elsewhere = fault.op not in (None, last.op_at_work)
    stages = [f"it befell {last.op_at_work or 'no op'}"] if is_elsewhere else []
    stages += [problem for early in outcomes[:-1] for problem in _unpublished(early)]
    if last.status == "gone":
        is_fine = fault.is_published and last.mails in fault.mails and len(last.objects) <= 1
        return stages + (_litter(last) if is_fine else _unpublished(last))
    return stages + _finished(fault, last)


def _finished(fault: Fault, end: Outcome) -> list[str]:
    row = end.row
    mails = (1, 2) if end.may_repeat else fault.mails
    checks = {
        f"the export is {end.status}": end.status == "COMPLETED",
        "the link downloads another file": end.is_right,
        "the manifest tells of another file": end.is_told_by_its_manifest(),
        f"{len(end.objects)} objects": bool(row and row.url and end.objects == (key_of(row.url),)),
        f"{end.mails} e-mails": end.mails in mails,
        "somebody else got an e-mail": set(end.recipients) <= {ADDRESS},
        "the row says something wrong": bool(row and row.log is None and row.expires_at),
    }
    return [said for said, holds in checks.items() if not holds] + _litter(end)


def _unpublished(stage: Outcome) -> list[str]:
    found = [f"{stage.status} with {len(stage.objects)} objects"] if stage.objects else []
    found += [f"{stage.status} with an e-mail"] if stage.mails else []
    return found + _litter(stage)


def _litter(end: Outcome) -> list[str]:
    found = [f"{len(end.uploads)} uploads are left"] if end.uploads else []
    return found + ([f"{len(end.spooled)} files are left in the spool"] if end.spooled else [])
