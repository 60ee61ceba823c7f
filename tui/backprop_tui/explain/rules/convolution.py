"""Rules of convolutions (torch/nn/functional.py; aten/src/ATen/native/Convolution.cpp)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array, Tensor
from backprop_tui.explain.rule import Case, Index, Rule, Sum, bracketed, number_text
from backprop_tui.explain.rules.linking import Dimension, Link
from backprop_tui.explain.rules.writing import largest, one_by_one


def each(value: Any, count: int) -> tuple[int, ...]:
    """An option for every dimension, where the call gave one for all."""
    if isinstance(value, (int, float)):
        return (int(value),) * count
    found = tuple(int(item) for item in value)
    return found * count if len(found) == 1 else found


@dataclass(frozen=True)
class _Setup:
    """One call's options, as numbers for every dimension."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    kernel: tuple[int, ...]
    groups: int
    transposed: bool
    same: bool
    """``padding='same'``: as long as the input."""

    def link(self, places: tuple[int, ...], results: tuple[int, ...]) -> Link:
        big, small = (results, places) if self.transposed else (places, results)
        options = zip(big, small, self.kernel, self.stride, self.padding, self.dilation, strict=True)
        return Link(tuple(Dimension(*one) for one in options), self.groups)

    @property
    def words(self) -> str:
        """What is not as by default: ``stride 2, padding 1``."""
        named = {"stride": (self.stride, 1), "padding": (self.padding, 0), "dilation": (self.dilation, 1)}
        said = [
            f"{name} {'×'.join(map(str, value if len(set(value)) > 1 else value[:1]))}"
            for name, (value, usual) in named.items()
            if set(value) != {usual} and not (name == "padding" and self.same)
        ]
        said += ["padding same"] if self.same and any(self.padding) else []
        said += [f"{self.groups} groups"] if self.groups > 1 else []
        return f" ({', '.join(said)})" if said else ""


