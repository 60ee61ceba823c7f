"""Files that the script opens to append to: what it wrote ahead of a checkpoint must be taken off again.

Files that are open at a fork are set back by `files.py`; these are opened and closed in between.
"""

from __future__ import annotations

import builtins
import io
import os
from collections.abc import Sequence
from functools import wraps
from typing import Any

from backprop_tui.debuggee.changes.wrapping import transparent

_LATELY = 100
"""Files."""


class Appending:
    """Remembers how long a file was before it was opened, the first time after each checkpoint."""

    def __init__(self) -> None:
        self.count = 0
        """How many have been remembered, by this process and those that it is a copy of."""
        self._since: dict[str, None] = {}
        self._unsent: list[tuple[str, int | None]] = []

    def install(self) -> None:
        """Replace Python's `open`."""
        original = builtins.open

        @transparent
        @wraps(original)
        def opened(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            if isinstance(mode, str) and ("a" in mode or "x" in mode):
                self.remember(file)
            return original(file, mode, *args, **kwargs)

        builtins.open = io.open = opened

    def remember(self, file: Any) -> None:
        """A file is about to be opened to be appended to."""
        if not isinstance(file, (str, bytes, os.PathLike)):
            return
        path = os.path.abspath(os.fsdecode(file))
        there = os.path.exists(path)
        if path not in self._since and (os.path.isfile(path) or not there):
            self._since[path] = None
            self._unsent.append((path, os.path.getsize(path) if there else None))
            self.count += 1

    def forked(self) -> None:
        """A checkpoint is made: the lengths from here on are others.

        Those of the files that were opened of late are noted at once: a thread of the script's may open them
        after the last message that could tell of it.
        """
        lately = list(self._since)[-_LATELY:]
        self._since.clear()
        for path in lately:
            self.remember(path)

    def news(self) -> tuple[int, list[tuple[str, int | None]]]:
        """How many were told before, and (path, length or None where there was no file) of the others."""
        unsent, self._unsent = self._unsent, []
        return self.count - len(unsent), unsent


def set_back(files: Sequence[tuple[str, int | None]]) -> list[str]:
    """Cut files to the lengths that they had, or remove them where there was none.

    Returns a sentence for each that cannot be set back.
    """
    troubles = []
    for path, size in files:
        try:
            if size is None:
                if os.path.exists(path):
                    os.remove(path)
            elif os.path.getsize(path) < size:
                troubles.append(f"{path} cannot be set back: it is shorter than it was")
            else:
                os.truncate(path, size)
        except OSError as error:
            troubles.append(f"{path} cannot be set back: {error.strerror or error}")
    return troubles
