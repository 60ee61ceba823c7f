"""Threads of libraries that wait for work in a queue: a copy of the process, which has none of them, starts
them again."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from queue import Queue
from types import FrameType

_KINDS = {("tensorboard.summary.writer.event_file_writer", "_AsyncWriterThread"): "_queue"}
"""Module and class to the attribute that holds the queue. Between two pieces of work such a thread has no
state but that of its object and the queue, so its ``run`` can begin anew."""
_PATIENCE = 0.5
"""Seconds for work that is under way."""


def is_worker(thread: threading.Thread) -> bool:
    """Whether a thread can be started again in a copy."""
    return _queue_of(thread) is not None


def workers() -> list[threading.Thread]:
    """Those that live."""
    if threading.active_count() == 1:
        return []
    return [thread for thread in threading.enumerate() if is_worker(thread)]


def come_to_rest(threads: Sequence[threading.Thread]) -> bool:
    """Wait until each of them waits for work, and has none. Whether they do."""
    until = time.monotonic() + _PATIENCE
    while not all(map(_rests, threads)):
        if time.monotonic() > until:
            return False
        time.sleep(0.0005)
    return True


def start_again(threads: Sequence[threading.Thread]) -> None:
    """In a copy, which was made while they rested."""
    for thread in threads:
        queue = _queue_of(thread)
        if queue is not None:
            _unlock(queue)
            threading.Thread.__init__(thread, name=thread.name, daemon=thread.daemon)
            thread.start()


def _queue_of(thread: threading.Thread) -> Queue[object] | None:
    kind = type(thread)
    queue = getattr(thread, _KINDS.get((kind.__module__, kind.__name__), ""), None)
    return queue if isinstance(queue, Queue) else None


def _rests(thread: threading.Thread) -> bool:
    queue = _queue_of(thread)
    if queue is None or queue.unfinished_tasks or not thread.is_alive():
        return not thread.is_alive()
    frame = sys._current_frames().get(thread.ident or 0)
    return _is(frame, threading.Condition.wait) and _is(frame and frame.f_back, Queue.get)


def _is(frame: FrameType | None, function: object) -> bool:
    return frame is not None and frame.f_code is getattr(function, "__code__", None)


def _unlock(queue: Queue[object]) -> None:
    """The thread that waited for it is not in this process, nor who may have held its lock."""
    queue.mutex = threading.Lock()
    queue.not_empty = threading.Condition(queue.mutex)
    queue.not_full = threading.Condition(queue.mutex)
    queue.all_tasks_done = threading.Condition(queue.mutex)
