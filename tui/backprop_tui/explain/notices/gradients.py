"""Gradients that were not cleared, and sizes of gradients along the network."""

from __future__ import annotations

import math

from backprop_tui.explain.notices.detector import Detector, Handlers
from backprop_tui.explain.notices.notice import Give
from backprop_tui.explain.notices.past import Past
from backprop_tui.explain.notices.values import all_zero
from backprop_tui.explain.notices.words import listed, number, size
from backprop_tui.explain.numbers import norm_of
from backprop_tui.protocol import PHASE, Record

_APART = 1e5
_WEIGHTS = 4
"""So many weight matrices make a network deep enough to speak of vanishing gradients."""


class Gradients(Detector):
    """`stale-gradient` and `vanishing`."""

    def __init__(self, past: Past, give: Give) -> None:
        super().__init__(past, give)
        self._used: set[str] = set()
        """Parameters whose present gradient a step has used."""
        self._stale: dict[str, Record] = {}
        """Parameters whose gradient is the sum of a used one and a new one, with how that came about."""
        self._place: dict[str, Record] = {}
        """For those: the backward pass."""
        self._pass: list[Record] = []
        """What the present backward pass has accumulated."""
        self._stepped: list[str] = []

    def handlers(self) -> Handlers:
        return {
            "accumulate": self._accumulated,
            "clear": self._cleared,
            ":_foreach_zero_": self._all_cleared,
            "update": self._updated,
            "backward": self._passed,
            "step": self._stepped_once,
            "error": self._failed,
        }

    def _accumulated(self, record: Record) -> None:
        self._pass.append(record)
        name = record.get("tensor")
        if name in self._used and name is not None:
            before = record.get("before")
            if before is None or all_zero(before):
                self._used.discard(name)
                self._stale.pop(name, None)
            else:
                self._stale[name] = record

    def _cleared(self, record: Record) -> None:
        name = record.get("tensor")
        if name is not None:
            self._used.discard(name)
            self._stale.pop(name, None)

    def _all_cleared(self, record: Record) -> None:
        self._used.clear()
        self._stale.clear()

    def _failed(self, record: Record) -> None:
        self._pass = []

    def _passed(self, record: Record) -> None:
        if record["level"] != PHASE:
            return
        done, self._pass = self._pass, []
        stale = [name for item in done if (name := item.get("tensor")) is not None and name in self._stale]
        for name in stale:
            self._place[name] = record
        # In a GAN one network's gradients are left over on purpose, and cleared before they are used.
        if stale and len(stale) == len(done):
            self._tell(stale)
        self._compare(record, done)

    def _updated(self, record: Record) -> None:
        name = record.get("parameter")
        if name is None or record.get("grad") is None:
            return
        self._used.add(name)
        if name in self._stale:
            self._stepped.append(name)
            if record.get("optimizer") == "manual":
                self._stepped_once(record)

    def _stepped_once(self, record: Record) -> None:
        names, self._stepped = self._stepped, []
        self._tell([name for name in names if name in self._stale])

    def _tell(self, names: list[str]) -> None:
        """One notice for all parameters of one backward pass."""
        found = [(name, self._stale.pop(name)) for name in names if name in self._stale]
        places = [self._place.pop(name, record) for name, record in found]
        if not found:
            return
        name, record = found[0]
        several = len(found) > 1
        it, size_held, size_added = "them" if several else "it", "", ""
        if held := size(record.get("before")):
            of = f"{name}: " if several else ""  # a lone one has been named
            size_held, size_added = f" ({of}{held})", f" ({size(record.get('added'))})"
        text = (
            f"{listed([name for name, _ in found])} still held the gradient that the step before had "
            f"used{size_held}, and this backward pass added to {it}{size_added}"
        )
        self.give("stale-gradient", places[0], text)

    def _compare(self, record: Record, done: list[Record]) -> None:
        """The first and the last weight of a deep network; what came last in the pass is the first layer."""
        weights = [item for item in done if _is_matrix(item)]
        names = {item.get("tensor") for item in weights}
        if len(weights) < _WEIGHTS or len(names) != len(weights):
            return
        last, first = norm_of(weights[0].get("added")), norm_of(weights[-1].get("added"))
        if not first or not last or not math.isfinite(first) or not math.isfinite(last):
            return
        if max(first / last, last / first) >= _APART:
            word = "vanishes" if first < last else "explodes"
            text = (
                f"the gradient {word} on its way back: norm {number(last, digits=2)} at "
                f"{weights[0].get('tensor')}, {number(first, digits=2)} at {weights[-1].get('tensor')}, "
                f"{len(weights) - 1} weight matrices nearer to the input"
            )
            self.give("vanishing", record, text)


def _is_matrix(record: Record) -> bool:
    added = record.get("added")
    return added is not None and len(added.get("shape", ())) >= 2
