"""A real debuggee that is started once and then runs one script after another, without `await`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from backprop_tui.debugger.failure import Refused
from backprop_tui.debugger.launch import Program
from backprop_tui.debugger.view import Stop, View
from support.sessions import ENDS, Watched

T = TypeVar("T")
PATIENCE = 60
"""Seconds after which a command counts as hung."""


def _state_of(pid: int) -> str:
    found = [f"process {pid}"]
    for name in ("status", "wchan", "syscall"):
        with contextlib.suppress(OSError):
            found.append(Path(f"/proc/{pid}/{name}").read_text())
    return "\n".join(found)


class Driver:
    """Commands of a session that return when the debuggee has stopped again.

    Importing torch is what makes a start slow. `load` runs another script under the same root, so that
    a whole module of tests pays for it once.
    """

    def __init__(self, script: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.messages: list[str] = []
        """Every sentence for the user since the script was loaded."""
        self.session = self.wait(self._open(script))
        self.wait(self.session.start())

    async def _open(self, script: str) -> Watched:
        session = Watched(Program(script))
        tell = session.on_view

        def watch(view: View) -> None:
            if view.message and view.message not in self.messages:
                self.messages.append(view.message)
            tell(view)

        session.on_view = watch
        return session

    def load(
        self, script: str | Path, *arguments: str, changes: tuple[tuple[str, Any], ...] = (), **more: Any
    ) -> Stop:
        """Run a script from its beginning to the first operation of its training loop."""
        with contextlib.suppress(Refused):
            self.pause()
        self.messages.clear()
        return self.do(self.session.open(Program(str(script), arguments, changes=changes, **more)))

    @property
    def view(self) -> View:
        return self.session.view

    @property
    def status(self) -> str:
        return self.view.status

    @property
    def stop(self) -> Stop:
        assert self.view.stop is not None
        return self.view.stop

    @property
    def printed(self) -> str:
        return "".join(chunk.text for chunk in self.view.output)

    def wait(self, work: Awaitable[T]) -> T:
        try:
            return self.loop.run_until_complete(asyncio.wait_for(work, PATIENCE))
        except asyncio.TimeoutError as error:
            raise AssertionError(f"no answer within {PATIENCE} s\n{self._state()}") from error

    def _state(self) -> str:
        """What every process of the debuggee is doing, for a command that hangs."""
        processes = self.session.run_of_script.processes
        peers = [processes.root, processes.live, *(place.peer for place in processes.checkpoints)]
        return "\n".join(_state_of(peer.pid) for peer in peers if peer is not None)

    def do(self, command: Awaitable[Any]) -> Stop:
        """Give a command and wait until the script stands still."""
        self.wait(command)
        self.wait(self.session.until("stopped", *ENDS, seconds=PATIENCE))
        return self.stop

    def step(self, how: str = "walk", backwards: bool = False) -> Stop:
        return self.do(self.session.step(how, backwards))  # type: ignore[arg-type]

    def back(self, how: str = "walk") -> Stop:
        return self.step(how, backwards=True)

    def goto(self, iteration: int, number: int) -> Stop:
        return self.do(self.session.goto(iteration, number))

    def run(self, backwards: bool = False) -> Stop:
        return self.do(self.session.run(backwards))

    def run_to_line(self, file: str, line: int, backwards: bool = False) -> Stop:
        return self.do(self.session.run_to_line(file, line, backwards))

    def restart(self) -> Stop:
        return self.do(self.session.restart())

    def change(self, kind: str, value: Any) -> None:
        self.do(self.session.change(kind, value))

    def start_running(self) -> None:
        """Let it run and come back at once."""
        self.wait(self.session.run())

    def pause(self) -> Stop:
        return self.do(self.session.pause())

    def until(self, condition: Callable[[View], bool]) -> None:
        """Wait until the view of a running script fulfils a condition."""

        async def wait() -> None:
            while not condition(self.view):
                self.session._changed.clear()
                await self.session._changed.wait()

        self.wait(wait())

    def settle(self) -> None:
        """Wait for what is worked out after a stop: explanations, notices, the rates ahead."""

        async def settle() -> None:
            await self.session.explain()
            while self.session._tasks:
                await asyncio.gather(*self.session._tasks)

        self.wait(settle())

    def values(self, name: str, part: str = "value") -> Any:
        """Numbers of a row of the parameter table: ``value``, ``grad``, or ``state`` as a whole."""
        (row,) = (row for row in self.view.parameters if row["name"] == name)
        if part == "state":
            return row["state"]
        info = row[part]  # type: ignore[literal-required]
        return None if info is None else info["values"]

    def close(self) -> None:
        self.wait(self.session.close())
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()
