"""What the pipeline aims at, beside what was measured: ratios, and processor seconds per GB."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bench.measuring import Figure

GB: Final = 1e9

READ_OWN_CPU: Final = 0.6
JOB_OWN_CPU: Final = 2.2  # 1.5 over https, where the payload need not be signed
SERVER_CPU: Final = 1.15
OF_THE_LIMIT: Final = 0.6
AGAINST_UPLOAD: Final = 1.5
WAITING: Final = 0.8
PEAK_MB: Final = 300.0
SMALL_SECONDS: Final = 0.35
DAEMON_SECONDS: Final = 8.0
IMPORT_SECONDS: Final = 0.3
IMPORT_MB: Final = 40.0
BUCKET_CPU: Final = 1.0


@dataclass(frozen=True, slots=True)
class Aim:
    """One row of the table.

    Attributes:
        name: What was measured, with its unit.
        measured: The value.
        bound: What it is to be.
        is_least: Whether it is to be at least that; otherwise at most.
    """

    name: str
    measured: float
    bound: float
    is_least: bool = False

    @property
    def aim(self) -> str:
        """The bound as it is written."""
        return f"{'≥' if self.is_least else '≤'} {self.bound:g}"

    @property
    def is_met(self) -> bool:
        """By the value as it is, not as it is rounded."""
        return self.measured >= self.bound if self.is_least else self.measured <= self.bound

    def as_json(self) -> dict[str, Any]:
        """A row of ``benchmark.json``."""
        measured = round(self.measured, 3)
        return {"name": self.name, "measured": measured, "aim": self.aim, "met": self.is_met}


@dataclass(frozen=True, slots=True)
class Names:
    """What the ways of one table, format and kind of data are called among the figures."""

    what: str
    read: str
    job: str  # into the bucket elsewhere
    by_columns: str | None = None  # the same reading with the rows serialised here
    limit: str | None = None
    local_job: str | None = None  # into the S3 server on the same machine
    upload: str | None = None  # the leanest one into that server


def aims_of_ways(figures: Mapping[str, Figure], ways: Sequence[Names]) -> list[Aim]:
    """The rows about whole files, by quantity; what was not measured has none."""
    return [
        Aim(f"{words}: {way.what}", value, bound, is_least)
        for words, bound, is_least, value_of in _QUANTITIES
        for way in ways
        if (value := value_of(figures, way)) is not None
    ]


def aims_of_the_rest(
    growth: Sequence[Mapping[str, float]],
    small: Mapping[str, float],
    imports: Mapping[str, float],
    bucket_cpu: float | None,
) -> list[Aim]:
    """The rows about memory, small exports and the start."""
    rows = [
        (
            "peak memory of one export, MB",
            max((x["peak_mb"] for x in growth), default=None),
            PEAK_MB,
        ),
        ("a small export in process, s", small.get("in_process_seconds"), SMALL_SECONDS),
        ("a small export, QUEUED to COMPLETED, s", small.get("alone_seconds"), DAEMON_SECONDS),
        ("import beyond Dagster, CPU s", imports.get("cpu_seconds"), IMPORT_SECONDS),
        ("import beyond Dagster, MB", imports.get("mb"), IMPORT_MB),
        ("bucket elsewhere, its own CPU s per GB", bucket_cpu, BUCKET_CPU),
    ]
    return [Aim(name, value, bound) for name, value, bound in rows if value is not None]


def waiting_share(figure: Figure) -> float:
    """The share of the wall time in which this process does nothing: it waits for the servers."""
    return max(0.0, 1 - figure.own_cpu / max(figure.seconds, 1e-9))


def own_cpu_per_gb(figure: Figure) -> float:
    """Processor seconds of this process for each GB of file."""
    return figure.own_cpu / max(figure.bytes / GB, 1e-9)


def _ratio(
    figures: Mapping[str, Figure], one: str | None, other: str | None, quantity: str
) -> float | None:
    first, second = figures.get(one or ""), figures.get(other or "")
    if first is None or second is None:
        return None
    value: float = getattr(first, quantity) / max(getattr(second, quantity), 1e-9)
    return value


def _read_cpu(figures: Mapping[str, Figure], way: Names) -> float | None:
    return own_cpu_per_gb(figures[way.read]) if way.read in figures else None


def _job_cpu(figures: Mapping[str, Figure], way: Names) -> float | None:
    return own_cpu_per_gb(figures[way.job]) if way.job in figures else None


def _server_cpu(figures: Mapping[str, Figure], way: Names) -> float | None:
    return _ratio(figures, way.read, way.by_columns, "server_cpu")


def _of_the_limit(figures: Mapping[str, Figure], way: Names) -> float | None:
    return _ratio(figures, way.read, way.limit, "megabytes_per_second")


def _against_upload(figures: Mapping[str, Figure], way: Names) -> float | None:
    """Per byte: the file that is uploaded alone has another size."""
    return _ratio(figures, way.upload, way.local_job, "megabytes_per_second")


def _waiting(figures: Mapping[str, Figure], way: Names) -> float | None:
    return waiting_share(figures[way.job]) if way.job in figures else None


_QUANTITIES: Final = (
    ("read + serialise, own CPU s per GB", READ_OWN_CPU, False, _read_cpu),
    ("whole job, own CPU s per GB", JOB_OWN_CPU, False, _job_cpu),
    ("ClickHouse's CPU, of that of reading columns", SERVER_CPU, False, _server_cpu),
    ("read + serialise, speed of the limit's", OF_THE_LIMIT, True, _of_the_limit),
    ("whole job, time of the leanest upload's", AGAINST_UPLOAD, False, _against_upload),
    ("whole job, share of time spent waiting", WAITING, True, _waiting),
)
