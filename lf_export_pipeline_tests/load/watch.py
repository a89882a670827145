"""What a deployment takes of its machine: memory and connections, at their highest."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import dagster as dg
import psutil

from lf_export_localstack.processes import state
from lf_export_localstack.processes.process import ProcessRecord
from lf_export_pipeline_tests.load.deployment import LoadDeployment

MIB = 1 << 20
BEGUN = (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED)
_CONNECTIONS = """
SELECT datname || ' (' || coalesce(nullif(application_name, ''), 'Dagster') || ')', count(*)
FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
AND datname IS NOT NULL GROUP BY 1
"""


@dataclass
class Watch:
    """Looks at a deployment again and again.

    Attributes:
        peaks: The greatest number of each thing that was seen.
        allowed: How many runs may be at work at once.
        at_once: How many were, each time since they were that many for the first time.
        at_work: How many of these did not still import their modules.
    """

    deployment: LoadDeployment
    daemon: ProcessRecord
    allowed: int
    peaks: Counter[str] = field(default_factory=Counter)
    at_once: list[int] = field(default_factory=list)
    at_work: list[int] = field(default_factory=list)

    def look(self) -> None:
        """Looks once, while exports are kept coming."""
        begun = self.look_at_the_end()
        if self.at_once or begun >= self.allowed:
            self.at_once.append(begun)
            self.at_work.append(self._runs((dg.DagsterRunStatus.STARTED,)))

    def look_at_the_end(self) -> int:
        """Looks once, when no more exports come; how many runs have begun and not ended."""
        begun = self._runs(BEGUN)
        self._see("runs at once", begun)
        self._see_processes()
        self._see_connections()
        return begun

    def _runs(self, statuses: Sequence[dg.DagsterRunStatus]) -> int:
        return self.deployment.instance.get_runs_count(dg.RunsFilter(statuses=statuses))

    def _see_processes(self) -> None:
        daemon = psutil.Process(self.daemon.pid)
        servers = [each for each in _below(daemon) if _is_code_server(each)]
        workers = {worker for server in servers for worker in _below(server)}
        runs = [_resident_bytes(worker) for worker in workers]
        others = [_resident_bytes(each) for each in {daemon, *_below(daemon)} - workers]
        self._see("memory of one run, MiB", max(runs, default=0) // MIB)
        self._see("memory of all runs, MiB", sum(runs) // MIB)
        self._see("memory of daemon and code servers, MiB", sum(others) // MIB)

    def _see_connections(self) -> None:
        total = 0
        for name, number in self.deployment.select(_CONNECTIONS):
            self._see(f"connections to Postgres, {name}", number)
            total += number
        self._see("connections to Postgres", total)
        known = state.load(self.deployment.stack.state_dir)
        assert known
        clickhouse = psutil.Process(known.processes["clickhouse"].pid)
        self._see("memory of ClickHouse, MiB", _resident_bytes(clickhouse) // MIB)
        open_now = [
            each
            for each in clickhouse.net_connections("tcp")
            if each.status == psutil.CONN_ESTABLISHED
            and each.laddr.port == known.ports["clickhouse"]
        ]
        self._see("connections to ClickHouse", len(open_now))

    def _see(self, name: str, number: int) -> None:
        self.peaks[name] = max(self.peaks[name], number)


def _below(process: psutil.Process) -> list[psutil.Process]:
    try:
        below: list[psutil.Process] = process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return below


def _is_code_server(process: psutil.Process) -> bool:
    try:
        return "grpc" in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def _resident_bytes(process: psutil.Process) -> int:
    try:
        resident: int = process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0
    return resident
