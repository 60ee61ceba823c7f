"""Records of many scripts, each run in a fork of one process that has imported torch already."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from backprop_tui.debugger.explaining import explained
from backprop_tui.debugger.launch import Program, launch
from backprop_tui.debugger.wire import Hub, Message, Peer
from backprop_tui.explain.explanation import Explanation
from backprop_tui.explain.notices.errors import crash_record

TIMEOUT = 120
"""Seconds for one script."""
TOGETHER = 2
"""Scripts that run at the same time."""


@dataclass
class Traced:
    """What one script did."""

    records: list[Any] = field(default_factory=list)
    """Completed operations, warnings, and at the end the exception that ended the script, if one did."""
    status: int = 0
    error: str | None = None
    """The traceback."""
    explanations: list[tuple[str, Explanation]] = field(default_factory=list)
    """(name of the operation, why one of its results is what it is), if they were asked for."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, message: Message) -> None:
        """One message of the script's process."""
        if message["type"] == "record":
            self.records.append(message["record"])
            for explanation in explained(message.get("evidence")):
                self.explanations.append((message["record"]["name"], explanation))
        elif message["type"] == "stop":
            self.status, self.error = message.get("exit_status") or 0, message.get("error")
            if message["reason"] == "crashed":
                file, line, *_ = message["frames"][0]
                place = (message["time"], message["iteration"], file, line)
                self.records.append(crash_record(message["error"], *place))


class Tracing:
    """A process with torch in it, whose forks run scripts."""

    def __init__(self, explain: bool = False) -> None:
        self._explain = explain
        self._hub = Hub(self._hello)
        self._root: asyncio.Future[Peer] = asyncio.get_running_loop().create_future()
        self._running: dict[int, Traced] = {}
        self._turns = asyncio.Semaphore(TOGETHER)
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
        if peer.hello["role"] == "root":
            peer.on_message = self._root_message
            self._root.set_result(peer)
        else:
            traced = self._running[peer.hello["token"]]
            peer.on_message = lambda _, message: traced.take(message)
            peer.on_close = lambda _: traced.ended.set()

    def _root_message(self, peer: Peer, message: Message) -> None:
        """A fork is gone; it may have died before it could say anything."""
        if message["type"] == "died":
            traced = self._running[message["token"]]
            asyncio.get_running_loop().call_later(1, traced.ended.set)

    async def run(self, script: str, *arguments: str, iterations: int | None = None) -> Traced:
        """Run one script to its end, or so many iterations of it."""
        root = await self._root
        async with self._turns:
            self._count += 1
            traced = self._running[self._count] = Traced()
            go = {"record": True, "explain": self._explain, "iterations": iterations}
            wake = {"script": Program(script, arguments).script(), "changes": [], "go": go}
            trace = {"level": "operation", "values": 64}
            root.send({"do": "wake", "token": self._count, "trace": trace, **wake})
            await asyncio.wait_for(traced.ended.wait(), TIMEOUT)
        return traced


def trace_all(
    scripts: Iterable[Sequence[str]], explain: bool = False, iterations: int | None = None
) -> list[Traced]:
    """The records of each script, and their explanations; a script is its path and its arguments."""

    async def all_of_them() -> list[Traced]:
        async with Tracing(explain) as tracing:
            runs = (tracing.run(*words, iterations=iterations) for words in scripts)
            return await asyncio.gather(*runs)

    return asyncio.run(all_of_them())
