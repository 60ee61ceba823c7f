"""The rule of an LSTM layer's node: backpropagation through time (Werbos 1990).

torch's fused layer on the CPU, aten/src/ATen/native/mkldnn/RNN.cpp; tools/autograd/derivatives.yaml:
mkldnn_rnn_layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from backprop_tui.explain.evidence import Array
from backprop_tui.explain.rule import Case, Index, Rule, Sum
from backprop_tui.explain.rules.recurrent_steps import Run, Step, Weights, always, run
from backprop_tui.explain.rules.sized import Sized, exact, joined, stacked
from backprop_tui.explain.rules.writing import largest, summand

_LSTM = 2
"""What the node calls its mode."""


@dataclass(frozen=True, eq=False)
class _Slopes:
    """The gradients of one layer: of what goes into the gates at every step, and of the first state."""

    gates: Sized
    """Steps × samples × all gates."""
    h: Sized
    c: Sized
    before: Sized
    """Steps × samples × width: the h that came into each step."""


def _forward(case: Case) -> tuple[Run, Weights]:
    x = exact(case["input"])
    bias = [case["weight2"], case["weight3"]] if case["has_biases"] else [None, None]
    weights = Weights(case["weight0"], case["weight1"], bias[0], bias[1])
    active = always(*x.shape[:2])
    return run(
        "lstm", x, exact(case["hx_"]), exact(case["cx_"]), weights, active, bool(case["reverse"])
    ), weights


def _incoming(case: Case, number: int, shape: tuple[int, ...]) -> Sized:
    """A gradient that comes in; none where nothing depends on that output."""
    given = case.evidence.grad_outputs
    known = given[number] if number < len(given) else None
    return exact(np.zeros(shape) if known is None else known.values.reshape(shape))


@lru_cache(maxsize=1)
def _slopes(case: Case) -> _Slopes:
    """Kept for the next question about the same node: values, scale and element all need it."""
    done, weights = _forward(case)
    count, samples, width = done.outputs.shape
    outputs = _incoming(case, 0, (count, samples, width))
    h, c = (_incoming(case, number, (samples, width)) for number in (1, 2))
    found: dict[int, Sized] = {}
    for t in range(count) if case["reverse"] else range(count - 1, -1, -1):
        found[t], c = _back_through(done.steps[t], outputs[t] + h, c)
        h = found[t] @ exact(weights.back)
    before = stacked([step.before for step in done.steps], 0)
    return _Slopes(stacked([found[t] for t in range(count)], 0), h, c, before)


def _back_through(step: Step, h: Sized, c: Sized) -> tuple[Sized, Sized]:
    """One step: the gradient of what goes into its gates, and of the cell before it."""
    i, f, g, o = step.gates
    assert step.c is not None and step.cell_before is not None
    cell = step.c.tanh()
    c = c + h * o * _rest(cell)
    parts = [
        c * g * i * (-i + 1.0),
        c * step.cell_before * f * (-f + 1.0),
        c * i * _rest(g),
        h * cell * o * (-o + 1.0),
    ]
    return joined(parts, -1), c * f


def _rest(value: Sized) -> Sized:
    """The slope of tanh where it has this value."""
    return -(value * value) + 1.0


def _flat(values: Sized) -> Sized:
    """Steps and samples in one dimension."""
    count, samples, width = values.shape
    return values.reshape(count * samples, width)


def _results(case: Case) -> list[Sized]:
    slopes = _slopes(case)
    gates = _flat(slopes.gates)
    into = gates.swapaxes(0, 1)
    bias = slopes.gates.sum((0, 1))
    return [
        slopes.gates @ exact(case["weight0"]),
        into @ _flat(exact(case["input"])),
        into @ _flat(slopes.before),
        bias,
        bias,
        slopes.h,
        slopes.c,
    ]


def _known(case: Case) -> bool:
    """Packed sequences and other kinds of cells do not come this way."""
    return case["mode"] == _LSTM and not case["batch_sizes"] and case.has("input")


def _evaluate(case: Case) -> Sequence[Array | None]:
    return [one.value for one in _results(case)] if _known(case) else [None]


def _scale(case: Case) -> Sequence[Array | None]:
    return [one.size for one in _results(case)] if _known(case) else [None]


_SYMBOLS = (
    "Δ · {weight0}, Δ: gradient of what goes into the gates",
    "Σ over time of Δᵀ · {input}",
    "Σ over time of Δᵀ · h before",
    "Σ over time of Δ",
    "Σ over time of Δ",
    "Δ of the first step · {weight1}",
    "gradient of c after the first step · f",
)


def _element(case: Case, number: int, index: Index) -> Sum | str:
    slopes = _slopes(case)
    gates = slopes.gates.value
    if number == 0:
        return _products(gates[index[:-1]], case["weight0"][:, index[-1]])
    if number in (1, 2):
        row = gates[..., index[0]].ravel()
        other = case["input"] if number == 1 else slopes.before.value
        return _products(row, other[..., index[1]].ravel())
    if number in (3, 4):
        row = gates[..., index[0]].ravel()
        return largest(row, lambda i: summand(row[i]))
    first = gates[-1 if case["reverse"] else 0]
    if number == 5:
        return _products(first[index[0]], case["weight1"][:, index[1]])
    return summand(slopes.c.value[index])


def _products(first: Array, second: Array) -> Sum:
    return largest(first * second, lambda i: f"{summand(first[i])}·{summand(second[i])}")


def _note(case: Case) -> str:
    return (
        "backwards through the steps: δc = δh·o·(1 − tanh²c) + δc·f of the step after;"
        " Δ = δc·g·i(1 − i), δc·c·f(1 − f), δc·i·(1 − g²), δh·tanh(c)·o(1 − o)"
    )


OPS: dict[str, Rule] = {}

NODES: dict[str, Rule] = {
    "MkldnnRnnLayerBackward": Rule(_SYMBOLS, _evaluate, element=_element, note=_note, scale=_scale),
}
