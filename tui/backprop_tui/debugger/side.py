"""A copy of the script beside the run: it is driven, asked, and thrown away."""

from __future__ import annotations

import asyncio
from typing import Any

from backprop_tui.debugger.conversation import Conversation
from backprop_tui.debugger.failure import Refused
from backprop_tui.debugger.wire import Message, Peer


class Side:
    """One side copy. What it prints and would write to files is dropped."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.losses: list[list[Any]] = []
        """[landmark, iteration, site, value] of every backward pass so far."""
        self.records: list[Message] = []
        """What it sent of its operations, with the evidence."""
        self._conversation = Conversation(self._send)
        self._arrival: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        peer.on_message = self._message
        peer.on_close = self._closed

    async def stop(self) -> Message:
        """Wait for its stop. Raises Refused if it ended instead."""
        return await self._arrival

    async def go(self, **message: Any) -> Message:
        """Let it go on to its next stop."""
        self._arrival = asyncio.get_running_loop().create_future()
        self._send({"do": "go", "record": False, **message})
        return await self._arrival

    async def ask(self, do: str, **arguments: Any) -> Any:
        """Ask it something at a stop."""
        return await self._conversation.ask(do, **arguments)

    def close(self) -> None:
        """Throw it away."""
        self.peer.close()

    def loss_of(self, iteration: int) -> Any:
        """The value of the first loss of an iteration on which backward was called; None if there is none."""
        return next((value for _, number, _, value in self.losses if number == iteration), None)

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
        if message["type"] == "stop" and not self._arrival.done():
            self._arrival.set_result(message)

    def _closed(self, peer: Peer) -> None:
        self._conversation.abandon()
        if not self._arrival.done():
            self._arrival.set_exception(Refused("the copy in which this was tried has ended"))
