"""Runs the user's script as Python would."""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import runpy
import sys
import threading
import traceback
import types
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from typing import Any

from backprop_tui.debuggee import private
from backprop_tui.debuggee.changes import ChangeError
from backprop_tui.debuggee.changes.wrapping import FILENAME
from backprop_tui.debuggee.frames import is_ours, written_by_user


@dataclass(frozen=True)
class Program:
    """What to run: a file, or a module as ``python -m`` would."""

    target: str
    arguments: tuple[str, ...]
    is_module: bool


@dataclass(frozen=True)
class Outcome:
    """How the script ended: its exit status, and its traceback if an exception ended it."""

    status: int
    error: str | None
    refusal: str | None = None
    """Why a change that was asked for does not work in this script."""
    line: tuple[str, int] | None = None
    """Where the exception was raised, in the user's own code."""


def run(program: Program) -> Outcome:
    """Run the program as ``__main__`` and what it registered for its exit."""
    try:
        if program.is_module:
            _run_module(program)
        else:
            _run_file(program)
        outcome = Outcome(0, None)
    except SystemExit as stop:
        outcome = _exit_outcome(stop)
    except ChangeError as error:
        return Outcome(2, None, refusal=str(error))
    except BaseException as error:
        outcome = _crash_outcome(error)
    _finish()
    return outcome


def _run_file(program: Program) -> None:
    path = os.path.abspath(program.target)
    sys.argv[:] = [program.target, *program.arguments]
    sys.path[0] = os.path.dirname(os.path.realpath(path))
    main = types.ModuleType("__main__")
    loader = SourceFileLoader("__main__", path)
    main.__dict__.update(
        __file__=path, __builtins__=__builtins__, __cached__=None, __annotations__={}, __loader__=loader
    )
    sys.modules["__main__"] = main
    with io.open_code(path) as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    exec(code, main.__dict__)


def _run_module(program: Program) -> None:
    sys.path[0] = os.getcwd()
    sys.argv[:] = [program.target, *program.arguments]
    runpy.run_module(program.target, run_name="__main__", alter_sys=True)


def _exit_outcome(stop: SystemExit) -> Outcome:
    code = stop.code
    if code is None or isinstance(code, int):
        return Outcome((code or 0) & 0xFF, None)
    with contextlib.suppress(Exception):
        print(code, file=sys.stderr)
    return Outcome(1, None)


def _crash_outcome(error: BaseException) -> Outcome:
    error = error.with_traceback(_without_us(error.__traceback__))
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except BaseException:
        traceback.print_exc()
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    status = 130 if isinstance(error, KeyboardInterrupt) else 1
    return Outcome(status, text, line=_user_line(error))


def _user_line(error: BaseException) -> tuple[str, int] | None:
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return (error.filename, error.lineno)
    found = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        if written_by_user(frame.f_code.co_filename):
            found = (frame.f_code.co_filename, line)
    return found


def _without_us(trace: types.TracebackType | None) -> types.TracebackType | None:
    """The traceback as plain Python would have it: without the frames of this package."""
    kept: Any = None
    for entry in reversed(list(_entries(trace))):
        name = entry.tb_frame.f_code.co_filename
        if written_by_user(name) or not (
            is_ours(name) or name.startswith((FILENAME, "<frozen runpy")) or name == runpy.__file__
        ):
            entry.tb_next = kept
            kept = entry
    return kept if kept is None or isinstance(kept, types.TracebackType) else None


def _entries(trace: types.TracebackType | None) -> Any:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _finish() -> None:
    """What Python does after a script: wait for its threads, run its exit handlers, flush."""
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join()
    private.keep_libraries()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
