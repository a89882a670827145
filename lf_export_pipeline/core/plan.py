"""How an export is cut into chunks and parts, and how a chunk's keys get into its statements."""

import math
import re
from collections.abc import Sequence

from lf_export_pipeline.core.errors import PermanentError
from lf_export_pipeline.core.statement import Params, Statement, Store, in_hashes

CHUNK_TARGET_BYTES = 128 * 1024 * 1024
CHUNK_MAX_ROWS = 100_000
CHUNK_MAX_COUNT = 200
MEBIBYTE = 1024 * 1024
PART_MIN_BYTES = 5 * MEBIBYTE
PART_MAX_COUNT = 10_000
OBJECT_MAX_BYTES = 5 * MEBIBYTE**2

_KEYS = re.compile(r"/\*keys:(.+?)\*/")


def rows_of_chunk(
    index: int, row_bytes: float, row_limit: int, target_bytes: int = CHUNK_TARGET_BYTES
) -> int:
    """Rows of the chunk at a 0-based index, before it is known how many rows there are.

    The first half of the possible chunks aims at the byte target; should they not suffice, the
    second half is long enough to hold everything up to the row limit. So small exports get fine
    progress and no export gets more than ``CHUNK_MAX_COUNT`` chunks.
    """
    aimed = max(1, min(CHUNK_MAX_ROWS, int(target_bytes / max(row_bytes, 1.0))))
    half = CHUNK_MAX_COUNT // 2
    if index < half:
        return aimed
    return max(aimed, math.ceil((row_limit - half * aimed) / half))


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
) -> Statement:
    """The statement for one chunk: its keys and the bounds of its physical key range are bound.

    Args:
        statement: With ``/*keys:EXPRESSION*/`` and ``{lo_0:Type}`` (ClickHouse), or ``:keys``
            (Postgres).
        keys: Packed little-endian 64-bit hashes for ClickHouse, texts for Postgres.
        lower: The smallest value of each bound column in the chunk.
        upper: The greatest.
    """
    if statement.store is Store.POSTGRES:
        return statement.model_copy(update={"params": {**statement.params, "keys": list(keys)}})
    if not isinstance(keys, bytes):
        message = "a ClickHouse chunk has packed 64-bit keys"
        raise TypeError(message)
    params = Params("k")
    sql = _KEYS.sub(lambda match: in_hashes(match.group(1), params, keys), statement.sql)
    bounds = {f"lo_{at}": value for at, value in enumerate(lower)}
    bounds |= {f"hi_{at}": value for at, value in enumerate(upper)}
    used = {name: value for name, value in bounds.items() if f"{{{name}:" in sql}
    return statement.model_copy(
        update={"sql": sql, "params": {**statement.params, **params.values, **used}}
    )


def counted(rows: Statement) -> Statement:
    """``rows``: how many rows a statement gives; the store reads no column that only shows them."""
    return rows.model_copy(update={"sql": f"SELECT count(*) AS rows FROM (\n{rows.sql}\n) AS r"})
