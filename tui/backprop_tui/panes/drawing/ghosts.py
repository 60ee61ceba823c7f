"""Curves of futures that were left, faint behind those of the run."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from backprop_tui.debugger.view import Ghost
from backprop_tui.panes.drawing.canvas import Line, fitted
from backprop_tui.panes.drawing.curve import Series
from backprop_tui.panes.drawing.history import series_of
from backprop_tui.panes.drawing.plot import Curve

SIGNS = (":", ";", "'")
"""The last future that was left, the one before it, the third; curves of the run are never drawn so."""
GHOST_STYLE = "dim"
UNCHANGED = "as it was"


class Ghosts:
    """The series of the ghosts of a view, worked out once for each."""

    def __init__(
        self,
        points: Callable[[Ghost], Sequence[Any]],
        split: Callable[[Any], Sequence[tuple[Hashable, float, float]]],
    ) -> None:
        """``points``: the points of one ghost. ``split``: as `History` takes it."""
        self._points = points
        self._split = split
        self._ghosts: tuple[Ghost, ...] = ()
        self._series: list[dict[Any, Series]] = []

    def update(self, ghosts: tuple[Ghost, ...]) -> bool:
        """Take over the ghosts of a view; whether they are other ones."""
        if ghosts is self._ghosts or ghosts == self._ghosts:
            return False
        self._ghosts = ghosts
        self._series = [series_of(self._points(ghost), self._split) for ghost in ghosts]
        return True

    def curves(self, buckets: int, log: bool) -> list[Curve]:
        """To be drawn before the run's own, which lie above them."""
        return [
            Curve(series.segments(buckets, log), SIGNS[number % len(SIGNS)], GHOST_STYLE)
            for number, several in reversed(list(enumerate(self._series)))
            for series in several.values()
        ]

    def legend(self, width: int) -> list[Line]:
        """What was left, and how to be rid of it."""
        shown = [(n, ghost) for n, ghost in enumerate(self._ghosts) if self._series[n]]
        lines: list[Line] = []
        for number, ghost in shown:
            sign = SIGNS[number % len(SIGNS)] * 3
            text = _told(ghost, width - len(sign), not lines)
            lines.append(fitted([(sign, GHOST_STYLE), (text, GHOST_STYLE)], width))
        return lines


def _told(ghost: Ghost, width: int, first: bool) -> str:
    """The longest of three ways to say it that fits, else the shortest."""
    was = ghost.was or UNCHANGED
    key = (" · ^g dismisses", " · ^g", " · ^g") if first else ("", "", "")
    where = (f", left in iteration {ghost.left_in}", f", left in {ghost.left_in}", "")
    ways = [f" {was}{place}{end}" for place, end in zip(where, key, strict=True)]
    return next((way for way in ways if len(way) <= width), ways[-1])
