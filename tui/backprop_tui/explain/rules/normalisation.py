"""Rules of normalisation by mean and variance (torch/nn/functional.py; aten/src/ATen/native/*norm*.cpp).

Batch norm: Ioffe and Szegedy 2015; layer norm: Ba et al. 2016; instance norm: Ulyanov et al. 2016; group
norm: Wu and He 2018. They differ only in which elements share a mean and a variance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array
from backprop_tui.explain.rule import Case, Index, Rule, Sum, bracketed, element_text
from backprop_tui.explain.rules.low_precision import added_one_by_one, dtype_of, nearer
from backprop_tui.explain.rules.writing import largest, one_by_one, single, some, summand, wide

View = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Norm:
    """One kind of normalisation."""

    view: Callable[[Case], View]
    """A shape in which every group of elements fills some dimensions, and which dimensions these are."""
    channels: bool = True
    """Weight and bias have one number for each channel; else they lie beside the last dimensions."""
    own: Callable[[Case], bool] = lambda case: True
    """Whether mean and variance are the input's own; else they are the running ones."""
    group: str = "group"
    lanes: int = 64
    """torch adds up so many parts of a mean beside each other."""

    def mean(self, case: Case, values: Array) -> Array:
        """The mean of every group, at the place of each of its elements."""
        shape, axes = self.view(case)
        viewed = values.reshape(shape)
        total = viewed.sum(axis=axes, keepdims=True) / np.float64(self.size(case))
        found = np.broadcast_to(total, shape)
        return found.reshape(values.shape)

    def size(self, case: Case) -> int:
        """How many elements a group has."""
        shape, axes = self.view(case)
        return math.prod(shape[axis] for axis in axes)

    def moments(self, case: Case) -> tuple[Array, Array]:
        """Mean and variance at every element; the variance divides by the number of elements."""
        x = case["input"]
        if not self.own(case):
            running = (self.beside(case, "running_mean"), self.beside(case, "running_var"))
            return np.broadcast_to(running[0], x.shape), np.broadcast_to(running[1], x.shape)
        centre = self.mean(case, x)
        return centre, self.mean(case, np.square(x - centre))

    def beside(self, case: Case, name: str, without: float = 1.0) -> Array:
        """An operand with one number for each channel, shaped to stand beside the input."""
        if not case.has(name):
            return np.asarray(without)
        shape = (-1,) + (1,) * (case["input"].ndim - 2)
        return np.asarray(case[name].reshape(shape) if self.channels else case[name])

    def inverse(self, case: Case) -> Array:
        """1/√(variance + ε). Where a node has not kept ε it has kept this."""
        if "eps" not in case.operands:
            kept = case["result2"]
            return np.broadcast_to(kept, case["input"].shape)
        return np.asarray(1 / np.sqrt(self.moments(case)[1] + _eps(case)))

    def normal(self, case: Case) -> Array:
        """The input, centred and divided by its standard deviation."""
        return np.asarray((case["input"] - self.moments(case)[0]) * self.inverse(case))

    def reach(self, case: Case) -> Array:
        """What its rounding is relative to: input and mean, before one is taken from the other."""
        centre = self.moments(case)[0]
        rounds = one_by_one(self.size(case), self.lanes)
        shifted = (np.abs(case["input"]) + np.abs(centre) * rounds) * self.inverse(case)
        return np.asarray(shifted + np.abs(self.normal(case)) * self.spread(case))

    def spread(self, case: Case) -> float:
        """How much more rounding there is in the variance: its terms' roundings go either way."""
        return 1 + math.sqrt(self.size(case)) / (16 * self.lanes)

    # --- forwards

    def forward(self, case: Case) -> Sequence[Array | None]:
        made = self.normal(case) * self.beside(case, "weight") + self.beside(case, "bias", 0.0)
        return [made, *self.kept(case)]

    def kept(self, case: Case) -> Sequence[Array | None]:
        """What torch's own functions return besides: every group's mean and 1/√(variance + ε)."""
        result = case.result(1)
        if result is None:
            return []
        if not result.values.size:
            return [np.zeros(result.shape)] * 2
        shape, axes = self.view(case)
        first = tuple(0 if axis in axes else slice(None) for axis in range(len(shape)))
        found = (self.moments(case)[0], self.inverse(case))
        return [one.reshape(shape)[first].reshape(result.shape) for one in found]

    def forward_scale(self, case: Case) -> Sequence[Array | None]:
        made = self.reach(case) * np.abs(self.beside(case, "weight")) + np.abs(self.beside(case, "bias", 0.0))
        result = case.result(1)
        sizes = (
            [None] if result is None else [np.full(result.shape, np.abs(case["input"]).max(initial=0)), None]
        )
        return [made, *sizes]

    def symbols(self, case: Case, number: int) -> str:
        if number:
            return ("mean of each {0}" if number == 1 else "1/√(variance of each {0} + ε)").format(self.group)
        centre, spread = ("μ", "σ²") if self.own(case) else ("{running_mean}", "{running_var}")
        weight = " · {weight}" if case.has("weight") else ""
        bias = " + {bias}" if case.has("bias") else ""
        return f"({{input}} − {centre})/√({spread} + {wide(_eps(case))}){weight}{bias}"

    def element(self, case: Case, number: int, index: Index) -> str:
        if number:
            return self.symbols(case, number)
        x = case.at("input", index)
        weight = f" · {self.at(case, 'weight', index)}" if case.has("weight") else ""
        bias = f" + {self.at(case, 'bias', index)}" if case.has("bias") else ""
        centre, spread = (one[index] for one in self.moments(case))
        return f"({x} − {summand(centre)})/√({single(spread)} + {wide(_eps(case))}){weight}{bias}"

    def at(self, case: Case, name: str, index: Index) -> str:
        """The number of a weight or bias that belongs to an element."""
        place = index[1:2] if self.channels else index[-case[name].ndim :]
        return bracketed(element_text(case.operands[name], place))

    def note(self, case: Case) -> str | None:
        if not self.own(case):
            return "evaluating: the running mean and variance, not this batch's"
        size = self.size(case)
        said = f"μ and σ² of the {size:,} values of a {self.group}; σ² divides by {size:,}"
        if not case.has("running_mean"):
            return said
        share = case.get("momentum", 0.1)
        kept = f"running = {wide(1 - share)}·running + {wide(share)}·new, there the variance divides by"
        return f"{said}. {kept} {size - 1:,}"

    def op(self, signature: str) -> Rule:
        return Rule(self.symbols, self.forward, signature, self.element, self.note, self.forward_scale)

    # --- backwards

    def backward(self, case: Case) -> Sequence[Array | None]:
        if any(one is not None for one in case.evidence.grad_outputs[1:]):
            return [None]  # a gradient for mean or variance as well: only torch's own functions return these
        exact = self._for_weights(case, case.g, self.normal(case))
        return [self._for_input(case), *self._as_added(case, exact)]

    def _for_input(self, case: Case) -> Array:
        g = case.g * self.beside(case, "weight")
        if not self.own(case):
            return np.asarray(g * self.inverse(case))
        normal = self.normal(case)
        rest = self.mean(case, g) + normal * self.mean(case, g * normal)
        return np.asarray((g - rest) * self.inverse(case))

    def _for_weights(self, case: Case, g: Array, normal: Array) -> Sequence[Array | None]:
        found: list[Array | None] = []
        for number, values in ((1, g * normal), (2, g)):
            result = case.result(number)
            axes = self._weight_axes(case)
            found.append(None if result is None else np.asarray(values.sum(axis=axes)).reshape(result.shape))
        return found

    def _as_added(self, case: Case, exact: Sequence[Array | None]) -> Sequence[Array | None]:
        """The gradients of weight and bias as torch adds them up: layer norm does it in the input's dtype.

        aten/src/ATen/native/cpu/layer_norm_kernel.cpp, layer_norm_backward_frame: one row after another.
        Other kernels (several threads, other devices) add up otherwise: what is nearer to torch's counts.
        """
        dtype = self.precision(case, 1)
        if dtype is None:
            return exact
        by_row = (self._rows(case, case.g * self.normal(case)), self._rows(case, case.g))
        found: list[Array | None] = []
        for number, (whole, rows) in enumerate(zip(exact, by_row, strict=True), 1):
            result = case.result(number)
            if whole is not None and result is not None:
                whole = nearer(result, whole, added_one_by_one(rows, dtype).reshape(result.shape))
            found.append(whole)
        return found

    def _rows(self, case: Case, values: Array) -> Array:
        return values.reshape(-1, math.prod(values.shape[len(self._weight_axes(case)) :]))

    def precision(self, case: Case, number: int) -> str | None:
        """A coarser dtype in which torch adds up the gradients of weight and bias."""
        return dtype_of(case, "input") if number and not self.channels else None

    def _weight_axes(self, case: Case) -> tuple[int, ...]:
        """The dimensions over which one weight is used."""
        count = case.g.ndim
        if self.channels:
            return (0, *range(2, count))
        return tuple(range(count - len(self.view(case)[1])))

    def backward_scale(self, case: Case) -> Sequence[Array | None]:
        g = np.abs(case.g * self.beside(case, "weight"))
        reach = self.reach(case)
        whole = g * self.inverse(case)
        if self.own(case):
            rest = self.mean(case, g) + np.abs(self.normal(case)) * self.mean(case, g * reach)
            spread = reach * self.mean(case, g * np.abs(self.normal(case)))
            whole = whole + (rest + spread) * self.inverse(case)
        return [whole * self.spread(case), *self._for_weights(case, np.abs(case.g), reach)]

    def node_symbols(self, case: Case, number: int) -> str:
        if number:
            return "Σ {g} · x̂" if number == 1 else "Σ {g}"
        weight = "·{weight}" if case.has("weight") else ""
        if not self.own(case):
            return f"{{g}}{weight}/√({{running_var}} + {wide(_eps(case))})"
        eps = wide(case["eps"]) if "eps" in case.operands else "ε"
        return f"({{g}}{weight} − mean({{g}}{weight}) − x̂·mean({{g}}{weight}·x̂))/√(σ² + {eps})"

    def node_element(self, case: Case, number: int, index: Index) -> Sum | str:
        if number:
            return self._weight_sum(case, number, index)
        spread = f"/√({single(self.moments(case)[1][index])} + {wide(_eps(case))})"
        if "eps" not in case.operands:
            spread = f"·{single(self.inverse(case)[index])}"
        own = (
            f"{case.at('g', index)}·{self.at(case, 'weight', index)}"
            if case.has("weight")
            else case.at("g", index)
        )
        if not self.own(case):
            return own + spread
        g, normal = case.g * self.beside(case, "weight"), self.normal(case)
        centre, slope = self.mean(case, g)[index], self.mean(case, g * normal)[index]
        return f"({own} − {summand(centre)} − {summand(normal[index])}·{summand(slope)}){spread}"

    def _weight_sum(self, case: Case, number: int, index: Index) -> Sum:
        at: Any = (slice(None), *index) if self.channels else (..., *index)
        g = case.g[at].ravel()
        if number == 2:
            return largest(g, lambda i: summand(g[i]))
        normal = self.normal(case)[at].ravel()
        return largest(g * normal, lambda i: f"{summand(g[i])}·{summand(normal[i])}")

    def node_note(self, case: Case) -> str | None:
        if not self.own(case):
            return "the running mean and variance are constants: nothing flows back through them"
        said = "x̂ = (input − μ)/√(σ² + ε)" + (
            "" if "eps" in case.operands else ", as the forward pass kept it"
        )
        if dtype := self.precision(case, 1):
            said += f"; torch adds up Σ row by row in {dtype}, and rounds after each"
        flat = int((self.moments(case)[1] == 0).sum())
        return f"{said}; {some(flat, case.g.size)} in a group of equal values" if flat else said

    def node(self) -> Rule:
        return Rule(
            self.node_symbols,
            self.backward,
            element=self.node_element,
            note=self.node_note,
            scale=self.backward_scale,
            precision=self.precision,
        )


