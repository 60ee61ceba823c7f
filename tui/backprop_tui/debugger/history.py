"""What the debuggee has told so far: curves, output, digests; cut back when we go back."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from backprop_tui.debugger.timeline import Digests, Starts
from backprop_tui.debugger.view import OutputChunk
from backprop_tui.protocol import LossPoint, RatePoint, Time

_KEPT_OUTPUT = 4_000_000
"""Characters of output kept in memory; the files hold all of it."""


@dataclass
class History:
    """Grows with every message of the live process."""

    losses: list[LossPoint] = field(default_factory=list)
    rates: list[RatePoint] = field(default_factory=list)
    output: list[OutputChunk] = field(default_factory=list)
    dropped: int = 0
    """Characters of the oldest output that are no longer in memory."""
    digests: Digests = field(default_factory=Digests)
    starts: Starts = field(default_factory=Starts)
    _consumed: dict[str, int] = field(default_factory=dict)
    _partial: dict[str, bytes] = field(default_factory=dict)

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
        self._take_output(message)
        different = None
        for landmark, digest in message.get("digests", ()):
            if not self.digests.compare(landmark, digest) and different is None:
                different = landmark
        return different

    def _take_output(self, message: dict[str, Any]) -> None:
        landmark, operation = message["time"]
        for stream, mark in enumerate(message.get("output", ())):
            if mark is None:
                continue
            text = self._read(*mark)
            if text:
                kind = "err" if stream else "out"
                self.output.append(OutputChunk((landmark, operation), kind, text))  # type: ignore[arg-type]
        self._drop_old_output()

    def _read(self, path: str, length: int) -> str:
        """What was added to a file since it was last read; a cut character waits for its rest."""
        start = self._consumed.get(path, 0)
        if length <= start:
            return ""
        try:
            with open(path, "rb") as file:
                file.seek(start)
                data = self._partial.pop(path, b"") + file.read(length - start)
        except OSError:
            return ""
        self._consumed[path] = length
        whole = _whole(data)
        if whole < len(data):
            self._partial[path] = data[whole:]
        return data[:whole].decode(errors="replace")

    def _drop_old_output(self) -> None:
        size = sum(len(chunk.text) for chunk in self.output)
        while size > _KEPT_OUTPUT and len(self.output) > 1:
            dropped = len(self.output.pop(0).text)
            size -= dropped
            self.dropped += dropped

    def cut(self, time: Time) -> None:
        """Go back: forget the curve points and the output after a time."""
        landmark = time[0]
        _cut_points(self.losses, landmark)
        _cut_points(self.rates, landmark)
        while self.output and self.output[-1].time > time:
            self.output.pop()


def _whole(data: bytes) -> int:
    """Length of the longest prefix that does not end inside a UTF-8 character."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte >= 0xC0:
            size = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(data) - back if size > back else len(data)
        if byte < 0x80:
            break
    return len(data)


def _cut_points(points: list[Any], landmark: int) -> None:
    keep = len(points)
    while keep and points[keep - 1]["landmark"] > landmark:
        keep -= 1
    del points[keep:]


def _short(site: str) -> str:
    """``train.py:16`` of a full path."""
    return os.path.basename(site)
