"""Sums that torch makes in fewer digits than its result has."""

from __future__ import annotations

import numpy as np

from backprop_tui.explain.evidence import Array, Tensor
from backprop_tui.explain.rule import Case

HALVES = ("float16", "bfloat16")


def added_one_by_one(rows: Array, dtype: str) -> Array:
    """The rows added up from the first to the last in a dtype of 16 bits: each partial sum is rounded.

    A sum of many terms of one sign ends where a term is smaller than half of what its last bit is worth.
    """
    total = np.zeros(rows.shape[1:], np.float32)
    for row in rows.astype(np.float32):
        total = rounded(total + row, dtype)
    return total.astype(np.float64)


def rounded(values: Array, dtype: str) -> Array:
    """float32 values to the nearest of a dtype of 16 bits; of two as near, that with an even last bit."""
    if dtype == "float16":
        return values.astype(np.float16).astype(np.float32)
    bits = values.astype(np.float32).view(np.uint32)
    even = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) & np.uint32(0xFFFF0000)
    return np.where(np.isfinite(values), even.view(np.float32), values)


def nearer(torchs: Tensor, first: Array, second: Array) -> Array:
    """Of two ways to add up, the one that torch seems to have taken."""
    return min(first, second, key=lambda ours: float(np.abs(torchs.values - ours).sum()))


def cast_by_autocast(case: Case, number: int) -> str | None:
    """For a function made of others: autocast casts what these read, not what the function returns."""
    return case.evidence.autocast


def dtype_of(case: Case, name: str) -> str | None:
    """The dtype of an operand, if it has 16 bits."""
    operand = case.operands.get(name)
    return operand.dtype if isinstance(operand, Tensor) and operand.dtype in HALVES else None
