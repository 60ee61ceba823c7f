"""What a convolution connects: every place of the small side with a window of the big side.

A convolution goes from big (its input) to small (its output), its gradient and a transposed convolution
from small to big; the gradient of the weight compares the two. In each dimension
``big = small · stride − padding + tap · dilation``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array

Places = tuple[list[int], list[int]]


@dataclass(frozen=True)
class Dimension:
    """One dimension of the picture."""

    big: int
    small: int
    taps: int
    stride: int
    padding: int
    dilation: int

    def window(self, small: int) -> Places:
        """The places of the big side that one place of the small side sees, and the tap for each."""
        pairs = [(small * self.stride - self.padding + tap * self.dilation, tap) for tap in range(self.taps)]
        return _split([pair for pair in pairs if 0 <= pair[0] < self.big])

    def seen_by(self, big: int) -> Places:
        """The places of the small side that see one place of the big side, and the tap for each."""
        found = []
        for tap in range(self.taps):
            small, rest = divmod(big + self.padding - tap * self.dilation, self.stride)
            if not rest and 0 <= small < self.small:
                found.append((small, tap))
        return _split(found)

    def joined(self, tap: int) -> Places:
        """The pairs of places, small and big, that one tap joins."""
        pairs = [(s, s * self.stride - self.padding + tap * self.dilation) for s in range(self.small)]
        return _split([pair for pair in pairs if 0 <= pair[1] < self.big])

    @property
    def reach(self) -> int:
        """How long the big side is from its padding in front to the last place that a window sees."""
        return max((self.small - 1) * self.stride + (self.taps - 1) * self.dilation + 1, 0)

    def places(self, tap: int) -> slice:
        """The places of the padded big side that one tap joins with the whole small side."""
        start = tap * self.dilation
        return slice(start, start + (self.small - 1) * self.stride + 1, self.stride)


def last(places: tuple[int | slice, ...]) -> Any:
    """An index of the last dimensions only."""
    return (Ellipsis, *places)


def _split(pairs: list[tuple[int, int]]) -> Places:
    return [first for first, _ in pairs], [second for _, second in pairs]


@dataclass(frozen=True)
class Link:
    """All dimensions, and how many groups the channels are in. Arrays are samples × channels × places."""

    dimensions: tuple[Dimension, ...]
    groups: int

    def to_small(self, big: Array, weight: Array) -> Array:
        """Convolution: each window times the weight."""
        padded, kernels = self._grouped(self.padded(big)), self._kernels(weight)
        found = np.zeros(
            (len(big), self.groups, kernels.shape[1], *(one.small for one in self.dimensions)),
            np.result_type(big, weight),
        )
        for taps, places in self.tap_places():
            part = padded[last(places)]
            product = kernels[last(taps)] @ _flat(part, 3)
            found += product.reshape(found.shape)
        return _joined(found)

    def to_big(self, small: Array, weight: Array) -> Array:
        """Transposed convolution: each place spread over its window."""
        kernels, grouped = self._kernels(weight), self._grouped(small)
        flat = _flat(grouped, 3)
        reach = (one.reach for one in self.dimensions)
        shape = (len(small), self.groups, kernels.shape[2], *reach)
        found = np.zeros(shape, np.result_type(small, weight))
        for taps, places in self.tap_places():
            product = np.swapaxes(kernels[last(taps)], 1, 2) @ flat
            found[last(places)] += product.reshape(*found.shape[:3], *grouped.shape[3:])
        return self.cropped(_joined(found))

    def to_weight(self, big: Array, small: Array) -> Array:
        """The gradient of the weight: each tap's pairs of places, multiplied and summed."""
        padded, grouped = self._grouped(self.padded(big)), self._grouped(small)
        flat = _flat(grouped, 3)
        kernel = (one.taps for one in self.dimensions)
        found = np.zeros(
            (self.groups, grouped.shape[2], padded.shape[2], *kernel), np.result_type(big, small)
        )
        for taps, places in self.tap_places():
            window = _flat(padded[last(places)], 3)
            found[last(taps)] = (flat @ np.swapaxes(window, 2, 3)).sum(axis=0)
        return np.asarray(found.reshape(grouped.shape[1] * grouped.shape[2], *found.shape[2:]))

    @property
    def shape(self) -> tuple[int, ...]:
        """The taps of the dimensions."""
        return tuple(one.taps for one in self.dimensions)

    def tap_places(self) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
        """Every combination of taps, and the places of the padded big side that it joins."""
        for taps in np.ndindex(*self.shape):
            yield taps, tuple(one.places(tap) for one, tap in zip(self.dimensions, taps, strict=True))

    def _grouped(self, values: Array) -> Array:
        return values.reshape(len(values), self.groups, values.shape[1] // self.groups, *values.shape[2:])

    def _kernels(self, weight: Array) -> Array:
        return weight.reshape(self.groups, weight.shape[0] // self.groups, *weight.shape[1:])

    def padded(self, big: Array) -> Array:
        """As far as windows reach, zeros around it."""
        kept = tuple(slice(0, max(one.reach - one.padding, 0)) for one in self.dimensions)
        big = big[last(kept)]
        ends = [
            (one.padding, one.reach - one.padding - size)
            for one, size in zip(self.dimensions, big.shape[2:], strict=True)
        ]
        return np.pad(big, [(0, 0), (0, 0), *ends])

    def cropped(self, padded: Array) -> Array:
        """The big side without its padding."""
        ends = [(0, max(one.padding + one.big - one.reach, 0)) for one in self.dimensions]
        kept = tuple(slice(one.padding, one.padding + one.big) for one in self.dimensions)
        return np.asarray(np.pad(padded, [(0, 0), (0, 0), *ends])[last(kept)])


def _flat(values: Array, kept: int) -> Array:
    """All dimensions after the first ones in one."""
    return values.reshape(*values.shape[:kept], math.prod(values.shape[kept:]))


def _joined(grouped: Array) -> Array:
    """Groups and channels in one dimension."""
    return grouped.reshape(len(grouped), grouped.shape[1] * grouped.shape[2], *grouped.shape[3:])
