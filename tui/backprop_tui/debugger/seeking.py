"""What a session does about breakpoints, and about the question where a value came from."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from backprop_tui.debugger.breakpoints import Breakpoint, Breakpoints, parse
from backprop_tui.debugger.failure import Refused
from backprop_tui.debugger.launch import Program
from backprop_tui.debugger.lines import find
from backprop_tui.debugger.run import Target
from backprop_tui.debugger.showing import Showing
from backprop_tui.debugger.timeline import START
from backprop_tui.debugger.view import Stop, View

if TYPE_CHECKING:
    from backprop_tui.debugger.culprit import Culprit
    from backprop_tui.debugger.scout import Scout
    from backprop_tui.debugger.stopping import Stopping

T = TypeVar("T")
_INTERRUPT_AFTER = 0.5
"""Seconds until a debuggee that met no operation is stopped where it is."""
_PAUSED = ("pause", "interrupt")
"""Reasons of stops that were asked for by a signal."""
Points = Callable[[], Sequence[Breakpoint]]


class Seeking(Showing):
    """A session's runs to a place that is not known beforehand, and backwards to one."""

    def __init__(
        self, program: Program, on_view: Callable[[View], None] = lambda view: None, details: bool = True
    ) -> None:
        """``details``: ask for parameters and settings at every stop (off in measurements)."""
        super().__init__(program, on_view, details)
        self.breakpoints = Breakpoints()
        self._scout: Scout | None = None
        self._pausing = False
        self._stopping: Stopping | None = None
        """What runs to the next breakpoint."""
        self._outdated = False
        """The breakpoints are others than those with which it was begun."""

    # running
    async def run(self, backwards: bool = False) -> None:
        """Run at full speed, as far as the breakpoints allow, until one is met, a pause or the end;
        backwards: to the last hit of one, or to the beginning."""
        self._run_to(lambda: self.breakpoints.enabled, backwards)

    async def run_to_line(self, file: str, line: int, backwards: bool = False) -> None:
        """Run to the next (last) operation of a line, or to a breakpoint before it."""
        here = Breakpoint("line", (file, line))
        self._run_to(lambda: [*self.breakpoints.enabled, here], backwards)

    def _run_to(self, points: Points, backwards: bool) -> None:
        self._ready()
        if not backwards:
            self._not_over()
        self._start(self._backwards(points()) if backwards else self._forwards(points))

    async def _forwards(self, points: Points) -> Stop:
        """Run on; when the breakpoints are changed meanwhile, pause and run on with the others."""
        from backprop_tui.debugger.stopping import Stopping

        try:
            while True:
                self._outdated = False
                self._stopping = Stopping(self.run_of_script, points())
                stop, hit = await self._stopping.forwards()
                if not self._outdated or stop.reason not in _PAUSED:
                    break
        finally:
            self._stopping = None
        self._tell(hit.sentence if hit is not None else "")
        return stop

    def _run_on_with_others(self) -> None:
        """The breakpoints have changed while something runs."""
        under_way = self.run_of_script.under_way
        if self._stopping is None:
            self._publish(message="breakpoints count from the next run on: p pauses this one")
        elif self._stopping.running and under_way is not None and not self._outdated:
            self._outdated = True
            self._task(self._interrupt(under_way))

    async def _interrupt(self, under_way: asyncio.Future[Stop]) -> None:
        while not under_way.done():
            self.run_of_script.processes.signal_live()
            await asyncio.wait([under_way], timeout=_INTERRUPT_AFTER)

    async def _backwards(self, points: Sequence[Breakpoint]) -> Stop:
        from backprop_tui.debugger.stopping import Stopping

        stopping = Stopping(self.run_of_script, points)
        hit = await self._search(stopping.backwards, "looking for the last breakpoint")
        if hit is None:
            return await self.run_of_script.go_back(Target(0, time=START))
        stop = await self.run_of_script.go_back(hit.target(self.run_of_script))
        self._tell(hit.sentence)
        return stop

    async def pause(self) -> None:
        """Stop a running debuggee at its next operation, or where it is if none comes; call a search off."""
        if not self._busy:
            raise Refused("nothing is running")
        if self._scout is not None:
            self._scout.call_off()
            await self._scout.finished.wait()
            return
        if self._pausing:
            return
        self._pausing = True
        self._outdated = False
        try:
            while (under_way := self.run_of_script.under_way) is not None:
                await self._interrupt(under_way)
        finally:
            self._pausing = False

    # where a value came from
    async def who_wrote(self, name: str, attr: str, index: Sequence[int]) -> None:
        """Go back to the operation that last changed an element; attr is value, grad or state.NAME."""
        from backprop_tui.debugger.culprit import who_wrote

        self._ready()
        run = self.run_of_script
        what = f"looking for who wrote {name}"
        self._start(self._to_culprit(lambda scout: who_wrote(run, scout, name, attr, index), what))

    async def first_bad(self) -> None:
        """Go back to the operation that made the first value that is not finite."""
        from backprop_tui.debugger.culprit import first_bad

        self._ready()
        run = self.run_of_script
        self._start(
            self._to_culprit(
                lambda scout: first_bad(run, scout), "looking for the first value that is not finite"
            )
        )

    async def _to_culprit(self, find: Callable[[Scout], Awaitable[Culprit]], what: str) -> Stop:
        culprit = await self._search(find, what)
        stop = await self.run_of_script.go_back(culprit.target)
        self._tell(culprit.sentence)
        return stop

    async def _search(self, find: Callable[[Scout], Awaitable[T]], what: str) -> T:
        """Search in copies, and tell how far that is."""
        from backprop_tui.debugger.scout import Scout

        self._publish(message=f"{what}… p calls it off")
        scout = self._scout = Scout(
            self.run_of_script,
            lambda iteration: self._publish(message=f"{what}: iteration {iteration:,}… p calls it off"),
        )
        try:
            found = await find(scout)
        finally:
            scout.done()
            scout.finished.set()
            self._scout = None
        self._publish(message="")
        return found

    def _tell(self, sentence: str) -> None:
        """Tell what was found, before what was said on the way there."""
        if sentence:
            said = self.view.message
            self._publish(message=f"{sentence}; {said}" if said else sentence)

    # the list of breakpoints
    def toggle_breakpoint(self, file: str, line: int) -> None:
        """Set or clear the breakpoint of a line."""
        self.breakpoints.toggle_line(file, line)
        self._show_breakpoints()

    def set_breakpoint(self, text: str, place: int | None = None, file: str = "") -> None:
        """Make a breakpoint of what was typed, or put it in the place of another. Raises Refused."""
        point = parse(text, file or self.view.file)
        if point.kind == "line":
            path, line = point.what
            point = replace(point, what=(find(path, line, self._files()), line))
        if place is None:
            self.breakpoints.add(point)
        else:
            self.breakpoints.put(place, point)
        self._show_breakpoints()

    def _files(self) -> list[str]:
        """Files of the script, as far as they have been seen."""
        stop = self.view.stop
        seen = [frame.file for frame in stop.frames] if stop is not None else []
        seen += [record["file"] for record in self.view.records if record["file"] is not None]
        return list(dict.fromkeys(map(os.path.abspath, [self.view.file, *seen])))

    def enable_breakpoint(self, place: int, on: bool) -> None:
        """Whether a breakpoint stops a run."""
        self.breakpoints.enable(place, on)
        self._show_breakpoints()

    def remove_breakpoint(self, place: int) -> None:
        """Forget a breakpoint."""
        self.breakpoints.put(place, None)
        self._show_breakpoints()

    def _show_breakpoints(self) -> None:
        self._publish(breakpoints=self.breakpoints.lines, stops=tuple(self.breakpoints))
        if self._busy:
            self._run_on_with_others()
