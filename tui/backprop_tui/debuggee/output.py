"""What the script prints: one file per process and stream, whose lengths belong to every stop."""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import sys
from collections.abc import Callable
from typing import Any

Mark = tuple[str, int, int] | None
"""(path of this process's file, how many bytes it holds, how many had been printed before it had
one), None before it has one"""

_MOST_TURNS = 10_000
"""Remembered until the next message."""


class Output:
    """File descriptors 1 and 2, redirected to files of this process.

    A woken copy redirects to files of its own, so what the original prints after the fork is not
    part of the copy's history. The debugger joins the pieces.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._paths = ["", ""]
        self._sizes = [0, 0]
        self._before = [0, 0]
        self._turns: list[tuple[int, int]] = []
        self._last = 0
        """The stream that was written to last."""
        self._libc = ctypes.CDLL(None)

    def redirect(self) -> None:
        """Send both descriptors to new files."""
        self._turns = []
        for stream in (0, 1):
            self._open(stream)

    def take_over(self) -> None:
        """Replace Python's streams by such as tell when they are written to, line by line as on a
        terminal: what was printed before a crash of the interpreter is not lost."""
        for stream, name in enumerate(("stdout", "stderr")):
            former = getattr(sys, name)
            if isinstance(former, io.TextIOWrapper):
                raw = _Telling(stream, f"<{name}>", self._writes)
                fresh = io.TextIOWrapper(
                    io.BufferedWriter(raw), former.encoding, former.errors, "\n", True, former.write_through
                )
                vars(fresh)["mode"] = "w"
                setattr(sys, name, fresh)
                setattr(sys, f"__{name}__", fresh)

    def _writes(self, stream: int) -> None:
        """Something is about to be written."""
        if stream != self._last:
            if len(self._turns) < _MOST_TURNS:
                self._turns.append((self._last, self._size(self._last) or 0))
            self._last = stream

    def _open(self, stream: int) -> None:
        path = os.path.join(self.folder, f"{os.getpid()}.{'err' if stream else 'out'}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        fd = os.open(path, flags, 0o600)
        os.dup2(fd, stream + 1, inheritable=True)
        os.close(fd)
        self._paths[stream] = path
        self._before[stream] += self._sizes[stream]
        self._sizes[stream] = 0

    def flush(self) -> None:
        """Write out Python's and C's buffers."""
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        self._libc.fflush(None)

    def marks(self) -> list[Mark]:
        """For stdout and stderr: what this process has printed until now."""
        self.flush()
        return [self._mark(stream) for stream in (0, 1)]

    def turns(self) -> list[tuple[int, int]]:
        """Where the script went on with the other stream, since this was last asked: (stream, how many
        bytes its file held by then)."""
        turns, self._turns = self._turns, []
        return turns

    def _size(self, stream: int) -> int | None:
        try:
            return os.stat(self._paths[stream]).st_size
        except OSError:
            return None

    def _mark(self, stream: int) -> Mark:
        size = self._size(stream)
        if size is None:
            return None
        self._sizes[stream] = size
        return (self._paths[stream], size, self._before[stream])


class _Telling(io.FileIO):
    """What Python's stream writes its bytes to."""

    def __init__(self, stream: int, name: str, tell: Callable[[int], None]) -> None:
        super().__init__(stream + 1, "w", closefd=False)
        self.name = name
        self._stream = stream
        self._tell = tell

    def write(self, data: Any) -> int:
        """Write, and tell before."""
        self._tell(self._stream)
        return super().write(data)
