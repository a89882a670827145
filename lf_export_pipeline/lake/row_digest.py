"""The digest of the rows that were read: whether they are those of a fingerprint.

Replicas may answer one after another, and one of them lag: the count of rows alone would not tell.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class RowDigest:
    """Adds up the hashes of rows as a fingerprint does; see ``Reading.fingerprints``."""

    def __init__(self) -> None:
        self._xor = self._sum = 0
        self._is_signed = False

    def add(self, hashes: pa.Array) -> None:
        """More rows.

        Args:
            hashes: Numbers of 64 bits, without a sign from ClickHouse and with one from Postgres.
        """
        if pa.types.is_unsigned_integer(hashes.type):
            self._xor ^= int(np.bitwise_xor.reduce(hashes.to_numpy(zero_copy_only=False)))
        elif len(hashes):
            self._is_signed = True
            self._sum += int(pc.sum(hashes.cast(pa.decimal128(38))).as_py())

    def __str__(self) -> str:
        return str(self._sum if self._is_signed else self._xor)
