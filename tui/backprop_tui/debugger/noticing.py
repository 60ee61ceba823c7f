"""Watches records as they come for the notices that breakpoints ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backprop_tui.debugger.breakpoints import Breakpoint
from backprop_tui.debugger.explaining import noticed
from backprop_tui.debugger.timeline import time_of
from backprop_tui.protocol import Record, Time

if TYPE_CHECKING:
    from backprop_tui.explain.notices.notice import Notice


@dataclass(frozen=True)
class Found:
    """A notice that a breakpoint asks for."""

    point: Breakpoint
    notice: Notice


class Noticing:
    """The notices of one iteration after the other.

    Each is looked at together with the iteration before, as the list on the screen does; so what is
    found does not depend on where the watching began.
    """

    def __init__(self, points: Sequence[Breakpoint]) -> None:
        self.points = list(points)
        self.found: list[Found] = []
        """In the order of their times, iteration by iteration."""
        self.on_hit: Callable[[], None] = lambda: None
        """Called when a breakpoint was met as often as it asks for."""
        self._after: Time = (-1, 0)
        self._before: list[Record] = []
        self._now: list[Record] = []
        self._warnings: list[Record] = []
        self._iteration = -1

    def begin(self, known: Sequence[Record], warnings: Sequence[Record], after: Time) -> None:
        """Start afresh with what is known already. What lies at or before ``after`` is not wanted."""
        self.found, self._after = [], after
        self._before, self._now, self._warnings, self._iteration = [], [], [], -1
        self.take(list(known), list(warnings))

    def take(self, records: list[Record], warnings: list[Record]) -> None:
        """Operations that completed."""
        self._warnings += warnings
        for record in records:
            if record["iteration"] > self._iteration:
                self.end()
                self._before, self._now = self._now, []
                self._iteration = record["iteration"]
                self._warnings = [
                    warning for warning in self._warnings if warning["iteration"] >= self._iteration - 1
                ]
            self._now.append(record)

    def end(self) -> None:
        """The present iteration is complete, as far as it will be."""
        warnings = sorted(self._warnings, key=time_of)
        wanted = [
            Found(point, notice)
            for notice in noticed([*self._before, *self._now, *warnings])
            for point in self.points
            if notice.id == point.what and notice.iteration == self._iteration and notice.time > self._after
        ]
        self.found += wanted
        if wanted and self.hit() is not None:
            self.on_hit()

    def hit(self) -> Found | None:
        """The first that was met as often as its breakpoint asks for."""
        counts: dict[int, int] = {}
        for found in self.found:
            key = self.points.index(found.point)
            counts[key] = counts.get(key, 0) + 1
            if counts[key] >= found.point.count:
                return found
        return None
