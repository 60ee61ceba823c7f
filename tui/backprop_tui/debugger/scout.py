"""Searches the past in copies of the script: the run itself stays where it is until the place is found."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import Any

from backprop_tui.debugger.failure import Refused
from backprop_tui.debugger.processes import PAUSE_SIGNAL, Checkpoint
from backprop_tui.debugger.run import Run
from backprop_tui.debugger.side import Side, orders
from backprop_tui.debugger.wire import Message
from backprop_tui.protocol import Record

_NUDGE_EVERY = 0.1
"""Seconds."""
_TRIES = 5
Records = Callable[[list[Record], list[Record]], None]
"""Takes completed operations, and warnings, as they come."""


class Scout:
    """One search. It sends out one copy after another, and can be called off."""

    def __init__(self, run: Run, tell: Callable[[int], None] = lambda iteration: None) -> None:
        """``tell`` is given the iteration that a copy has come to, some times a second."""
        self.run = run
        self._tell = tell
        self._side: Side | None = None
        self._off = False
        self.finished = asyncio.Event()
        """The search is over, one way or another."""

    def call_off(self) -> None:
        """End the search: what waits for it gets Refused."""
        self._off = True
        if self._side is not None:
            self._side.close()

    async def send(self, base: Checkpoint, go: Message, records: Records | None = None) -> Message:
        """Send a copy of a checkpoint out; answers what it says when it stops. It can be asked until the
        next one is sent out. Raises Refused."""
        self.done()
        for _ in range(_TRIES):
            try:
                return await self._send(base, go, records)
            except ConnectionError:  # it was given up for want of memory: an earlier one leads there too
                base = self.run.processes.nearest(base.time)
        raise Refused("the checkpoint to start from is gone: try again")

    async def _send(self, base: Checkpoint, go: Message, records: Records | None) -> Message:
        run, message = self.run, orders(self.run, base, go)
        sides: list[Side] = []
        await run.processes.side(base, message, lambda peer: sides.append(self._begin(peer, records)))
        self._side = side = sides[0]
        if self._off:
            side.close()
        try:
            return await self._stop(side, bool(go.get("interrupted")))
        except Refused:
            why = (
                "called off: nothing has moved"
                if self._off
                else "the copy that searched has ended: try again"
            )
            raise Refused(why) from None

    def _begin(self, peer: Any, records: Records | None) -> Side:
        side = Side(peer)

        def told(message: Message) -> None:
            side.operations.clear()  # a long search would gather all of them
            if records is not None:
                records(message.get("records", []), message.get("warnings", []))
            if message["type"] == "progress":
                self._tell(message["iteration"])

        side.on_told = told
        return side

    async def _stop(self, side: Side, interrupted: bool) -> Message:
        """Its stop; where no operation comes, it has to be stopped where it is."""
        waiting = asyncio.ensure_future(side.stop())
        while interrupted and not waiting.done():
            with contextlib.suppress(ProcessLookupError):
                os.kill(side.peer.pid, PAUSE_SIGNAL)
            await asyncio.wait([waiting], timeout=_NUDGE_EVERY)
        return await waiting

    async def ask(self, do: str, **arguments: Any) -> Any:
        """Ask the copy that was sent out last."""
        assert self._side is not None
        return await self._side.ask(do, **arguments)

    async def go(self, **message: Any) -> Message:
        """Let the copy that was sent out last go on to its next stop."""
        assert self._side is not None
        return await self._side.go(**message)

    def done(self) -> None:
        """The copy is not needed any more."""
        if self._side is not None:
            self._side.close()
            self._side = None
