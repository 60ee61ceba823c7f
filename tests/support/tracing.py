"""Records of many scripts, each run in a fork of one process that has imported torch already."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from backprop_tui.debugger.launch import Program, launch
from backprop_tui.debugger.wire import Hub, Message, Peer
from backprop_tui.explain.notices.errors import crash_record

TIMEOUT = 60
"""Seconds for one script."""


@dataclass
class Traced:
    """What one script did."""

    records: list[Any] = field(default_factory=list)
    """Completed operations, warnings, and at the end the exception that ended the script, if one did."""
    status: int = 0
    error: str | None = None
    """The traceback."""


class Tracing:
    """A process with torch in it, and forks of it that run scripts one after the other."""

    def __init__(self, values: int = 64, full: bool = True) -> None:
        self.values = values
        self.full = full
        """Tensors too large to be given whole are summarised."""
        self._hub = Hub(self._hello)
        self._root: asyncio.Future[Peer] = asyncio.get_running_loop().create_future()
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._traced = Traced()
        self._count = 0

    async def __aenter__(self) -> Tracing:
        await self._hub.open()
        self._process = launch(Program(""), self._hub.address, self._hub.folder, capture=True)
        await asyncio.wait_for(asyncio.shield(self._root), TIMEOUT)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._hub.close()
        self._process.wait(TIMEOUT)

    def _hello(self, peer: Peer) -> None:
        peer.on_message = self._message
        if peer.hello["role"] == "root":
            self._root.set_result(peer)

    def _message(self, peer: Peer, message: Message) -> None:
        traced = self._traced
        if message["type"] == "record":
            traced.records.append(message["record"])
        elif message["type"] == "stop":
            traced.status, traced.error = message.get("exit_status") or 0, message.get("error")
            if message["reason"] == "crashed":
                file, line, *_ = message["frames"][0]
                place = (message["time"], message["iteration"], file, line)
                traced.records.append(crash_record(message["error"], *place))
        elif message["type"] == "died" and message["token"] == self._count and not self._ended.done():
            self._ended.set_result(None)

    async def run(self, script: str, *arguments: str) -> Traced:
        """Run one script to its end."""
        self._traced = Traced()
        self._ended = asyncio.get_running_loop().create_future()
        self._count += 1
        program = Program(script, arguments)
        root = await self._root
        root.send(
            {
                "do": "wake",
                "token": self._count,
                "script": program.script(),
                "changes": [],
                "go": {"record": True},
                "trace": {"level": "operation", "values": self.values, "explain": False, "full": self.full},
            }
        )
        await asyncio.wait_for(asyncio.shield(self._ended), TIMEOUT)
        return self._traced


def trace_all(scripts: Iterable[Sequence[str]], **options: Any) -> list[Traced]:
    """The records of each script; a script is its path and its arguments."""

    async def all_of_them() -> list[Traced]:
        async with Tracing(**options) as tracing:
            return [await tracing.run(*words) for words in scripts]

    return asyncio.run(all_of_them())
