"""Questions about the numbers of a tensor in a record; None means that they are not known."""

from __future__ import annotations

import math
from typing import Any

from backprop_tui.explain.numbers import flat
from backprop_tui.protocol import TensorInfo

_SCALE = 256


def all_zero(info: TensorInfo | None) -> bool | None:
    """Whether every element is 0."""
    if info is None:
        return None
    values = info.get("values")
    if values is not None:
        return not _any(values)
    norm = info.get("norm")
    return None if norm is None else norm == 0


def _any(values: Any) -> bool:
    return any(_any(item) for item in values) if isinstance(values, list) else values != 0


def equal(one: TensorInfo | None, other: TensorInfo | None) -> bool | None:
    """Whether two tensors hold the same numbers (of large ones, whether all their summaries agree)."""
    if one is None or other is None:
        return one is other
    if one.get("shape") != other.get("shape"):
        return False
    if one.get("values") is not None and other.get("values") is not None:
        return bool(one["values"] == other["values"])
    if "norm" not in one or "norm" not in other:
        return None
    return all(one.get(key) == other.get(key) for key in ("norm", "min", "max", "nonfinite"))


def finite(info: TensorInfo | None) -> bool | None:
    """Whether no element is NaN or infinite."""
    if info is None:
        return True
    values = info.get("values")
    if values is not None:
        return _finite(values)
    bad = info.get("nonfinite")
    return None if bad is None else bad == 0


def _finite(values: Any) -> bool:
    """Numbers can be added up; the words "nan" and "inf" cannot, and that is faster than looking at each."""
    if not isinstance(values, list):
        return not isinstance(values, str)
    if values and isinstance(values[0], list):
        return all(_finite(item) for item in values)
    try:
        sum(values)
    except TypeError:
        return False
    return True


def nonfinite_words(info: TensorInfo | None) -> tuple[int, set[str]]:
    """(how many elements are not finite, which words stand for them); the words are empty if unknown."""
    if info is None:
        return 0, set()
    values = info.get("values")
    if values is None:
        norm = info.get("norm")
        word = {"nan"} if norm == "nan" else {"inf"} if norm == "inf" else set()
        return info.get("nonfinite", 0), word
    words = [item for item in flat(values) if isinstance(item, str)]
    return len(words), {word.lstrip("-") for word in words}


def one_number(info: TensorInfo | None) -> Any:
    """The only element of a tensor that has one, None otherwise."""
    values = None if info is None else info.get("values")
    if values is None:
        return None
    inside = flat(values)
    return inside[0] if len(inside) == 1 else None


def is_loss_scale(value: Any) -> bool:
    """Whether a GradScaler may multiply a loss by it: powers of two, and hardly ever small ones."""
    return isinstance(value, float) and value >= _SCALE and math.frexp(value)[0] == 0.5


def broadcast(one: list[int], other: list[int]) -> list[int] | None:
    """The shape that two shapes broadcast to, None if they do not."""
    length = max(len(one), len(other))
    pairs = zip([1] * (length - len(one)) + one, [1] * (length - len(other)) + other, strict=True)
    found = []
    for a, b in pairs:
        if a != b and 1 not in (a, b):
            return None
        found.append(b if a == 1 else a)
    return found
