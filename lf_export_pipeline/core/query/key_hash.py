"""The 64-bit hash that stands for a row's key between the scan and the reading of a chunk.

Whoever may send traces chooses their ids. With a hash that has no key, such as ``cityHash64``, ids
that collide are made in seconds, and a row that collides with one of a chunk is read as one of it.
So the hash is SipHash under a random key of 128 bits, one for each plan: who does not know the key
cannot do better than chance.

The key is bound like any other value (ClickHouse takes a tuple of two UInt64), and travels with
the statements of the plan, so that a retry and a re-execution find the same rows again.
"""

from lf_export_pipeline.core.query.statement import Statement

_HALVES = ("hash_key_0", "hash_key_1")
_KEY = ", ".join(f"{{{half}:UInt64}}" for half in _HALVES)

HashKey = tuple[int, int]
"""Two random numbers of 64 bits."""


def keyed_hash(expressions: str) -> str:
    """The hash of one or several expressions; its key is bound by ``with_hash_key``."""
    return f"sipHash64Keyed(({_KEY}), {expressions})"


def with_hash_key(statement: Statement, key: HashKey) -> Statement:
    """The statement with the key bound, if it hashes anything."""
    if f"{{{_HALVES[0]}:" not in statement.sql:
        return statement
    params = {**statement.params, **dict(zip(_HALVES, key, strict=True))}
    return statement.model_copy(update={"params": params})
