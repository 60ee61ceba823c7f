"""A guide's sentences, with the numbers of the run filled in.

``{EXPRESSION}`` is the number; ``{EXPRESSION:.4f}`` writes it in Python's format;
``{EXPRESSION = 0.191}`` writes 0.191, which the run must agree with to the digits that are written;
``{{`` and ``}}`` are braces.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from backprop_tui.explain.numbers import display, rounded, shortest, significant
from backprop_tui.guide.expression import Numbers, Quantity, WrongExpression, part, quantity

_HOLE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
_FORMAT = re.compile(r"(?P<expression>.*?):(?P<spec>[+ ]?\.?\d{0,2}[feg%]?)\s*", re.DOTALL)
_CLAIM = re.compile(r"(?P<expression>.*[^=!<>\s])\s+=\s+(?P<claim>[-+−\d.e]+)\s*", re.DOTALL)
_DIGITS = 6
"""Significant digits of a number that was worked out from several."""


@dataclass(frozen=True)
class Hole:
    """A place in a text for a number."""

    expression: str
    spec: str = ""
    claim: str = ""
    """The digits that the text writes."""


class WrongClaim(WrongExpression):
    """The run has another number than the text says."""


def holes(text: str) -> Iterator[Hole]:
    """The places for numbers in a text."""
    for match in _HOLE.finditer(text):
        if match[1] is not None:
            yield hole_of(match[1])


def hole_of(inside: str) -> Hole:
    """Read what stands between braces."""
    match = _CLAIM.fullmatch(inside)
    if match:
        return Hole(match["expression"].strip(), claim=match["claim"])
    match = _FORMAT.fullmatch(inside)
    if match and match["spec"]:
        return Hole(match["expression"].strip(), match["spec"])
    return Hole(inside.strip())


def without_holes(text: str) -> str:
    """A text with nothing where a number is to be filled in."""
    return _HOLE.sub(lambda match: "" if match[1] is not None else match[0][0], text)


def fill(text: str, known: Mapping[str, Any], strict: bool = False) -> str:
    """The text with its numbers. What is not known is written as ``?``.

    ``strict``: raise WrongExpression for what is not known, and WrongClaim for what is not so.
    """

    def write(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        try:
            return written(hole_of(match[1]), known, strict)
        except WrongExpression:
            if strict:
                raise
            return "?"

    return _HOLE.sub(write, text)


def written(hole: Hole, known: Mapping[str, Any], strict: bool = False) -> str:
    """A number as the text writes it. Raises WrongExpression."""
    found = part(hole.expression, known)
    if hole.spec:
        return display(format(quantity(found, hole.expression).value, hole.spec))
    if not hole.claim:
        return number_text(found)
    if agrees(quantity(found, hole.expression), hole.claim):
        return display(hole.claim)
    if strict:
        raise WrongClaim(f"the text says {hole.claim} for “{hole.expression}”, which is {number_text(found)}")
    return number_text(found)


def agrees(found: Quantity, claim: str) -> bool:
    """Whether a number, rounded to the digits of a claim, is what is claimed. Raises WrongExpression."""
    try:
        claimed = Decimal(claim.replace("−", "-"))
    except InvalidOperation:
        raise WrongExpression(f"“{claim}” is not a number") from None
    if not math.isfinite(found.value):
        return False
    exponent = claimed.as_tuple().exponent
    half = Decimal((0, (5,), int(exponent) - 1)) if isinstance(exponent, int) else Decimal(0)
    slack = Decimal(abs(float(claimed)) * 2**-22) if found.dtype != "float64" else Decimal(0)
    return abs(Decimal(found.value) - claimed) <= half + slack


def number_text(value: Any) -> str:
    """A number with the digits that its dtype needs; a computed one with six; lists in brackets."""
    if value is None:
        return "None"
    if isinstance(value, Numbers):
        return _nested(value.values, value.dtype)
    found = quantity(value, "it")
    if found.exact:
        return display(shortest(found.value, found.dtype))
    return significant(rounded(found.value, found.dtype), found.dtype, _DIGITS)


def _nested(values: Any, dtype: str) -> str:
    if isinstance(values, list):
        return "[" + " ".join(_nested(item, dtype) for item in values) + "]"
    if isinstance(values, (Quantity, Numbers)):
        return number_text(values)
    return "None" if values is None else display(shortest(values, dtype))
