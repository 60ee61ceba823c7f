"""Rules of operations that only move elements: each element of a result is one element of an operand.

Such an operation is told by where each element comes from. Backwards every gradient goes back to where
its element came from, and those that meet are added.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array, Tensor
from backprop_tui.explain.rule import Case, Index, Rule, Sum, Symbols
from backprop_tui.explain.rules import axes as ax
from backprop_tui.explain.rules.parts import Element, Note

Positions = Callable[[Case, Array], "Array | Sequence[Array] | None"]
"""Given the positions 0, 1, 2, … in the shape of the operand, where the elements of each result lie.

−1 for an element that comes from nowhere. None if it cannot be told.
"""


def _ids(shape: tuple[int, ...]) -> Array:
    return np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.int64).reshape(shape)


def _several(found: Array | Sequence[Array] | None) -> list[Array]:
    if found is None:
        return []
    return [np.asarray(one) for one in found] if isinstance(found, (list, tuple)) else [np.asarray(found)]


def at(index: Index) -> str:
    """An index as the script would write it: ``[0, 1]``."""
    return f"[{', '.join(map(str, index))}]"


def place(position: int, shape: tuple[int, ...]) -> Index:
    """A position as an index."""
    return tuple(int(i) for i in np.unravel_index(position, shape)) if shape else ()


def moved(
    symbols: Symbols,
    positions: Positions,
    signature: str = "input",
    fill: Callable[[Case], Any] = lambda case: 0,
    note: Note | None = None,
) -> Rule:
    """The rule of a call that moves the elements of ``input``."""

    def found(case: Case) -> list[Array]:
        return _several(positions(case, _ids(ax.tensor(case, "input").shape)))

    def evaluate(case: Case) -> list[Array | None]:
        values = case["input"].ravel()
        return [_picked(values, one, fill(case)) for one in found(case)]

    def element(case: Case, number: int, index: Index) -> str:
        owner, position = ax.tensor(case, "input"), int(found(case)[number][index])
        if position < 0:
            return f"{fill(case)} (filled in)"
        own = place(position, owner.shape)
        found_there = ax.digits(owner.values[own], owner.dtype)
        return f"{found_there} (element {at(own)})" if own else found_there

    return Rule(symbols, evaluate, signature, element, note)


def _picked(values: Array, positions: Array, fill: Any) -> Array:
    if not positions.size:
        return np.zeros(positions.shape)
    if positions.min() >= 0:
        return np.asarray(values[positions])
    padded = np.append(values, np.asarray(fill).astype(np.result_type(values, np.asarray(fill))))
    return np.asarray(padded[positions])


def returned(symbols: Symbols, positions: Positions, note: Note | None = None) -> Rule:
    """The rule of the node that brings the gradients of moved elements back."""

    def found(case: Case) -> list[Array]:
        torchs = case.result(0)
        return [] if torchs is None else _several(positions(case, _ids(torchs.shape)))

    def total(case: Case, magnitude: bool) -> list[Array | None]:
        torchs, parts = case.result(0), found(case)
        if torchs is None or not parts or torchs.dtype.startswith("complex"):
            return [None]
        sums = np.zeros(torchs.values.size)
        for g, where in zip(case.evidence.grad_outputs, parts, strict=False):
            if g is not None:
                sums += _gathered(np.abs(g.values) if magnitude else g.values, where, sums.size)
        return [sums.reshape(torchs.shape)]

    def element(case: Case, number: int, index: Index) -> Sum | str:
        torchs = case.result(0)
        assert torchs is not None
        wanted = int(np.ravel_multi_index(index, torchs.shape)) if index else 0
        gradients = zip(case.evidence.grad_outputs, found(case), strict=False)
        return meeting([(g, g.values[where == wanted]) for g, where in gradients if g is not None])

    return Rule(symbols, lambda case: total(case, False), "", element, note, lambda case: total(case, True))


def meeting(gradients: Sequence[tuple[Tensor, Array]]) -> Sum | str:
    """The gradients that come back to one element."""
    values = np.concatenate([np.ravel(one) for _, one in gradients]) if gradients else np.zeros(0)
    if not values.size:
        return "0 (this element was not taken)"
    dtype = gradients[0][0].dtype
    if values.size == 1:
        return ax.digits(values[0], dtype)
    return ax.terms_of(Tensor(values, dtype), values)


def _gathered(g: Array, where: Array, size: int) -> Array:
    where, g = where.ravel(), np.broadcast_to(g, where.shape).ravel()
    if where.size and where.min() < 0:
        g, where = g[where >= 0], where[where >= 0]
    return np.bincount(where, weights=g, minlength=size)


def picked(evaluate: Callable[[Case], Sequence[Array | None]], name: str) -> Element:
    """For a result that holds numbers of an operand: the number itself."""

    def element(case: Case, number: int, index: Index) -> str:
        found = evaluate(case)[number]
        assert found is not None
        return ax.digits(found[index], ax.tensor(case, name).dtype)

    return element
