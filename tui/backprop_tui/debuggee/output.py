"""What the script prints: one file per process and stream, whose lengths belong to every stop."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys

Mark = tuple[str, int, int] | None
"""(path of this process's file, how many bytes it holds, how many had been printed before it had
one), None before it has one"""


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
        self._libc = ctypes.CDLL(None)

    def redirect(self) -> None:
        """Send both descriptors to new files."""
        for stream in (0, 1):
            self._open(stream)

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

    def _mark(self, stream: int) -> Mark:
        path = self._paths[stream]
        try:
            size = self._sizes[stream] = os.stat(path).st_size
        except OSError:
            return None
        return (path, size, self._before[stream])
