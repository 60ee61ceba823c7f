"""One step of a recurrent network, and many (docs of torch.nn.LSTM, GRU, RNN; aten/src/ATen/native/RNN.cpp).

LSTM: Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 1999. GRU: Cho et al. 2014, with
the reset gate after the product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backprop_tui.explain.evidence import Array
from backprop_tui.explain.rules.sized import Sized, exact, split, stacked
from backprop_tui.explain.rules.writing import single, summand


@dataclass(frozen=True, eq=False)
class Weights:
    """The parameters of one layer in one direction."""

    into: Array
    """From the input, all gates one below the other."""
    back: Array
    """From the last step's h."""
    into_bias: Array | None
    back_bias: Array | None
    project: Array | None = None
    """From h to what is handed on, where an LSTM has ``proj_size``."""


@dataclass(frozen=True, eq=False)
class Step:
    """What one step has computed: samples × width each."""

    h: Sized
    c: Sized | None
    """The cell of an LSTM."""
    gates: tuple[Sized, ...]
    """LSTM: i, f, g, o. GRU: r, z, n. RNN: none."""
    before: Sized
    """The h that came in."""
    cell_before: Sized | None
    hidden: Sized
    """h before ``project``."""
    inner: tuple[str, Sized] | None = None
    """RNN: its function, and what goes into it."""

    def text(self, place: tuple[int, ...], of_cell: bool = False) -> str:
        """The last formula of one element of h (or c), with its numbers."""
        gates = [single(gate.value[place]) for gate in self.gates]
        if of_cell and self.cell_before is not None:
            i, f, g, _ = self.gates
            cell = summand(self.cell_before.value[place])
            return f"{single(f.value[place])}·{cell} + {single(i.value[place])}·{summand(g.value[place])}"
        if self.c is not None:
            return f"{gates[3]}·tanh({single(self.c.value[place])})"
        if self.gates:
            new = summand(self.gates[2].value[place])
            return f"(1 − {gates[1]})·{new} + {gates[1]}·{summand(self.before.value[place])}"
        if self.inner is not None:
            name, into = self.inner
            return name.format(single(into.value[place]))
        return single(self.h.value[place])


def lstm_step(x: Sized, h: Sized, c: Sized | None, weights: Weights) -> Step:
    assert c is not None
    whole = x.linear(weights.into, weights.into_bias) + h.linear(weights.back, weights.back_bias)
    i, f, g, o = split(whole, 4)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    cell = f * c + i * g
    hidden = o * cell.tanh()
    made = hidden if weights.project is None else hidden.linear(weights.project, None)
    return Step(made, cell, (i, f, g, o), h, c, hidden)


def gru_step(x: Sized, h: Sized, c: Sized | None, weights: Weights) -> Step:
    from_input = split(x.linear(weights.into, weights.into_bias), 3)
    from_before = split(h.linear(weights.back, weights.back_bias), 3)
    r = (from_input[0] + from_before[0]).sigmoid()
    z = (from_input[1] + from_before[1]).sigmoid()
    n = (from_input[2] + r * from_before[2]).tanh()
    made = (-z + 1.0) * n + z * h
    return Step(made, None, (r, z, n), h, None, made)


def tanh_step(x: Sized, h: Sized, c: Sized | None, weights: Weights) -> Step:
    into = x.linear(weights.into, weights.into_bias) + h.linear(weights.back, weights.back_bias)
    made = into.tanh()
    return Step(made, None, (), h, None, made, ("tanh({})", into))


def relu_step(x: Sized, h: Sized, c: Sized | None, weights: Weights) -> Step:
    into = x.linear(weights.into, weights.into_bias) + h.linear(weights.back, weights.back_bias)
    made = into.relu()
    return Step(made, None, (), h, None, made, ("max(0, {})", into))


STEPS = {"lstm": lstm_step, "gru": gru_step, "rnn_tanh": tanh_step, "rnn_relu": relu_step}


@dataclass(frozen=True, eq=False)
class Run:
    """All steps of one layer in one direction, in the order of time."""

    steps: Sequence[Step]
    active: Array
    """Steps × samples: whether the sequence is that long."""
    last: Step | None
    h: Sized
    """After the last step of each sample."""
    c: Sized | None

    @property
    def outputs(self) -> Sized:
        return stacked([step.h for step in self.steps], 0)


def run(
    kind: str, x: Sized, h: Sized, c: Sized | None, weights: Weights, active: Array, reverse: bool
) -> Run:
    """``x``: steps × samples × width. Where a sequence is over, h and c stay."""
    step = STEPS[kind]
    count = x.shape[0]
    found: dict[int, Step] = {}
    last = None
    for t in range(count - 1, -1, -1) if reverse else range(count):
        last = found[t] = step(x[t], h, c, weights)
        here = active[t][:, None]
        h = last.h.where(here, h)
        c = None if c is None or last.c is None else last.c.where(here, c)
    return Run([found[t] for t in range(count)], active, last, h, c)


def always(steps: int, samples: int) -> Array:
    """All sequences are equally long."""
    return np.ones((steps, samples), dtype=bool)


def given(values: Array | None) -> Sized | None:
    return None if values is None else exact(values)
