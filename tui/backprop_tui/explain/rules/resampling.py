"""Results whose every element is a weighted sum over a box of the input: averages, interpolation.

In each dimension an output place has a few taps: input places, each with a weight. An element's weight is
the product over the dimensions; the gradient goes back through the same weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from math import prod

import numpy as np

from backprop_tui.explain.evidence import Array, Tensor
from backprop_tui.explain.rule import Index, Sum, bracketed, number_text
from backprop_tui.explain.rules.writing import largest, one_by_one, one_of, summand


@dataclass(frozen=True, eq=False)
class Axis:
    """The taps of one dimension."""

    size: int
    """How many places the input has."""
    index: Array
    """Output places × taps: input places."""
    weight: Array
    """Output places × taps. 0: no tap."""
    loose: float = 0.0
    """How much of 1 the weights' own rounding is relative to, where torch works them out in many steps."""

    @cached_property
    def turned(self) -> Axis:
        """From output to input: for every input place the output places that it is a tap of."""
        out, tap = np.nonzero(self.weight)
        into = self.index[out, tap]
        order = np.argsort(into, kind="stable")
        out, into, weight = out[order], into[order], self.weight[out, tap][order]
        counts = np.bincount(into, minlength=self.size)
        starts = np.cumsum(counts) - counts
        place = np.arange(len(into)) - starts[into]
        shape = (self.size, int(counts.max(initial=0)))
        index, weights = np.zeros(shape, dtype=np.int64), np.zeros(shape)
        index[into, place], weights[into, place] = out, weight
        return Axis(len(self.index), index, weights, self.loose)

    def taps(self, place: int) -> tuple[Array, Array]:
        """The input places and weights of one output place."""
        used = self.weight[place] != 0
        places, which = np.unique(self.index[place][used], return_inverse=True)
        return places, np.bincount(which, self.weight[place][used], len(places))


def resampled(values: Array, axes: Sequence[Axis]) -> Array:
    """Weighted sums over the last dimensions."""
    for number, axis in enumerate(axes):
        dim = values.ndim - len(axes) + number
        moved = np.moveaxis(values, dim, -1)
        if not moved.shape[-1]:
            return np.zeros((*values.shape[: -number or None],))
        taken = np.where(axis.weight != 0, moved[..., axis.index] * axis.weight, 0)
        values = np.moveaxis(taken.sum(axis=-1), -1, dim)
    return values


def sizes(values: Array, axes: Sequence[Axis]) -> Array:
    """What the sums' rounding is relative to."""
    plain = [Axis(axis.size, axis.index, np.abs(axis.weight) + _loosened(axis)) for axis in axes]
    return resampled(np.abs(values), plain) * one_by_one(prod(axis.index.shape[1] for axis in axes))


def _loosened(axis: Axis) -> Array:
    return np.asarray(axis.loose * (axis.weight != 0))


def turned(axes: Sequence[Axis]) -> list[Axis]:
    """The way back of every dimension."""
    return [axis.turned for axis in axes]


def weighted(tensor: Tensor, axes: Sequence[Axis], index: Index) -> Sum:
    """The sum behind one element."""
    kept = len(index) - len(axes)
    taps = [axis.taps(place) for axis, place in zip(axes, index[kept:], strict=True)]
    values = tensor.values[index[:kept]][np.ix_(*(places for places, _ in taps))].ravel()
    weights = np.asarray(reduce(np.multiply.outer, (weight for _, weight in taps))).ravel()

    def text(i: int) -> str:
        return bracketed(number_text(values[i], tensor.dtype))

    if weights.size and np.allclose(weights, weights[0], rtol=1e-12, atol=0):
        before = one_of(round(1 / weights[0], 6))
        bracket = bool(before) and weights.size > 1
        return largest(values * weights, text, before + "(" * bracket, ")" * bracket)
    return largest(values * weights, lambda i: f"{summand(weights[i])}·{text(i)}")


def window_axis(size: int, out: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> Axis:
    """Windows; taps in the padding have no weight, the others 1."""
    index = np.arange(out)[:, None] * stride - padding + np.arange(kernel) * dilation
    inside = (index >= 0) & (index < size)
    return Axis(size, np.where(inside, index, 0), inside * 1.0)


def average_axis(size: int, out: int, kernel: int, stride: int, padding: int, count_padding: bool) -> Axis:
    """Windows of a mean; ``count_padding``: the zeros around count too, but not what lies beyond them."""
    axis = window_axis(size, out, kernel, stride, padding)
    start = np.arange(out) * stride - padding
    reach = np.minimum(start + kernel, size + padding)
    count = reach - start if count_padding else axis.weight.sum(axis=1)
    return Axis(size, axis.index, axis.weight / np.maximum(count, 1)[:, None])


def adaptive_axis(size: int, out: int) -> Axis:
    """Bins that cover the input evenly: from ⌊i·size/out⌋ to ⌈(i + 1)·size/out⌉."""
    place = np.arange(out)
    start, end = place * size // out, -(-(place + 1) * size // out)
    most = int((end - start).max(initial=0))
    index = start[:, None] + np.arange(most)
    inside = index < end[:, None]
    return Axis(size, np.where(inside, index, 0), inside / np.maximum(end - start, 1)[:, None])
