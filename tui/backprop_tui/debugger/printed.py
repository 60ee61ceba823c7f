"""What the script has printed up to where it stands."""

from __future__ import annotations

import os
from dataclasses import replace

from backprop_tui.debugger.view import OutputChunk
from backprop_tui.protocol import Time

KEPT = 4_000_000
"""Bytes of output kept in memory; the files hold all of it."""


class Printed:
    """The output, joined from the files of one process after the other.

    A copy that was woken says how much had been printed when it was made: what its original or
    another copy printed after that did not happen in this future.
    """

    def __init__(self) -> None:
        self.chunks: list[OutputChunk] = []
        self._data: list[bytes] = []
        """The bytes of each chunk."""
        self._length = [0, 0]
        """Bytes of each stream so far, those that are no longer kept included."""
        self._path = ["", ""]
        self._consumed = [0, 0]

    def read(self, stream: int, time: Time, path: str, size: int, before: int) -> None:
        """Take in what a process has added to its file; a cut character waits for its rest.

        ``before``: the bytes that had been printed before the process had this file.
        """
        if path != self._path[stream]:
            self._path[stream], self._consumed[stream] = path, 0
            self._cut(stream, before)
        try:
            with open(path, "rb") as file:
                file.seek(self._consumed[stream])
                data = file.read(size - self._consumed[stream]) if size > self._consumed[stream] else b""
        except OSError:
            return
        data = data[: whole(data)]
        if data:
            self._consumed[stream] += len(data)
            self._length[stream] += len(data)
            self._data.append(data)
            self.chunks.append(OutputChunk(time, "err" if stream else "out", data.decode(errors="replace")))
            self._drop_oldest()

    def read_rest(self, pid: int, time: Time) -> None:
        """Take in what a process that has died had still written."""
        for stream, path in enumerate(self._path):
            if os.path.basename(path).startswith(f"{pid}.") and os.path.exists(path):
                self.read(stream, time, path, os.path.getsize(path), self._length[stream])

    def _cut(self, stream: int, length: int) -> None:
        """Forget what a stream printed beyond a length."""
        excess = self._length[stream] - length
        for index in reversed(range(len(self.chunks))):
            chunk, data = self.chunks[index], self._data[index]
            if excess > 0 and (chunk.stream == "err") == bool(stream):
                data = data[: max(len(data) - excess, 0)]
                excess -= len(self._data[index]) - len(data)
                self._data[index] = data
                self.chunks[index] = replace(chunk, text=data.decode(errors="replace"))
        self._length[stream] = min(self._length[stream], length)
        self.chunks = [chunk for chunk in self.chunks if chunk.text]
        self._data = [data for data in self._data if data]

    def _drop_oldest(self) -> None:
        size = sum(map(len, self._data))
        while size > KEPT and len(self._data) > 1:
            size -= len(self._data.pop(0))
            self.chunks.pop(0)


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
