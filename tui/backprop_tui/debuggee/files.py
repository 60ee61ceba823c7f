"""The files that the script has open, across a fork: each process needs its own position."""

from __future__ import annotations

import builtins
import fcntl
import io
import os
import stat
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class OpenFile:
    """A regular file that was open at a fork."""

    path: str
    flags: int
    offset: int
    size: int
    identity: tuple[int, int]
    """(device, inode)"""
    inheritable: bool


def remember() -> dict[int, OpenFile]:
    """The regular files among this process's descriptors, but for standard output and error."""
    found: dict[int, OpenFile] = {}
    try:
        descriptors = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        return found
    for fd in descriptors:
        if fd not in (1, 2):
            entry = _entry(fd)
            if entry is not None:
                found[fd] = entry
    return found


def _entry(fd: int) -> OpenFile | None:
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            return None
        path = os.readlink(f"/proc/self/fd/{fd}")
        if path.startswith("/memfd:"):
            return None
        flags = fcntl.fcntl(fd, fcntl.F_GETFL)
        offset = os.lseek(fd, 0, os.SEEK_CUR)
        inheritable = os.get_inheritable(fd)
    except OSError:
        return None
    return OpenFile(path, flags, offset, status.st_size, (status.st_dev, status.st_ino), inheritable)


def reopen(files: dict[int, OpenFile]) -> list[str]:
    """Give this process its own descriptors, at the remembered positions.

    A file opened for appending is cut to the length it had then, or what follows would be written
    twice. Returns a sentence for each file that cannot be brought back.
    """
    troubles = []
    for fd, file in files.items():
        try:
            _reopen_one(fd, file)
        except OSError as error:
            troubles.append(f"{file.path} cannot be set back: {error.strerror or error}")
    return troubles


def cut_off(files: dict[int, OpenFile]) -> list[str]:
    """For a copy that is thrown away: it reads files of its own and writes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    read = {}
    for fd, file in files.items():
        if file.flags & os.O_ACCMODE == os.O_RDONLY:
            read[fd] = file
        else:
            os.dup2(nowhere, fd, inheritable=file.inheritable)
    os.close(nowhere)
    _open_nowhere()
    return reopen(read)


def _open_nowhere() -> None:
    """What this process opens for writing from now on is the null device."""
    original = builtins.open

    def opened(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if isinstance(file, int) or not set(mode) & set("wax+"):
            return original(file, mode, *args, **kwargs)
        return original(os.devnull, mode.replace("x", "w"), *args, **kwargs)

    def save(obj: object, f: Any, *args: Any, **kwargs: Any) -> None:
        """torch writes a file that it is given the name of by itself, in C++."""
        if not isinstance(f, (str, os.PathLike)):
            write(obj, f, *args, **kwargs)

    write = torch.save
    builtins.open = io.open = opened
    torch.save = save


def _reopen_one(fd: int, file: OpenFile) -> None:
    own = os.open(file.path, file.flags & ~(os.O_CREAT | os.O_EXCL | os.O_TRUNC))
    status = os.fstat(own)
    if (status.st_dev, status.st_ino) != file.identity:
        os.close(own)
        raise OSError(0, "another file has taken its place")
    os.dup2(own, fd, inheritable=file.inheritable)
    os.close(own)
    if file.flags & os.O_APPEND and status.st_size > file.size:
        os.ftruncate(fd, file.size)
    os.lseek(fd, file.offset, os.SEEK_SET)
