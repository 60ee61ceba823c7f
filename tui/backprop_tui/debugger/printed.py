"""What the script has printed up to where it stands."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from heapq import merge
from operator import itemgetter
from typing import Any

from backprop_tui.debugger.view import OutputChunk
from backprop_tui.protocol import Time

KEPT = 4_000_000
"""Bytes of output kept in memory; the files hold all of it."""
_Order = tuple[Time, int]


@dataclass(frozen=True)
class Piece:
    """Some bytes of a stream, and the time at which they were told."""

    time: Time
    stream: int
    start: int
    data: bytes
    order: int = 0
    """Among all pieces of both streams, as they were told."""

    @property
    def end(self) -> int:
        return self.start + len(self.data)

    @cached_property
    def whole(self) -> OutputChunk:
        """All of it, as the panes want it."""
        return self.until(self.end)

    def until(self, end: int) -> OutputChunk:
        """What of it lies before a position of the stream."""
        text = self.data[: max(end - self.start, 0)].decode(errors="replace")
        return OutputChunk(self.time, "err" if self.stream else "out", text)


class Printed:
    """The output, joined from the files of one process after the other.

    A copy that was woken says how much had been printed when it was made: what its original or
    another copy printed after that lies ahead. It is kept, for a copy further on may be woken.
    """

    def __init__(self) -> None:
        self._pieces: tuple[list[Piece], list[Piece]] = ([], [])
        """Of each stream, without overlaps, in the order of the stream."""
        self._shown = [0, 0]
        """Bytes of each stream up to where the script stands."""
        self._path = ["", ""]
        self._before = [0, 0]
        self._consumed = [0, 0]
        self._order = 0
        self._chunks: tuple[OutputChunk, ...] | None = ()
        """What was asked for last, as long as it is right."""

    @property
    def chunks(self) -> tuple[OutputChunk, ...]:
        """What was printed up to where the script stands, both streams in the order of time: the very same
        tuple as last time if it is the same."""
        if self._chunks is None:
            placed = merge(self._visible(0), self._visible(1), key=itemgetter(0))
            self._chunks = tuple(chunk for _, chunk in placed)
        return self._chunks

    def _visible(self, stream: int) -> list[tuple[_Order, OutputChunk]]:
        found: list[tuple[_Order, OutputChunk]] = []
        shown = self._shown[stream]
        for piece in reversed(self._pieces[stream]):
            if piece.start < shown:
                chunk = piece.whole if piece.end <= shown else piece.until(shown)
                order = (piece.time, piece.order)
                if found and order > found[-1][0]:  # told late, on the first way here
                    order, chunk = found[-1][0], replace(chunk, time=found[-1][0][0])
                found.append((order, chunk))
        return found[::-1]

    def take(self, time: Time, marks: Sequence[Any], turns: Sequence[tuple[int, int]]) -> None:
        """Take in what a message says about both streams: `debuggee/output.py` has marks and turns."""
        for stream, mark in enumerate(marks):
            if mark is not None:
                path, size, before = mark
                cuts = [(length, place) for place, (turned, length) in enumerate(turns) if turned == stream]
                self.read(stream, time, path, size, before, [*cuts, (size, len(turns))])
        self._order += len(turns) + 1

    def read(
        self, stream: int, time: Time, path: str, size: int, before: int, cuts: Iterable[tuple[int, int]] = ()
    ) -> None:
        """Take in what a process has added to its file; a cut character waits for its rest.

        ``before``: the bytes that had been printed before the process had this file. ``cuts``: lengths of
        the file at which the script went on with the other stream, each with its place among the turns.
        """
        if path != self._path[stream]:
            self._path[stream], self._before[stream], self._consumed[stream] = path, before, 0
        consumed = self._consumed[stream]
        data = self._new_data(path, consumed, size)
        self._consumed[stream] += len(data)
        self._show(stream, before + self._consumed[stream])
        start = 0
        for cut, place in cuts or [(size, 0)]:
            end = min(cut - consumed, len(data))
            if end > start:
                at = before + consumed + start
                self._put(Piece(time, stream, at, data[start:end], self._order + place))
                start = end
        if start:
            self._drop_oldest()

    def _show(self, stream: int, size: int) -> None:
        """The script stands where so many bytes have been printed."""
        if size != self._shown[stream]:
            self._shown[stream], self._chunks = size, None

    def _new_data(self, path: str, start: int, end: int) -> bytes:
        if end <= start:
            return b""
        try:
            with open(path, "rb") as file:
                file.seek(start)
                data = file.read(end - start)
        except OSError:
            return b""
        return data[: whole(data)]

    def read_rest(self, pid: int, time: Time) -> None:
        """Take in what a process that has died had still written."""
        for stream, path in enumerate(self._path):
            if os.path.basename(path).startswith(f"{pid}.") and os.path.exists(path):
                self.read(stream, time, path, os.path.getsize(path), self._before[stream])

    def _put(self, new: Piece) -> None:
        """Enter a piece in the place of what another process printed there."""
        self._chunks = None
        pieces = self._pieces[new.stream]
        first = last = len(pieces)
        while first and pieces[first - 1].end > new.start:
            first -= 1
        while last > first and pieces[last - 1].start >= new.end:
            last -= 1
        parts = [new]
        for piece in pieces[first:last]:
            if piece.start < new.start:
                parts.insert(0, replace(piece, data=piece.data[: new.start - piece.start]))
            if piece.end > new.end:
                parts.append(replace(piece, start=new.end, data=piece.data[new.end - piece.start :]))
        pieces[first:last] = parts

    def _drop_oldest(self) -> None:
        size = sum(len(piece.data) for pieces in self._pieces for piece in pieces)
        while size > KEPT:
            oldest = min((pieces for pieces in self._pieces if pieces), key=lambda pieces: pieces[0].time)
            size -= len(oldest.pop(0).data)


def whole(data: bytes) -> int:
    """Length of the longest prefix that does not end inside a UTF-8 character."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte >= 0xC0:
            size = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(data) - back if size > back else len(data)
        if byte < 0x80:
            break
    return len(data)
