"""Marks around the cells that ClickHouse leaves to this process, and the search for them.

A mark begins with a byte that no UTF-8 text holds, so that one look for a rare byte tells whether
there is anything to do in a megabyte. Behind it stands a random token, because users store any
bytes: who does not know the token cannot write a mark.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from lf_export_pipeline.core.formats.text import Finish
from lf_export_pipeline.core.query.written_rows import Filled

Buffer = bytes | memoryview

_OPENING: Final = b"\xff"
_CLOSING: Final = b"\xfe"
_DIGITS: Final = 3


class Marks:
    """The marks of one query."""

    def __init__(self, token: str) -> None:
        """``token``: letters and digits, random and new for each query."""
        self._opening = _OPENING + token.encode()
        self._closing = _CLOSING + token.encode()
        self._head = len(self._opening) + _DIGITS

    def around(self, expression: str, region: int) -> str:
        """SQL: the value of an expression between the marks of a region."""
        opening = self._opening + b"%0*d" % (_DIGITS, region)
        return f"concat(unhex('{opening.hex()}'), {expression}, unhex('{self._closing.hex()}'))"

    def finished(
        self, buffers: Iterable[Filled], regions: Sequence[Finish]
    ) -> Iterator[memoryview]:
        """The same bytes, with what stands between marks finished and the marks taken away.

        Args:
            buffers: Rows, cut anywhere; each is used up before the next one is asked for.
            regions: What finishes the cells of each region.
        """
        held: list[bytes] = []
        for buffer in buffers:
            whole = buffer
            if held:
                held.append(bytes(buffer.view))
                if held[0].startswith(self._opening) and not self._may_close(held):
                    continue
                whole = _filled(held)
            found = self._found(whole)
            if found.pieces:
                yield memoryview(b"".join(found.finished(regions)))
            elif found.rest:
                yield whole.view[: found.rest]
            held = [bytes(whole.view[found.rest :])] if found.rest < whole.size else []
        if held:
            yield _filled(held).view

    def _may_close(self, held: list[bytes]) -> bool:
        """Whether the cell that begins what is held may end in the last buffer."""
        before = b""
        for piece in reversed(held[:-1]):
            before = piece[-len(self._closing) :] + before
            if len(before) >= len(self._closing):
                break
        return self._closing in before + held[-1]

    def _found(self, buffer: Filled) -> "_Found":
        """The marked cells that are complete, and what stands before and behind each."""
        data, size, view = *buffer, buffer.view
        found = _Found()
        at = search_from = 0
        while (start := data.find(_OPENING, search_from, size)) >= 0:
            cell = start + self._head
            if not data.startswith(self._opening, start, size):
                if self._opening.startswith(data[start:size]):
                    break
                search_from = start + 1
                continue
            end = self._end(data, cell, size)
            if end < 0:
                break
            found.add(view[at:start], int(data[cell - _DIGITS : cell]), bytes(view[cell:end]))
            at = search_from = end + len(self._closing)
        found.rest = start if start >= 0 else size
        if found.pieces:
            found.pieces.append(view[at : found.rest])
        return found

    def _end(self, data: bytes | bytearray, at: int, size: int) -> int:
        """Where the cell that begins there ends, or -1."""
        while (end := data.find(_CLOSING, at, size)) >= 0:
            if data.startswith(self._closing, end, size):
                return end
            at = end + 1
        return -1


@dataclass(slots=True)
class _Found:
    """The pieces of a buffer in order; those at ``places`` are the cells of a region."""

    pieces: list[Buffer] = field(default_factory=list)
    cells: dict[int, list[bytes]] = field(default_factory=dict)
    places: dict[int, list[int]] = field(default_factory=dict)
    rest: int = 0  # where what is not complete begins

    def add(self, before: memoryview, region: int, cell: bytes) -> None:
        """A cell, and the plain bytes before it."""
        self.places.setdefault(region, []).append(len(self.pieces) + 1)
        self.cells.setdefault(region, []).append(cell)
        self.pieces += (before, cell)

    def finished(self, regions: Sequence[Finish]) -> list[Buffer]:
        """All pieces, each region's cells finished at once."""
        for region, cells in self.cells.items():
            for at, cell in zip(self.places[region], regions[region](cells), strict=True):
                self.pieces[at] = cell
        return self.pieces


def _filled(pieces: list[bytes]) -> Filled:
    whole = b"".join(pieces)
    return Filled(whole, len(whole))
