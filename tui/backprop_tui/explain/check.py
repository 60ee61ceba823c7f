"""Whether two ways to compute a number agree, to the precision of the dtype."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backprop_tui.explain.evidence import Array, Tensor

EPSILON = {
    "float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7,
    "complex128": 2.0**-52, "complex64": 2.0**-23,
}  # fmt: skip
TINY = {
    "float64": 2.0**-1022, "float32": 2.0**-126, "float16": 2.0**-14, "bfloat16": 2.0**-126,
    "complex128": 2.0**-1022, "complex64": 2.0**-126,
}  # fmt: skip
LARGEST = {"float32": (2 - 2.0**-23) * 2.0**127, "float16": 65504.0, "bfloat16": (2 - 2.0**-7) * 2.0**127}
"""What is larger is infinite in that dtype."""
ROUNDINGS = 16
"""How many roundings of the largest magnitude involved are forgiven."""
LONG_SUMS = 256
"""The same where we compute no more precisely than torch: both sides round at every term of a sum."""
_OURS = ("float64", "complex128")


@dataclass(frozen=True)
class Verdict:
    """How the rule's result compares with torch's."""

    agrees: bool
    difference: float
    """The largest absolute difference; NaN where only one of the two is NaN."""
    where: tuple[int, ...]
    """The element that differs most."""


def compare(torchs: Tensor, ours: Array, scale: Array | None = None, precision: str | None = None) -> Verdict:
    """Compare torch's tensor with float64 values of the same shape.

    ``scale``: the magnitude to which rounding is relative, where it is not the result's own.
    ``precision``: the dtype in which torch computed, where that is coarser than the result's own.
    """
    ours = np.asarray(ours)
    if ours.shape != torchs.shape:
        return Verdict(False, float("nan"), ())
    if torchs.dtype not in EPSILON:
        return _exact(torchs.values, ours)
    with np.errstate(all="ignore"):
        dtype = max(torchs.dtype, precision or torchs.dtype, key=EPSILON.__getitem__)
        return _close(torchs.values, _overflowed(ours, torchs.dtype), scale, dtype)


def _overflowed(values: Array, dtype: str) -> Array:
    largest = LARGEST.get(dtype)
    if largest is None or not values.size:
        return values
    limit = largest * (1 + EPSILON[dtype] / 4)  # up to there, rounding to nearest stays finite
    numbers = values * 1.0
    beyond = np.where(np.isnan(numbers), np.nan, np.sign(numbers) * np.inf)
    return np.where(np.abs(numbers) < limit, numbers, beyond)


def _close(torchs: Array, ours: Array, scale: Array | None, dtype: str) -> Verdict:
    size = np.abs(ours) if scale is None else np.maximum(np.abs(scale), np.abs(ours))
    size = np.where(np.isfinite(size), size, 0)
    roundings = ROUNDINGS if dtype not in _OURS else LONG_SUMS
    allowed = roundings * (EPSILON[dtype] * size + TINY[dtype])
    if size.size:
        # Elements of one result are made by the same sums: a small one may be the rest of large terms.
        allowed = allowed + EPSILON[dtype] * size.max()
    same = (torchs == ours) | (np.isnan(torchs) & np.isnan(ours))
    difference = np.where(same, 0, np.abs(torchs - ours))
    bad = ~(difference <= allowed)
    return _verdict(difference, bad)


def _exact(torchs: Array, ours: Array) -> Verdict:
    bad = torchs != ours
    return _verdict(np.where(bad, np.abs(torchs.astype(np.float64) - ours.astype(np.float64)), 0), bad)


def _verdict(difference: Array, bad: Array) -> Verdict:
    if not difference.size:
        return Verdict(True, 0.0, ())
    worst = np.where(np.isnan(difference), np.inf, difference)
    flat = int(worst.argmax())
    where = tuple(int(i) for i in np.unravel_index(flat, difference.shape))
    return Verdict(not bool(bad.any()), float(difference.flat[flat]), where)