def _setup(case: Case) -> _Setup:
    kernel = case["weight"].shape[2:]
    count, padding = len(kernel), case["padding"]
    dilation = each(case["dilation"], count)
    same = padding == "same"
    if same:  # what is left over of an odd number goes to the end
        pads = tuple(step * (taps - 1) // 2 for step, taps in zip(dilation, kernel, strict=True))
    else:
        pads = each(0 if padding == "valid" else padding, count)
    return _Setup(
        each(case["stride"], count), pads, dilation, kernel, int(case["groups"]),
        bool(case.get("transposed", "output_padding" in case.operands)), same,
    )  # fmt: skip


def _batched(values: Array, places: int) -> Array:
    """With a dimension for the samples, which a single sample lacks."""
    return values if values.ndim == places + 2 else values[None]


def _result_shape(case: Case, number: int) -> tuple[int, ...]:
    result = case.result(number)
    return () if result is None else result.shape


def _convolved(case: Case, change: Callable[[Array], Array]) -> Sequence[Array | None]:
    setup = _setup(case)
    shape = _result_shape(case, 0)
    count = len(setup.kernel)
    x, weight = change(_batched(case["input"], count)), change(case["weight"])
    link = setup.link(x.shape[2:], shape[len(shape) - count :])
    found = link.to_big(x, weight) if setup.transposed else link.to_small(x, weight)
    if case.has("bias"):
        found = found + change(case["bias"]).reshape((-1,) + (1,) * count)
    return [found.reshape(shape) if found.size == np.prod(shape) else found]


def _as_is(values: Array) -> Array:
    return values


def _convolved_scale(case: Case) -> Sequence[Array | None]:
    terms = case["weight"].size // max(case["weight"].shape[0], 1)
    return [_times(found, one_by_one(terms, _LANES)) for found in _convolved(case, np.abs)]


_LANES = 8
"""torch's libraries add up so many parts of a product beside each other."""


def _times(values: Array | None, factor: float) -> Array | None:
    return None if values is None else values * factor


def _symbols(case: Case, number: int) -> str:
    setup = _setup(case)
    bias = " + {bias}" if case.has("bias") else ""
    return f"{{input}} {'⋆ᵀ' if setup.transposed else '⋆'} {{weight}}{bias}{setup.words}"


def products(first: Tensor, second: Tensor, at: tuple[Any, Any], before: str = "", after: str = "") -> Sum:
    """Σ of two tensors' elements, multiplied in pairs; ``at``: where each has them."""
    a, b = first.values[at[0]].ravel(), second.values[at[1]].ravel()

    def text(i: int) -> str:
        return f"{_element(a[i], first)}·{_element(b[i], second)}"

    return largest(a * b, text, before, after)


def _element(value: Any, tensor: Tensor) -> str:
    return bracketed(number_text(value, tensor.dtype))


def _leading(values: Array, index: Index, count: int) -> tuple[Array, Index]:
    """A single sample as the first of one; also of its index."""
    return (values, index) if values.ndim == count + 2 else (values[None], (0, *index))


def _sum_at(case: Case, number: int, index: Index) -> Sum:
    setup = _setup(case)
    count = len(setup.kernel)
    given, weight = case.operands["input"], case.operands["weight"]
    values, (n, channel, *places) = _leading(given.values, index, count)
    shape = _result_shape(case, 0)
    link = setup.link(values.shape[2:], shape[len(shape) - count :])
    pairs = [
        one.seen_by(place) if setup.transposed else one.window(place)
        for one, place in zip(link.dimensions, places, strict=True)
    ]
    after = f" + {case.at('bias', (channel,))}" if case.has("bias") else ""
    at = _window_at(setup, weight.values, n, channel, pairs)
    return products(Tensor(values, given.dtype), weight, at, after=after)


def _window_at(
    setup: _Setup, weight: Array, n: int, channel: int, pairs: list[tuple[list[int], list[int]]]
) -> tuple[Any, Any]:
    """Where the input and the weight have the factors of one element of the output."""
    if setup.transposed:
        each_group = weight.shape[1]
        group, own = divmod(channel, each_group)
        inner = weight.shape[0] // setup.groups
        channels = list(range(group * inner, (group + 1) * inner))
        kernel = np.ix_(channels, [own], *(taps for _, taps in pairs))
    else:
        group = channel // (weight.shape[0] // setup.groups)
        inner = weight.shape[1]
        channels = list(range(group * inner, (group + 1) * inner))
        kernel = np.ix_([channel], list(range(inner)), *(taps for _, taps in pairs))
    return np.ix_([n], channels, *(places for places, _ in pairs)), kernel


# --- the node: gradients for input, weight and bias


def _backward(case: Case, change: Callable[[Array], Array]) -> Sequence[Array | None]:
    return [_for_input(case, change), _for_weight(case, change), _for_bias(case, change)]


def _backward_scale(case: Case) -> Sequence[Array | None]:
    weight, g = case["weight"], case.g
    terms = (weight.size // max(min(weight.shape[:2]), 1), g.size // max(g.shape[1], 1), 1)
    found = _backward(case, np.abs)
    return [_times(one, one_by_one(count, _LANES)) for one, count in zip(found, terms, strict=True)]


def _node_link(case: Case) -> tuple[_Setup, Link, int]:
    setup = _setup(case)
    count = len(setup.kernel)
    return setup, setup.link(case["input"].shape[2:], case.g.shape[2:]), count


def _for_input(case: Case, change: Callable[[Array], Array]) -> Array | None:
    if case.result(0) is None or not case.has("weight"):
        return None
    setup, link, _ = _node_link(case)
    send = link.to_small if setup.transposed else link.to_big
    return send(change(case.g), change(case["weight"]))


def _for_weight(case: Case, change: Callable[[Array], Array]) -> Array | None:
    if case.result(1) is None or not case.has("input"):
        return None
    setup, link, _ = _node_link(case)
    x, g = change(case["input"]), change(case.g)
    return link.to_weight(g, x) if setup.transposed else link.to_weight(x, g)


def _for_bias(case: Case, change: Callable[[Array], Array]) -> Array | None:
    if case.result(2) is None:
        return None
    return np.asarray(change(case.g).sum(axis=(0, *range(2, case.g.ndim))))


def _node_symbols(case: Case, number: int) -> str:
    setup = _setup(case)
    if number == 2:
        return "Σ {g}"
    if number == 0:
        return f"{{g}} {'⋆' if setup.transposed else '⋆ᵀ'} {{weight}}{setup.words}"
    return f"{{g}} ⋆ {{input}}{setup.words}" if setup.transposed else f"{{input}} ⋆ {{g}}{setup.words}"


def _node_at(case: Case, number: int, index: Index) -> Sum:
    if number == 0:
        return _input_at(case, index)
    return _weight_at(case, index) if number == 1 else _bias_at(case, index)


def _input_at(case: Case, index: Index) -> Sum:
    setup, link, _ = _node_link(case)
    n, channel, *places = index
    weight = case.operands["weight"]
    pairs = [
        one.window(place) if setup.transposed else one.seen_by(place)
        for one, place in zip(link.dimensions, places, strict=True)
    ]
    # An element of the gradient comes from g as an output comes from the input of the opposite convolution.
    opposite = _Setup(
        setup.stride, setup.padding, setup.dilation, setup.kernel, setup.groups, not setup.transposed, False
    )
    at = _window_at(opposite, weight.values, n, channel, pairs)
    return products(case.operands["g"], weight, at)


def _weight_at(case: Case, index: Index) -> Sum:
    setup, link, _ = _node_link(case)
    small_channel, inner, *taps = index
    small, big = case.operands["g"], case.operands["input"]
    if setup.transposed:
        small, big = big, small
    group = small_channel // (small.shape[1] // setup.groups)
    big_channel = group * (big.shape[1] // setup.groups) + inner
    pairs = [one.joined(tap) for one, tap in zip(link.dimensions, taps, strict=True)]
    samples = list(range(small.shape[0]))
    small_at = np.ix_(samples, [small_channel], *(places for places, _ in pairs))
    big_at = np.ix_(samples, [big_channel], *(places for _, places in pairs))
    return products(big, small, (big_at, small_at))


def _bias_at(case: Case, index: Index) -> Sum:
    g = case.operands["g"]
    values = g.values[:, index[0]].ravel()
    return largest(values, lambda i: _element(values[i], g))


_STRIDES = "stride=1, padding=0"
_PLAIN = f"input, weight, bias=None, {_STRIDES}, dilation=1, groups=1"
_TRANSPOSED = f"input, weight, bias=None, {_STRIDES}, output_padding=0, groups=1, dilation=1"


def _rule(signature: str) -> Rule:
    return Rule(
        _symbols,
        lambda c: _convolved(c, _as_is),
        signature,
        _sum_at,
        scale=_convolved_scale,
    )


OPS: dict[str, Rule] = {
    **{f"conv{count}d": _rule(_PLAIN) for count in (1, 2, 3)},
    **{f"conv_transpose{count}d": _rule(_TRANSPOSED) for count in (1, 2, 3)},
    "convolution": _rule(
        "input, weight, bias, stride, padding, dilation, transposed, output_padding, groups"
    ),
}

NODES: dict[str, Rule] = {
    # tools/autograd/derivatives.yaml: convolution
    "ConvolutionBackward": Rule(
        _node_symbols,
        lambda c: _backward(c, _as_is),
        element=_node_at,
        scale=_backward_scale,
    ),
}
