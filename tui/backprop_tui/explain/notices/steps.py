"""What one step of an optimizer does to its parameters."""

from __future__ import annotations

from typing import Any

from backprop_tui.explain.notices.detector import Detector, Handlers
from backprop_tui.explain.notices.notice import Give
from backprop_tui.explain.notices.past import Past
from backprop_tui.explain.notices.values import all_zero, equal
from backprop_tui.explain.notices.words import counted, exact, listed
from backprop_tui.protocol import Record, TensorInfo

_ADDED = frozenset({"Adam", "Adamax", "NAdam", "RAdam"})
"""Optimizers that add the decay to a gradient which they then divide by its size."""


class Steps(Detector):
    """`step-twice`, `lr-zero`, `frozen-moves` and `adam-l2`."""

    def __init__(self, past: Past, give: Give) -> None:
        super().__init__(past, give)
        self._used: dict[str, TensorInfo | None] = {}
        """Parameter to the gradient that its last update used, if it has got no other since."""
        self._updates: list[Record] = []
        self._repeated = 0
        """How many updates of this step used a gradient for the second time."""
        self._decay_told = False
        self._line: int | None = None
        """Of the step before."""

    def handlers(self) -> Handlers:
        return {
            "accumulate": self._renewed,
            "clear": self._renewed,
            "update": self._updated,
            "step": self._stepped,
        }

    def _renewed(self, record: Record) -> None:
        name = record.get("tensor")
        if name is not None:
            self._used.pop(name, None)

    def _updated(self, record: Record) -> None:
        if record.get("optimizer") == "manual":
            return
        self._updates.append(record)
        name, gradient = record.get("parameter"), record.get("grad")
        if name is None:
            return
        if name in self._used and self._same(self._used[name], gradient):
            self._repeated += 1
        self._used[name] = gradient

    def _same(self, one: TensorInfo | None, other: TensorInfo | None) -> bool:
        """Whether a gradient was used before; if it is not known, whether nobody can have written to it."""
        known = equal(one, other)
        return self.past.writes_since_backward == 0 if known is None else known

    def _stepped(self, record: Record) -> None:
        updates, self._updates = self._updates, []
        repeated, self._repeated = self._repeated, 0
        before, self._line = self._line, record.get("line")
        if updates:
            self._tell_frozen(record, updates)
            self._tell_rates(record, updates)
            if repeated == len(updates) and not all(all_zero(item.get("grad")) for item in updates):
                text = (
                    f"{record.get('optimizer')} steps again (the step before: line {before}) with the "
                    f"gradients of {counted(repeated, 'parameter')} that it has used already"
                )
                self.give("step-twice", record, text)
        self._tell_decay(record)

    def _tell_frozen(self, record: Record, updates: list[Record]) -> None:
        names = [item.get("parameter") or "a parameter" for item in updates if _moves_frozen(item)]
        if names:
            zero = all(all_zero(item.get("grad")) for item in updates if _moves_frozen(item))
            text = (
                f"{listed(names)} {'has' if len(names) == 1 else 'have'} requires_grad=False and still "
                f"moved: the gradient is {'0' if zero else 'left over'}, not None"
            )
            self.give("frozen-moves", record, text)

    def _tell_rates(self, record: Record, updates: list[Record]) -> None:
        if all(_is_zero(item.get("lr")) for item in updates):
            text = (
                f"this step of {record.get('optimizer')} has learning rate 0: its "
                f"{counted(len(updates), 'update')} change nothing"
            )
            self.give("lr-zero", record, text)

    def _tell_decay(self, record: Record) -> None:
        name, settings = record.get("optimizer"), record.get("settings", {})
        if name not in _ADDED or self._decay_told or not self.past.whole:
            return
        decays = settings.get("weight_decay") or []
        apart = settings.get("decoupled_weight_decay") or [False] * len(decays)
        added = [decay for decay, alone in zip(decays, apart, strict=False) if decay and not alone]
        if added:
            self._decay_told = True
            text = (
                f"{name} adds weight_decay · w = {exact(added[0])} · w to the gradient and then divides by "
                "the gradient's size, which is not AdamW's decay"
            )
            self.give("adam-l2", record, text)


def _is_zero(rate: Any) -> bool:
    return isinstance(rate, (int, float)) and rate == 0


def _moves_frozen(record: Record) -> bool:
    before = record.get("before")
    if before is None or before.get("requires_grad", True):
        return False
    return equal(before, record.get("after")) is False
