"""A copy of the script beside the run: it is driven, asked, and thrown away."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from typing import Any

from backprop_tui.debugger.conversation import Conversation
from backprop_tui.debugger.failure import CheckpointGone, CopyGone
from backprop_tui.debugger.processes import Checkpoint
from backprop_tui.debugger.run import Run
from backprop_tui.debugger.wire import Message, Peer
from backprop_tui.protocol import Record


class Side:
    """One side copy. What it prints and would write to files is dropped."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.losses: list[list[Any]] = []
        """[landmark, iteration, site, value] of every backward pass so far."""
        self.rates: list[list[Any]] = []
        """[landmark, iteration, optimizer, rates] of every step so far."""
        self.digests: list[list[int]] = []
        """[landmark, digest] of every landmark so far."""
        self.records: list[Message] = []
        """What it sent of its operations, with the evidence."""
        self.operations: list[Record] = []
        """Completed operations, while it was told to record them."""
        self.on_progress: Callable[[], None] = lambda: None
        """Called whenever there are new points."""
        self.on_told: Callable[[Message], None] = lambda message: None
        """Takes what it says of itself, besides answers."""
        self._conversation = Conversation(self._send)
        self._arrival: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._arrival.add_done_callback(_retrieve)
        peer.on_message = self._message
        peer.on_close = self._closed

    async def stop(self) -> Message:
        """Wait for its stop. Raises Refused if it ended instead."""
        return await self._arrival

    async def go(self, **message: Any) -> Message:
        """Let it go on to its next stop."""
        self._arrival = asyncio.get_running_loop().create_future()
        self._arrival.add_done_callback(_retrieve)
        self._send({"do": "go", "record": False, **message})
        if self.peer.closed:
            self._closed(self.peer)
        return await self._arrival

    async def ask(self, do: str, **arguments: Any) -> Any:
        """Ask it something at a stop."""
        return await self._conversation.ask(do, **arguments)

    def close(self) -> None:
        """Throw it away, whatever it is busy with."""
        if not self.peer.closed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.peer.pid, signal.SIGKILL)
        self.peer.close()

    def _send(self, message: Message) -> bool:
        self.peer.send(message)
        return not self.peer.closed

    def _message(self, peer: Peer, message: Message) -> None:
        if message["type"] == "reply":
            self._conversation.take(message)
            return
        if message["type"] == "record":
            self.records.append(message)
            return
        self.losses += message.get("losses", ())
        self.rates += message.get("rates", ())
        self.digests += message.get("digests", ())
        self.operations += message.get("records", ())
        self.on_told(message)
        if message["type"] == "stop" and not self._arrival.done():
            self._arrival.set_result(message)
        self.on_progress()

    def _closed(self, peer: Peer) -> None:
        self._conversation.abandon()
        if not self._arrival.done():
            self._arrival.set_exception(CopyGone("the copy in which this was tried has ended"))


def until(iteration: int) -> Message:
    """How a copy is told to run at full speed to the first operation of an iteration."""
    return {"position": [iteration, 1], "observe": [[iteration, iteration]]}


def orders(run: Run, base: Checkpoint, go: Message) -> Message:
    """What a copy of a checkpoint is told: where to go, and the changes made between it and the cursor."""
    pending = [entry for entry in run.log.after(base.changes) if entry.time <= run.cursor()]
    go = {"record": False, **go, "observe": [*go.get("observe", ()), *run.around(pending)]}
    return {"go": go, "changes": [entry.message() for entry in pending]}


def _retrieve(future: asyncio.Future[Message]) -> None:
    """The end of a copy for which nobody waits any more is no error."""
    if not future.cancelled():
        future.exception()


@contextlib.asynccontextmanager
async def side_copy(run: Run, base: Checkpoint, go: Message) -> AsyncIterator[Side]:
    """A copy of a checkpoint beside the run, when it has stopped where ``go`` says.

    Changes that were made between the checkpoint and the cursor are made in it again. Raises Refused if
    there is no such copy, or if it ends on the way.
    """
    message = orders(run, base, go)
    sides: list[Side] = []
    try:
        await run.processes.side(base, message, lambda peer: sides.append(Side(peer)))
        (side,) = sides
        await side.stop()
        yield side
    except ConnectionError:
        raise CheckpointGone("the checkpoint to start from is gone: try again") from None
    finally:
        for side in sides:
            side.close()
