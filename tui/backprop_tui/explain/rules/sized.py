"""Numbers together with how far rounding may have moved them, in epsilons of the dtype.

A computation of many steps (attention, a recurrent layer) is evaluated once with these. Every operation
rounds anew, relative to its terms, and passes on the errors of what it reads; those of many numbers go
either way, so that they add up as their squares do. (If their magnitudes were added, a recurrent network
would seem to know nothing after a hundred steps.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array
from backprop_tui.explain.rules.functions import erf


@dataclass(frozen=True, eq=False)
class Sized:
    """An array and, in ``size``, the errors."""

    value: Array
    size: Array

    def __add__(self, other: Sized | float) -> Sized:
        if not isinstance(other, Sized):
            return self._rounded(self.value + other, self.size)
        return self._rounded(self.value + other.value, np.hypot(self.size, other.size))

    def __sub__(self, other: Sized) -> Sized:
        return self + -other

    def __mul__(self, other: Sized | float) -> Sized:
        if not isinstance(other, Sized):
            return self._rounded(self.value * other, self.size * abs(other))
        error = np.hypot(self.value * other.size, self.size * other.value)
        return self._rounded(self.value * other.value, error)

    def __matmul__(self, other: Sized) -> Sized:
        error = np.square(self.value) @ np.square(other.size) + np.square(self.size) @ np.square(other.value)
        terms = np.abs(self.value) @ np.abs(other.value)
        return Sized(self.value @ other.value, np.sqrt(error) + terms)

    def _rounded(self, value: Array, error: Array) -> Sized:
        return Sized(value, error + np.abs(value))

    def __getitem__(self, index: Any) -> Sized:
        return Sized(self.value[index], self.size[index])

    def __neg__(self) -> Sized:
        return Sized(-self.value, self.size)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    def reshape(self, *shape: int) -> Sized:
        return Sized(self.value.reshape(shape), self.size.reshape(shape))

    def swapaxes(self, first: int, second: int) -> Sized:
        return Sized(self.value.swapaxes(first, second), self.size.swapaxes(first, second))

    def transpose(self, *axes: int) -> Sized:
        return Sized(self.value.transpose(axes), self.size.transpose(axes))

    def sum(self, axis: int | tuple[int, ...], keepdims: bool = False) -> Sized:
        error = np.sqrt(np.square(self.size).sum(axis=axis, keepdims=keepdims))
        terms = np.abs(self.value).sum(axis=axis, keepdims=keepdims)
        return Sized(self.value.sum(axis=axis, keepdims=keepdims), error + terms)

    def mean(self, axis: int) -> Sized:
        return self.sum(axis) * (1 / self.shape[axis])

    def where(self, chosen: Array, other: Sized) -> Sized:
        """These where chosen, else the other's."""
        return Sized(np.where(chosen, self.value, other.value), np.where(chosen, self.size, other.size))

    def _through(self, value: Array, slope: Array) -> Sized:
        """An elementary function."""
        return self._rounded(value, np.abs(slope) * self.size)

    def sigmoid(self) -> Sized:
        value = np.exp(-np.logaddexp(0, -self.value))
        return self._through(value, value * (1 - value))

    def tanh(self) -> Sized:
        value = np.tanh(self.value)
        return self._through(value, 1 - value * value)

    def relu(self) -> Sized:
        return self._through(np.maximum(self.value, 0), self.value > 0)

    def gelu(self) -> Sized:
        """x·Φ(x), Φ the normal distribution (Hendrycks and Gimpel 2016)."""
        x = self.value
        share = 0.5 * (1 + erf(x / np.sqrt(2)))
        slope = share + x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
        return self._through(x * share, slope)

    def softmax(self, empty: float = np.nan) -> Sized:
        """Over the last dimension. ``empty``: what a row gives of which nothing is left."""
        top = self.value.max(axis=-1, keepdims=True)
        powers = np.exp(self.value - np.where(np.isfinite(top), top, 0))
        total = powers.sum(axis=-1, keepdims=True)
        value = np.where(total == 0, empty, powers / total)
        known = np.where(np.isfinite(self.size), self.size, 0)
        together = np.sqrt(np.square(value * known).sum(axis=-1, keepdims=True))
        return self._rounded(value, value * (np.hypot(known, together) + 1))

    def layer_norm(self, weight: Array, bias: Array, eps: float) -> Sized:
        centred = self.value - self.value.mean(axis=-1, keepdims=True)
        inverse = 1 / np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + eps)
        normal = centred * inverse
        # Both the mean and the variance hand on errors of the other elements; x − mean rounds as x does.
        own = self.size + np.abs(self.value)
        others = np.sqrt(np.square(own).mean(axis=-1, keepdims=True))
        error = np.hypot(own, others * (1 + np.abs(normal))) * inverse * np.abs(weight)
        return self._rounded(normal * weight + bias, error + np.abs(bias))

    def linear(self, weight: Array, bias: Array | None) -> Sized:
        """Times a weight's transpose, plus a bias."""
        made = self @ exact(weight.T)
        return made if bias is None else made + exact(bias)


def exact(values: Array) -> Sized:
    """Numbers as they are given."""
    return Sized(values, np.zeros(np.shape(values)))


def joined(parts: Sequence[Sized], axis: int) -> Sized:
    """One after the other."""
    return Sized(
        np.concatenate([part.value for part in parts], axis),
        np.concatenate([part.size for part in parts], axis),
    )


def split(whole: Sized, count: int) -> list[Sized]:
    """Equal parts of the last dimension."""
    values, sizes = np.split(whole.value, count, -1), np.split(whole.size, count, -1)
    return [Sized(value, size) for value, size in zip(values, sizes, strict=True)]


def stacked(parts: Sequence[Sized], axis: int) -> Sized:
    """In a new dimension."""
    return Sized(
        np.stack([part.value for part in parts], axis), np.stack([part.size for part in parts], axis)
    )
