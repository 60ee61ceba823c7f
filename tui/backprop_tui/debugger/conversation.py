"""Questions to the live process at a stop, and its answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from backprop_tui.debugger.failure import Abandoned, Refused
from backprop_tui.debugger.wire import Message


class Conversation:
    """Matches answers to questions. A question sent while the script runs waits for its stop."""

    def __init__(self, send: Callable[[Message], bool]) -> None:
        """``send`` answers whether there is a process to send to."""
        self._send = send
        self._asked = 0
        self._open: dict[int, asyncio.Future[Any]] = {}

    def ask(self, do: str, **arguments: Any) -> asyncio.Future[Any]:
        """Ask. The future raises Refused with the debuggee's error, or if the process is lost."""
        self._asked += 1
        future = self._open[self._asked] = asyncio.get_running_loop().create_future()
        future.add_done_callback(_retrieve)
        if not self._send({"do": do, "id": self._asked, **arguments}):
            self.abandon()
        return future

    def take(self, message: Message) -> None:
        """An answer came."""
        future = self._open.pop(message["id"], None)
        if future is None or future.done():
            return
        if "error" in message:
            future.set_exception(Refused(message["error"]))
        else:
            future.set_result(message["value"])

    def abandon(self) -> None:
        """The process that was asked is gone."""
        for future in self._open.values():
            if not future.done():
                future.set_exception(Abandoned("the script's process is gone"))
        self._open.clear()


def _retrieve(future: asyncio.Future[Any]) -> None:
    """An answer that nobody waits for any more is no error."""
    if not future.cancelled():
        future.exception()
