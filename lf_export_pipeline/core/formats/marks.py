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

Piece = memoryview | tuple[int, bytes]

_OPENING: Final = b"\xff"
_CLOSING: Final = b"\xfe"
_RARE: Final = re.compile(_OPENING)
_ENDING: Final = re.compile(_CLOSING)
_DIGITS: Final = 3


class Marks:
    """The marks of one query."""

    def __init__(self, token: str) -> None:
        """``token``: letters and digits, random and new for each query."""
        self._opening = _OPENING + token.encode()
        self._closing = _CLOSING + token.encode()
        self._out = bytearray()

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
            if held:
                held.append(bytes(buffer))
                if held[0].startswith(self._opening) and not self._may_close(held):
                    continue
                buffer = memoryview(b"".join(held))  # noqa: PLW2901
            pieces, rest = self._split(buffer)
            held = [bytes(buffer[rest:])] if rest < len(buffer) else []
            yield from self._joined(pieces, regions)
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

    def _split(self, data: memoryview) -> tuple[list[Piece], int]:
        """Plain bytes and (region, cell) in turns, and where what is not complete begins."""
        pieces: list[Piece] = []
        at = search_from = 0
        head = len(self._opening)
        while (found := _RARE.search(data, search_from)) is not None:
            start = found.start()
            cell = start + head + _DIGITS
            if data[start : start + head] != self._opening[: len(data) - start]:
                search_from = start + 1
                continue
            end = self._end(data, cell)
            pieces.append(data[at:start])
            if end < 0:
                return pieces, start
            pieces.append((int(bytes(data[cell - _DIGITS : cell])), bytes(data[cell:end])))
            at = search_from = end + len(self._closing)
        pieces.append(data[at:])
        return pieces, len(data)

    def _joined(self, pieces: list[Piece], regions: Sequence[Finish]) -> Iterator[memoryview]:
        """The finished pieces one behind the other, in memory that is used again.

        Fresh memory for each buffer costs the kernel more than the copy itself.
        """
        cells = _cells(pieces).items()
        finished = {region: iter(regions[region](found)) for region, found in cells}
        whole = [next(finished[each[0]]) if isinstance(each, tuple) else each for each in pieces]
        size = sum(map(len, whole))
        if len(self._out) < size:
            self._out = bytearray(size + size // 8)
        at = 0
        for each in whole:
            self._out[at : at + len(each)] = each
            at += len(each)
        if size:
            yield memoryview(self._out)[:size]

    def _end(self, data: memoryview, at: int) -> int:
        """Where the cell that begins there ends, or -1."""
        while (found := _ENDING.search(data, at)) is not None:
            if data[found.start() : found.start() + len(self._closing)] == self._closing:
                return found.start()
            at = found.start() + 1
        return -1


def _cells(pieces: list[Piece]) -> dict[int, list[bytes]]:
    """The cells of each region."""
    cells: dict[int, list[bytes]] = {}
    for piece in pieces:
        if isinstance(piece, tuple):
            cells.setdefault(piece[0], []).append(piece[1])
    return cells
