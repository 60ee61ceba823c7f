"""What a loss function is given."""

from __future__ import annotations

import math
from typing import Any

from backprop_tui.explain.notices.detector import Detector, Handlers
from backprop_tui.explain.notices.values import broadcast
from backprop_tui.explain.notices.words import be, called, counted, number, shape_words
from backprop_tui.explain.numbers import count, flat, shape_text
from backprop_tui.protocol import Record, TensorInfo

_ELEMENTWISE = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
_SQUASHED = {"cross_entropy": "softmax", "binary_cross_entropy_with_logits": "sigmoid"}
"""Loss function to what it applies by itself."""


class Losses(Detector):
    """`broadcast-loss`, `softmax-twice`, `saturated-bce`, `kink` and `dtype` of targets."""

    def handlers(self) -> Handlers:
        return {
            **{f":{name}": self._elementwise for name in _ELEMENTWISE},
            **{f":{name}": self._squashed for name in _SQUASHED},
            ":binary_cross_entropy": self._saturated,
            ":sub": self._difference,
        }

    def _elementwise(self, record: Record) -> None:
        inputs = record.get("inputs", [])
        if len(inputs) < 2:
            return
        self._broadcast(record, inputs[0], inputs[1])
        self._dtypes(record, inputs[0], inputs[1])
        if record["name"] == "l1_loss":
            self._kink(record, inputs[0], inputs[1])

    def _difference(self, record: Record) -> None:
        """``model(x) - y`` in a loss by hand. Elsewhere such a table of differences may be meant."""
        inputs = record.get("inputs", [])
        if len(inputs) != 2 or inputs[1].get("requires_grad"):
            return
        made = self.past.operation(inputs[0].get("source"))
        one, other = inputs[0].get("shape", []), inputs[1].get("shape", [])
        column = len(one) == 2 and one[1] == 1 and other == one[:1] and one[0] > 1
        if made is not None and made["kind"] == "forward" and column and inputs[0].get("requires_grad"):
            self._broadcast(record, inputs[0], inputs[1])

    def _broadcast(self, record: Record, one: TensorInfo, other: TensorInfo) -> None:
        a, b = one.get("shape", []), other.get("shape", [])
        whole = None if a == b else broadcast(a, b)
        if whole is None or count(whole) <= max(count(a), count(b)):
            return
        text = (
            f"{called(one, 'input')} is {shape_words(one)} and {called(other, 'target')} is "
            f"{shape_words(other)}: they broadcast to {shape_text(whole)}, so {count(whole)} differences are "
            f"taken instead of {max(count(a), count(b))}"
        )
        self.give("broadcast-loss", record, text)

    def _dtypes(self, record: Record, one: TensorInfo, other: TensorInfo) -> None:
        if one.get("dtype") == "float32" and other.get("dtype") == "float64" and one.get("requires_grad"):
            text = (
                f"{called(other, 'target')} is float64 (as numpy makes it) and {called(one, 'input')} "
                "float32, so the loss is computed in float64"
            )
            self.give("dtype", record, text)

    def _kink(self, record: Record, one: TensorInfo, other: TensorInfo) -> None:
        """Elements that hit the target exactly; where both are 0 they are probably masked out."""
        a, b = one.get("values"), other.get("values")
        if a is None or b is None or one.get("shape") != other.get("shape") or not one.get("requires_grad"):
            return
        exact = [x for x, y in zip(flat(a), flat(b), strict=True) if x == y and x != 0]
        if exact and not isinstance(exact[0], str):
            text = (
                f"{counted(len(exact), 'error')} of {count(one['shape'])} {be(len(exact))} exactly 0 "
                f"(prediction and target {number(exact[0], one.get('dtype', ''))}): torch takes 0 for the "
                "slope of |e| there"
            )
            self.give("kink", record, text)

    def _squashed(self, record: Record) -> None:
        inputs = record.get("inputs", [])
        twice = _SQUASHED[record["name"]]
        maker = self.past.maker_through(inputs[0]) if inputs else None
        if maker is None or maker["name"] != twice:
            return
        text = (
            f"{called(inputs[0], 'input')} has been through {twice} (line {maker.get('line')}) and "
            f"{record['name']} applies it again"
        )
        self.give("softmax-twice", record, text + _floor(record["name"], inputs[0].get("shape", [])))

    def _saturated(self, record: Record) -> None:
        inputs = record.get("inputs", [])
        if len(inputs) < 2 or not inputs[0].get("requires_grad"):
            return
        a, b = inputs[0].get("values"), inputs[1].get("values")
        if a is None or b is None or inputs[0].get("shape") != inputs[1].get("shape"):
            return
        wrong = [x for x, y in zip(flat(a), flat(b), strict=True) if _opposite(x, y)]
        if wrong:
            text = (
                f"{counted(len(wrong), 'prediction')} of {count(inputs[0]['shape'])} {be(len(wrong))} "
                f"exactly {number(wrong[0])} where the target is {number(1 - wrong[0])}: the loss is clamped "
                "to 100, and a sigmoid before it passes no gradient"
            )
            self.give("saturated-bce", record, text)


def _opposite(prediction: Any, target: Any) -> bool:
    return prediction in (0, 1) and target == 1 - prediction


def _floor(name: str, shape: list[int]) -> str:
    """How small the loss can get at best."""
    classes = shape[1] if len(shape) > 1 else shape[0] if shape else 0
    if name != "cross_entropy" or classes < 2:
        return ""
    lowest = math.log(1 + (classes - 1) / math.e)
    return f": with {classes} classes the loss cannot fall below {number(lowest, digits=3)}"
