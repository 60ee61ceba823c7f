"""Graphs that are kept alive, and values that are changed under them."""

from __future__ import annotations

from backprop_tui.explain.notices.detector import Detector, Handlers
from backprop_tui.explain.notices.notice import Give
from backprop_tui.explain.notices.past import Past
from backprop_tui.explain.notices.words import called
from backprop_tui.explain.numbers import count
from backprop_tui.protocol import Record, TensorInfo, Time

_KEPT = 32
_SUMS = frozenset({"add", "add_"})
_KEEP_RESULT = frozenset(
    ["Exp", "Expm1", "Sigmoid", "Tanh", "Tan", "Sqrt", "Rsqrt", "Reciprocal", "Softmax", "LogSoftmax", "Relu"]
)
_KEEP_INPUTS = frozenset(
    [
        *(
            "Mul",
            "Div",
            "Pow",
            "Mm",
            "Addmm",
            "Bmm",
            "Mv",
            "Dot",
            "Log",
            "Sin",
            "Cos",
            "Abs",
            "Clamp",
            "Prod",
        ),
        *("Convolution", "MseLoss", "SmoothL1Loss", "HuberLoss", "L1Loss", "BinaryCrossEntropy"),
        *("NativeBatchNorm", "NativeLayerNorm", "Gelu", "Silu", "Softplus", "LeakyRelu", "Var", "Std"),
    ]
)
"""Nodes that compute with the result of their operation, or with what it read."""


class Graphs(Detector):
    """`graph-kept` and `data-changed`; tells `Past` what is written in place."""

    def __init__(self, past: Past, give: Give) -> None:
        super().__init__(past, give)
        self._aliases: dict[Time, TensorInfo] = {}
        """Results of ``y.data``: y."""
        self._changed: dict[Time, tuple[TensorInfo, Record, frozenset[str]]] = {}
        """Operations whose nodes may use y, which was changed through its alias: (y, change, nodes)."""

    def handlers(self) -> Handlers:
        return {
            "op": self._operation,
            "update": self.past.wrote,
            ":add": self._sum,
            ":add_": self._sum,
            ":data": self._alias,
            "node": self._node,
        }

    def _operation(self, record: Record) -> None:
        name = record["name"]
        if name[-1] != "_" or not _in_place(name):
            return
        self.past.wrote(record)
        inputs = record.get("inputs")
        source = inputs[0].get("source") if self._aliases and inputs else None
        if source is not None and (source[0], source[1]) in self._aliases:
            self._write(self._aliases[source[0], source[1]], record)

    def _sum(self, record: Record) -> None:
        """``total += loss``, where total holds the graph of an iteration before."""
        inputs = record.get("inputs", [])
        if len(inputs) != 2 or not all(_is_loss(info) for info in inputs):
            return
        before = self.past.operation(inputs[0].get("source"))
        if before is None or before["iteration"] >= record["iteration"] or before["name"] not in _SUMS:
            return
        if (before.get("file"), before.get("line")) == (record.get("file"), record.get("line")):
            text = (
                f"{called(inputs[0], 'sum')} holds the graph of iteration {before['iteration']}, and now "
                f"also that of {called(inputs[1], 'loss')} of iteration {record['iteration']}"
            )
            self.give("graph-kept", record, text)

    def _alias(self, record: Record) -> None:
        inputs = record.get("inputs", [])
        if inputs and inputs[0].get("requires_grad") and not inputs[0].get("leaf"):
            self._aliases[record["time"][0], record["time"][1]] = inputs[0]
            if len(self._aliases) > _KEPT:
                del self._aliases[next(iter(self._aliases))]

    def _write(self, info: TensorInfo, record: Record) -> None:
        """The nodes of what made and what read the tensor may use the values that it had."""
        maker, source = self.past.maker(info), info.get("source")
        if maker is not None:
            self._change(maker, (info, record, _KEEP_RESULT))
        for reader in () if source is None else list(self.past.readers(source)):
            self._change(reader, (info, record, _KEEP_INPUTS))

    def _change(self, operation: Record, change: tuple[TensorInfo, Record, frozenset[str]]) -> None:
        self._changed[operation["time"][0], operation["time"][1]] = change
        if len(self._changed) > _KEPT:
            del self._changed[next(iter(self._changed))]

    def _node(self, record: Record) -> None:
        if not self._changed:
            return
        origin = record.get("origin")
        found = None if origin is None else self._changed.get((origin[0], origin[1]))
        if found is None or record["name"].rstrip("0123456789").removesuffix("Backward") not in found[2]:
            return
        info, change, _ = found
        self._changed = {time: item for time, item in self._changed.items() if item[1] is not change}
        text = (
            f"{record['name']} computes with {called(info, 'tensor')}, which {change['name']} changed "
            f"through .data (line {change.get('line')}) after the forward pass, and autograd does not know"
        )
        self.give("data-changed", record, text)


def _in_place(name: str) -> bool:
    """``add_``, ``__setitem__``, but not ``__getitem__`` or ``__bool__``. Clipping counts by itself."""
    return name == "__setitem__" or not name.startswith(("__", "clip_grad"))


def _is_loss(info: TensorInfo) -> bool:
    """A number with a history."""
    return bool(info.get("requires_grad")) and not info.get("leaf") and count(info.get("shape", [])) == 1
