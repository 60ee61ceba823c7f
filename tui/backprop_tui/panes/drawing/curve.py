"""A growing curve, cut down to what a plot of so many columns can show.

Every stop brings the whole history, so the work for a new stop must not grow with it: points are
only appended or taken off at the end, and each block of points remembers its extremes.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import pairwise

MOST_BLOCKS = 2048
"""Beyond so many blocks, each takes twice as many points."""

Segment = list[tuple[float, float]]
"""Points to be joined; between two segments there is a gap (NaN, infinite, or not to be shown)."""


@dataclass
class Series:
    """The points of one curve."""

    xs: list[float] = field(default_factory=list)
    ys: list[float] = field(default_factory=list)
    gaps: list[int] = field(default_factory=list)
    """Positions of the points that are not finite."""
    below: list[int] = field(default_factory=list)
    """Positions of the points that are not positive: a logarithmic scale cannot show them."""
    block: int = 1
    """Points per block."""
    lows: list[int] = field(default_factory=list)
    """Per block the position of its least finite value, -1 if there is none."""
    highs: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ys)

    def append(self, x: float, y: float) -> None:
        """Add a point; x may not decrease."""
        position = len(self.ys)
        self.xs.append(x)
        self.ys.append(y)
        if not math.isfinite(y):
            self.gaps.append(position)
        elif y <= 0:
            self.below.append(position)
        self._enter(position)
        if len(self.lows) > MOST_BLOCKS:
            self._double()

    def truncate(self, length: int) -> None:
        """Take points off the end, as when the script was taken back in time."""
        del self.xs[length:], self.ys[length:]
        del self.gaps[bisect_left(self.gaps, length) :]
        del self.below[bisect_left(self.below, length) :]
        whole = length // self.block
        del self.lows[whole:], self.highs[whole:]
        for position in range(whole * self.block, length):
            self._enter(position)

    def _enter(self, position: int) -> None:
        number = position // self.block
        if number == len(self.lows):
            self.lows.append(-1)
            self.highs.append(-1)
        y = self.ys[position]
        if not math.isfinite(y):
            return
        if self.lows[number] < 0 or y < self.ys[self.lows[number]]:
            self.lows[number] = position
        if self.highs[number] < 0 or y > self.ys[self.highs[number]]:
            self.highs[number] = position

    def _double(self) -> None:
        self.block *= 2
        self.lows = [self._less(pair) for pair in _pairs(self.lows)]
        self.highs = [self._more(pair) for pair in _pairs(self.highs)]

    def _less(self, positions: list[int]) -> int:
        return min((p for p in positions if p >= 0), key=self.ys.__getitem__, default=-1)

    def _more(self, positions: list[int]) -> int:
        return max((p for p in positions if p >= 0), key=self.ys.__getitem__, default=-1)

    def greatest(self) -> float | None:
        """The greatest finite value; None if there is none."""
        at = self._more(self.highs)
        return None if at < 0 else self.ys[at]

    def segments(self, buckets: int, positive: bool = False) -> list[Segment]:
        """At most two points (least and greatest) per bucket, and the first and the last, cut at the gaps.

        `positive` leaves out what is not positive.
        """
        per = max(1, math.ceil(len(self.ys) / max(1, buckets) / self.block)) * self.block
        segments: list[Segment] = []
        before: int | None = None
        for start in range(0, len(self.ys), per):
            chosen = sorted({*self._extremes(start, start + per), *self._ends(start, start + per)})
            shown = [p for p in chosen if not positive or self.ys[p] > 0]
            if before is None or not shown or self._broken(before, shown[0]):
                segments.append([])
            segments[-1] += [(self.xs[p], self.ys[p]) for p in shown]
            before = shown[-1] if shown else None
        return [segment for segment in segments if segment]

    def _ends(self, start: int, end: int) -> list[int]:
        """Positions of the first and the last point of the curve, where they lie here and are finite."""
        ends = {0, len(self.ys) - 1}
        return [position for position in ends if start <= position < end and math.isfinite(self.ys[position])]

    def _extremes(self, start: int, end: int) -> list[int]:
        """Positions of the least and the greatest finite value of whole blocks, in order."""
        first, last = start // self.block, math.ceil(end / self.block)
        return sorted({self._less(self.lows[first:last]), self._more(self.highs[first:last])} - {-1})

    def _broken(self, one: int, other: int) -> bool:
        """Whether a value that is not finite lies between two positions."""
        at = bisect_left(self.gaps, one)
        return at < len(self.gaps) and self.gaps[at] < other


def _pairs(positions: list[int]) -> list[list[int]]:
    return [positions[at : at + 2] for at in range(0, len(positions), 2)]


def stairs(segment: Segment) -> Segment:
    """A value that holds until another is set: it does not glide from one to the next."""
    line = segment[:1]
    for (_, before), (x, y) in pairwise(segment):
        line += [(x, y)] if y == before else [(x, before), (x, y)]
    return line
