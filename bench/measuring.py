"""Rounds that alternate, medians, and the processor time of both ends."""

import os
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import psutil


@dataclass(frozen=True, slots=True)
class Sample:
    """One execution of one way: what it took, and how much it wrote."""

    seconds: float
    own_cpu: float  # processor seconds of this process, all threads, with its children's
    server_cpu: float  # of the ClickHouse server
    bytes: int

    def rounded(self, factor: float = 1) -> dict[str, float]:
        """The times, multiplied: per million rows, for example."""
        return {
            "seconds": round(self.seconds * factor, 2),
            "own_cpu_seconds": round(self.own_cpu * factor, 2),
            "clickhouse_cpu_seconds": round(self.server_cpu * factor, 2),
        }


@dataclass(frozen=True, slots=True)
class Figure:
    """The median of each quantity over the rounds."""

    seconds: float
    fastest: float
    own_cpu: float
    server_cpu: float
    bytes: int
    rounds: int

    @property
    def megabytes_per_second(self) -> float:
        return self.bytes / 1e6 / max(self.seconds, 1e-9)

    @property
    def cpu(self) -> float:
        return self.own_cpu + self.server_cpu

    def as_json(self) -> dict[str, float]:
        return {**asdict(self), "megabytes_per_second": self.megabytes_per_second}


def alternating(
    ways: Mapping[str, Callable[[], int]], rounds: int, server_pid: int
) -> dict[str, Figure]:
    """Each way once per round, in turn, so that what else the machine does meets all of them.

    Args:
        ways: By name; each returns the number of bytes it wrote.
        rounds: How often.
        server_pid: Of ClickHouse, whose processor time is told apart.
    """
    server = psutil.Process(server_pid)
    samples: dict[str, list[Sample]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            samples[name].append(measured(way, server))
    return {name: figure(found) for name, found in samples.items()}


def measured(way: Callable[[], int], server: psutil.Process) -> Sample:
    own, other, begin = sum(os.times()[:4]), cpu_seconds(server), time.perf_counter()
    size = way()
    return Sample(
        seconds=time.perf_counter() - begin,
        own_cpu=sum(os.times()[:4]) - own,
        server_cpu=cpu_seconds(server) - other,
        bytes=size,
    )


def figure(samples: Iterable[Sample]) -> Figure:
    found = list(samples)
    return Figure(
        seconds=statistics.median(sample.seconds for sample in found),
        fastest=min(sample.seconds for sample in found),
        own_cpu=statistics.median(sample.own_cpu for sample in found),
        server_cpu=statistics.median(sample.server_cpu for sample in found),
        bytes=found[-1].bytes,
        rounds=len(found),
    )


def cpu_seconds(whose: Any) -> float:
    """Of a process, or with ``psutil`` itself of the machine."""
    times = whose.cpu_times()
    return float(times.user + times.system)
