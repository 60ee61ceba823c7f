"""Numbers as a dtype holds them: where a comparison or a step decides, rounding changes the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array, Tensor
from backprop_tui.explain.rule import Case

_WIDTH = {"float16": 1, "bfloat16": 1, "float32": 2, "float64": 3}
DEFAULT = "float32"
"""What torch makes of a Python float beside integers (torch.set_default_dtype is rarely called)."""


def held(values: Any, dtype: str | None) -> Array:
    """Values rounded to what a floating-point dtype can hold; for other dtypes as they are."""
    array = np.asarray(values)
    if dtype == "bfloat16":
        return _bfloat16(array)
    if dtype in ("float16", "float32"):
        return array.astype(dtype).astype(np.float64)
    return array


def _bfloat16(values: Array) -> Array:
    """Round to nearest, ties to even, to the upper half of a float32."""
    single = values.astype(np.float32)
    bits = np.atleast_1d(single).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    found = np.where(np.isnan(np.atleast_1d(single)), np.nan, rounded.view(np.float32))
    return found.astype(np.float64).reshape(values.shape)


def floating(operands: Sequence[Any]) -> str | None:
    """The floating-point dtype in which torch computes with these operands; None without floats.

    docs/source/tensor_attributes.rst, "type promotion": tensors with dimensions decide before those
    without, and those before Python's numbers.
    """
    tensors = [item for item in operands if isinstance(item, Tensor)]
    groups = (
        [item.dtype for item in tensors if item.shape],
        [item.dtype for item in tensors if not item.shape],
        [DEFAULT for item in operands if isinstance(item, float)],
    )
    return next((_widest(floats) for group in groups if (floats := [d for d in group if d in _WIDTH])), None)


def _widest(dtypes: list[str]) -> str:
    widest = max(dtypes, key=lambda dtype: _WIDTH[dtype])
    return "float32" if set(dtypes) == {"float16", "bfloat16"} else widest


def alike(case: Case, *names: str) -> list[Array]:
    """Operands as torch compares them: both rounded to their common dtype."""
    operands = [case.operands.get(name) for name in names]
    dtype = floating(operands)
    return [held(case[name], dtype) for name in names]


def level(case: Case, number: str, tensor: str) -> Any:
    """A Python number as it is compared with the elements of a tensor; None if it was not given."""
    value = case.get(number)
    owner = case.operands.get(tensor)
    if value is None or not isinstance(owner, Tensor) or isinstance(case.operands[number], Tensor):
        return value
    return held(float(value), owner.dtype if owner.dtype in _WIDTH else DEFAULT)
