"""Find every process that a test has started, however it was forked and whoever is its parent now."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path

MARK = "BACKPROP_TUI_TEST_RUN"
"""A variable of the environment, which every descendant inherits."""


def new_mark() -> str:
    return uuid.uuid4().hex


def marked(mark: str) -> set[int]:
    """Processes whose environment carries the mark, or whose name is it; zombies do not count."""
    needle, name = f"{MARK}={mark}".encode(), mark[:15].encode()
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return {
        pid
        for pid in pids
        if (needle in _read(pid, "environ") or name == _read(pid, "comm").strip()) and state(pid) != "Z"
    }


def command_line(pid: int) -> str:
    return _read(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace")


def children() -> set[int]:
    """This process's own children, zombies included."""
    return {int(pid) for pid in _read(os.getpid(), f"task/{os.getpid()}/children").split()}


def state(pid: int) -> str:
    """R, S, D, Z, T ...; empty if there is no such process."""
    text = _read(pid, "stat").decode(errors="replace")
    return text.rpartition(")")[2].split()[0] if text else ""


def resident(pids: set[int]) -> int:
    """Bytes of memory in use, shared pages counted once per process."""
    page = os.sysconf("SC_PAGE_SIZE")
    return sum(int((_read(pid, "statm").split() or [b"0", b"0"])[1]) * page for pid in pids)


def private_bytes(pid: int) -> int:
    """Bytes of memory that a process shares with no other: what a forked copy really costs."""
    lines = _read(pid, "smaps_rollup").decode().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) * 1024


def cpu_seconds(pids: set[int]) -> float:
    """Processor time that the processes have used so far."""
    ticks = os.sysconf("SC_CLK_TCK")
    total = 0
    for pid in pids:
        fields = _read(pid, "stat").decode(errors="replace").rpartition(")")[2].split()
        if fields:
            total += int(fields[11]) + int(fields[12])
    return total / ticks


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether the condition came true in time. /proc has no events, so this looks again and again."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def all_gone(mark: str, seconds: float = 10) -> bool:
    return wait_for(lambda: not marked(mark), seconds)


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
