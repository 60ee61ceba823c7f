"""What all losses share: a term for every element, which ``reduction`` sums, averages or leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array
from backprop_tui.explain.rule import Case, Index, Rule, Sum, Symbols
from backprop_tui.explain.rules.writing import filled, largest, one_of, over

NONE, MEAN, SUM = 0, 1, 2
"""torch/nn/_reduction.py: what a node keeps of ``reduction``."""
_WORDS = {"none": NONE, "mean": MEAN, "elementwise_mean": MEAN, "sum": SUM, "batchmean": MEAN}

SIZES = "size_average=None, reduce=None, reduction='mean'"


def reduction(case: Case) -> int:
    """How the terms are brought together, also where the two old arguments say it."""
    average, reduce, how = case.get("size_average"), case.get("reduce"), case.get("reduction", MEAN)
    if type(average) is int:  # torch.kl_div and its like have the number there
        return average
    if average is None and reduce is None:
        return _WORDS[how] if isinstance(how, str) else int(how)
    if reduce is False:
        return NONE
    return SUM if average is False else MEAN


def split_sign(template: str) -> tuple[str, str]:
    """A minus in front stays in front of a factor."""
    return ("−", template[1:]) if template.startswith("−") else ("", template)


def _size(case: Case, terms: Array) -> float:
    return float(terms.size)


@dataclass(frozen=True)
class Loss:
    """A loss as the terms that it is made of."""

    term: str | Callable[[Case], str]
    """A term as a template."""
    terms: Callable[[Case], Array]
    """All terms, as ``reduction='none'`` gives them."""
    piece: Callable[[Case, Index], str] | None = None
    """One term with its numbers, without a minus that the template begins with. None: the template."""
    sizes: Callable[[Case], Array] | None = None
    """The magnitude that each term's rounding is relative to, where a term is itself a difference."""
    divisor: Callable[[Case, Array], float] = _size
    """What the mean divides by."""

    def template(self, case: Case) -> str:
        return self.term if isinstance(self.term, str) else self.term(case)

    def symbols(self, case: Case, number: int) -> str:
        sign, term = split_sign(self.template(case))
        if reduction(case) == NONE:
            return sign + term
        several = "Σ " if self.terms(case).size != 1 else ""
        return f"{sign}{one_of(self._count(case))}{several}{term}"

    def evaluate(self, case: Case) -> Sequence[Array | None]:
        terms = self.terms(case)
        return [self._reduced(case, terms)]

    def scale(self, case: Case) -> Sequence[Array | None]:
        sizes = np.abs(self.terms(case) if self.sizes is None else self.sizes(case))
        return [self._reduced(case, sizes)]

    def element(self, case: Case, number: int, index: Index) -> Sum | str:
        sign, _ = split_sign(self.template(case))
        if reduction(case) == NONE:
            return sign + self._piece(case, index)
        terms = self.terms(case)
        before = sign + one_of(self._count(case))
        bracket = before and terms.size != 1
        return largest(
            terms,
            lambda i: self._piece(case, _place(i, terms.shape)),
            f"{before}(" if bracket else before,
            ")" if bracket else "",
        )

    def rule(self, signature: str, note: Callable[[Case], str | None] | None = None) -> Rule:
        return Rule(self.symbols, self.evaluate, signature, element=self.element, note=note, scale=self.scale)

    def _piece(self, case: Case, index: Index) -> str:
        if self.piece is not None:
            return self.piece(case, index)
        return filled(case, split_sign(self.template(case))[1], index)

    def _count(self, case: Case) -> float:
        return self.divisor(case, self.terms(case)) if reduction(case) == MEAN else 1

    def _reduced(self, case: Case, terms: Array) -> Array:
        how = reduction(case)
        if how == NONE:
            return terms
        total: Any = terms.sum()
        return np.asarray(total / np.float64(self.divisor(case, terms)) if how == MEAN else total)


def _place(flat: int, shape: tuple[int, ...]) -> Index:
    return tuple(int(i) for i in np.unravel_index(flat, shape))


@dataclass(frozen=True)
class Slope:
    """The derivative of one term with respect to one operand of the loss."""

    term: str | Callable[[Case], str]
    values: Callable[[Case], Array]
    sizes: Callable[[Case], Array] | None = None
    """The magnitude that its rounding is relative to, where it is a difference."""
    name: str = "self"
    """The operand: how many elements it has is what the mean divides by."""

    def symbols(self, case: Case) -> str:
        term = self.term if isinstance(self.term, str) else self.term(case)
        sign, rest = split_sign(term)
        return f"{sign}{{g}} · {rest}{over(self._count(case))}"

    def times(self, case: Case, values: Array) -> Array:
        product: Array = case.g * values / np.float64(self._count(case))
        return product

    def _count(self, case: Case) -> int:
        return case[self.name].size if reduction(case) == MEAN else 1


def slopes(*found: Slope, note: Callable[[Case], str | None] | None = None) -> Rule:
    """The rule of a loss's node: the incoming gradient times each slope, divided as the mean is."""

    def evaluate(case: Case) -> Sequence[Array | None]:
        return [slope.times(case, slope.values(case)) for slope in found]

    def scale(case: Case) -> Sequence[Array | None]:
        return [np.abs(one.times(case, (one.sizes or one.values)(case))) for one in found]

    def symbols(case: Case, number: int) -> str:
        return found[number].symbols(case)

    chosen: Symbols = symbols
    return Rule(chosen, evaluate, note=note, scale=scale)
