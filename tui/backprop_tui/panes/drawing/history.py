"""The curves of a view: losses per call of backward, learning rates per parameter group."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, TypeVar

from backprop_tui.panes.drawing.curve import Series

Point = TypeVar("Point")


class History(Generic[Point]):
    """Series kept in step with a tuple of points that grows, and shrinks when going back in time."""

    def __init__(self, split: Callable[[Point], Sequence[tuple[Hashable, float, float]]]) -> None:
        self._split = split
        """A point as (series, x, y), one per series that it belongs to."""
        self._points: list[Point] = []
        self._lengths: list[tuple[tuple[Hashable, int], ...]] = []
        """For each point, the lengths of its series before it: what to go back to."""
        self.series: dict[Any, Series] = {}

    def update(self, points: Sequence[Point]) -> bool:
        """Take over the points; whether anything changed."""
        same = self._common(points)
        if same == len(self._points) == len(points):
            return False
        self._go_back(same)
        for point in points[same:]:
            self._add(point)
        return True

    def _common(self, points: Sequence[Point]) -> int:
        """How many points are the same as before.

        The history only grows at its end or is cut: comparing the last common points is enough, and
        if they differ, the place where it was cut is found by halves.
        """
        low, high = 0, min(len(points), len(self._points))
        if high and self._equal(points, high - 1):
            return high
        while low < high:
            middle = (low + high) // 2
            if self._equal(points, middle):
                low = middle + 1
            else:
                high = middle
        return low

    def _equal(self, points: Sequence[Point], at: int) -> bool:
        return points[at] is self._points[at] or points[at] == self._points[at]

    def _go_back(self, length: int) -> None:
        targets: dict[Hashable, int] = {}
        for lengths in reversed(self._lengths[length:]):
            targets.update(lengths)
        for key, kept in targets.items():
            self.series[key].truncate(kept)
            if not kept:
                del self.series[key]
        del self._points[length:], self._lengths[length:]

    def _add(self, point: Point) -> None:
        parts = self._split(point)
        self._lengths.append(tuple((key, len(self.series.get(key, ()))) for key, _, _ in parts))
        self._points.append(point)
        for key, x, y in parts:
            self.series.setdefault(key, Series()).append(x, y)


def series_of(
    points: Sequence[Point], split: Callable[[Point], Sequence[tuple[Hashable, float, float]]]
) -> dict[Any, Series]:
    """The series of points that will not change any more."""
    found: History[Point] = History(split)
    found.update(points)
    return found.series
