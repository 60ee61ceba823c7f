"""Values set by hand: one element of a tensor, or all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from backprop_tui.debuggee import private
from backprop_tui.debuggee.changes.errors import ChangeError
from backprop_tui.protocol import number


def set_value(tensor: torch.Tensor, index: Sequence[int], to: Any, name: str = "") -> Any:
    """Set one element and answer what the tensor then holds there (rounded to its dtype).

    `index` has one position per dimension, negative ones from the end; `to` is a number or one of
    the words nan, inf, -inf; `name` is what the user calls the tensor. In one that was expanded, all
    elements that share the memory change.

    Written through ``tensor.data``: autograd records nothing, and the version counter does not move.
    So a backward pass that needs this tensor's saved value does not fail with "modified by an inplace
    operation", as it would after ``tensor[...] = x``; it computes with the new value.
    """
    position = _position(tensor, index, name)
    value = _value(tensor, to)
    try:
        with private.DisableTorchFunction(), torch.no_grad():
            element = tensor.data[position]
            element.fill_(value)
            return element.item()
    except RuntimeError as error:
        raise ChangeError(f"This element cannot be set: {str(error).splitlines()[0].rstrip('.')}.") from None


def shortest(value: Any, dtype: torch.dtype) -> Any:
    """The number with the fewest digits that a dtype rounds to this value: 1.2 for float32's
    1.2000000476837158, and of a complex number both parts. What is no finite float is left as it is."""
    if isinstance(value, complex):
        parts = (f"{shortest(part, dtype.to_real())}".removesuffix(".0") for part in (value.real, value.imag))
        real, imaginary = parts
        return f"{real}{'' if imaginary.startswith('-') else '+'}{imaginary}j"
    if not isinstance(value, float) or not math.isfinite(value):
        return value
    numbers = (float(f"{value:.{digits}g}") for digits in range(1, 18))
    return next(number for number in numbers if torch.tensor(number, dtype=dtype).item() == value)


def change_all(tensor: torch.Tensor, what: str, to: Any) -> str:
    """Change every element: ``fill`` with a number, ``scale`` by a number, ``load`` nested lists of the
    tensor's own shape. Answers what was done, in a few words. Written as `set_value` does."""
    if tensor.layout != torch.strided:
        raise ChangeError(f"Only elements of ordinary tensors can be set, and this one is {tensor.layout}.")
    try:
        with private.DisableTorchFunction(), torch.no_grad():
            return _CHANGES[what](tensor.data, to)
    except RuntimeError as error:
        raise ChangeError(f"This tensor cannot be set: {str(error).splitlines()[0].rstrip('.')}.") from None


def _fill(tensor: torch.Tensor, to: Any) -> str:
    tensor.fill_(_value(tensor, to))
    return f"fill {to}"


def _scale(tensor: torch.Tensor, to: Any) -> str:
    tensor.mul_(_value(tensor, to))
    return f"*{to}"


def _load(tensor: torch.Tensor, to: Any) -> str:
    values = torch.tensor(_numbers(tensor, to), dtype=tensor.dtype, device=tensor.device)
    if values.shape != tensor.shape:
        given, own = list(values.shape), list(tensor.shape)
        raise ChangeError(f"A tensor of shape {own} needs lists of that shape, not of {given}.")
    tensor.copy_(values)
    return f"{to}" if tensor.numel() <= _SHOWN else f"{tensor.numel()} numbers"


def _numbers(tensor: torch.Tensor, values: Any) -> Any:
    if isinstance(values, list):
        return [_numbers(tensor, item) for item in values]
    return _value(tensor, values)


_SHOWN = 4
"""Numbers that are loaded are told, if there are no more."""
_CHANGES = {"fill": _fill, "scale": _scale, "load": _load}


def _position(tensor: torch.Tensor, index: Sequence[int], name: str) -> tuple[int, ...]:
    shape = list(tensor.shape)
    if tensor.layout != torch.strided:
        raise ChangeError(f"Only elements of ordinary tensors can be set, and this one is {tensor.layout}.")
    if len(index) != len(shape):
        raise ChangeError(_wrong_count(shape, list(index), name))
    for dimension, (at, size) in enumerate(zip(index, shape, strict=True)):
        if isinstance(at, bool) or not isinstance(at, int) or not -size <= at < size:
            raise ChangeError(f"Index {at!r} is not in dimension {dimension}, which has {size} elements.")
    return tuple(index)


def _wrong_count(shape: list[int], index: list[int], name: str) -> str:
    """The sentence for indices that do not choose one number of a tensor."""
    who = name or "this tensor"
    if not shape:
        return f"{who} is a single number: it is set without an index."
    count = "1 index" if len(shape) == 1 else f"{len(shape)} indices"
    example, given = (
        f"{name}{brackets([0] * len(shape))}",
        f", not {name}{brackets(index)}" if index else "",
    )
    return f"{who} has shape {shape}: choose one of its numbers with {count}, as in {example}{given}."


def brackets(index: Sequence[int]) -> str:
    """``[0,1]``; nothing for a tensor of one number, which has no index."""
    return f"[{','.join(map(str, index))}]" if index else ""


def _value(tensor: torch.Tensor, to: Any) -> Any:
    """The number as the tensor's dtype can take it."""
    dtype = str(tensor.dtype).removeprefix("torch.")
    try:
        value = complex(to)
    except (TypeError, ValueError):
        raise ChangeError(f"A value must be a number, not {to!r}.") from None
    if tensor.is_complex():
        return value
    if isinstance(to, complex) or "j" in str(to):
        raise ChangeError(f"A tensor of {dtype} takes real numbers, not {to}.")
    value = number(to)
    if tensor.dtype == torch.bool:
        if value not in (0, 1):
            raise ChangeError(f"A tensor of bool takes 0 or 1, not {to!r}.")
        return bool(value)
    if tensor.is_floating_point():
        return value
    limits = torch.iinfo(tensor.dtype)
    if not value.is_integer() or not limits.min <= value <= limits.max:
        range_ = f"{limits.min} to {limits.max}"
        raise ChangeError(f"A tensor of {dtype} takes whole numbers from {range_}, not {to!r}.")
    return int(to) if isinstance(to, int) else int(value)
