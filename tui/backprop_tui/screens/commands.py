"""One command after another, so that a held key never leaves seconds of steps behind."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic

from backprop_tui.debugger.failure import Refused

STALE = 0.3
"""Seconds after which repeats of one waiting command count as one."""


@dataclass(frozen=True)
class Command:
    """A command that waits for its turn."""

    name: str
    call: Callable[[], Awaitable[None]]
    asked_at: float


class CommandQueue:
    """Runs commands in order. What is refused is told to `refused`; other exceptions are not caught."""

    def __init__(self, refused: Callable[[str], None], clock: Callable[[], float] = monotonic) -> None:
        self._refused = refused
        self._clock = clock
        self._waiting: deque[Command] = deque()
        self._wake = asyncio.Event()

    def submit(self, name: str, call: Callable[[], Awaitable[None]]) -> None:
        """Put a command at the end of the queue. Equal names mean equal commands."""
        self._waiting.append(Command(name, call, self._clock()))
        self._wake.set()

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting.clear()

    def take(self) -> Command | None:
        """The next command. Of repeats that have waited too long one is left.

        Quick single presses are all obeyed; a key held down during a slow step is obeyed once.
        """
        if not self._waiting:
            return None
        command = self._waiting.popleft()
        while self._waiting and self._waiting[0].name == command.name and self._is_stale(command):
            command = self._waiting.popleft()
        return command

    def _is_stale(self, command: Command) -> bool:
        return self._clock() - command.asked_at > STALE

    async def serve(self) -> None:
        """Run commands for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while command := self.take():
                await self.obey(command.call)

    async def obey(self, call: Callable[[], Awaitable[None]]) -> None:
        """Run one command now, out of turn."""
        try:
            await call()
        except Refused as refusal:
            self._refused(str(refusal))
