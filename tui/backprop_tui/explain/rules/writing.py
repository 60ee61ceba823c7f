"""Words and numbers that several families of rules write alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array
from backprop_tui.explain.rule import Case, Index, Sum, Term, bracketed, number_text, undoubled

SHOWN = 6
"""Of a longer sum so many terms are written, the largest first."""
INNER = 4
"""The same of a sum inside a formula."""

_OPERAND = re.compile(r"\{(\w+)\}")


def filled(case: Case, template: str, index: Index) -> str:
    """A template with the numbers of one element."""
    return undoubled(_OPERAND.sub(lambda match: case.at(match.group(1), index), template))


def wide(value: Any) -> str:
    """A number that the rule computed, or an option of the call: its shortest digits."""
    return number_text(float(value), "float64")


def single(value: Any) -> str:
    """A number that the rule computed on the way, in the digits that a float32 would have."""
    return number_text(float(np.float32(value)), "float32")


def summand(value: Any) -> str:
    """As `single`, a negative number in brackets."""
    return bracketed(single(value))


def largest(values: Array, text: Callable[[int], str], before: str = "", after: str = "") -> Sum:
    """A sum of many terms of which only the largest are written. ``text``: how the n-th is written."""
    flat = np.asarray(values).ravel()
    flat = flat if flat.dtype.kind == "c" else flat.astype(np.float64)
    chosen: Sequence[Any] = range(flat.size)
    if flat.size > SHOWN:
        size = np.nan_to_num(np.abs(flat), nan=np.inf)
        first = np.argpartition(-size, SHOWN)[:SHOWN]
        chosen = sorted(first.tolist(), key=lambda i: (-size[i], i))
    terms = [Term(text(int(i)), float(np.real(flat[i]))) for i in chosen]
    return Sum(terms, before, after, flat.size - len(terms))


def one_of(count: float) -> str:
    """The factor of a mean: ``1/4 · ``; nothing if there is one element only."""
    return "" if count == 1 else f"1/{wide(count)} · "


def over(count: float) -> str:
    """Division by a count: ``/4``; nothing if there is one element only."""
    return "" if count == 1 else f"/{wide(count)}"


def some(count: int, total: int, singular: str = "element") -> str:
    """``1 of 4 elements``."""
    return f"{count:,} of {total:,} {singular}" + ("" if total == 1 else "s")


def added(values: Array, text: Callable[[int], str]) -> str:
    """A sum inside a formula: its largest terms and how many more there are."""
    size = np.nan_to_num(np.abs(np.asarray(values, dtype=np.float64)), nan=np.inf)
    chosen = np.argsort(-size, kind="stable")[:INNER] if size.size > INNER else np.arange(size.size)
    more = f" + {size.size - INNER:,} more" if size.size > INNER else ""
    return " + ".join(text(int(i)) for i in chosen) + more


def one_by_one(count: int, lanes: int = 1) -> float:
    """How much more rounding there is in a sum whose terms are added one after the other.

    Each addition rounds the sum so far, on average half of the whole, by up to half an epsilon.
    ``lanes``: so many such sums run beside each other and are added in the end.
    """
    return 1 + count / (64 * lanes)


def signed(value: int) -> int:
    """A whole number that torch shows as 64 bits without a sign: -1 arrives as 2**64 - 1."""
    return value - 2**64 if value >= 2**63 else value
