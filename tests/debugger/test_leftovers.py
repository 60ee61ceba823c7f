"""The folder of a debugger that was killed is removed by the next one, and no other."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backprop_tui.debugger.leftovers import PREFIX, SOCKET, sweep


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short path: the address of a socket has at most 107 characters."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def folder_of(temporary: Path, name: str, seconds: float) -> Path:
    """A folder of so many seconds ago, with a file in it."""
    folder = temporary / name
    folder.mkdir()
    (folder / "output").write_text("printed")
    then = time.time() - seconds
    os.utime(folder, (then, then))
    return folder


def listening(folder: Path) -> socket.socket:
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(folder / SOCKET))
    server.listen()
    then = time.time() - 100
    os.utime(folder, (then, then))
    return server


def test_only_the_folders_in_which_nobody_listens_are_removed(temporary: Path) -> None:
    dead, alive = (folder_of(temporary, PREFIX + name, 100) for name in ("dead", "alive"))
    bare, young = folder_of(temporary, PREFIX + "bare", 100), folder_of(temporary, PREFIX + "young", 1)
    other = folder_of(temporary, "backprop-tui-of-somebody", 100)
    listening(dead).close()
    with listening(alive):
        sweep()
        assert sorted(temporary.iterdir()) == sorted([alive, young, other])
    assert not bare.exists()


def test_a_file_of_that_name_is_left_alone(temporary: Path) -> None:
    (temporary / f"{PREFIX}file").write_text("mine")
    sweep()
    assert (temporary / f"{PREFIX}file").exists()
