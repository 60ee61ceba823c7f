"""Numbers that are no numbers, and outputs that are all 0."""

from __future__ import annotations

from backprop_tui.explain.notices.detector import Detector, Handlers
from backprop_tui.explain.notices.notice import Give
from backprop_tui.explain.notices.past import Past
from backprop_tui.explain.notices.values import all_zero, finite, is_loss_scale, nonfinite_words, one_number
from backprop_tui.explain.notices.words import called, number
from backprop_tui.explain.numbers import count, flat
from backprop_tui.protocol import Record, TensorInfo

_MASKS = frozenset(
    [
        *("masked_fill", "masked_fill_", "masked_scatter", "masked_scatter_", "where", "__setitem__", "pad"),
        *("fill", "fill_", "index_fill", "index_fill_", "index_put", "index_put_", "scatter", "scatter_"),
    ]
)
"""Functions by which −∞ is put where something is to be masked."""
_RELU_SIZE = 8
Infos = list["TensorInfo | None"]


class NonFinite(Detector):
    """`non-finite`: where NaN or infinity begins; what follows from that is not told."""

    def __init__(self, past: Past, give: Give) -> None:
        super().__init__(past, give)
        self._found = False
        self._begun = False
        self._scaled = False
        """The loss was multiplied by a GradScaler's factor: too large a gradient is its business."""
        self._where = False
        """This backward pass went through torch.where."""

    def handlers(self) -> Handlers:
        return {
            "op": self._operation,
            "loss": self._operation,
            "node": self._node,
            "update": self._update,
            "backward": self._passed,
            "iteration": self._begin,
            ":mul": self._scale,
        }

    def _begin(self, record: Record) -> None:
        """Of a loss that was computed before anything was seen it is not known whether it was scaled."""
        if not self._begun:
            self._begun, self._scaled = True, not self.past.aligned

    def _scale(self, record: Record) -> None:
        factors = [one_number(info) for info in record.get("inputs", ())[1:] if not info.get("requires_grad")]
        if factors and is_loss_scale(factors[0]):
            self._scaled = True

    def _passed(self, record: Record) -> None:
        self._where = self._scaled = False

    def _operation(self, record: Record) -> None:
        if self._found:
            return
        outputs = [info for info in record.get("outputs", ()) if info.get("requires_grad")]
        for info in outputs:
            if finite(info) is False:
                self._begins(record, info, list(record.get("inputs", ())))
                return

    def _begins(self, record: Record, info: TensorInfo, inputs: Infos) -> None:
        words = nonfinite_words(info)[1]
        before = set().union(*(nonfinite_words(item)[1] for item in inputs))
        if words <= {"inf"} and record["name"] in _MASKS:
            return  # a mask
        if words & before or any(finite(item) is None for item in inputs):
            self._follows(record, info, inputs, words)
            return
        self._found = True
        self.give(
            "non-finite",
            record,
            f"{record['name']} makes {_word(words)} of finite numbers{_share(info)}{_inputs(inputs)}",
        )

    def _follows(self, record: Record, info: TensorInfo, inputs: Infos, words: set[str]) -> None:
        """Not the beginning; but data may bring NaN along."""
        if "nan" not in words:
            return
        self._found = True
        for item in inputs:
            if item is not None and not item.get("requires_grad") and "nan" in nonfinite_words(item)[1]:
                text = (
                    f"{called(item, 'input')} already holds NaN{_share(item)} when {record['name']} reads it"
                )
                self.give("non-finite", record, text)
                return

    def _node(self, record: Record) -> None:
        if record["name"].startswith("Where"):
            self._where = True
        if self._found or self._scaled:
            return
        for info in record.get("grad_inputs", ()):
            if finite(info) is False:
                self._found = True
                if all(finite(item) for item in record.get("grad_outputs", ())):
                    self._tell_node(record, info)
                return

    def _tell_node(self, record: Record, info: TensorInfo | None) -> None:
        words = nonfinite_words(info)[1]
        origin = self.past.operation(record.get("origin"))
        line = f" (of {origin['name']}, line {origin.get('line')})" if origin is not None else ""
        why = (
            "its slope is infinite there"
            if words <= {"inf"}
            else "an infinite slope times a gradient of 0 is NaN"
        )
        text = f"{record['name']}{line} makes {_word(words)} of a finite gradient: {why}"
        if self._where and "nan" in words:
            text += ", and torch.where gives the branch that it did not take the gradient 0"
        self.give("non-finite", record, text)

    def _update(self, record: Record) -> None:
        if self._found:
            return
        before, after, gradient = record.get("before"), record.get("after"), record.get("grad")
        if finite(after) is False and finite(before) is not False:
            self._found = True
            if finite(before) and finite(gradient):
                name = record.get("parameter") or "a parameter"
                words = nonfinite_words(after)[1]
                text = (
                    f"the update makes {_word(words)} of {name}, although the gradient is "
                    f"finite{_share(after)}"
                )
                self.give("non-finite", record, text)


class DeadReLU(Detector):
    """`dead-relu`."""

    def handlers(self) -> Handlers:
        return {":relu": self._relu, ":relu_": self._relu}

    def _relu(self, record: Record) -> None:
        outputs = record.get("outputs", [])
        if len(outputs) != 1 or not outputs[0].get("requires_grad") or not all_zero(outputs[0]):
            return
        size = count(outputs[0].get("shape", []))
        if size >= _RELU_SIZE:
            highest = _highest(record.get("inputs", []))
            text = f"all {size} outputs of this ReLU are 0{highest}, so no gradient passes through it"
            self.give("dead-relu", record, text, record.get("module") or "")


def _highest(inputs: list[TensorInfo]) -> str:
    values = inputs[0].get("values") if inputs else None
    top = inputs[0].get("max") if inputs and values is None else None if values is None else max(flat(values))
    return "" if top is None else f" (its largest input is {number(top, inputs[0].get('dtype', ''))})"


def _word(words: set[str]) -> str:
    return "NaN" if "nan" in words else "∞" if words else "NaN or ∞"


def _share(info: TensorInfo | None) -> str:
    """``: 1 of 4 elements``; nothing of a single number."""
    size = count(info.get("shape", []) if info else [])
    return f": {nonfinite_words(info)[0]} of {size} elements" if size > 1 else ""


def _inputs(inputs: Infos) -> str:
    """The extreme input, if there is one and its numbers are known."""
    info = inputs[0] if inputs else None
    values = None if info is None else info.get("values")
    numbers = [item for item in flat(values) if isinstance(item, float)] if values is not None else []
    if info is None or not numbers:
        return ""
    low, high = (number(item, info.get("dtype", "")) for item in (min(numbers), max(numbers)))
    return (
        f" ({called(info, 'input')} lies between {low} and {high})"
        if low != high
        else f" ({called(info, 'input')} is {low})"
    )
