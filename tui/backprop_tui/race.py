"""``backprop-tui race``: several futures of a script side by side, without a screen."""

from __future__ import annotations

import asyncio
import json
import sys
import time as clock
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from backprop_tui.debugger.failure import Refused
from backprop_tui.debugger.futures import Future
from backprop_tui.debugger.launch import Program
from backprop_tui.debugger.parting import Parting
from backprop_tui.debugger.race import Lane, Race
from backprop_tui.debugger.session import Session
from backprop_tui.debugger.view import View
from backprop_tui.panes.drawing.canvas import plain_text
from backprop_tui.panes.drawing.race import LETTERS, foot, table_lines
from backprop_tui.protocol import VERSION

NO_RACE = 1
"""Exit status if the script does not come to where the race begins."""


class BadChange(Exception):
    """A change that cannot be made in this script; one sentence."""


@dataclass(frozen=True)
class RaceOptions:
    """What is to be run, and how it is told."""

    futures: Sequence[Future]
    """The first is the one in which nothing is changed."""
    iterations: int
    first: int = 1
    """The iteration at whose beginning the futures part."""
    as_json: bool = False


async def race(program: Program, options: RaceOptions) -> int:
    """Run a race and print what came of it; returns the exit status.

    Raises StartFailed if there is no torch, BadChange if a change is refused in the script.
    """
    session = Session(program, details=False)
    try:
        await session.start()
        reason = await _arrive(session, options.first)
        if reason:
            print(f"backprop-tui: {reason}", file=sys.stderr)
            return NO_RACE
        begun = clock.perf_counter()
        found = await session.race(options.futures, options.iterations)
        await _run(found)
        seconds = clock.perf_counter() - begun
    except Refused as refusal:
        print(f"backprop-tui: {refusal}", file=sys.stderr)
        return NO_RACE
    finally:
        await session.close()
    write = _json if options.as_json else _text
    print(write(program, options, found, seconds))
    return 0


async def _arrive(session: Session, iteration: int) -> str:
    """Go to the beginning of an iteration. Answers why that is not possible, or nothing."""
    if session.view.status == "stopped" and iteration > 1:
        await session.goto(iteration, 1)
    view = session.view
    if view.status == "stopped":
        return ""
    return f"the script {_end_of(view)} before iteration {iteration}: there is no future to race"


def _end_of(view: View) -> str:
    error = (view.stop.error or "").strip().splitlines() if view.stop is not None else []
    if view.status == "crashed" and error:
        return f"crashes ({error[-1]})"
    return "crashes" if view.status in ("crashed", "died") else "ends"


async def _run(found: Race) -> None:
    """Run the race, and give it up as soon as a change is refused."""
    running = asyncio.ensure_future(found.run())
    found.on_change = _watching(found, running)
    try:
        await running
    except asyncio.CancelledError:
        if _refused(found.lanes) is None:
            raise
    refused = _refused(found.lanes)
    if refused is not None:
        raise BadChange(f"--change {refused.future.text!r}: {refused.note}")
    _say_progress("")


def _watching(found: Race, running: asyncio.Future[None]) -> Callable[[], None]:
    def changed() -> None:
        if _refused(found.lanes) is not None:
            running.cancel()
        over = sum(lane.state not in ("waiting", "running") for lane in found.lanes)
        _say_progress(f"{over} of {len(found.lanes)} futures are at their end")

    return changed


def _refused(lanes: Sequence[Lane]) -> Lane | None:
    return next((lane for lane in lanes if lane.state == "refused"), None)


def _say_progress(sentence: str) -> None:
    """On a terminal, in a line that the result takes the place of."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{sentence}", end="", file=sys.stderr, flush=True)


# what is printed
def _text(program: Program, options: RaceOptions, found: Race, seconds: float) -> str:
    count = f"{options.iterations} iteration{'s' * (options.iterations != 1)}"
    lines = [
        f"{program.target}: {count} from iteration {options.first} on, {len(found.lanes)} futures,"
        f" {found.at_once} at a time, {seconds:.2f} s in all",
        *([found.note] if found.note else []),
        "",
        plain_text(table_lines(found.lanes, options.iterations, None)),
        *foot(found.lanes),
    ]
    return "\n".join(lines)


def _json(program: Program, options: RaceOptions, found: Race, seconds: float) -> str:
    return json.dumps(
        {
            "version": VERSION,
            "script": program.target,
            "from": options.first,
            "iterations": options.iterations,
            "at_once": found.at_once,
            "seconds": seconds,
            "note": found.note or None,
            "futures": [_lane(lane, LETTERS[number]) for number, lane in enumerate(found.lanes)],
        }
    )


def _lane(lane: Lane, letter: str) -> dict[str, Any]:
    return {
        "letter": letter,
        "future": lane.future.text,
        "changes": [{"kind": kind, "value": value} for kind, value in lane.future.changes],
        "state": lane.state,
        "note": lane.note or None,
        "iterations": lane.iterations,
        "seconds": lane.seconds,
        "final_loss": lane.losses[-1]["value"] if lane.losses else None,
        "losses": [[point["iteration"], point["site"], point["value"]] for point in lane.losses],
        "rates": [[point["iteration"], point["optimizer"], point["lrs"]] for point in lane.rates],
        "fingerprint": lane.fingerprint or None,
        "compared": lane.compared,
        "first_difference": None if lane.parting is None else _parting(lane.parting),
    }


def _parting(parting: Parting) -> dict[str, Any]:
    return {
        "iteration": parting.iteration,
        "name": parting.name,
        "part": parting.part,
        "index": None if parting.index is None else list(parting.index),
        "value": parting.mine,
        "as_it_is": parting.other,
        "dtype": parting.dtype,
    }
