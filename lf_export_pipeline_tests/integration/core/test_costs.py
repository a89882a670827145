"""What the largest query that is admitted costs the stores: it may not make anybody suffer."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa

from lf_export_localstack.sample.rows import clickhouse_client
from lf_export_localstack.stack.local_stack import LocalStack
from lf_export_pipeline.adapters.postgres.database import LangfusePostgres
from lf_export_pipeline.core.request.admission import (
    COMMENT_FILTERS_MAX,
    COMMENT_MAX_CHARACTERS,
    FILTERS_MAX,
    SEARCH_MAX_CHARACTERS,
    SEARCH_MAX_UNDERSCORES,
    SEARCH_MAX_WILDCARDS,
    VALUES_MAX,
)
from lf_export_pipeline.defs.ops.resolve_filters import resolved
from lf_export_pipeline.defs.resources import open_resources
from lf_export_pipeline.settings import Settings
from lf_export_pipeline_tests.exporting import Project, Row, where

pytestmark = [pytest.mark.services, pytest.mark.long]

TRACES, COMMENTS, SCORED = 1_000_000, 10_000, 10_000
CPU_MAX_SECONDS = 5.0
"""Beyond what the scan of so many rows takes without any filter."""

MEMORY_MAX_MIB = 200
SCAN_MAX_MIB = 200  # what a scan of so many ids, bounded by a time, takes by itself
PROJECT = "project-of-the-cost-test"

_ID = "concat('trace-', toString(number))"
_TIME = "toDateTime64('2031-03-01', 3, 'UTC') + toIntervalSecond(number % 864000)"
_TRACES = f"""
INSERT INTO traces (project_id, id, timestamp, event_ts, name, input, output, tags, metadata)
SELECT '{PROJECT}', {_ID}, {_TIME}, {_TIME}, concat('chat ', toString(number % 100)),
    concat('please tell me about number ', toString(number)), 'it is a number', ['tag', 'other'],
    map('key', toString(number))
FROM numbers({TRACES})"""
_SCORES = f"""
INSERT INTO scores (project_id, id, name, trace_id, data_type, value, string_value, timestamp,
    created_at, event_ts)
SELECT '{PROJECT}', {_ID}, 'quality', {_ID}, 'CATEGORICAL', 0, toString(number % 10), {_TIME},
    {_TIME}, {_TIME}
FROM numbers({SCORED})"""
_COMMENTS = """
INSERT INTO comments (id, project_id, object_type, object_id, content, created_at, updated_at)
SELECT :project || n, :project, 'TRACE', 'trace-' || n % 5000,
    (SELECT string_agg('word' || (n * 31 + k * 17) % 5000, ' ') FROM generate_series(1, 100) AS k),
    now(), now()
FROM generate_series(1, :count) AS n"""


def words(number: int) -> str:
    """A text as long as one that is looked for in comments may be."""
    return f"{'word17 ' * (COMMENT_MAX_CHARACTERS // 7 - 1)}{number}"


def texts(operator: str, column: str, values: list[str]) -> list[Row]:
    return [where(column, "string", operator, value) for value in values]


def options(column: str, count: int, **more: Any) -> Row:
    kind = more.pop("kind", "stringOptions")
    names = [f"018f2d6c-0000-7000-8000-{at:012d}" for at in range(count)]
    return where(column, kind, "none of", names, **more)


_MANY = range(FILTERS_MAX)
_FEW = range(COMMENT_FILTERS_MAX)
LARGEST: Mapping[str, Mapping[str, Any]] = {
    "words in comments": {
        "filters": texts("contains", "commentContent", [words(at) for at in _FEW])
    },
    "parts of comments": {
        "filters": texts("does not contain", "commentContent", [words(at) for at in _FEW])
    },
    "both, and counts": {
        "filters": [
            *texts("contains", "commentContent", [f"word{at}" for at in _FEW[:6]]),
            *texts("starts with", "commentContent", ["%w%o%r%d%" * 100 for _ in _FEW[:6]]),
            *[where("commentCount", "number", ">", -at) for at in _FEW[:6]],
        ]
    },
    "ids": {"filters": [options("id", VALUES_MAX)]},
    "ids in many filters": {"filters": [options("id", VALUES_MAX // FILTERS_MAX)] * FILTERS_MAX},
    "tags": {"filters": [options("tags", VALUES_MAX, kind="arrayOptions")]},
    "categories": {
        "filters": [options("score_categories", VALUES_MAX, kind="categoryOptions", key="quality")]
    },
    "datetimes": {
        "filters": [where("timestamp", "datetime", ">", f"20{at % 30:02}-01-01") for at in _MANY]
    },
    "names": {"filters": texts("does not contain", "name", [f"x{at}" for at in _MANY])},
    "a search": {"searchQuery": "s" * SEARCH_MAX_CHARACTERS, "searchType": ["id", "content"]},
    "a search with wildcards": {
        "searchQuery": "%a_b" * SEARCH_MAX_WILDCARDS + "_" * (SEARCH_MAX_UNDERSCORES - 50),
        "searchType": ["id", "content"],
    },
    "a search for any characters": {
        "searchQuery": "_" * SEARCH_MAX_UNDERSCORES,
        "searchType": ["id", "content"],
    },
    "a search for other letters": {
        "searchQuery": "é" * SEARCH_MAX_CHARACTERS,
        "searchType": ["id", "content"],
    },
}


@dataclass
class Cost:
    """Of a store's processes: the seconds of CPU, and the most memory that one got for itself."""

    cpu_seconds: float = 0.0
    memory_mib: float = 0.0


