"""Updates by hand that make a new tensor instead of changing the old one."""

from __future__ import annotations

from backprop_tui.explain.notices.detector import Detector, Handlers
from backprop_tui.explain.notices.notice import Give
from backprop_tui.explain.notices.past import Past
from backprop_tui.explain.notices.values import equal
from backprop_tui.protocol import Record, TensorInfo, Time

_KEPT = 16
_SCALED = frozenset({"mul", "rmul", "div", "neg"})


class Updates(Detector):
    """`update-made-a-new-tensor`."""

    def __init__(self, past: Past, give: Give) -> None:
        super().__init__(past, give)
        self._gradients: dict[str, TensorInfo | None] = {}
        """Leaf to the gradient that it has."""
        self._made: dict[Time, tuple[str, Record]] = {}
        """Results of leaf − factor · gradient, with the leaf's name."""

    def handlers(self) -> Handlers:
        return {
            "accumulate": self._accumulated,
            ":sub": self._difference,
            ":add": self._difference,
            "op": self._used,
            "loss": self._used,
            "forward": self._used,
        }

    def _accumulated(self, record: Record) -> None:
        if name := record.get("tensor"):
            self._gradients[name] = record.get("after")

    def _difference(self, record: Record) -> None:
        inputs, outputs = record.get("inputs", []), record.get("outputs", [])
        if len(inputs) != 2 or not outputs or not inputs[0].get("leaf") or not inputs[0].get("requires_grad"):
            return
        name = inputs[0].get("name")
        if (
            name in self._gradients
            and name is not None
            and self._is_gradient(inputs[1], self._gradients[name])
        ):
            self._made[(record["time"][0], record["time"][1])] = (name, record)
            if len(self._made) > _KEPT:
                del self._made[next(iter(self._made))]

    def _is_gradient(self, info: TensorInfo, gradient: TensorInfo | None) -> bool:
        """Whether a tensor is a gradient, or a multiple of it."""
        maker = self.past.maker(info)
        if maker is not None and maker["name"] in _SCALED and maker.get("inputs"):
            info = maker["inputs"][0]
        same = equal(info, gradient)
        if same is None:  # too large to be compared: nothing else of that shape comes from nowhere
            same = not info.get("name") and "source" not in info and not info.get("requires_grad")
        return same and gradient is not None

    def _used(self, record: Record) -> None:
        """The name of the leaf means the result now."""
        if not self._made:
            return
        for info in record.get("inputs", ()):
            source = info.get("source")
            found = None if source is None else self._made.get((source[0], source[1]))
            if source is None or found is None or found[0] != info.get("name"):
                continue
            del self._made[(source[0], source[1])]
            if not (info.get("leaf") and info.get("requires_grad")):  # else the script has made it a leaf
                self._tell(*found)

    def _tell(self, name: str, record: Record) -> None:
        result = record["outputs"][0]
        what = "is no leaf" if result.get("requires_grad") else "requires no gradient"
        text = (
            f"this line makes a new tensor and calls it {name}: it {what}, so {name}.grad will be None from "
            "here on"
        )
        self.give("update-made-a-new-tensor", record, text)
