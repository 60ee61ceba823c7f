"""Checkpoints: copies of this process that sleep until the debugger wakes them."""

from __future__ import annotations

import contextlib
import os
import random
import signal
from collections.abc import Callable, Iterator
from functools import wraps
from threading import Thread
from typing import Any

from backprop_tui.debuggee import files, private, threads, workers
from backprop_tui.debuggee.appending import Appending, set_back
from backprop_tui.debuggee.channel import Channel
from backprop_tui.debuggee.output import Output


class Checkpoints:
    """Forks this process. The copies are reached through connections of their own."""

    def __init__(self, channel: Channel, output: Output | None) -> None:
        self.channel = channel
        self.output = output
        self.forking = False
        """A fork of ours is under way: hooks on fork need not disown the copy."""
        self.token = 0
        """That of the message which woke this process: it tells from which future a copy is."""
        self._workers: list[Thread] = []
        """Threads to be started again in a woken copy."""
        self._middle: int | None = None
        """The process between this one and its youngest copy, which has not been waited for."""
        self.appending = Appending()
        self.troubles: list[str] = []
        """Sentences about what could not be set back when this copy was woken."""

    def take(self, place: dict[str, Any], before_fork: Callable[[], None]) -> dict[str, Any] | None:
        """Make a checkpoint here.

        Returns None in the original. Returns again in each woken copy, with the message that woke
        it. ``place`` is what the copy says of itself: its time and iteration. None is made while a thread
        that is to be started again in the copy does not come to rest.

        The copy is forked twice, so that the script's own ``os.wait`` never meets it. The script goes on
        while the second fork is made, which takes longer than the first, unless it listens to the end of its
        children.
        """
        self.wait_for_middle()
        self._workers = workers.workers()
        if not workers.come_to_rest(self._workers):
            return None
        before_fork()
        self.appending.forked()
        open_files = files.remember()
        with _default_sigchld() as handler:
            self._middle = self._fork() or None
            if self._middle is not None:
                if handler != signal.SIG_DFL:
                    self.wait_for_middle()
                return None
            if self._fork():
                os._exit(0)
        self.channel.close()
        self.channel.reconnect()
        hello = {"type": "hello", "role": "checkpoint", "pid": os.getpid(), "token": self.token}
        self.channel.send(hello | place)
        return self.sleep(open_files)

    def wait_for_middle(self) -> None:
        """Let no child of ours be left when somebody asks for this process's children."""
        middle, self._middle = self._middle, None
        if middle is not None:
            with contextlib.suppress(ChildProcessError):  # the script ignores SIGCHLD: none is kept
                os.waitpid(middle, 0)

    def sleep(self, open_files: dict[int, files.OpenFile]) -> dict[str, Any]:
        """Wait to be woken. Returns in the woken copies only."""
        children: dict[int, int] = {}
        handler = signal.signal(signal.SIGCHLD, lambda *_: self._reap(children))
        while True:
            message = self.channel.receive()
            if message["do"] == "exit":
                os._exit(0)
            if message["do"] != "wake":
                continue
            pid = self._fork()
            if pid:
                children[pid] = message["token"]
                self._reap(children)  # it may have ended before it was known
                continue
            signal.signal(signal.SIGCHLD, handler if handler is not None else signal.SIG_DFL)
            self._wake(message, open_files)
            return message

    def _fork(self) -> int:
        """Fork a copy that goes on as this process would have.

        Python's `random` reseeds itself in every forked child (Lib/random.py).
        """
        self.forking = True
        state = random.getstate()
        pid = os.fork()
        if not pid:
            random.setstate(state)
        self.forking = False
        return pid

    def _reap(self, children: dict[int, int]) -> None:
        """Tell the debugger how a woken copy ended: only its parent can know.

        Another death can interrupt this, so each child may be gone by the time it is looked at.
        """
        for pid, token in list(children.items()):
            try:
                ended, status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                continue
            if ended and children.pop(pid, None) is not None:
                code = os.waitstatus_to_exitcode(status)
                self.channel.send({"type": "died", "pid": pid, "token": token, "status": code})

    def _wake(self, message: dict[str, Any], open_files: dict[int, files.OpenFile]) -> None:
        self.channel.close()
        self.channel.reconnect()
        self.token = message["token"]
        role = message.get("role", "live")
        self.channel.send({"type": "hello", "role": role, "pid": os.getpid(), "token": self.token})
        if role == "live":
            self.troubles = set_back(message.get("files", ())) + files.reopen(open_files)
        else:
            self.troubles = files.cut_off(open_files)
        if self.output is not None:
            self.output.redirect()
        workers.start_again(self._workers)


def hide_from_waiting(checkpoints: Checkpoints) -> None:
    """Let the script's own waiting for any child of its process not meet one of ours."""
    for name in ("wait", "wait3", "wait4", "waitpid", "waitid"):
        setattr(os, name, _after(checkpoints.wait_for_middle, getattr(os, name)))


def _after(first: Callable[[], None], original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        first()
        return original(*args, **kwargs)

    return call


@contextlib.contextmanager
def _default_sigchld() -> Iterator[Any]:
    """A handler of the script's must not see the short-lived process between us and a copy."""
    handler = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield handler
    finally:
        signal.signal(signal.SIGCHLD, handler if handler is not None else signal.SIG_DFL)


def obstacle() -> str | None:
    """Why this process must not be forked now, or None."""
    return "CUDA is in use" if private.cuda_in_use() else threads.obstacle()
