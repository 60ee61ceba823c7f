"""Tensors as plain values."""

from __future__ import annotations

import math
import sys
from typing import Any

import torch
from torch.nn.parameter import is_lazy

from backprop_tui.debuggee.graph import standing
from backprop_tui.debuggee.memory import FREED, is_freed
from backprop_tui.debuggee.objects import elements
from backprop_tui.protocol import TensorInfo, plain

SMALL = 64
"""Up to so many elements a tensor is sent whole."""
SUMMARISED = 20_000
"""Larger tensors are not summarised at every stop, which would read all their elements."""
BESIDE = 1_000_000
"""Larger tensors are not summarised of operations that are passed by on the way to a stop."""
ALL = sys.maxsize
"""Every tensor is summarised."""


def describe(tensor: torch.Tensor, name: str | None, limit: int = SMALL, most: int = ALL) -> TensorInfo:
    """A tensor's name, shape, dtype and values, or a summary if it has more than ``limit`` elements.

    The summary reads every element: it is left out of tensors with more than ``most`` elements.
    """
    if not has_shape(tensor):
        return _shapeless(tensor, name)
    requires_grad, leaf = standing(tensor)
    info: TensorInfo = {
        "name": name,
        "shape": list(tensor.shape),
        "dtype": str(tensor.dtype)[6:],
        "values": None,
        "requires_grad": requires_grad,
        "leaf": leaf,
    }
    if tensor.numel() <= limit:
        info["values"] = values_of(tensor)
    elif tensor.numel() <= most:
        info.update(summary_of(tensor))
    return info


def has_shape(tensor: torch.Tensor) -> bool:
    """Whether it has one: a parameter of a lazy module has none before the first call, nor has a nested
    tensor."""
    return not (is_lazy(tensor) or (tensor.is_nested and tensor.layout is torch.strided))


def _shapeless(tensor: torch.Tensor, name: str | None) -> TensorInfo:
    return {
        "name": name,
        "shape": [],
        "dtype": str(tensor.dtype)[6:],
        "values": None,
        "requires_grad": tensor.requires_grad,
        "leaf": True,
    }


def values_of(tensor: torch.Tensor) -> Any:
    """Nested lists of numbers; None where a tensor has no values of its own (meta, sparse without)."""
    try:
        return plain(dense(tensor).tolist())
    except (RuntimeError, NotImplementedError, TypeError):
        return None


def dense(tensor: torch.Tensor) -> torch.Tensor:
    """Its elements, without a history, for torch's functions to read. Raises RuntimeError if there are
    none."""
    if is_freed(tensor):
        raise RuntimeError(FREED)
    tensor = tensor.detach()
    if tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor


def summary_of(tensor: torch.Tensor) -> TensorInfo:
    """Norm, extremes of the finite elements, and how many are not finite."""
    try:
        values = dense(tensor)
        if not values.is_floating_point():
            values = values.to(torch.float64)
        low, high = (item.item() for item in values.aminmax())
        bad = 0
        if not (math.isfinite(low) and math.isfinite(high)):
            kept = values[values.isfinite()]
            bad = values.numel() - kept.numel()
            low, high = (kept.min().item(), kept.max().item()) if kept.numel() else (math.nan, math.nan)
        norm = torch.linalg.vector_norm(values, dtype=torch.float64).item()
    except (RuntimeError, NotImplementedError, TypeError):
        return {}
    return {"norm": plain(norm), "min": plain(low), "max": plain(high), "nonfinite": bad}


def scalar_of(value: Any) -> Any:
    """A learning rate or loss as a plain number: schedulers may hold tensors."""
    if type(value) is float:
        return plain(value)
    if isinstance(value, torch.Tensor):
        if value.numel() != 1:
            return values_of(value)
        return plain(values_of(value.detach().reshape(())))
    if isinstance(value, (int, float)):
        return plain(value)
    return None if value is None else str(value)


def tensors_in(value: Any, depth: int = 3) -> list[torch.Tensor]:
    """The tensors in an argument: itself, or those in its lists, tuples and dictionaries."""
    if isinstance(value, torch.Tensor):
        return [value]
    if depth and isinstance(value, (list, tuple)):
        return [tensor for item in elements(value) for tensor in tensors_in(item, depth - 1)]
    if depth and isinstance(value, dict):
        return [tensor for item in dict.values(value) for tensor in tensors_in(item, depth - 1)]
    return []


def in_words(error: BaseException) -> str:
    """``ValueError: too many``, or the class alone of an exception that says nothing."""
    try:
        text = str(error)
    except Exception:  # of the script's own class; Python writes the same
        text = "<exception str() failed>"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
