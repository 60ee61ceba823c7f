"""Dimensions as torch names them: negative, several, none for all; and long sums along them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array, Tensor
from backprop_tui.explain.rule import Case, Index, Sum, bracketed, number_text
from backprop_tui.explain.rules.writing import largest

Shape = tuple[int, ...]


def signed(number: int) -> int:
    """A number that an autograd node shows as unsigned: −1 comes as 2⁶⁴ − 1."""
    return number - 2**64 if number >= 2**63 else number


def numbers(values: Any) -> list[int]:
    """Dimensions, sizes or shifts, given as one number or as several."""
    return [signed(int(one)) for one in (values if isinstance(values, (list, tuple)) else [values])]


def spread(values: tuple[Any, ...]) -> list[int]:
    """Sizes that a method was given one by one or as a list: ``view(2, 3)``, ``view((2, 3))``."""
    first = values[0] if len(values) == 1 else None
    return numbers(first if isinstance(first, (list, tuple)) else values)


def axes_of(dim: Any, rank: int) -> tuple[int, ...]:
    """The dimensions to reduce, from 0 on; None or an empty list: all."""
    named = [] if dim is None else numbers(dim)
    return tuple(sorted({one % rank for one in named})) if named and rank else tuple(range(rank))


def axis_of(dim: Any, rank: int) -> int:
    """One dimension, from 0 on."""
    return signed(int(dim)) % rank if rank else 0


def kept(values: Array, axes: Iterable[int], shape: Shape) -> Array:
    """A reduced tensor with the reduced dimensions as ones again, so that it broadcasts."""
    gone = set(axes)
    return values.reshape([1 if i in gone else size for i, size in enumerate(shape)])


def over(dim: Any, rank: int) -> str:
    """``over dimension 1``; nothing if all dimensions are reduced."""
    axes = axes_of(dim, rank)
    if len(axes) == rank:
        return ""
    return f" over dimension{'s' if len(axes) > 1 else ''} {', '.join(map(str, axes))}"


def count(shape: Shape, axes: Iterable[int]) -> int:
    """How many elements are brought together."""
    return math.prod(shape[i] for i in axes)


def behind(index: Index, axes: tuple[int, ...], rank: int, keepdim: bool) -> tuple[Any, ...]:
    """Where the elements lie that a reduction has brought to this index of its result."""
    places = list(index)
    if not keepdim:
        for axis in axes:
            places.insert(axis, 0)
    return tuple(slice(None) if i in axes else place for i, place in enumerate(places[:rank]))


def digits(value: Any, dtype: str) -> str:
    """A number of a tensor."""
    if dtype.startswith(("float", "bfloat")):
        return number_text(float(value), dtype)
    return number_text(complex(value) if dtype.startswith("complex") else int(value), dtype)


def small(value: Any, dtype: str) -> str:
    """A number of a tensor as a term: negative ones in brackets."""
    return bracketed(digits(value, dtype))


def terms_of(
    owner: Tensor, values: Array, text: Callable[[str], str] = str, before: str = "", after: str = ""
) -> Sum:
    """A sum over some of a tensor's elements: each is written by ``text`` from its digits."""
    flat = np.asarray(values).ravel()
    return largest(flat, lambda i: text(small(flat[i], owner.dtype)), before, after)


def tensor(case: Case, name: str) -> Tensor:
    """An operand that is a tensor."""
    value = case.operands[name]
    assert isinstance(value, Tensor)
    return value
