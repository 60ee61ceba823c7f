"""The lesson `update`, recorded by hand: what the debuggee says at each of its operations.

The numbers are those of the lesson's own source (its author's printout) and of its worked example.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from backprop_tui.guide.catalog import find
from backprop_tui.protocol import ParameterRow, Record, TensorInfo

SCRIPT = str(find("update").script)

W1, W2 = [[0.11, 0.21], [0.12, 0.08]], [[0.14, 0.15]]
G1, G2 = [[-0.28, -0.42], [-0.3, -0.45]], [[-0.85, -0.48]]
W1_AFTER, W2_AFTER = [[0.124, 0.231], [0.135, 0.1025]], [[0.1825, 0.174]]
HIDDEN, RESULT, LOSS = [0.85, 0.48], [0.191], 0.809


def shape_of(values: Any) -> list[int]:
    return [len(values), *shape_of(values[0])] if isinstance(values, list) else []


def tensor(values: Any, name: str | None = None, leaf: bool = False) -> TensorInfo:
    return {
        "name": name,
        "shape": shape_of(values),
        "dtype": "float32",
        "values": values,
        "requires_grad": True,
        "leaf": leaf,
    }


@dataclass
class Op:
    """One operation as a tree: what is known before it runs, what is known after it, what runs inside."""

    level: str
    kind: str
    name: str
    line: int
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    inside: list[Op] = field(default_factory=list)


def phase(kind: str, name: str, line: int, inside: list[Op], **after: Any) -> Op:
    return Op("phase", kind, name, line, after=after, inside=inside)


def node(name: str, incoming: Any, outgoing: list[Any]) -> Op:
    grads = [None if item is None else tensor(item) for item in outgoing]
    return Op("operation", "node", name, 32, {"grad_outputs": [tensor(incoming)]}, {"grad_inputs": grads})


def accumulate(name: str, added: Any) -> Op:
    grad = tensor(added, name)
    before = {"tensor": name, "before": None, "added": grad}
    return Op("operation", "accumulate", name, 32, before, {"after": grad})


def clear(name: str) -> Op:
    return Op("operation", "clear", name, 31, {"tensor": name, "before": None}, {"after": None})


def update(name: str, before: Any, grad: Any, after: Any) -> Op:
    known = {
        "parameter": name,
        "before": tensor(before, name, leaf=True),
        "grad": tensor(grad),
        "lr": 0.05,
        "optimizer": "SGD",
        "state": {"momentum_buffer": {"before": None, "after": None}},
    }
    kernel = Op("kernel", "kernel", "add_", 34, {"inputs": [tensor(before, name), tensor(grad)]})
    return Op("operation", "update", name, 34, known, {"after": tensor(after, name, leaf=True)}, [kernel])


def linear(module: str, line: int, value: Any, weight: Any, result: Any) -> Op:
    inputs = [tensor(value), tensor(weight, f"{module}.weight", leaf=True)]
    known = {"inputs": inputs, "module": module}
    op = Op("operation", "op", "linear", line, known, {"outputs": [tensor(result)]})
    about = {"inputs": [tensor(value)], "module": module}
    return Op("operation", "module", "Linear", line, about, {"outputs": [tensor(result)]}, [op])


def iteration() -> list[Op]:
    """One pass through the loop body of the lesson."""
    x, target = [2.0, 3.0], [1.0]
    forward = phase(
        "forward", "MyNet", 27,
        [linear("linear1", 16, x, W1, HIDDEN), linear("linear2", 17, HIDDEN, W2, RESULT)],
        outputs=[tensor(RESULT, "result")],
    )  # fmt: skip
    forward.before = {"inputs": [tensor(x, "input")]}
    pair = [tensor(RESULT, "result"), tensor(target)]
    l1 = Op("operation", "op", "l1_loss", 28, {"inputs": pair}, {"outputs": [tensor(LOSS, "loss")]})
    loss = phase("loss", "L1Loss", 28, [l1], outputs=[tensor(LOSS, "loss")], value=LOSS)
    loss.before = {"inputs": pair}
    zero = phase("zero_grad", "zero_grad", 31, [clear("linear1.weight"), clear("linear2.weight")])
    backward = phase("backward", "backward", 32, backward_nodes())
    backward.before = {"inputs": [tensor(LOSS, "loss")], "value": LOSS}
    step = phase(
        "step", "SGD", 34,
        [update("linear1.weight", W1, G1, W1_AFTER), update("linear2.weight", W2, G2, W2_AFTER)],
    )  # fmt: skip
    step.before = {"optimizer": "SGD", "lr": 0.05}
    return [forward, loss, zero, backward, step]


def backward_nodes() -> list[Op]:
    down = [-0.14, -0.15]
    return [
        node("MeanBackward0", 1.0, [[1.0]]),
        node("AbsBackward0", [1.0], [[-1.0]]),
        node("SubBackward0", [-1.0], [[-1.0], None]),
        node("SqueezeBackward4", [-1.0], [[[-1.0]]]),
        node("MmBackward0", [[-1.0]], [[down], [[-0.85], [-0.48]]]),
        node("UnsqueezeBackward0", [down], [down]),
        node("TBackward0", [[-0.85], [-0.48]], [G2]),
        accumulate("linear2.weight", G2),
        node("SqueezeBackward4", down, [[down]]),
        node("MmBackward0", [down], [None, [[-0.28, -0.3], [-0.42, -0.45]]]),
        node("TBackward0", [[-0.28, -0.3], [-0.42, -0.45]], [G1]),
        accumulate("linear1.weight", G1),
    ]


@dataclass(frozen=True)
class Moment:
    """The stop before one operation: what has completed, what is open, what comes."""

    next: Record | None
    open: tuple[Record, ...]
    completed: int
    """How many operations of the whole run completed before."""


class Recording:
    """A run as its moments and its records in the order of completion."""

    def __init__(self, iterations: int = 1) -> None:
        self.records: list[Record] = []
        self.moments: list[Moment] = []
        for number in range(1, iterations + 1):
            self._iteration = number
            self._number = 0
            for op in iteration():
                self._play(op, ())
        self.moments.append(Moment(None, (), len(self.records)))

    def _play(self, op: Op, above: tuple[Record, ...]) -> None:
        begun = self._begin(op, len(above))
        self.moments.append(Moment(begun, above, len(self.records)))
        for inner in op.inside:
            self._play(inner, (*above, begun))
        self.records.append({**begun, **op.after})  # type: ignore[typeddict-item]

    def _begin(self, op: Op, depth: int) -> Record:
        self._number += op.level != "kernel"
        return {  # type: ignore[typeddict-item]
            "time": [2 * (self._iteration - 1), len(self.moments)],
            "iteration": self._iteration,
            "number": self._number,
            "depth": depth,
            "level": op.level,
            "kind": op.kind,
            "name": op.name,
            "file": SCRIPT,
            "line": op.line,
            **op.before,
        }


def parameters(done: list[Record]) -> tuple[ParameterRow, ...]:
    """The parameter table after these completed operations."""
    rows: dict[str, ParameterRow] = {}
    for name, weight in (("linear1.weight", W1), ("linear2.weight", W2)):
        row = tensor(weight, name, leaf=True)
        rows[name] = {
            "name": name, "role": "parameter", "value": row, "grad": None, "optimizer": "SGD",
            "group": 0, "lr": 0.05, "state": {},
        }  # fmt: skip
    for record in done:
        if record["kind"] in ("accumulate", "clear"):
            rows[record["tensor"] or ""]["grad"] = record["after"]
        if record["kind"] == "update":
            rows[record["parameter"] or ""]["value"] = record["after"] or tensor(0.0)
    return tuple(rows.values())
