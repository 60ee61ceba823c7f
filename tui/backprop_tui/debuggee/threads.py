"""The thread that runs the script, and those in which autograd works for it.

The nodes of a pass run in the thread that called `backward` if their tensors are on the CPU, and in a thread
of the device's own if they are on a GPU, while the other one waits (torch/csrc/autograd/engine.cpp).
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from types import FrameType

from backprop_tui.debuggee.workers import is_worker

MAIN = threading.get_ident()
"""The script's own thread. A fork has only the thread that forked, which keeps its number."""
_HARMLESS = frozenset({"TMonitor"})
"""Classes of Python threads that a copy does not miss: tqdm's monitor only redraws bars."""
_OF_AUTOGRAD = "pt_autograd_"
"""How the names of autograd's threads for devices begin (torch/csrc/autograd/engine.cpp)."""


def in_thread_of_autograd() -> bool:
    """Whether a thread asks that no Python code has started."""
    known: dict[int, threading.Thread] = getattr(threading, "_active", {})
    thread = known.get(threading.get_ident())
    return thread is None or isinstance(thread, threading._DummyThread)


def waiting_frame() -> FrameType | None:
    """Where the script's own thread waits; None if it is that which asks."""
    return None if threading.get_ident() == MAIN else sys._current_frames().get(MAIN)


def obstacle() -> str | None:
    """Why this process must not be forked because of its threads, or None: a copy has only the one that
    forked."""
    try:
        tasks = os.listdir("/proc/self/task")
    except OSError:
        tasks = [""] * threading.active_count()
    if len(tasks) == 1:
        return None
    others = [item for item in threading.enumerate() if item is not threading.main_thread()]
    named = [item.name for item in others if type(item).__name__ not in _HARMLESS and not is_worker(item)]
    if named:
        return f"the script runs a thread of its own ({', '.join(named[:3])})"
    if len(tasks) == 1 + len(others):
        return None
    if any(_name(task).startswith(_OF_AUTOGRAD) for task in tasks):
        return "autograd has a thread for each GPU (start with CUDA_VISIBLE_DEVICES= if the script uses none)"
    return "the process has threads outside Python"


def _name(task: str) -> str:
    with contextlib.suppress(OSError), open(f"/proc/self/task/{task}/comm") as file:
        return file.read()
    return ""
