"""Something tried in a copy of the process, so that here nothing has happened."""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.optim import LBFGS, Optimizer, SparseAdam

from backprop_tui.debuggee import files
from backprop_tui.debuggee.changes.errors import ChangeError
from backprop_tui.debuggee.changes.history import history_of
from backprop_tui.debuggee.changes.registry import Registry
from backprop_tui.debuggee.changes.schedule import preview

TIMEOUT = 10.0


def in_fork(function: Callable[[], Any], timeout: float = TIMEOUT) -> Any:
    """Call a function in a forked child and answer its JSON-able result.

    Raises ChangeError with the child's exception in one line, or if the child has died or not
    answered within `timeout` seconds. Whatever the child prints or writes to files is dropped; it draws
    the random numbers that this process would. The caller has made sure that this process may fork, and
    that our torch-function mode is off the stack or lets everything pass.
    """
    with _child_signal_ignored():
        reader, writer = os.pipe()
        state = random.getstate()
        pid = os.fork()
        if pid == 0:
            random.setstate(state)  # Python's `random` reseeds itself in every child
            _child(function, reader, writer)
        os.close(writer)
        try:
            answer = _read(reader, time.monotonic() + timeout)
        finally:
            os.close(reader)
            if answer is None:
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return _result(answer, timeout)


@contextmanager
def _child_signal_ignored() -> Iterator[None]:
    """The script's own handler of SIGCHLD must not hear of our child."""
    before = signal.getsignal(signal.SIGCHLD)
    if before is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, before)


def _child(function: Callable[[], Any], reader: int, writer: int) -> None:
    """The life of the child. It never returns."""
    status = 1
    try:
        os.close(reader)
        files.cut_off(files.remember())
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        sys.stdout = sys.stderr = os.fdopen(nowhere, "w")  # the script's own may write elsewhere
        try:
            answer = {"result": function()}
        except BaseException as error:
            answer = {"error": _one_line(error)}
        body = memoryview(json.dumps(answer).encode())
        while body:
            body = body[os.write(writer, body) :]
        status = 0
    finally:
        os._exit(status)


def _one_line(error: BaseException) -> str:
    words = " ".join(str(error).split())
    if isinstance(error, ChangeError):
        return words
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def _read(reader: int, deadline: float) -> bytes | None:
    """All that the child writes; None if the time is over before its end."""
    parts: list[bytes] = []
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reader], [], [], left)[0]:
            return None
        part = os.read(reader, 1 << 16)
        if not part:
            return b"".join(parts)
        parts.append(part)


def _result(answer: bytes | None, timeout: float) -> Any:
    if answer is None:
        raise ChangeError(f"The copy in which this was tried gave no answer within {timeout:g} seconds.")
    if not answer:
        raise ChangeError("The copy in which this was tried has died.")
    message = json.loads(answer)
    if "error" in message:
        raise ChangeError(message["error"])
    return message["result"]


def preview_in_fork(registry: Registry, n: int) -> list[dict[str, Any]]:
    """The learning rates of the next n scheduler steps (see `preview`); nothing is stepped here."""
    return in_fork(lambda: preview(registry, n))  # type: ignore[no-any-return]


def tried(registry: Registry, optimizer: Optimizer, change: Callable[[], Any]) -> Any:
    """Make a change to an optimizer in a fork, take one step with it there, and one of its schedulers.

    Answers what `change` answered. Raises ChangeError with the reason if any of it fails: some
    optimizers refuse only when they step.
    """

    def attempt() -> Any:
        answer = change()
        with registry.paused():
            trial_step(optimizer)
        preview(registry, 1)
        return answer

    return in_fork(attempt)


def trial_step(optimizer: Optimizer) -> None:
    """One step, with small random gradients where there are none (none at all for SparseAdam,
    which takes only sparse ones)."""
    if not isinstance(optimizer, SparseAdam):
        for group in optimizer.param_groups:
            for leaf in group["params"]:
                if leaf.grad is None and leaf.requires_grad:
                    leaf.grad = torch.randn_like(leaf) * 1e-3
    closure = isinstance(optimizer, LBFGS) or history_of(optimizer).closure
    if closure:
        optimizer.step(lambda: 0.0)
    else:
        optimizer.step()
