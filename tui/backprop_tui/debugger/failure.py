"""What can go wrong before and between stops, as sentences for the user."""

from __future__ import annotations

import sys

from backprop_tui.debugger.launch import Program


class StartFailed(Exception):
    """The debuggee cannot start; the message is one sentence for the user."""


class Refused(Exception):
    """A command that makes no sense now, or a change that torch refuses; one sentence."""


class Abandoned(Refused):
    """A question whose process was left before it answered: going back wakes another one."""


class CopyGone(Refused):
    """A copy of the script has ended before it was done with."""


class CheckpointGone(CopyGone):
    """The checkpoint that a copy was to be made of has just been given up, perhaps for a newer one."""


def explain_start(program: Program, status: int, log: str) -> str:
    """Why the debuggee's interpreter ended before it could say hello."""
    python = program.python or sys.executable
    if status == 3:
        return f"{python} has no torch: install it there, or name another interpreter with --python"
    reason = log.strip().splitlines()[-1] if log.strip() else f"exit status {status}"
    return f"{python} could not start the debuggee: {reason}"


def ended_how(status: int | None) -> str:
    """How a process ended, given its exit status or minus the signal: ``by signal 11``."""
    if status is None:
        return "for an unknown reason"
    return f"by signal {-status}" if status < 0 else f"with exit status {status}"
