"""Drive a real debuggee without a screen."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from unittest import mock

from backprop_tui.debugger.launch import Program
from backprop_tui.debugger.session import Session

ENDS = ("finished", "crashed", "died")


class Watched(Session):
    """A session whose end can be awaited."""

    def __init__(self, program: Program, **options: Any) -> None:
        super().__init__(program, lambda view: self._changed.set(), **options)
        self._changed = asyncio.Event()

    async def until(self, *statuses: str, seconds: float = 60) -> None:
        """Wait until the view has one of the statuses; at most so many seconds between two changes."""
        while self.view.status not in statuses:
            self._changed.clear()
            await asyncio.wait_for(self._changed.wait(), seconds)


@asynccontextmanager
async def open_session(
    script: str, *arguments: str, environment: dict[str, str] | None = None, **options: Any
) -> AsyncIterator[Watched]:
    """A started session; every process of it is gone afterwards."""
    session = Watched(Program(script, arguments), **options)
    try:
        with mock.patch.dict(os.environ, environment or {}):
            await session.start()
        yield session
    finally:
        await session.close()


async def run_to_end(session: Watched, seconds: float = 600) -> None:
    """Continue at full speed to the end of the script."""
    await session.run()
    await session.until(*ENDS, seconds=seconds)


def script_output(session: Session) -> str:
    """What the script has printed."""
    return "".join(chunk.text for chunk in session.view.output)
