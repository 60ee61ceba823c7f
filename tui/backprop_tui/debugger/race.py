"""A race: several futures of the script run side by side, each in a copy that begins at the cursor.

The run itself is not touched. At most as many copies run at a time as there are cores; the other
futures wait. Pure of any screen: whoever shows a race reads `Race.lanes`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time as clock
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from backprop_tui.debugger.cursor_copies import CursorCopies
from backprop_tui.debugger.failure import CopyGone, Refused, ended_how
from backprop_tui.debugger.futures import Future
from backprop_tui.debugger.history import loss_points, rate_points
from backprop_tui.debugger.parting import Marks, Parting, Search
from backprop_tui.debugger.run import Run
from backprop_tui.debugger.side import Side, until
from backprop_tui.debugger.view import OVER
from backprop_tui.debugger.wire import Message
from backprop_tui.protocol import LossPoint, RatePoint

State = Literal["waiting", "running", "done", "refused", "crashed", "died", "cancelled"]
LEAST_ITERATIONS, MOST_ITERATIONS = 1, 1_000_000


@dataclass(frozen=True)
class Lane:
    """What is known of one future."""

    future: Future
    state: State = "waiting"
    losses: tuple[LossPoint, ...] = ()
    """Of the iterations since the cursor."""
    rates: tuple[RatePoint, ...] = ()
    seconds: float | None = None
    """That it ran, from the cursor to its end; what it waited for a core does not count."""
    iterations: int = 0
    """How many it has begun, that of the cursor included."""
    note: str = ""
    """Why it was refused, how it crashed or died, that the script ended before the race did."""
    fingerprint: str = ""
    """A digest of every buffer, gradient and parameter at its end."""
    parting: Parting | None = None
    """The first number that differs from what happens as it is."""
    compared: bool = False
    """`parting` has been looked for; if it is None, no number differs."""


class Race:
    """Runs futures from where the script stands."""

    def __init__(self, run: Run, futures: Sequence[Future], iterations: int) -> None:
        """``futures``: the first is the one in which nothing is changed. ``iterations``: how many each
        runs; one that has begun at the cursor is the first of them."""
        self.lanes = tuple(Lane(future) for future in futures)
        self.iterations = iterations
        self.on_change: Callable[[], None] = lambda: None
        """Called whenever `lanes` are other ones."""
        self.over = False
        """Every future has come to its end and was compared, or the race was given up."""
        self.copies = CursorCopies(run)
        self.at_once = cores()
        """How many futures run at a time at most."""
        self._run = run
        self._first = 0
        self._marks = [Marks() for _ in futures]
        self._slots = asyncio.Semaphore(self.at_once)

    @property
    def note(self) -> str:
        """What the user should know about the race as a whole; empty if there is nothing."""
        if self.copies.obstacle is None:
            return ""
        return (
            f"the script cannot be forked here ({self.copies.obstacle}):"
            " the futures run one after another, each from an earlier place"
        )

    def run_at_once(self, most: int) -> None:
        """Let at most so many futures run at a time; to be called before `run`."""
        self.at_once = most
        self._slots = asyncio.Semaphore(most)

    async def run(self) -> None:
        """Run all to the end. Raises Refused if no future can begin here.

        When it is cancelled, no copy is left, and the futures that were not at their end say so.
        """
        try:
            await self.copies.prepare()
            assert self._run.stop is not None
            self._first = self._run.stop.iteration
            if self.copies.obstacle is not None or self._run.program.threads > 1:
                self.run_at_once(1)
            await _together([self._race(number) for number in range(len(self.lanes))])
            await self._compare_all()
        finally:
            for number, lane in enumerate(self.lanes):
                if lane.state in ("waiting", "running"):
                    self._set(number, state="cancelled")
            self.over = True
            self.on_change()

    def _set(self, number: int, **changes: Any) -> None:
        lanes = list(self.lanes)
        lanes[number] = replace(lanes[number], **changes)
        self.lanes = tuple(lanes)
        self.on_change()

    # one future
    async def _race(self, number: int) -> None:
        async with self._slots:
            self._set(number, state="running")
            try:
                async with self.copies.copy() as side:
                    await self._drive(number, side)
            except CopyGone as reason:
                self._set(number, state="died", note=str(reason))
            except Refused as reason:
                self._set(number, state="refused", note=str(reason))

    async def _drive(self, number: int, side: Side) -> None:
        """From the cursor to the end, with this future's changes."""
        since = len(side.losses), len(side.rates)
        side.on_progress = lambda: self._take(number, side, *since)
        try:
            await self._change(number, side)
            begun = clock.perf_counter()
            stop = await self._to_the_end(number, side)
        except Refused as reason:
            await self._give_up(number, side, str(reason))
            return
        self._set(number, seconds=clock.perf_counter() - begun, **_outcome(stop, side.losses))

    async def _give_up(self, number: int, side: Side, reason: str) -> None:
        """The copy has refused a change, or its process is gone."""
        if side.peer.closed:
            how = ended_how(await self._run.processes.status(side.peer.pid))
            self._set(number, state="died", note=f"its process ended {how}")
        else:
            self._set(number, state="refused", note=reason)

    async def _change(self, number: int, side: Side) -> None:
        for kind, value in self.lanes[number].future.changes:
            await side.ask("change", kind=kind, value=value)

    def _take(self, number: int, side: Side, losses: int, rates: int) -> None:
        """Take over the points that came since the cursor."""
        lane = self.lanes[number]
        if len(side.losses) - losses == len(lane.losses) and len(side.rates) - rates == len(lane.rates):
            return
        more = loss_points(side.losses[losses + len(lane.losses) :])
        steps = rate_points(side.rates[rates + len(lane.rates) :])
        last = max([*(point["iteration"] for point in (*more, *steps)), self._first])
        self._set(
            number,
            losses=(*lane.losses, *more),
            rates=(*lane.rates, *steps),
            iterations=max(lane.iterations, last - self._first + 1),
        )

    async def _to_the_end(self, number: int, side: Side) -> Message:
        """Stop at some ends of iterations on the way, for what is compared there."""
        stop: Message = {}
        for end in ends(self.iterations):
            stop = await side.go(**until(self._first + end))
            digest = await side.ask("fingerprint")
            self._marks[number].fingerprints[end] = digest
            self._set(number, fingerprint=digest)
            if stop["reason"] in OVER:
                break
        return stop

    # the first number that differs
    async def _compare_all(self) -> None:
        """Only after the race: a comparison would take a core from a future that is still running."""
        search = Search(self._copy_of, self._first, self._run.processes.hub.folder)
        for lane, marks in zip(self.lanes, self._marks, strict=True):
            marks.losses = lane.losses
        try:
            await _together([self._compare(search, number) for number in range(1, len(self.lanes))])
        finally:
            search.forget()

    async def _compare(self, search: Search, number: int) -> None:
        if not _comparable(self.lanes[0]) or not _comparable(self.lanes[number]):
            return
        with contextlib.suppress(Refused):
            found = await search.parting(number, self._marks[number], self._marks[0])
            self._set(number, parting=found, compared=True)

    @contextlib.asynccontextmanager
    async def _copy_of(self, number: int) -> AsyncIterator[Side]:
        async with self._slots, self.copies.copy() as side:
            await self._change(number, side)
            yield side


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def ends(iterations: int) -> list[int]:
    """Where a future is looked at: after 1, 2, 4, 8 ... iterations and after the last one."""
    powers = [1 << power for power in range(iterations.bit_length())]
    return sorted({*(end for end in powers if end < iterations), iterations})


def _comparable(lane: Lane) -> bool:
    return lane.state in ("done", "crashed")


def _outcome(stop: Message, losses: Sequence[list[Any]]) -> dict[str, Any]:
    """How a future ended, from its last stop. What runs after the last step begins one more iteration."""
    if stop["reason"] == "crashed":
        error = (stop.get("error") or "").strip().splitlines()
        return {"state": "crashed", "note": error[-1] if error else "the script crashed"}
    if stop["reason"] == "finished":
        last = losses[-1][1] if losses else stop["iteration"]
        return {"state": "done", "note": f"the script ends in iteration {last}"}
    return {"state": "done"}


async def _together(work: Sequence[Any]) -> None:
    """Wait for all; if that is given up, or one fails, none is left behind."""
    tasks = [asyncio.ensure_future(item) for item in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
