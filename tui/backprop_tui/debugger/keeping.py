"""Saves where a session stands, and brings one there again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from backprop_tui.debugger.run import NEVER, Run, Target
from backprop_tui.debugger.saved import Cursor, Saved, doubts, hash_of

if TYPE_CHECKING:
    from backprop_tui.debugger.view import Stop


def saved_from(run: Run, stop: Stop, breakpoints: tuple[str, ...]) -> Saved:
    """The session as it stands at a stop."""
    program = run.program
    folder = os.path.abspath(program.folder or os.getcwd())
    target = program.target if program.is_module else os.path.abspath(program.target)
    return Saved(
        target,
        program.arguments,
        program.is_module,
        folder,
        program.python,
        program.threads,
        "" if program.is_module else hash_of(target),
        torch_of(run),
        program.changes,
        tuple(run.log.entries),
        breakpoints,
        Cursor(stop.time, stop.iteration, stop.number, stop.over),
        tuple(run.history.digests.until(stop.time[0])),
    )


def torch_of(run: Run) -> str:
    """The version of the debuggee's torch."""
    root = run.processes.root
    return str(root.hello["torch"]) if root is not None else ""


async def brought_back(run: Run, saved: Saved) -> Stop:
    """Run to where the session stood, with its changes."""
    cursor = saved.cursor
    target = Target(cursor.iteration, time=NEVER if cursor.over else cursor.time)
    return await run.repeat(saved.entries, target)


def verdict(run: Run, saved: Saved, stop: Stop) -> str:
    """What to say once the run is back: that all is as it was, or what is not."""
    found = [*doubts(saved, torch_of(run)), *_differences(run, saved, stop)]
    if found:
        return "; ".join(found)
    if not saved.digests:
        return "resumed"
    landmark = saved.digests[-1][0]
    return (
        f"resumed: all losses and learning rates up to here are those that were saved ({landmark} landmarks)"
    )


def _differences(run: Run, saved: Saved, stop: Stop) -> list[str]:
    known = run.history.digests
    wrong = [landmark for landmark, digest in saved.digests if known.at(landmark) != digest]
    if wrong:
        return [f"the run is not the one that was saved: it differs {_place(run, saved, wrong[0])}"]
    there, here = saved.cursor, f"{stop.iteration}.{stop.number}"
    if there.over:  # operations after the last landmark are only counted where they were observed
        return [] if stop.over else [f"the script had ended, and now it has not: this is {here}"]
    if stop.time != there.time:
        return [f"the session stood at {there.iteration}.{there.number}, which does not come: this is {here}"]
    return []


def _place(run: Run, saved: Saved, landmark: int) -> str:
    """Where a difference lies: at a landmark, or between it and the last one that is known to agree."""
    what = _landmark(run, landmark)
    agreeing = [known for known, _ in saved.digests if known < landmark]
    if landmark == 1 or (agreeing and agreeing[-1] == landmark - 1):
        return f"at the {what}"
    return f"at the {what}, or before it"


def _landmark(run: Run, landmark: int) -> str:
    iteration = max(run.history.starts.of_landmark(landmark - 1), 1)
    step = any(point["landmark"] == landmark for point in run.history.rates)
    passed = any(point["landmark"] == landmark for point in run.history.losses)
    kind = "optimizer's step" if step else "backward pass" if passed else "landmark"
    return f"{kind} of iteration {iteration}"
