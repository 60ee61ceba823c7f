"""One number with all its digits: what a float really is."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from backprop_tui.explain.numbers import COMPLEX, FORMATS, MINUS, display, shortest
from backprop_tui.protocol import number

_DOUBLE = (53, -1021)
"""Bits of precision, and the exponent of the smallest normal number, of float64."""


def exact_lines(what: str, value: Any, dtype: str) -> list[str]:
    """The shortest digits that name a number, the number itself, and its distance from the next one."""
    if dtype in COMPLEX:
        return _complex_lines(what, value, dtype)
    if dtype != "float64" and dtype not in FORMATS:
        return [f"{what} = {value}", "", f"{dtype}: every digit is there."]
    exactly = number(value)
    short = shortest(exactly, dtype).replace("-", MINUS, 1)
    if not math.isfinite(exactly):
        return [f"{what} = {short}"]
    step = spacing(exactly, dtype)
    return [
        f"{what} = {short}",
        "",
        f"exactly   {format(Decimal(exactly), 'f').replace('-', MINUS, 1)}",
        f"in binary {exactly.hex()}",
        f"the next number of {dtype} is {step:.3g} away",
        "",
        "The short form has the fewest digits that give this number back when they are read as"
        f" {dtype}; a number between two of its kind cannot be held.",
    ]


def _complex_lines(what: str, value: Any, dtype: str) -> list[str]:
    """A complex number, then its two parts."""
    lines = [f"{what} = {display(shortest(value, dtype))}"]
    for part, one in zip(("real part", "imaginary part"), value, strict=True):
        lines += ["", *exact_lines(f"{part} of {what}", one, COMPLEX[dtype])]
    return lines


def spacing(value: float, dtype: str) -> float:
    """The distance from a number to the next larger one in magnitude that its dtype has."""
    bits, smallest = _DOUBLE if dtype == "float64" else FORMATS[dtype][:2]
    exponent = max(math.frexp(value)[1], smallest) if value else smallest
    return math.ldexp(1.0, exponent - bits)


def place_in_matrix(shape: list[int], index: tuple[int, ...]) -> tuple[int, int]:
    """Row and column of an element in a tensor whose leading dimensions make the rows."""
    row = 0
    for size, at in zip(shape[:-1], index[:-1], strict=True):
        row = row * size + at
    return row, index[-1] if index else 0
