"""Whether numbers are finite, and how long gradients are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch

from backprop_tui.debuggee import private
from backprop_tui.debuggee.describe import dense
from backprop_tui.debuggee.memory import is_freed

_DEPTH = 2
"""How deep numbers are looked for in a call's arguments."""
NAN, INFINITE = "NaN", "infinite"


def badness(tensor: torch.Tensor) -> str | None:
    """What is wrong with a tensor's worst element: ``NaN``, ``infinite``, or None if all are finite."""
    if not holds_fractions(tensor):
        return None
    values = dense(tensor)
    if not values.numel() or math.isfinite(float(values.sum())):
        return None
    if bool(values.isnan().any()):
        return NAN
    return INFINITE if bool(values.isinf().any()) else None


def holds_fractions(tensor: torch.Tensor) -> bool:
    """Whether its elements can be NaN or infinite, and are there at all."""
    fractions = tensor.is_floating_point() or tensor.is_complex()
    return fractions and tensor.device.type != "meta" and not is_freed(tensor)


def worst(tensors: Iterable[torch.Tensor]) -> str | None:
    """The badness of several: NaN before infinite."""
    found = None
    for tensor in tensors:
        bad = badness(tensor)
        if bad == NAN:
            return NAN
        found = found or bad
    return found


def first_bad(tensors: Sequence[torch.Tensor]) -> tuple[torch.Tensor, str] | None:
    """The first tensor with an element that is not finite, and what that element is.

    Quick where all are finite: their norms are looked at first, and a norm can be infinite or NaN only
    through an element that is, or that is very large.
    """
    if all(math.isfinite(norm) for norm in _norms(tensors)):
        return None
    for tensor in tensors:
        bad = badness(tensor)
        if bad is not None:
            return tensor, bad
    return None


def norm(tensors: Sequence[torch.Tensor]) -> float:
    """The length of all together, as of one vector."""
    return math.sqrt(sum(length * length for length in _norms(tensors)))


def _norms(tensors: Sequence[torch.Tensor]) -> list[float]:
    """The 2-norm of each tensor of fractions."""
    tensors = [tensor for tensor in tensors if holds_fractions(tensor)]
    if all(tensor.layout is torch.strided and not tensor.is_complex() for tensor in tensors):
        return [float(length) for length in private.norms(tensors)]
    return [float(torch.linalg.vector_norm(dense(tensor))) for tensor in tensors]


def all_zero(tensor: torch.Tensor) -> bool:
    """Whether every element is exactly 0."""
    return not bool(dense(tensor).any())


def numbers_finite(value: Any, depth: int = _DEPTH) -> bool:
    """Whether the plain numbers in a call's arguments are finite: ``masked_fill(mask, -inf)`` has one that
    is not, and what comes of it was asked for."""
    if isinstance(value, float):
        return math.isfinite(value)
    if depth and isinstance(value, (list, tuple)):
        return all(numbers_finite(item, depth - 1) for item in value)
    if depth and isinstance(value, dict):
        return all(numbers_finite(item, depth - 1) for item in value.values())
    return True