class Server:
    """The processes of a store, found by the port that the first of them listens at."""

    def __init__(self, port: int) -> None:
        listening = psutil.net_connections("tcp4")
        (pid,) = {one.pid for one in listening if one.status == "LISTEN" and one.laddr.port == port}
        self._first = psutil.Process(pid)

    @contextmanager
    def measured(self) -> Iterator[Cost]:
        cost, ended = Cost(), threading.Event()
        cpu_before, memory_before = self._cpu_seconds(), self._memory_mib()

        def look() -> None:
            while not ended.wait(0.05):
                cost.memory_mib = max(cost.memory_mib, self._memory_mib() - memory_before)

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield cost
        finally:
            ended.set()
            thread.join()
            cost.cpu_seconds = self._cpu_seconds() - cpu_before

    def _cpu_seconds(self) -> float:
        own = self._first.cpu_times()
        live = sum(sum(child.cpu_times()[:2]) for child in self._first.children())
        return float(own.user + own.system + own.children_user + own.children_system + live)

    def _memory_mib(self) -> float:
        pids = [self._first.pid, *(child.pid for child in self._first.children())]
        return max(map(_anonymous_mib, pids))


def _anonymous_mib(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) / 1024


@pytest.fixture(scope="module")
def settings(stack: LocalStack) -> Settings:
    """ClickHouse itself refuses a query that takes more memory."""
    most = str(SCAN_MAX_MIB + MEMORY_MAX_MIB)
    environment = dict(stack.environment()) | {"LF_EXPORT_CLICKHOUSE_MEMORY_MIB": most}
    return Settings.load(environment)


@pytest.fixture(scope="module")
def project(stack: LocalStack, settings: Settings) -> Iterator[Project]:
    """A large project."""
    delete = sa.text("DELETE FROM comments WHERE project_id = :project")
    with clickhouse_client(stack.addresses()) as client, open_resources(settings) as ports:
        client.command(_TRACES)
        client.command(_SCORES)
        engine = LangfusePostgres(settings).engine
        with engine.begin() as connection:
            connection.execute(sa.text(_COMMENTS), {"project": PROJECT, "count": COMMENTS})
        yield Project(stack.addresses(), client, ports["reader"], settings, PROJECT)  # type: ignore[arg-type]
        with engine.begin() as connection:
            connection.execute(delete, {"project": PROJECT})
        engine.dispose()
        for table in ("traces", "scores"):
            client.command(f"DELETE FROM {table} WHERE project_id = '{PROJECT}'")


def costs(stack: LocalStack, project: Project, asked: Mapping[str, Any]) -> tuple[Cost, Cost]:
    """What it costs Postgres and ClickHouse to find the keys of an export."""
    addresses = stack.addresses()
    postgres, clickhouse = Server(addresses.postgres_port), Server(addresses.clickhouse_port)
    request = project.request("traces", **asked)
    with postgres.measured() as in_postgres, clickhouse.measured() as in_clickhouse:
        query = resolved(request, project.reader, project.settings)
        if query.key_scan is not None:
            with project.reader.batches(query.key_scan) as batches:
                assert all(batch.num_rows for batch in batches)
    return in_postgres, in_clickhouse


@pytest.fixture(scope="module")
def scan(stack: LocalStack, project: Project) -> Cost:
    """What ClickHouse spends on an export of everything."""
    costs(stack, project, {})
    return costs(stack, project, {})[1]


@pytest.mark.parametrize("kind", LARGEST)
def test_the_largest_query_of_each_kind_costs_little(
    stack: LocalStack, project: Project, scan: Cost, kind: str
) -> None:
    in_postgres, in_clickhouse = costs(stack, project, LARGEST[kind])

    assert in_postgres.cpu_seconds < CPU_MAX_SECONDS
    assert in_postgres.memory_mib < MEMORY_MAX_MIB
    assert in_clickhouse.cpu_seconds < scan.cpu_seconds + CPU_MAX_SECONDS
