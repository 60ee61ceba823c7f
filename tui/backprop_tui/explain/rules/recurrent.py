"""Rules of recurrent networks: single cells, and whole layers through all steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array, Tensor
from backprop_tui.explain.rule import Case, Index, Rule
from backprop_tui.explain.rules.attention import mask_drawn
from backprop_tui.explain.rules.low_precision import cast_by_autocast
from backprop_tui.explain.rules.recurrent_steps import STEPS, Run, Step, Weights, always, given, run
from backprop_tui.explain.rules.sized import Sized, exact, joined, stacked

_FORMULA = {
    "lstm": "o·tanh(c), c = f·c + i·g, gates of {input} and h",
    "gru": "(1 − z)·n + z·h, gates of {input} and h",
    "rnn_tanh": "tanh(W·{input} + b + U·h + b′)",
    "rnn_relu": "max(0, W·{input} + b + U·h + b′)",
}
_GATES = {
    "lstm": "i, f, o = σ and g = tanh of W·x + b + U·h + b′, a quarter of the rows each (i, f, g, o)",
    "gru": "r, z = σ(W·x + b + U·h + b′), n = tanh(W·x + b + r·(U·h + b′)), a third of the rows each",
    "rnn_tanh": None,
    "rnn_relu": None,
}


def _values(item: Any) -> Array:
    assert isinstance(item, Tensor)
    return item.values


# --- one step


def _cell(case: Case, kind: str) -> Step:
    state = case.operands["hx"]
    h, c = (_values(item) for item in state) if isinstance(state, (list, tuple)) else (_values(state), None)
    bias = [case[name] if case.has(name) else None for name in ("b_ih", "b_hh")]
    weights = Weights(case["w_ih"], case["w_hh"], bias[0], bias[1])
    return STEPS[kind](exact(case["input"]), exact(h), given(c), weights)


def _cell_results(case: Case, kind: str) -> list[Sized]:
    step = _cell(case, kind)
    return [step.h] if step.c is None else [step.h, step.c]


def _cell_rule(kind: str) -> Rule:
    return Rule(
        (_FORMULA[kind], "f·c + i·g, gates of {input} and h"),
        lambda c: [one.value for one in _cell_results(c, kind)],
        "input, hx, w_ih, w_hh, b_ih=None, b_hh=None",
        lambda c, number, index: _cell(c, kind).text(index, number == 1),
        lambda c: _GATES[kind],
        lambda c: [one.size for one in _cell_results(c, kind)],
        precision=cast_by_autocast,
    )


# --- all steps of all layers


@dataclass(frozen=True, eq=False)
class _Call:
    """A call of a layer: torch has two forms, one of them for packed sequences."""

    kind: str
    x: Array
    """Steps × samples × width."""
    active: Array
    sizes: Array | None
    """Of packed sequences: how many are still there at each step."""
    state: tuple[Array, ...]
    weights: list[Weights]
    directions: int
    kept: float
    """The probability that dropout between layers leaves an element."""
    batch_first: bool
    single: bool
    """Samples have no dimension of their own."""


def _call(case: Case, kind: str) -> _Call:
    names = ("input", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
    given_ = [case.operands[name] for name in names]
    packed = isinstance(given_[3], (list, tuple))
    if packed:
        data, sizes, state, params, biases, layers, dropout, train, both = given_
        first = False
    else:
        data, state, params, biases, layers, dropout, train, both, first = given_
        sizes = None
    held = tuple(_values(item) for item in (state if isinstance(state, (list, tuple)) else [state]))
    x, active = _unpacked(_values(data), _values(sizes)) if packed else _in_time(_values(data), bool(first))
    lone = not packed and _values(data).ndim == 2
    return _Call(
        kind, x, active, _values(sizes) if packed else None,
        tuple(one[:, None] for one in held) if lone else held,
        _weights([_values(item) for item in params], int(layers) * (2 if both else 1), bool(biases)),
        2 if both else 1, 1 - float(dropout) if train else 1.0, bool(first) and not lone, lone,
    )  # fmt: skip


def _in_time(data: Array, batch_first: bool) -> tuple[Array, Array]:
    if data.ndim == 2:
        data = data[:, None]
    elif batch_first:
        data = data.swapaxes(0, 1)
    return data, always(*data.shape[:2])


def _unpacked(data: Array, sizes: Array) -> tuple[Array, Array]:
    """Packed sequences lie step by step, at each step those that are that long."""
    found = np.zeros((len(sizes), int(sizes[0]), data.shape[1]))
    active = np.arange(int(sizes[0])) < sizes[:, None]
    found[active] = data
    return found, active


def _weights(params: list[Array], count: int, biases: bool) -> list[Weights]:
    several = len(params) // count
    found = []
    for start in range(0, len(params), several):
        own = params[start : start + several]
        bias = own[2:4] if biases else [None, None]
        project = own[-1] if several in (3, 5) else None
        found.append(Weights(own[0], own[1], bias[0], bias[1], project))
    return found


@dataclass(frozen=True, eq=False)
class _Done:
    """What a layer has computed."""

    call: _Call
    runs: list[Run]
    output: Sized

    def results(self) -> list[Sized]:
        states = [stacked([one.h for one in self.runs], 0)]
        if self.runs[0].c is not None:
            states.append(stacked([one.c for one in self.runs if one.c is not None], 0))
        return [self._shaped(self.output), *(state[:, 0] if self.call.single else state for state in states)]

    def _shaped(self, output: Sized) -> Sized:
        if self.call.sizes is not None:
            return output[self.call.active]
        if self.call.single:
            return output[:, 0]
        return output.swapaxes(0, 1) if self.call.batch_first else output

    def place(self, index: Index) -> tuple[int, int, int]:
        """Step, sample and column of an element of the first result."""
        if self.call.sizes is not None:
            steps, samples = np.nonzero(self.call.active)
            return int(steps[index[0]]), int(samples[index[0]]), index[1]
        if self.call.single:
            return index[0], 0, index[1]
        first, second, column = index
        return (second, first, column) if self.call.batch_first else (first, second, column)


@lru_cache(maxsize=1)
def _done(case: Case, kind: str) -> _Done | None:
    """All layers; None if dropout between them has taken part and nobody knows what it dropped.

    Kept for the next question about the same call: values, scale and element all need it.
    """
    call = _call(case, kind)
    x, runs = exact(call.x), []
    layers = len(call.weights) // call.directions
    for layer in range(layers):
        own = list(_directions(call, layer, x))
        runs += own
        x = joined([one.outputs for one in own], 2)
        if call.kept < 1 and layer < layers - 1:
            mask = _layer_mask(case, call, layer, x.shape)
            if mask is None:
                return None
            x = x * exact(mask / call.kept)
    return _Done(call, runs, x)


def _directions(call: _Call, layer: int, x: Sized) -> Iterator[Run]:
    for direction in range(call.directions):
        number = layer * call.directions + direction
        h = exact(call.state[0][number])
        c = exact(call.state[1][number]) if len(call.state) > 1 else None
        yield run(call.kind, x, h, c, call.weights[number], call.active, direction == 1)


def _layer_mask(case: Case, call: _Call, layer: int, shape: tuple[int, ...]) -> Array | None:
    if call.sizes is None:
        return mask_drawn(case, layer, shape)
    flat = mask_drawn(case, layer, (int(call.sizes.sum()), shape[2]))
    if flat is None:
        return None
    whole = np.zeros(shape, dtype=bool)
    whole[call.active] = flat
    return whole


def _results(case: Case, kind: str) -> list[Sized]:
    done = _done(case, kind)
    return [] if done is None else done.results()


def _element(case: Case, kind: str, number: int, index: Index) -> str:
    done = _done(case, kind)
    assert done is not None
    if number:
        return _state_at(done, number, index)
    t, sample, column = done.place(index)
    runs = done.runs[-done.call.directions :]
    width = runs[0].h.shape[1]
    direction, own = divmod(column, width)
    return _step_text(runs[direction].steps[t], (sample, own))


def _state_at(done: _Done, number: int, index: Index) -> str:
    which, sample, own = (index[0], 0, index[1]) if done.call.single else index
    one = done.runs[which]
    times = np.flatnonzero(one.active[:, sample])
    backwards = which % done.call.directions == 1
    step = one.steps[int(times[0] if backwards else times[-1])]
    return step.text((sample, own), True) if number == 2 else _step_text(step, (sample, own))


def _step_text(step: Step, place: tuple[int, int]) -> str:
    if step.hidden is not step.h:
        return f"projection of h: {step.h.value[place]:.7g}"
    return step.text(place)


def _symbols(case: Case, kind: str, number: int) -> str:
    if number == 0:
        return _FORMULA[kind]
    return "h after the last step" if number == 1 else "c after the last step"


def _note(case: Case, kind: str) -> str | None:
    call = _call(case, kind)
    steps, layers = call.x.shape[0], len(call.weights) // call.directions
    said = f"{steps:,} steps" + (f", {layers} layers" if layers > 1 else "")
    said += ", both directions" if call.directions == 2 else ""
    said += f", dropout between them keeps {call.kept:g}" if call.kept < 1 and layers > 1 else ""
    gates = _GATES[kind]
    return f"{said}; {gates}" if gates else said


def _layer_rule(kind: str) -> Rule:
    return Rule(
        lambda c, number: _symbols(c, kind, number),
        lambda c: [one.value for one in _results(c, kind)],
        "input, second, third, fourth, fifth, sixth, seventh, eighth, ninth",
        lambda c, number, index: _element(c, kind, number, index),
        lambda c: _note(c, kind),
        lambda c: [one.size for one in _results(c, kind)],
        lambda c: "what dropout between layers keeps was drawn by chance; autograd has kept the mask",
        cast_by_autocast,
    )


OPS: dict[str, Rule] = {
    **{f"{kind}_cell": _cell_rule(kind) for kind in STEPS},
    **{kind: _layer_rule(kind) for kind in STEPS},
}

NODES: dict[str, Rule] = {}
