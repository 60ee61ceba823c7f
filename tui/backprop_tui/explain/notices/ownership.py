"""Which parameters an optimizer holds, and which of them get a gradient."""

from __future__ import annotations

from typing import Any

from backprop_tui.explain.notices.detector import Detector, Handlers
from backprop_tui.explain.notices.notice import Give
from backprop_tui.explain.notices.past import Past
from backprop_tui.explain.notices.words import called, counted, left_out_names, listed
from backprop_tui.protocol import Record

Key = tuple[str, tuple[int, ...]]


class Ownership(Detector):
    """`not-in-optimizer`, `stale-parameters`, `grad-none` and `step-without-gradients`."""

    def __init__(self, past: Past, give: Give) -> None:
        super().__init__(past, give)
        self._unowned: dict[Key, tuple[Any, Record]] = {}
        """Parameters that got a gradient and are in no optimizer, with the backward pass."""
        self._by_hand: set[str] = set()
        """Parameters that the script updates itself."""
        self._updates = 0
        self._passed: Record | None = None
        """The last backward pass."""
        self._cleared: Record | None = None
        """A zero_grad after it, or a gradient that was set to None by hand."""
        self._leaves: list[str | None] = []
        """Where the gradients of the pass that runs or ran last went: None for what no variable holds."""
        self._running = False

    def handlers(self) -> Handlers:
        return {
            "accumulate": self._accumulated,
            "backward": self._pass,
            "zero_grad": self._clear,
            "clear": self._clear,
            "update": self._update,
            "step": self._step,
            "error": self._failed,
        }

    def _accumulated(self, record: Record) -> None:
        if not self._running:
            self._leaves, self._running = [], True
        self._leaves.append(record.get("tensor"))

    def _pass(self, record: Record) -> None:
        if not self._running:
            self._leaves = []
        self._running = False
        for item in record.get("unowned", ()):
            if item["name"] not in self._by_hand:
                self._unowned[_key(item)] = (item, record)
        if record["name"] == "backward":
            self._passed, self._cleared = record, None

    def _failed(self, record: Record) -> None:
        self._running = False

    def _clear(self, record: Record) -> None:
        self._cleared = record

    def _update(self, record: Record) -> None:
        if record.get("optimizer") != "manual":
            self._updates += 1
        elif name := record.get("parameter"):
            self._by_hand.add(name)
            self._unowned = {key: found for key, found in self._unowned.items() if key[0] != name}

    def _step(self, record: Record) -> None:
        skipped = list(record.get("skipped", ()))
        skipped = self._tell_unowned(skipped)
        if self._passed is not None and self._updates:
            self._tell_skipped(record, skipped)
        elif skipped and not self._updates and (self._passed is not None or self.past.aligned):
            self._tell_nothing(record)
        self._updates = 0

    def _tell_unowned(self, skipped: list[Any]) -> list[Any]:
        """Returns the skipped parameters that are not the old ones of a layer that was replaced."""
        found, self._unowned = list(self._unowned.values()), {}
        shapes = [item["shape"] for item in skipped]
        replaced = [(item, record) for item, record in found if item["shape"] in shapes]
        missing = [(item, record) for item, record in found if item["shape"] not in shapes]
        taken = [item["shape"] for item, _ in replaced]
        old = [item for item in skipped if item["shape"] in taken]
        if replaced:
            names = left_out_names(item for item, _ in replaced)
            text = (
                f"{listed(names)} got a gradient and {'is' if len(names) == 1 else 'are'} in no optimizer, "
                f"while the optimizer holds {counted(len(old), 'parameter')} of the same shape without a "
                "gradient"
            )
            self.give("stale-parameters", replaced[0][1], text)
        if missing:
            names = left_out_names(item for item, _ in missing)
            text = (
                f"{listed(names)} got a gradient, but no optimizer holds "
                f"{'it' if len(names) == 1 else 'them'}"
            )
            self.give("not-in-optimizer", missing[0][1], text)
        return [item for item in skipped if item not in old]

    def _tell_skipped(self, record: Record, skipped: list[Any]) -> None:
        if skipped:
            names = left_out_names(skipped)
            one = len(names) == 1
            text = (
                f"{record.get('optimizer')} passes over {listed(names)}: "
                f"{'its gradient is' if one else 'their gradients are'} None, so not even momentum or decay "
                f"act on {'it' if one else 'them'}"
            )
            self.give("grad-none", record, text)

    def _tell_nothing(self, record: Record) -> None:
        if self._passed is not None and self._cleared is None:
            self._tell_missed(record, self._passed)
            return
        text = f"this step of {record.get('optimizer')} changes nothing: all of its gradients are None"
        if self._cleared is not None and self._passed is not None:
            line = f"(line {self._cleared.get('line')})"
            what = (
                f"zero_grad() {line} came"
                if self._cleared["kind"] == "zero_grad"
                else f"they were cleared {line}"
            )
            text += f", because {what} after backward() (line {self._passed.get('line')})"
        elif self._passed is None and self.past.whole:
            text += ", because no backward() came before"
        self.give("step-without-gradients", record, text)

    def _tell_missed(self, record: Record, passed: Record) -> None:
        """There was a backward pass, and nothing of it came to the parameters."""
        if passed is self.past.cut:
            return
        optimizer, line = record.get("optimizer"), passed.get("line")
        root = passed["inputs"][0] if len(passed.get("inputs", ())) == 1 else None
        where = None
        if root is not None and root["leaf"]:
            where = f"{called(root, 'root')} is a leaf, and backward() reaches nothing but itself"
        elif self._leaves and not any(self._leaves):
            where = "all gradients of this pass go into a new tensor that no variable holds"
        if where is not None:
            self.give("graph-cut", passed, f"{where}: no parameter of {optimizer} gets any")
            return
        text = (
            f"this step of {optimizer} changes nothing: backward() (line {line}) came to none of its "
            "parameters, and all of their gradients are None"
        )
        self.give("step-without-gradients", record, text)


def _key(item: Any) -> Key:
    return item["name"] or "", tuple(item["shape"])
