"""What the debuggee has told so far: curves, output, digests; cut back when we go back."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from backprop_tui.debugger.printed import Printed
from backprop_tui.debugger.timeline import Digests, Starts
from backprop_tui.debugger.view import OutputChunk
from backprop_tui.protocol import LossPoint, RatePoint, Time


@dataclass
class History:
    """Grows with every message of the live process."""

    losses: list[LossPoint] = field(default_factory=list)
    rates: list[RatePoint] = field(default_factory=list)
    printed: Printed = field(default_factory=Printed)
    digests: Digests = field(default_factory=Digests)
    starts: Starts = field(default_factory=Starts)

    @property
    def output(self) -> list[OutputChunk]:
        """What was printed up to here."""
        return self.printed.chunks

    def take(self, message: dict[str, Any]) -> int | None:
        """Take a message in. Returns the first landmark that a replay did not reproduce, or None."""
        for landmark, iteration, site, value in message.get("losses", ()):
            self.losses.append(
                {"landmark": landmark, "iteration": iteration, "site": _short(site), "value": value}
            )
        for landmark, iteration, optimizer, lrs in message.get("rates", ()):
            self.rates.append(
                {"landmark": landmark, "iteration": iteration, "optimizer": optimizer, "lrs": lrs}
            )
        for iteration, landmark in message.get("starts", ()):
            self.starts.enter(iteration, landmark)
        landmark, operation = message["time"]
        for stream, mark in enumerate(message.get("output", ())):
            if mark is not None:
                self.printed.read(stream, (landmark, operation), *mark)
        different = None
        for landmark, digest in message.get("digests", ()):
            if not self.digests.compare(landmark, digest) and different is None:
                different = landmark
        return different

    def cut(self, time: Time) -> None:
        """Go back: forget the curve points after a time. Output goes with the process that printed it."""
        landmark = time[0]
        _cut_points(self.losses, landmark)
        _cut_points(self.rates, landmark)


def _cut_points(points: list[Any], landmark: int) -> None:
    keep = len(points)
    while keep and points[keep - 1]["landmark"] > landmark:
        keep -= 1
    del points[keep:]


def _short(site: str) -> str:
    """``train.py:16`` of a full path."""
    return os.path.basename(site)
