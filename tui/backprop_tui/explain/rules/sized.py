"""Numbers together with the magnitude that their rounding errors are relative to.

A computation of many steps (attention, a recurrent layer) is evaluated once with these: every operation
says how the errors of what it reads come out, to first order.
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
    """An array and, in ``size``, the magnitudes."""

    value: Array
    size: Array

    def __add__(self, other: Sized | float) -> Sized:
        if not isinstance(other, Sized):
            return Sized(self.value + other, self.size + abs(other))
        return Sized(self.value + other.value, self.size + other.size)

    def __sub__(self, other: Sized) -> Sized:
        return Sized(self.value - other.value, self.size + other.size)

    def __mul__(self, other: Sized | float) -> Sized:
        if not isinstance(other, Sized):
            return Sized(self.value * other, self.size * abs(other))
        size = np.abs(self.value) * other.size + self.size * np.abs(other.value)
        return Sized(self.value * other.value, np.maximum(size, 0))

    def __matmul__(self, other: Sized) -> Sized:
        size = np.abs(self.value) @ other.size + self.size @ np.abs(other.value)
        return Sized(self.value @ other.value, size)

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

    def sum(self, axis: tuple[int, ...]) -> Sized:
        return Sized(self.value.sum(axis=axis), self.size.sum(axis=axis))

    def where(self, chosen: Array, other: Sized) -> Sized:
        """These where chosen, else the other's."""
        return Sized(np.where(chosen, self.value, other.value), np.where(chosen, self.size, other.size))

    def _through(self, value: Array, slope: Array) -> Sized:
        """An elementary function: its slope times the error that comes in, and its own rounding."""
        return Sized(value, np.abs(slope) * self.size + np.abs(value))

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
        size = value * (known + (value * known).sum(axis=-1, keepdims=True) + 1)
        return Sized(value, size)

    def layer_norm(self, weight: Array, bias: Array, eps: float) -> Sized:
        centred = self.value - self.value.mean(axis=-1, keepdims=True)
        inverse = 1 / np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + eps)
        normal = centred * inverse
        size = self.size + self.size.mean(axis=-1, keepdims=True)
        size = size + np.abs(normal) * (np.abs(normal) * self.size).mean(axis=-1, keepdims=True)
        return Sized(normal * weight + bias, size * inverse * np.abs(weight) + np.abs(bias))

    def linear(self, weight: Array, bias: Array | None) -> Sized:
        """Times a weight's transpose, plus a bias."""
        made = self @ exact(weight.T)
        return made if bias is None else made + exact(bias)


def exact(values: Array) -> Sized:
    """Numbers as they are given."""
    return Sized(values, np.abs(values))


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
