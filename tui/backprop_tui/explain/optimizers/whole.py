"""Functions of a whole tensor that some updates use: means, and Muon's orthogonalisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backprop_tui.explain.check import LARGEST
from backprop_tui.explain.evidence import Array
from backprop_tui.explain.optimizers.values import Bounded, Parted, plain

NOISE = np.float32(2.0**-15)
"""How far, relatively, sums of products may differ when they are summed in another order."""
LEAST_ERROR = 2.0**-8
"""Of the largest element: one rounding to bfloat16."""


def _reduced(value: Any, function: Callable[[Array], Array]) -> Any:
    if not isinstance(value, Bounded):
        return function(plain(value))
    error = function(np.broadcast_to(value.error, np.shape(value.value)))
    own = 2 * value.precision.unit * function(np.abs(value.value))
    result = function(value.value)
    result = np.where(result > value.precision.largest, np.inf, result)
    return Bounded(result, value.precision, error + own)


def rms(value: Any) -> Any:
    """Root of the mean square."""
    return np.sqrt(_reduced(value**2, np.mean))


def row_mean(value: Any) -> Any:
    """Mean over the last dimension."""
    return _reduced(value, lambda array: np.mean(array, axis=-1, keepdims=True))


def column_mean(value: Any) -> Any:
    """Mean over the last dimension but one."""
    return _reduced(value, lambda array: np.mean(array, axis=-2, keepdims=True))


def bfloat16(values: Array) -> Array:
    """Rounded to what bfloat16 can hold (to nearest, ties to even), as float32."""
    bits = np.asarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).view(np.float32)


def _float32(value: Any) -> Any:
    """torch sums up squares of bfloat16 numbers in float32, which may overflow."""
    return np.inf if value > LARGEST["float32"] else value


def orthogonalised(coefficients: Sequence[float], steps: int, least: float) -> Callable[[Any], Any]:
    """Newton-Schulz as torch/optim/_muon.py does it: in bfloat16, rounded where torch rounds."""

    def newton_schulz(value: Bounded | Parted) -> Bounded | Parted:
        if isinstance(value, Parted):
            return _parted(value, coefficients, steps, least)
        array = value.value
        result, _ = _newton_schulz(array, None, coefficients, steps, least)
        # Where small singular values are blown up, rounding decides: how much, another summation tells.
        other, _ = _newton_schulz(array, None, coefficients, steps, least, NOISE)
        error = 2 * np.abs(other - result).max(initial=0.0) + LEAST_ERROR * np.abs(result).max(initial=0.0)
        return Bounded(result, value.precision, error)

    return newton_schulz


def _parted(value: Parted, coefficients: Sequence[float], steps: int, least: float) -> Parted:
    """Each step multiplies the matrix by another, so what is a part before it is a part after it."""
    zeros = np.zeros_like(value.value)
    remembered = zeros + value.momentum
    result, momentum = _newton_schulz(value.value, remembered, coefficients, steps, least)
    if not np.any(value.gradient):
        return Parted(result, zeros, result)
    return Parted(result, result - momentum, momentum)


def _newton_schulz(
    matrix: Array, part: Array | None, coefficients: Sequence[float], steps: int, least: float, noise: Any = 0
) -> tuple[Array, Array]:
    """The matrix with its singular values brought near 1, and what the same does to a part of it."""
    a, b, c = (np.float32(value) for value in coefficients)
    chance = np.random.default_rng(0)

    def rounded(product: Array) -> Array:
        if noise:
            product = product * (1 + noise * (2 * chance.random(product.shape, np.float32) - 1))
        return bfloat16(product)

    tall = matrix.shape[0] > matrix.shape[1]
    x = bfloat16(matrix.T if tall else matrix)
    norm = bfloat16(np.maximum(bfloat16(np.sqrt(_float32(np.sum(np.square(x, dtype=np.float64))))), least))
    x = bfloat16(x / norm)
    other = np.zeros((x.shape[0], 0), np.float32)
    if part is not None:
        other = np.asarray((part.T if tall else part) / np.float64(norm), np.float32)
    for _ in range(steps):
        gram = rounded(x @ x.T)
        change = rounded(b * gram + c * (gram @ gram))
        x, other = rounded(a * x + change @ x), a * other + change @ other
    x, other = x.astype(np.float64), other.astype(np.float64)
    return (x.T, other.T) if tall else (x, other)
