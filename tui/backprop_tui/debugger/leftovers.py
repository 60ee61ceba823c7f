"""Removes what a debugger that was killed could not remove itself: its folder of sockets and output."""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import time
from pathlib import Path

PREFIX = "backprop-tui-run-"
"""Of the folders of debuggers."""
SOCKET = "socket"
_YOUNG = 60.0
"""Seconds within which a folder may still be about to get its socket."""


def sweep() -> None:
    """Remove the folders in which nobody listens. What cannot be looked at or removed stays."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.is_dir() and _is_old(folder) and not _is_alive(folder / SOCKET):
                shutil.rmtree(folder, ignore_errors=True)


def _is_old(folder: Path) -> bool:
    return time.time() - folder.stat().st_mtime > _YOUNG


def _is_alive(address: Path) -> bool:
    """Whether somebody listens. Only a refusal, or no socket at all, means that nobody does."""
    if not address.exists():
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(address))
        except ConnectionRefusedError:
            return False
        return True
