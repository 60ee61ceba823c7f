"""What the debuggee has told so far: curves, output, digests; shown up to where the script stands."""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from backprop_tui.debugger.printed import Printed
from backprop_tui.debugger.timeline import START, Digests, Starts
from backprop_tui.debugger.view import Ghost, OutputChunk
from backprop_tui.protocol import LossPoint, RatePoint, Time

P = TypeVar("P", LossPoint, RatePoint)

MOST_GHOSTS = 3
_LOOK_BACK = 64
"""Points among which the last one of every curve lies."""


class Points(Generic[P]):
    """The points of a curve, one for a landmark at most. What lies ahead of the script is kept too."""

    def __init__(self) -> None:
        self._points: list[P] = []
        self._landmarks = array("q")
        self._shown: tuple[P, ...] | None = ()
        """What was asked for last, as long as it is right: a run may have a million points, of which most
        steps add none."""

    def add(self, point: P) -> None:
        """Enter a point in the place of the one that was known for its landmark."""
        landmark, self._shown = point["landmark"], None
        place = bisect_left(self._landmarks, landmark)
        if place < len(self._landmarks) and self._landmarks[place] == landmark:
            self._points[place] = point
            return
        self._landmarks.insert(place, landmark)
        self._points.insert(place, point)

    def until(self, landmark: int) -> tuple[P, ...]:
        """The points up to a landmark: the very same tuple as last time if they are the same."""
        count = bisect_right(self._landmarks, landmark)
        if self._shown is None or len(self._shown) != count:
            self._shown = tuple(self._points[:count])
        return self._shown

    def cut(self, landmark: int) -> list[P]:
        """The future after a landmark is another one now. Returns what was known of the old one, after
        the last point of each of its curves before; nothing if nothing was known."""
        place = bisect_right(self._landmarks, landmark)
        left = self._points[place:]
        joints: list[P] = self._last_before(place, {_curve_of(point) for point in left})
        del self._points[place:], self._landmarks[place:]
        self._shown = None
        return joints + left

    def _last_before(self, place: int, curves: set[Any]) -> list[P]:
        """The last point of each curve before a place: a curve that is drawn from there begins with it."""
        found: list[P] = []
        for point in reversed(self._points[max(0, place - _LOOK_BACK) : place]):
            if _curve_of(point) in curves:
                curves.discard(_curve_of(point))
                found.append(point)
        return found[::-1]


class Appended:
    """How long files were before the script opened them to append to, in the order in which it did."""

    def __init__(self) -> None:
        self._files: list[tuple[str, int | None]] = []

    def take(self, told: int, files: Iterable[tuple[str, int | None]]) -> None:
        """Files opened after the first ``told``; what was known of a future that was left is void."""
        files = list(files)
        if files:
            self._files[told:] = files

    def leave(self, count: int) -> list[tuple[str, int | None]]:
        """Forget what was opened after the first ``count``. Returns it, to be set back, in that order."""
        left = self._files[count:]
        del self._files[count:]
        return left


def first_lengths(files: Iterable[tuple[str, int | None]]) -> list[tuple[str, int | None]]:
    """Each of these files once, with its length before it was opened for the first time."""
    first: dict[str, int | None] = {}
    for path, size in files:
        first.setdefault(path, size)
    return list(first.items())


@dataclass
class History:
    """Grows with every message of the live process."""

    printed: Printed = field(default_factory=Printed)
    digests: Digests = field(default_factory=Digests)
    starts: Starts = field(default_factory=Starts)
    ghosts: tuple[Ghost, ...] = ()
    """Futures that were left, the last one first."""
    appended: Appended = field(default_factory=Appended)
    _losses: Points[LossPoint] = field(default_factory=lambda: Points[LossPoint]())
    _rates: Points[RatePoint] = field(default_factory=lambda: Points[RatePoint]())
    furthest: tuple[Time, int] = (START, 0)
    """The latest time that is known, and its iteration."""
    _now: int = 0
    """The landmark of the last message."""

    @property
    def losses(self) -> tuple[LossPoint, ...]:
        """Up to where the script stands."""
        return self._losses.until(self._now)

    @property
    def rates(self) -> tuple[RatePoint, ...]:
        """Up to where the script stands."""
        return self._rates.until(self._now)

    @property
    def output(self) -> tuple[OutputChunk, ...]:
        """Up to where the script stands."""
        return self.printed.chunks

    def take(self, message: dict[str, Any]) -> int | None:
        """Take a message in. Returns the first landmark that a replay did not reproduce, or None."""
        for loss in loss_points(message.get("losses", ())):
            self._losses.add(loss)
        for rate in rate_points(message.get("rates", ())):
            self._rates.add(rate)
        for iteration, landmark in message.get("starts", ()):
            self.starts.enter(iteration, landmark)
        landmark, operation = message["time"]
        self._now = landmark
        self.furthest = max(self.furthest, ((landmark, operation), message["iteration"]))
        self.appended.take(*message.get("appended", (0, ())))
        self.printed.take((landmark, operation), message.get("output", ()), message.get("turns", ()))
        different = None
        for landmark, digest in message.get("digests", ()):
            if not self.digests.compare(landmark, digest) and different is None:
                different = landmark
        return different

    def cut(self, time: Time, was: str = "") -> None:
        """The future after a time is another one now. (Output is overwritten as it comes.)

        ``was``: the changes that were in force in the old one, whose curves become a ghost.
        """
        self.furthest = min(self.furthest, (time, self.starts.of_landmark(time[0])))
        self.digests.cut(time[0])
        losses, rates = tuple(self._losses.cut(time[0])), tuple(self._rates.cut(time[0]))
        if losses or rates:
            ghost = Ghost(was, self.starts.of_landmark(time[0]), losses, rates)
            self.ghosts = (ghost, *self.ghosts)[:MOST_GHOSTS]


def _curve_of(point: Any) -> Any:
    return point["site"] if "site" in point else point["optimizer"]


def loss_points(entries: Iterable[Sequence[Any]]) -> list[LossPoint]:
    """From what a message carries: [landmark, iteration, ``file:line``, value] each."""
    return [
        {"landmark": landmark, "iteration": iteration, "site": os.path.basename(site), "value": value}
        for landmark, iteration, site, value in entries
    ]


def rate_points(entries: Iterable[Sequence[Any]]) -> list[RatePoint]:
    """From what a message carries: [landmark, iteration, optimizer, rates] each."""
    return [
        {"landmark": landmark, "iteration": iteration, "optimizer": optimizer, "lrs": lrs}
        for landmark, iteration, optimizer, lrs in entries
    ]
