"""Marks around the cells that ClickHouse leaves to this process, and the search for them.

A mark begins with a byte that no UTF-8 text holds, so that one look for a rare byte tells whether
there is anything to do in a megabyte. Behind it stands a random token, because users store any
bytes: who does not know the token cannot write a mark.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

Finish = Callable[[list[bytes]], Sequence[bytes]]
"""Gives each of some raw cells as it stands in the file."""

_OPENING: Final = b"\xff"
_CLOSING: Final = b"\xfe"
_RARE: Final = re.compile(_OPENING)
_DIGITS: Final = 3


class Marks:
    """The marks of one query."""

    def __init__(self, token: str) -> None:
        """``token``: letters and digits, random and new for each query."""
        self._opening = _OPENING + token.encode()
        self._closing = _CLOSING + token.encode()

    def around(self, expression: str, region: int) -> str:
        """SQL: the value of an expression between the marks of a region."""
        opening = self._opening + b"%0*d" % (_DIGITS, region)
        return f"concat(unhex('{opening.hex()}'), {expression}, unhex('{self._closing.hex()}'))"

    def finished(
        self, buffers: Iterable[memoryview], regions: Sequence[Finish]
    ) -> Iterator[memoryview]:
        """The same bytes, with what stands between marks finished and the marks taken away.

        Args:
            buffers: Rows, cut anywhere; each is used up before the next one is asked for.
            regions: What finishes the cells of each region.
        """
        held: list[bytes] = []
        for buffer in buffers:
            if not held and _RARE.search(buffer) is None:
                yield buffer
                continue
            held.append(bytes(buffer))
            if held[0].startswith(self._opening) and not self._may_close(held):
                continue
            data = b"".join(held)
            pieces, rest = self._split(data)
            held = [data[rest:]] if rest < len(data) else []
            if pieces:
                yield memoryview(_joined(pieces, regions))
        if held:
            yield memoryview(b"".join(held))

    def _may_close(self, held: list[bytes]) -> bool:
        """Whether the cell that begins what is held may end in the last buffer."""
        before = b""
        for piece in reversed(held[:-1]):
            before = piece[-len(self._closing) :] + before
            if len(before) >= len(self._closing):
                break
        return self._closing in before + held[-1]

    def _split(self, data: bytes) -> tuple[list[bytes | tuple[int, bytes]], int]:
        """Plain bytes and (region, cell) in turns, and where what is not complete begins."""
        pieces: list[bytes | tuple[int, bytes]] = []
        at = 0
        while (start := data.find(self._opening, at)) >= 0:
            cell = start + len(self._opening) + _DIGITS
            end = data.find(self._closing, cell)
            pieces.append(data[at:start])
            if end < 0:
                return pieces, start
            pieces.append((int(data[cell - _DIGITS : cell]), data[cell:end]))
            at = end + len(self._closing)
        rest = self._begun(data, at)
        pieces.append(data[at:rest])
        return pieces, rest

    def _begun(self, data: bytes, at: int) -> int:
        """Where a mark that is cut off at the end begins; the end, if none is."""
        start = data.rfind(_OPENING, max(at, len(data) - len(self._opening)))
        return start if start >= 0 and self._opening.startswith(data[start:]) else len(data)


def _joined(pieces: list[bytes | tuple[int, bytes]], regions: Sequence[Finish]) -> bytes:
    cells: dict[int, list[bytes]] = {}
    for piece in pieces:
        if isinstance(piece, tuple):
            cells.setdefault(piece[0], []).append(piece[1])
    finished = {region: iter(regions[region](found)) for region, found in cells.items()}
    return b"".join(
        next(finished[piece[0]]) if isinstance(piece, tuple) else piece for piece in pieces
    )
