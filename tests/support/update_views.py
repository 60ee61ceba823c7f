"""Views of the lesson `update` at each of its stops, written by hand.

Unlike the recording in `update_run`, the tensors know which operation made them and the autograd
nodes which operation they belong to: that is what the network is drawn from.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from backprop_tui.debugger.view import Stop, Toggles, View
from backprop_tui.protocol import LossPoint, ParameterRow, RatePoint, Record, TensorInfo

W1, W2 = [[0.11, 0.21], [0.12, 0.08]], [[0.14, 0.15]]
G1, G2 = [[-0.28, -0.42], [-0.3, -0.45]], [[-0.85, -0.48]]
W1_AFTER, W2_AFTER = [[0.124, 0.231], [0.135, 0.1025]], [[0.1825, 0.174]]
NAMES = ("model.linear1.weight", "model.linear2.weight")


def shape_of(values: Any) -> list[int]:
    return [len(values), *shape_of(values[0])] if isinstance(values, list) else []


def tensor(values: Any, name: str | None = None, source: list[int] | None = None, **more: Any) -> TensorInfo:
    """A float64 tensor, so that the numbers of this file are shown as they are written."""
    info: dict[str, Any] = {
        "name": name, "shape": shape_of(values), "dtype": "float64", "values": values,
        "requires_grad": True, "leaf": False, **more,
    }  # fmt: skip
    if source is not None:
        info["source"] = source
    return info  # type: ignore[return-value]


def big(shape: list[int], norm: float | None = None, name: str | None = None, **more: Any) -> TensorInfo:
    """A tensor too large for its values to be told."""
    if norm is not None:
        more = {"norm": norm, "min": -1.0, "max": 1.0, "nonfinite": 0, **more}
    return tensor(None, name, **{"shape": shape, **more})


@dataclass
class Script:
    """Writes records in the order of their beginning; `done` lists them in the order of completion."""

    iteration: int = 1
    landmark: int = 0
    begun: list[dict[str, Any]] = field(default_factory=list)
    at: int = 0

    def add(self, kind: str, name: str, depth: int, level: str = "operation", **more: Any) -> list[int]:
        """Begin an operation; returns its time."""
        time = [self.landmark, self.at]
        self.at += 1
        self.begun.append(
            {
                "time": time, "iteration": self.iteration, "number": len(self.begun) + 1, "depth": depth,
                "level": level, "kind": kind, "name": name, "file": "update.py", "line": 27,
                "module": None, **more,
            }
        )  # fmt: skip
        return time

    def landmark_reached(self) -> None:
        self.landmark += 1
        self.at = 0


def update_script(iteration: int = 1, landmark: int = 0) -> Script:
    """One iteration: forward, loss, backward, step."""
    script = Script(iteration, landmark)
    x = tensor([2.0, 3.0], "inputs", leaf=True, requires_grad=False)
    top = script.add("forward", "MyNet", 0, "phase", inputs=[x])
    hidden = linear(script, "model.linear1", x, tensor(W1, NAMES[0], leaf=True), [0.85, 0.48])
    between = tensor([0.85, 0.48], "out", source=hidden[0])
    result = linear(script, "model.linear2", between, tensor(W2, NAMES[1], leaf=True), [0.191])
    script.begun[0]["outputs"] = [tensor([0.191], source=result[0])]
    pair = [tensor([0.191], "result", source=top), tensor([1.0], leaf=True, requires_grad=False)]
    script.add("loss", "L1Loss", 0, "phase", inputs=pair, value=0.809)
    loss = script.add("op", "l1_loss", 1, inputs=pair, outputs=[tensor(0.809)])
    script.begun[-2]["outputs"] = [tensor(0.809, source=loss)]
    backward(script, loss, result[1], hidden[1])
    script.landmark_reached()
    script.add("step", "SGD", 0, "phase")
    for name, before, grad, after in zip(NAMES, (W1, W2), (G1, G2), (W1_AFTER, W2_AFTER), strict=True):
        parts = {"before": tensor(before, name), "grad": tensor(grad), "after": tensor(after, name)}
        script.add("update", name, 1, parameter=name, lr=0.05, optimizer="SGD", state={}, **parts)
    return script


def linear(script: Script, module: str, data: Any, weight: Any, result: Any) -> tuple[list[int], list[int]]:
    """(time of the module call, time of its operation)."""
    call = script.add("module", "Linear", 1, module=module, inputs=[data])
    op = script.add("op", "linear", 2, module=module, inputs=[data, weight], outputs=[tensor(result)])
    script.begun[-2]["outputs"] = [tensor(result, source=op)]
    return call, op


def backward(script: Script, loss: list[int], second: list[int], first: list[int]) -> None:
    script.add("backward", "backward", 0, "phase", value=0.809)

    def node(name: str, origin: list[int], arrives: Any, leaves: list[Any]) -> None:
        grads = [None if item is None else tensor(item) for item in leaves]
        script.add("node", name, 1, origin=origin, grad_outputs=[tensor(arrives)], grad_inputs=grads)

    def accumulate(name: str, grad: Any) -> None:
        known = {"tensor": name, "before": None, "added": tensor(grad), "after": tensor(grad)}
        script.add("accumulate", name, 1, **known)

    down = [-0.14, -0.15]
    node("MeanBackward0", loss, 1.0, [[1.0]])
    node("AbsBackward0", loss, [1.0], [[-1.0]])
    node("SubBackward0", loss, [-1.0], [[-1.0], None])
    node("SqueezeBackward4", second, [-1.0], [[[-1.0]]])
    node("MmBackward0", second, [[-1.0]], [[down], [[-0.85], [-0.48]]])
    node("TBackward0", second, [[-0.85], [-0.48]], [G2])
    accumulate(NAMES[1], G2)
    node("SqueezeBackward4", first, down, [[down]])
    node("MmBackward0", first, [down], [None, [[-0.28, -0.3], [-0.42, -0.45]]])
    node("TBackward0", first, [[-0.28, -0.3], [-0.42, -0.45]], [G1])
    accumulate(NAMES[0], G1)


RESULTS = ("outputs", "grad_inputs", "after", "value")


def stops_of(script: Script) -> list[tuple[dict[str, Any] | None, list[Record], list[Record]]]:
    """(next, open, completed in order) of each stop of a script."""
    stops = []
    for position in range(len(script.begun) + 1):
        coming = script.begun[position] if position < len(script.begun) else None
        depth = coming["depth"] if coming else 0
        stack: list[dict[str, Any]] = []
        done: list[Any] = []
        for record in script.begun[:position]:
            while stack and stack[-1]["depth"] >= record["depth"]:
                done.append(stack.pop())
            stack.append(record)
        while stack and stack[-1]["depth"] >= depth:
            done.append(stack.pop())
        stops.append((coming, [bare(record) for record in stack], done))
    return stops


def bare(record: dict[str, Any]) -> Any:
    """What is known of an operation before it has run."""
    return {key: value for key, value in record.items() if key not in RESULTS}


def update_views(script: Script | None = None, earlier: tuple[Record, ...] = ()) -> list[View]:
    """One view per stop of an iteration, the last one at its end."""
    script = script or update_script()
    return [view_of(script, *stop, earlier) for stop in stops_of(script)]


def view_of(script: Script, coming: Any, opened: list[Record], done: list[Record], earlier: Any = ()) -> View:
    last = script.begun[-1]
    time = coming["time"] if coming else [last["time"][0], last["time"][1] + 1]
    stop = Stop(
        (time[0], time[1]), script.iteration, (coming or last)["number"], "step",
        bare(coming) if coming else None, done[-1] if done else None, tuple(opened),
    )  # fmt: skip
    backward_done = any(record["kind"] == "backward" for record in done)
    losses: list[LossPoint] = [{"landmark": 1, "iteration": 1, "site": "update.py:32", "value": 0.809}]
    rates: list[RatePoint] = [{"landmark": 2, "iteration": 1, "optimizer": 0, "lrs": [0.05]}]
    return View(
        "stopped", "update.py", stop, (*earlier, *done), parameters_after(done),
        tuple(losses) if backward_done else (), () if coming else tuple(rates),
        iteration=script.iteration, toggles=Toggles(loss="l1_loss", optimizer="SGD", lr=0.05),
    )  # fmt: skip


def parameters_after(done: list[Record]) -> tuple[ParameterRow, ...]:
    weights = zip(NAMES, (W1, W2), strict=True)
    rows = {name: row(name, tensor(weight, name, leaf=True)) for name, weight in weights}
    for record in done:
        if record["kind"] == "accumulate":
            rows[str(record["tensor"])]["grad"] = record["after"]
        if record["kind"] == "update":
            rows[str(record["parameter"])]["value"] = record["after"] or tensor(0.0)
    return tuple(rows.values())


def row(name: str, value: TensorInfo, **more: Any) -> ParameterRow:
    """A row of the parameter table."""
    known: Any = {
        "name": name, "role": "parameter", "value": value, "grad": None, "optimizer": "SGD", "group": 0,
        "lr": 0.05, "state": {}, **more,
    }  # fmt: skip
    return known  # type: ignore[no-any-return]


def before(name: str, occurrence: int = 1) -> View:
    """The view of the stop before the operation of this name (``linear``, ``SqueezeBackward4`` ...)."""
    comings = [(view.stop.next if view.stop else None, view) for view in update_views()]
    return [view for coming, view in comings if coming and coming["name"] == name][occurrence - 1]
