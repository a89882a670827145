"""What a sweep has looked at, and what has become of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from lf_export_pipeline.core.errors import ExportError

BATCH = 500


@dataclass(frozen=True, slots=True)
class SweepItem:
    """One thing and the decision about it.

    Attributes:
        name: A folder, a key or a partition.
        removable: Whether it is removed.
        reason: Why, or why not.
        failure: Why it is still there although it was to go.
    """

    name: str
    removable: bool
    reason: str
    failure: str | None = None


def apply(item: SweepItem, remove: Callable[[], None], *, dry_run: bool) -> SweepItem:
    """The item, removed if it can go; one that cannot be removed keeps nothing else from going."""
    if item.removable and not dry_run:
        try:
            remove()
        except ExportError as error:
            return replace(item, failure=str(error))
    return item


def batches_of(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The names a page at a time, so that no question to a database grows with their number."""
    rest = iter(names)
    while page := tuple(islice(rest, BATCH)):
        yield page
