"""What the debuggee has told so far: curves, output, digests; shown up to where the script stands."""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from backprop_tui.debugger.printed import Printed
from backprop_tui.debugger.timeline import Digests, Starts
from backprop_tui.debugger.view import OutputChunk
from backprop_tui.protocol import LossPoint, RatePoint, Time

P = TypeVar("P", LossPoint, RatePoint)


class Points(Generic[P]):
    """The points of a curve, one for a landmark at most. What lies ahead of the script is kept too."""

    def __init__(self) -> None:
        self._points: list[P] = []
        self._landmarks = array("q")

    def add(self, point: P) -> None:
        """Enter a point in the place of the one that was known for its landmark."""
        landmark = point["landmark"]
        place = bisect_left(self._landmarks, landmark)
        if place < len(self._landmarks) and self._landmarks[place] == landmark:
            self._points[place] = point
            return
        self._landmarks.insert(place, landmark)
        self._points.insert(place, point)

    def until(self, landmark: int) -> list[P]:
        """The points up to a landmark."""
        return self._points[: bisect_right(self._landmarks, landmark)]

    def cut(self, landmark: int) -> None:
        """The future after a landmark is another one now."""
        place = bisect_right(self._landmarks, landmark)
        del self._points[place:], self._landmarks[place:]


@dataclass
class History:
    """Grows with every message of the live process."""

    printed: Printed = field(default_factory=Printed)
    digests: Digests = field(default_factory=Digests)
    starts: Starts = field(default_factory=Starts)
    _losses: Points[LossPoint] = field(default_factory=lambda: Points[LossPoint]())
    _rates: Points[RatePoint] = field(default_factory=lambda: Points[RatePoint]())
    _now: int = 0
    """The landmark of the last message."""

    @property
    def losses(self) -> list[LossPoint]:
        """Up to where the script stands."""
        return self._losses.until(self._now)

    @property
    def rates(self) -> list[RatePoint]:
        """Up to where the script stands."""
        return self._rates.until(self._now)

    @property
    def output(self) -> list[OutputChunk]:
        """Up to where the script stands."""
        return self.printed.chunks

    def take(self, message: dict[str, Any]) -> int | None:
        """Take a message in. Returns the first landmark that a replay did not reproduce, or None."""
        for landmark, iteration, site, value in message.get("losses", ()):
            self._losses.add(
                {"landmark": landmark, "iteration": iteration, "site": _short(site), "value": value}
            )
        for landmark, iteration, optimizer, lrs in message.get("rates", ()):
            self._rates.add(
                {"landmark": landmark, "iteration": iteration, "optimizer": optimizer, "lrs": lrs}
            )
        for iteration, landmark in message.get("starts", ()):
            self.starts.enter(iteration, landmark)
        landmark, operation = message["time"]
        self._now = landmark
        for stream, mark in enumerate(message.get("output", ())):
            if mark is not None:
                self.printed.read(stream, (landmark, operation), *mark)
        different = None
        for landmark, digest in message.get("digests", ()):
            if not self.digests.compare(landmark, digest) and different is None:
                different = landmark
        return different

    def cut(self, time: Time) -> None:
        """The future after a time is another one now. (Output is overwritten as it comes.)"""
        self.digests.cut(time[0])
        self._losses.cut(time[0])
        self._rates.cut(time[0])


def _short(site: str) -> str:
    """``train.py:16`` of a full path."""
    return os.path.basename(site)
