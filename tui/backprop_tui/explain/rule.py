"""What a rule is: the symbols, the float64 evaluation, and how one element's numbers are filled in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array, Evidence, Tensor
from backprop_tui.explain.numbers import shortest

Index = tuple[int, ...]


@dataclass(frozen=True)
class Term:
    """One summand: how it is written, and its value."""

    text: str
    value: float


@dataclass(frozen=True)
class Sum:
    """A sum of many terms; ``before`` and ``after`` stand around it: ``1/4 · (`` and ``)``."""

    terms: Sequence[Term]
    before: str = ""
    after: str = ""
    more: int = 0
    """How many smaller terms there are besides: of a million only the largest need be made."""


@dataclass(frozen=True, eq=False)
class Case:
    """One operation's operands by name: what a rule's functions are called with."""

    evidence: Evidence
    operands: Mapping[str, Any]
    """Tensors, numbers, and whatever else the call was given."""

    def __getitem__(self, name: str) -> Any:
        """An operand as numbers: a float64 (or integer, bool) array, or the plain value it is."""
        value = self.operands[name]
        return value.values if isinstance(value, Tensor) else value

    def get(self, name: str, default: Any = None) -> Any:
        """As ``case[name]``, or the default if there is no such operand or it is None."""
        value = self[name] if name in self.operands else None
        return default if value is None else value

    def has(self, name: str) -> bool:
        """Whether there is such an operand and it is not None."""
        return self.operands.get(name) is not None

    @property
    def g(self) -> Array:
        """The gradient that comes in."""
        incoming = self.evidence.grad_outputs[0]
        assert incoming is not None
        return incoming.values

    def result(self, number: int) -> Tensor | None:
        """torch's own result: what the rule is checked against. For its shape and dtype only."""
        results = results_of(self.evidence)
        return results[number] if number < len(results) else None

    def at(self, name: str, index: Index) -> str:
        """An operand's element as text, negative ones in brackets; broadcast if the operand is smaller."""
        return bracketed(element_text(self.operands[name], index))

    def value(self, name: str, index: Index) -> float:
        """An operand's element as a number; broadcast if the operand is smaller."""
        value = self.operands[name]
        return float(broadcast_element(value.values, index)) if isinstance(value, Tensor) else float(value)


Symbols = str | tuple[str, ...] | Callable[[Case, int], str]


@dataclass(frozen=True)
class Rule:
    """How the numbers of one operation come about.

    A template names operands in braces, ``{input} · {weight}ᵀ + {bias}``; the rest is printed as it is.
    Filled with the operands' names it is the rule in symbols, filled with small operands the rule in
    numbers. `{g}` is the gradient that comes in.
    """

    symbols: Symbols
    """A template; one for each result; or chosen by the case and the result's number."""
    evaluate: Callable[[Case], Sequence[Array | None]]
    """Every result in float64 from the operands, apart from autograd; None for one that is not computed."""
    signature: str = ""
    """For calls: how arguments are named, ``input, weight, bias=None``."""
    element: Callable[[Case, int, Index], Sum | str] | None = None
    """The numbers behind one element of one result. None: the template, element by element."""
    note: Callable[[Case], str | None] | None = None
    """A sentence about a special case: which value torch takes at a kink, what a mask has dropped."""
    scale: Callable[[Case], Sequence[Array | None]] | None = None
    """Magnitude to which rounding errors are relative: the sum of the terms' absolute values, where much
    cancels. None: the size of the result."""
    random: Callable[[Case], str] | None = field(default=None)
    """For results that depend on chance: what is taken from torch's own result and only then checked."""
    precision: Callable[[Case, int], str | None] = lambda case, number: None
    """The dtype in which torch computes one result, if it is a coarser one than the result has."""


def results_of(evidence: Evidence) -> tuple[Tensor | None, ...]:
    """What torch computed."""
    if evidence.kind == "node":
        return evidence.grad_inputs
    if evidence.kind in ("accumulate", "update"):
        return (evidence.saved.get("after"),)
    return tuple(item for item in evidence.outputs if isinstance(item, Tensor))


def broadcast_element(values: Array, index: Index) -> Any:
    """The element that broadcasting pairs with an index of the result."""
    own = index[len(index) - values.ndim :] if values.ndim else ()
    return values[tuple(0 if size == 1 else i for i, size in zip(own, values.shape, strict=True))]


def element_text(operand: Any, index: Index) -> str:
    """One element of a tensor in its dtype's shortest digits, or a plain value."""
    if isinstance(operand, Tensor):
        return number_text(broadcast_element(operand.values, index), operand.dtype)
    return number_text(operand, "float64") if isinstance(operand, (int, float)) else str(operand)


def number_text(value: Any, dtype: str = "float32") -> str:
    """Shortest digits of a number in a dtype."""
    plain = value.item() if isinstance(value, np.generic) else value
    return shortest(plain, dtype).replace("-", "−", 1) if not isinstance(plain, bool) else str(plain)


def bracketed(text: str) -> str:
    """A negative number as a factor or summand."""
    return f"({text})" if text.startswith("−") else text


_DOUBLED = re.compile(r"\(\((−[^()]*)\)\)")


def undoubled(text: str) -> str:
    """Without the brackets of negative numbers around which there are brackets already: ``exp((−1))``."""
    return _DOUBLED.sub(r"(\1)", text)