def _eps(case: Case) -> float:
    return float(case.get("eps", 1e-5))


def _channels(case: Case) -> View:
    """A channel of all samples."""
    shape = case["input"].shape
    return shape, (0, *range(2, len(shape)))


def _single_channels(case: Case) -> View:
    """A channel of one sample."""
    shape = case["input"].shape
    return shape, tuple(range(2, len(shape)))


def _last(case: Case) -> View:
    """The last dimensions."""
    shape, count = case["input"].shape, len(tuple(np.atleast_1d(case["normalized_shape"])))
    return shape, tuple(range(len(shape) - count, len(shape)))


def _grouped(case: Case) -> View:
    """Some channels of one sample."""
    shape = case["input"].shape
    count = int(case["num_groups" if "num_groups" in case.operands else "group"])
    viewed = (shape[0], count, shape[1] // count, *shape[2:])
    return viewed, tuple(range(2, len(viewed)))


_BATCH = Norm(
    _channels, own=lambda c: bool(c["training"]) or not c.has("running_mean"), group="channel", lanes=1
)
_INSTANCE = Norm(_single_channels, own=lambda c: bool(c["use_input_stats"]), group="sample's channel")
_GROUP = Norm(_grouped)
_LAYER = Norm(_last, channels=False, group="sample")

_RUNNING = "running_mean, running_var"
_NATIVE = f"input, weight, bias, {_RUNNING}, training, momentum, eps"

OPS: dict[str, Rule] = {
    "batch_norm": _BATCH.op(
        f"input, {_RUNNING}, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5"
        f" | {_NATIVE}, cudnn_enabled"
    ),
    "native_batch_norm": _BATCH.op(_NATIVE),
    "_native_batch_norm_legit": _BATCH.op(f"{_NATIVE} | input, weight, bias, training, momentum, eps"),
    "instance_norm": _INSTANCE.op(
        "input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True,"
        " momentum=0.1, eps=1e-5"
        f" | input, weight, bias, {_RUNNING}, use_input_stats, momentum, eps, cudnn_enabled"
    ),
    "group_norm": _GROUP.op("input, num_groups, weight=None, bias=None, eps=1e-5, cudnn_enabled=True"),
    "native_group_norm": _GROUP.op("input, weight, bias, N, C, HxW, group, eps"),
    "layer_norm": _LAYER.op("input, normalized_shape, weight=None, bias=None, eps=1e-5, cudnn_enable=True"),
    "native_layer_norm": _LAYER.op("input, normalized_shape, weight, bias, eps"),
}

NODES: dict[str, Rule] = {
    # tools/autograd/derivatives.yaml: native_batch_norm, native_layer_norm, native_group_norm
    "NativeBatchNormBackward": _BATCH.node(),
    "NativeBatchNormLegitBackward": _BATCH.node(),
    "NativeLayerNormBackward": _LAYER.node(),
    "NativeGroupNormBackward": _GROUP.node(),
}
