"""Backward passes: from what they start, how many go into one step, and whether anything comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from backprop_tui.explain.notices.detector import Detector, Handlers
from backprop_tui.explain.notices.notice import Give
from backprop_tui.explain.notices.past import Past
from backprop_tui.explain.notices.values import all_zero, one_number
from backprop_tui.explain.notices.words import called, number, size
from backprop_tui.explain.numbers import count
from backprop_tui.protocol import PHASE, Record, TensorInfo

_KEPT = 64
_FLAT = ("Round", "Sign", "Floor", "Ceil", "Trunc")
"""Nodes of functions whose slope is 0 wherever they have one."""
_UNMADE = frozenset({"tensor", "zeros", "ones", "full", "rand", "randn", "as_tensor", "from_numpy", "empty"})


@dataclass(frozen=True)
class Pass:
    """One backward pass that has gone into `.grad` and not been used or cleared since."""

    record: Record
    root: TensorInfo
    maker: Record | None
    """The operation that made the root."""

    def site(self) -> tuple[Any, ...]:
        """Where it was called, and where its loss was computed."""
        maker = self.maker or {}
        return (
            self.record.get("line"),
            *self.record.get("callers", ()),
            maker.get("line"),
            maker.get("name"),
        )


class Passes(Detector):
    """`backward-twice`, `accumulation-sum`, `graph-cut` and `constant-in-loss`."""

    def __init__(self, past: Past, give: Give) -> None:
        super().__init__(past, give)
        self._passes: list[Pass] = []
        self._grown: Record | None = None
        """The first accumulation of the present pass that found a gradient."""
        self._reached = 0
        """How many gradients the present pass has accumulated, and how many of them were 0."""
        self._zeros = 0
        self._flat: Record | None = None

    def handlers(self) -> Handlers:
        return {
            "node": self._node,
            "accumulate": self._accumulated,
            "backward": self._passed,
            "clear": self._used_up,
            ":_foreach_zero_": self._used_up,
            "update": self._updated,
            "step": self._stepped,
            "error": self._failed,
        }

    def _node(self, record: Record) -> None:
        if record["name"].startswith(_FLAT):
            self._flat = record

    def _accumulated(self, record: Record) -> None:
        self._reached += 1
        self._zeros += all_zero(record.get("added")) is True
        before = record.get("before")
        if self._grown is None and before is not None and not all_zero(before):
            self._grown = record

    def _failed(self, record: Record) -> None:
        self._grown, self._reached, self._zeros, self._flat = None, 0, 0, None

    def _used_up(self, record: Record) -> None:
        self._passes.clear()

    def _updated(self, record: Record) -> None:
        if record.get("optimizer") == "manual":
            self._passes.clear()

    def _passed(self, record: Record) -> None:
        if record["level"] != PHASE:
            return
        roots = record.get("inputs", [])
        if record["name"] == "backward" and len(roots) == 1 and count(roots[0].get("shape", [])) == 1:
            found = Pass(record, roots[0], self.past.maker(roots[0]))
            self._look_for_cut(found)
            self._look_for_constant(found)
            self._look_for_twin(found)
            self._passes.append(found)
            del self._passes[:-_KEPT]
        self.past.writes_since_backward = 0
        self._failed(record)

    def _look_for_twin(self, found: Pass) -> None:
        source = found.root.get("source")
        twins = [other for other in self._passes if source is not None and other.root.get("source") == source]
        grown = self._grown
        if twins and grown is not None:
            name = grown.get("tensor") or "a leaf"
            change = f"{name}: {size(grown.get('before'))} → {size(grown.get('after'))}"
            text = (
                f"this is the second backward pass through the graph of {called(found.root, 'root')} (the "
                f"first: line {twins[0].record.get('line')}), so its gradients are added once more ({change})"
            )
            self.give("backward-twice", found.record, text)

    def _look_for_cut(self, found: Pass) -> None:
        root, maker = found.root, found.maker
        name = called(root, "root")
        if root.get("leaf") and maker is not None:
            self._tell_leaf(found, name, maker)
        elif self._flat is not None and self._reached == self._zeros > 0:
            text = (
                f"{self._flat['name']} passes no gradient, and so all gradients that {name}.backward() found "
                "are 0"
            )
            self.past.cut = found.record
            self.give("graph-cut", found.record, text)

    def _tell_leaf(self, found: Pass, name: str, maker: Record) -> None:
        left = self.past.history
        made = f"{maker['name']} (line {maker.get('line')})"
        if maker["name"] not in _UNMADE:
            text = (
                f"{name} came out of {made} without a history and was then made to require a gradient, so "
                "backward() reaches nothing but itself"
            )
        elif left is not None and left["time"] < maker["time"]:
            text = (
                f"{name} is a new tensor, made by {made}: backward() reaches nothing but itself, and never "
                f"enters the graph of {left['name']} (line {left.get('line')})"
            )
        else:
            return
        self.past.cut = found.record
        self.give("graph-cut", found.record, text)

    def _look_for_constant(self, found: Pass) -> None:
        maker = found.maker
        if maker is None or maker["name"] not in ("sub", "sub_") or len(maker.get("inputs", ())) != 1:
            return
        before, after = one_number(maker["inputs"][0]), one_number(found.root)
        if isinstance(before, float) and isinstance(after, float) and before > after:
            dtype = found.root.get("dtype", "")
            text = (
                f"the loss is {number(before, dtype)} − {number(before - after)} = {number(after, dtype)}, "
                "and the constant changes none of the gradients"
            )
            self.give("constant-in-loss", maker, text)

    def _stepped(self, record: Record) -> None:
        passes, self._passes = self._passes, []
        if len(passes) < 2 or self.past.writes_since_backward:
            return
        alike = [item for item in passes if item.site() == passes[-1].site() and _is_mean(item.maker)]
        if len(alike) == len(passes) and all(map(_follows, alike, alike[1:])):
            last, loss = alike[-1], alike[-1].maker or {}
            text = (
                f"{len(alike)} backward passes, each of a whole mean ({loss.get('name')}), went into one "
                f"step of {record.get('optimizer')}: their gradients add up to {len(alike)} times that of "
                "the mean"
            )
            self.give("accumulation-sum", last.record, text)


def _is_mean(maker: Record | None) -> bool:
    """Whether a loss function made it, as a mean."""
    return maker is not None and maker.get("settings", {}).get("reduction") == "mean"


def _follows(one: Pass, other: Pass) -> bool:
    """Whether the loss of the second pass was computed only after the first pass."""
    return other.maker is not None and other.maker["time"] > one.record["time"]
