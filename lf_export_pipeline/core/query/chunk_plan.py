"""How an export is cut into chunks and parts, and how a chunk's keys get into its statements."""

import math
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from lf_export_pipeline.core.errors import PermanentError
from lf_export_pipeline.core.query.statement import Params, Statement, Store, in_hashes

CHUNK_TARGET_BYTES = 128 * 1024 * 1024
CHUNK_MAX_ROWS = 100_000
CHUNK_MAX_COUNT = 200
SAMPLE_RUNS = 16
SAMPLE_RUN_ROWS = 64
MEBIBYTE = 1024 * 1024
PART_MIN_BYTES = 5 * MEBIBYTE
PART_MAX_COUNT = 10_000
OBJECT_MAX_BYTES = 5 * MEBIBYTE**2

_ROUNDING = 1e-6  # of a row: what divisions may be off by
_KEYS = re.compile(r"/\*keys:(.+?)\*/")


def sample_spans(rows: int) -> list[tuple[int, int]]:
    """Positions (first, behind the last) of a few short runs of rows, spread evenly over all."""
    runs = min(SAMPLE_RUNS, -(-rows // SAMPLE_RUN_ROWS))
    return [_middle(start, stop) for start, stop in _stretches(rows, runs)] if runs else []


def chunk_ends(rows: int, row_bytes: Sequence[float], target_bytes: int) -> list[int]:
    """The position behind the last row of each chunk.

    Chunks are equal in the bytes that they are estimated to have: at most the target, and of short
    rows at most ``CHUNK_MAX_ROWS``. Each is a step of the run, so there are no more than
    ``CHUNK_MAX_COUNT``; an export that needs more has all of them longer by the same factor.

    Args:
        rows: How many there are.
        row_bytes: The mean size of some rows of each of equal stretches. None counts for less than
            the mean of all: rare long rows may be missing in a sample.
        target_bytes: What a chunk aims at.
    """
    least = max(sum(row_bytes) / len(row_bytes), target_bytes / CHUNK_MAX_ROWS)
    stretches = [
        (start, stop, max(size, least))
        for (start, stop), size in zip(_stretches(rows, len(row_bytes)), row_bytes, strict=True)
    ]
    total = sum((stop - start) * size for start, stop, size in stretches)
    count = min(CHUNK_MAX_COUNT, math.ceil(total / target_bytes - _ROUNDING))
    ends = list(_filled(stretches, total / max(count, 1)))
    return ends if ends[-1:] == [rows] or not rows else [*ends, rows]


def _filled(stretches: Sequence[tuple[int, int, float]], chunk_bytes: float) -> Iterator[int]:
    """The ends of the chunks that are full."""
    missing = chunk_bytes
    for start, stop, size in stretches:
        at = start
        while (needed := max(1, math.ceil(missing / size - _ROUNDING))) <= stop - at:
            at += needed
            missing = chunk_bytes
            yield at
        missing -= (stop - at) * size


def _stretches(rows: int, count: int) -> list[tuple[int, int]]:
    ends = [rows * at // count for at in range(count + 1)]
    return list(pairwise(ends))


def _middle(start: int, stop: int) -> tuple[int, int]:
    length = min(SAMPLE_RUN_ROWS, stop - start)
    first = start + (stop - start - length) // 2
    return first, first + length


def estimated_bytes(some_bytes: int, some_rows: int, rows: int) -> int:
    """Bytes of a file of so many rows, by the bytes of some of them; at most what S3 stores.

    The rows that are not written yet may be short ones, so an estimate refuses no export.
    """
    return min(some_bytes * rows // max(some_rows, 1), OBJECT_MAX_BYTES)


def part_bytes(expected_bytes: int, preferred_bytes: int) -> int:
    """Bytes of a part of a multipart upload: as preferred, or larger where 10,000 are too few.

    In whole MiB, and so that an object half as large again as expected still fits.

    Raises:
        PermanentError: S3 stores no object of that size.
    """
    if expected_bytes > OBJECT_MAX_BYTES:
        raise PermanentError(
            f"The file would have {expected_bytes:,} bytes, and S3 stores at most 5 TiB; please "
            "narrow the filters."
        )
    needed = math.ceil(expected_bytes * 3 / (2 * PART_MAX_COUNT) / MEBIBYTE) * MEBIBYTE
    return max(PART_MIN_BYTES, preferred_bytes, needed)


def bind_chunk(
    statement: Statement,
    keys: bytes | Sequence[str],
    lower: Sequence[str] = (),
    upper: Sequence[str] = (),
    suffix: str = "",
) -> Statement:
    """The statement for one chunk: its keys and the bounds of its physical key range are bound.

    Args:
        statement: With ``/*keys:EXPRESSION*/`` and ``{lo_0:Type}`` (ClickHouse), or ``:keys``
            (Postgres).
        keys: Packed little-endian 64-bit hashes for ClickHouse, texts for Postgres.
        lower: The smallest value of each bound column in the chunk.
        upper: The greatest.
        suffix: Added to the names of what is bound, so that it can stand beside another chunk.
    """
    if statement.store is Store.POSTGRES:
        name = f"keys{suffix}"
        sql = statement.sql.replace(":keys", f":{name}")
        params = {**statement.params, name: list(keys)}
        return statement.model_copy(update={"sql": sql, "params": params})
    if not isinstance(keys, bytes):
        message = "a ClickHouse chunk has packed 64-bit keys"
        raise TypeError(message)
    bound = Params(f"k{suffix}")
    sql = _KEYS.sub(lambda match: in_hashes(match.group(1), bound, keys), statement.sql)
    bounds = {f"lo_{at}": value for at, value in enumerate(lower)}
    bounds |= {f"hi_{at}": value for at, value in enumerate(upper)}
    used = {name: value for name, value in bounds.items() if f"{{{name}:" in sql}
    for name in used:
        sql = sql.replace(f"{{{name}:", f"{{{name}{suffix}:")
    named = {f"{name}{suffix}": value for name, value in used.items()}
    return statement.model_copy(
        update={"sql": sql, "params": {**statement.params, **bound.values, **named}}
    )


def union_all(statements: Sequence[Statement]) -> Statement:
    """``at`` and the columns of each statement, all in one query; ``at`` counts them from 0."""
    sql = "\nUNION ALL\n".join(
        f"SELECT {at} AS at, r.* FROM (\n{each.sql}\n) AS r" for at, each in enumerate(statements)
    )
    params = {name: value for each in statements for name, value in each.params.items()}
    return statements[0].model_copy(update={"sql": sql, "params": params})
