"""The ways of exporting a table that are measured in turns, and what each is compared with."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.aims import Names
from bench.instead import rows_as_csv, rows_as_jsonl, with_data_frames
from bench.lean_upload import leanest_upload
from bench.limit import written_by_clickhouse
from bench.phases import Phases, uploaded
from bench.world import World

TABLES = ("traces", "observations")
MEASURED_FORMATS = ("CSV", "JSONL")
LIMIT, READ, JOB = "ClickHouse alone", "pipeline, read + serialise", "pipeline, whole job"
ESCAPES, ELSEWHERE, COLUMNS = "with escapes", "bucket elsewhere", "by columns"
SPOOLED = "parts in the spool"
_LIMIT_FORMAT = {"CSV": "CSV", "JSON": "JSONL", "JSONL": "JSONL"}

Ways = dict[str, Callable[[], int]]


@dataclass(frozen=True, slots=True)
class Measured:
    """A stack with its two kinds of data and its two buckets.

    Attributes:
        here: Exports into the S3 server of the stack.
        elsewhere: The same stack, with the bucket elsewhere.
        project: Its data; that of the same rows with escapes in every tenth has a name of its own.
        rows: Of each table.
        text_bytes: Of input and output together, on average.
    """

    here: World
    elsewhere: World
    project: str
    rows: int
    text_bytes: int

    @property
    def with_escapes(self) -> str:
        return f"{self.project}-escapes"


def ways_of(measured: Measured, table: str) -> Ways:
    """What is measured of a table; each way writes a file and says how large it was."""
    return {**_limits(measured, table), **_ours(measured, table), **_others(measured, table)}


def names_of(table: str) -> list[Names]:
    """What the ways are called whose figures the aims are about."""
    plain = [
        Names(
            what=f"{table} {kind}",
            read=f"{READ}: {table} {kind}",
            job=f"{JOB}, {ELSEWHERE}: {table} {kind}",
            by_columns=f"{READ}, {COLUMNS}: {table} {kind}",
            limit=f"{LIMIT}: {table} {kind}",
            local_job=f"{JOB}: {table} {kind}",
            upload=f"{table}: leanest upload alone",
        )
        for kind in MEASURED_FORMATS
    ]
    hostile = [
        Names(
            what=f"{table} {kind}, {ESCAPES}",
            read=f"{READ}, {ESCAPES}: {table} {kind}",
            job=f"{JOB}, {ELSEWHERE}, {ESCAPES}: {table} {kind}",
        )
        for kind in MEASURED_FORMATS
    ]
    return plain + hostile


def limit_of(name: str) -> str | None:
    """The name of the limit that one of our ways is compared with."""
    way, _, what = name.rpartition(": ")
    table, _, kind = what.partition(" ")
    is_compared = way.startswith((READ, JOB, "row", "data")) and ESCAPES not in way
    return f"{LIMIT}: {table} {_LIMIT_FORMAT[kind]}" if is_compared else None


def _limits(measured: Measured, table: str) -> Ways:
    return {
        f"{LIMIT}: {table} {kind}": partial(
            written_by_clickhouse, measured.here, measured.project, table, kind
        )
        for kind in MEASURED_FORMATS
    }


def _ours(measured: Measured, table: str) -> Ways:
    ways: Ways = {}
    for kind in MEASURED_FORMATS:
        phases = Phases.of(measured.here, measured.project, table, kind)
        hostile = Phases.of(measured.here, measured.with_escapes, table, kind)
        export = measured.elsewhere.export
        ways |= {
            f"{READ}: {table} {kind}": phases.read_and_serialise,
            f"{READ}, {COLUMNS}: {table} {kind}": partial(phases.read_and_serialise, "arrow"),
            f"{READ}, {ESCAPES}: {table} {kind}": hostile.read_and_serialise,
            f"{JOB}, {ELSEWHERE}: {table} {kind}": partial(export, measured.project, table, kind),
            f"{JOB}, {ELSEWHERE}, {SPOOLED}: {table} {kind}": partial(
                measured.elsewhere.in_spool().export, measured.project, table, kind
            ),
            f"{JOB}, {ELSEWHERE}, {ESCAPES}: {table} {kind}": partial(
                export, measured.with_escapes, table, kind
            ),
        }
    for kind in _LIMIT_FORMAT:
        ways[f"{JOB}: {table} {kind}"] = partial(
            measured.here.export, measured.project, table, kind
        )
    scan = Phases.of(measured.here, measured.project, table, "CSV").scan
    return {**ways, f"{table}: key scan alone": scan}


def _others(measured: Measured, table: str) -> Ways:
    here, project, few = measured.here, measured.project, measured.rows // 10
    file = _file_to_upload(measured)
    return {
        f"{table}: upload alone": partial(uploaded, here, file),
        f"{table}: leanest upload alone": partial(leanest_upload, here, file),
        f"row streaming: {table} CSV": partial(rows_as_csv, here, project, table, few),
        f"row streaming: {table} JSONL": partial(rows_as_jsonl, here, project, table, few),
        f"data frames: {table} CSV": partial(with_data_frames, here, project, table),
    }


def _file_to_upload(measured: Measured) -> Path:
    """As large as an export; its bytes do not compress, which nobody tries."""
    file = measured.here.folder / "to-upload"
    size = measured.rows * (measured.text_bytes + 500)
    if not file.exists() or file.stat().st_size != size:
        block = bytes(range(256)) * 4096
        with file.open("wb") as target:
            for _ in range(size // len(block)):
                target.write(block)
            target.write(block[: size % len(block)])
    return file
