"""Copies of the script that stand where the script stands: from each of them another future can begin."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from backprop_tui.debugger.failure import CheckpointGone, Refused
from backprop_tui.debugger.processes import Checkpoint
from backprop_tui.debugger.run import Run
from backprop_tui.debugger.side import Side, side_copy

_HELLO = 2.0
"""Seconds within which a new checkpoint says hello."""
_TRIES = 4


class CursorCopies:
    """Makes them: by a fork where the script may be forked, else by running it again from the past."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.obstacle: str | None = None
        """Why the script cannot be forked where it stands; its copies then have to come there again."""

    async def prepare(self) -> None:
        """Make a checkpoint at the cursor, if that is possible. Raises Refused if there can be no copy."""
        run = self.run
        stop = run.stop
        if stop is None or stop.iteration < 1:
            raise Refused("the training loop has not begun yet")
        if any(record["kind"] == "step" for record in stop.open):
            raise Refused("not inside optimizer.step: step out of it first (f)")
        self.obstacle = await run.conversation.ask("obstacle")
        if self.obstacle is None and self._here() is None:
            run.processes.send({"do": "checkpoint"})
            await self._arrived()

    def _here(self) -> Checkpoint | None:
        """A checkpoint at the cursor that has taken in every change."""
        run = self.run
        near = run.processes.nearest(run.cursor())
        whole = near.time == run.cursor() and near.changes == len(run.log.entries)
        return near if whole and near.peer is not run.processes.root else None

    async def _arrived(self) -> None:
        end = asyncio.get_running_loop().time() + _HELLO
        while self._here() is None and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.005)

    @contextlib.asynccontextmanager
    async def copy(self) -> AsyncIterator[Side]:
        """One copy at the cursor. Raises Refused, also if the script has come there with other numbers."""
        async with contextlib.AsyncExitStack() as stack:
            side = await self._enter(stack)
            self._check(side, await side.stop())
            yield side

    async def _enter(self, stack: contextlib.AsyncExitStack) -> Side:
        """A checkpoint may just then be replaced by one of the same time: try the other one."""
        for _ in range(_TRIES - 1):
            with contextlib.suppress(CheckpointGone):
                return await stack.enter_async_context(self._copy())
        return await stack.enter_async_context(self._copy())

    def _copy(self) -> contextlib.AbstractAsyncContextManager[Side]:
        run = self.run
        assert run.stop is not None
        iteration, here = run.stop.iteration, self._here()
        # What happens before a landmark is observed from the one before it (see `Run.go_back`).
        first = iteration - 1 if here is None and iteration > 2 else 0
        base = here or run.processes.nearest(run.history.starts.of(first))
        observe: list[list[int | None]] = [[first, None]]
        go = {"time": list(run.cursor()), "observe": observe}
        return side_copy(run, base, go)

    def _check(self, side: Side, stop: dict[str, object]) -> None:
        run = self.run
        known = run.history.digests.at
        other = next((mark for mark, digest in side.digests if known(mark) not in (None, digest)), None)
        if other is not None:
            iteration = run.history.starts.of_landmark(other - 1)
            raise Refused(
                f"the script is not deterministic from iteration {iteration} on and cannot be forked here"
                f" ({self.obstacle}), so no copy of it comes to this place"
            )
        if run.stop is not None and run.stop.next is not None and stop["time"] != list(run.cursor()):
            raise Refused("a copy of the script does not come to the place where the script stands")
