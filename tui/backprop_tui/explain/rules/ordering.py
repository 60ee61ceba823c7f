"""Rules of sorting, and of what is found by putting elements in order.

torch's documentation, entry of the function's own name. Which of equal elements an index names is not
promised there: torch's own index is taken, and checked to lead to the right value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array
from backprop_tui.explain.rule import Case, Index, Rule
from backprop_tui.explain.rules import axes as ax
from backprop_tui.explain.rules.moving import at
from backprop_tui.explain.rules.parts import with_out
from backprop_tui.explain.rules.reductions import keepdim, over


def along(case: Case, default: int = -1) -> int:
    """The dimension along which; the last unless told."""
    return ax.axis_of(case.get("dim", default), max(1, np.ndim(case["input"])))


def values_of(case: Case) -> Array:
    """A number is a vector of one element here."""
    values = np.asarray(case["input"])
    return values if values.ndim else values.reshape(1)


def shaped(case: Case, found: Array, axis: int) -> Array:
    """As torch gives it: without the reduced dimension unless it is to be kept, a number for a number."""
    if not np.ndim(case["input"]):
        return found.reshape(())
    return found if keepdim(case) else np.squeeze(found, axis)


# -- order ----------------------------------------------------------------------------------------


def _chosen(case: Case, number: int, values: Array, axis: int, own: Array) -> Array:
    """torch's indices where they lead to the right values: which of equals is taken is not promised."""
    torchs = case.result(number)
    source = values_of(case)
    if torchs is None or torchs.values.size != own.size:
        return own
    given = torchs.values.reshape(own.shape)
    inside = (given >= 0) & (given < source.shape[axis])
    found = np.take_along_axis(source, np.where(inside, given, 0), axis)
    right = inside & ((found == values) | (np.isnan(found) & np.isnan(values)))
    return np.where(right, given, own)


def _sorted(case: Case, descending: bool, axis: int) -> tuple[Array, Array]:
    """Values and where they come from. NaN counts as larger than every number."""
    source = values_of(case)
    if descending:
        order = np.flip(np.argsort(np.flip(source, axis), axis=axis, kind="stable"), axis)
        order = source.shape[axis] - 1 - order
    else:
        order = np.argsort(source, axis=axis, kind="stable")
    return np.take_along_axis(source, order, axis), order


def _sort(case: Case) -> list[Array | None]:
    axis = along(case)
    values, order = _sorted(case, bool(case.get("descending", False)), axis)
    shape = np.shape(case["input"])
    return [values.reshape(shape), _chosen(case, 1, values, axis, order).reshape(shape)]


def _msort(case: Case) -> list[Array | None]:
    return [np.sort(values_of(case), axis=0).reshape(np.shape(case["input"]))]


def _argsort(case: Case) -> list[Array | None]:
    axis = along(case)
    values, order = _sorted(case, bool(case.get("descending", False)), axis)
    return [_chosen(case, 0, values, axis, order).reshape(np.shape(case["input"]))]


def _topk(case: Case) -> list[Array | None]:
    axis, many = along(case), int(case["k"])
    values, order = _sorted(case, bool(case.get("largest", True)), axis)
    values, order = (np.take(one, range(many), axis=axis) for one in (values, order))
    shape = values.shape if np.ndim(case["input"]) else ()
    if not case.get("sorted", True):
        return [None, None]
    return [values.reshape(shape), _chosen(case, 1, values, axis, order).reshape(shape)]


def _topk_text(case: Case, number: int) -> str:
    which = "largest" if case.get("largest", True) else "smallest"
    return f"{'indices of ' if number else ''}the {{k}} {which} of {{input}}" + over(case)


def _one_of_sorted(case: Case, position: Array) -> list[Array | None]:
    """One place of the sorted elements along a dimension, and where that element is."""
    axis = along(case)
    values, order = _sorted(case, False, axis)
    place = np.broadcast_to(position, [1 if i == axis else n for i, n in enumerate(values.shape)])
    found, own = (np.take_along_axis(one, place, axis) for one in (values, order))
    indices = _chosen(case, 1, found, axis, own)
    return [shaped(case, one, axis) for one in (found, indices)]


def _kthvalue(case: Case) -> list[Array | None]:
    return _one_of_sorted(case, np.asarray(int(case["k"]) - 1))


def _middle(case: Case, skip: bool) -> list[Array | None]:
    """torch.median: the lower of the two in the middle. NaN if there is one, unless NaN are skipped."""
    values, whole = values_of(case), case.get("dim") is None
    flat = values.reshape(-1) if whole else values
    axis = 0 if whole else along(case)
    lost = np.isnan(flat).sum(axis=axis, keepdims=True) if flat.dtype.kind == "f" else 0
    many = flat.shape[axis] - (np.asarray(lost) if skip else 0)
    position = np.maximum(many - 1, 0) // 2
    if not skip:
        position = np.where(np.asarray(lost) > 0, flat.shape[axis] - 1, position)
    if whole:
        return [np.sort(flat)[int(np.ravel(position)[0])].reshape(())]
    return _one_of_sorted(case, position)


def _mode(case: Case) -> list[Array | None]:
    """torch.mode: the most frequent value, of several the smallest."""
    axis = along(case)
    source = np.moveaxis(values_of(case), axis, -1)
    rows = source.reshape(-1, source.shape[-1])
    found = np.empty(len(rows), dtype=rows.dtype)
    for i, row in enumerate(rows):
        values, many = np.unique(row, return_counts=True)
        found[i] = values[many.argmax()]
    values = np.moveaxis(found.reshape(*source.shape[:-1], 1), -1, axis)
    own = np.argmax(values_of(case) == values, axis=axis, keepdims=True)
    return [shaped(case, one, axis) for one in (values, _chosen(case, 1, values, axis, own))]


def _quantile(case: Case) -> list[Array | None]:
    """torch.quantile; numpy's methods have the same names."""
    function = np.nanquantile if case.evidence.name == "nanquantile" else np.quantile
    q, axes = np.asarray(case["q"]), case.get("dim")
    if not np.ndim(case["input"]):
        return [np.full(q.shape, case["input"])]
    axis = None if axes is None else ax.signed(int(axes))
    found = function(values_of(case), q, axis=axis, keepdims=keepdim(case), method=case["interpolation"])
    return [np.asarray(found)]


def _quantile_scale(case: Case) -> list[Array | None]:
    torchs = case.result(0)
    largest = np.max(np.abs(np.nan_to_num(case["input"])), initial=0.0)
    return [None if torchs is None else np.full(torchs.shape, largest)]


def _unique(case: Case) -> list[Array | None]:
    """torch.unique of all elements or of slices, sorted, with what it was asked for besides."""
    source, dim = np.asarray(case["input"]), case.get("dim")
    axis = None if dim is None else ax.axis_of(dim, source.ndim)
    values, inverse, counts = np.unique(source, return_inverse=True, return_counts=True, axis=axis)
    places = inverse.reshape(source.shape if axis is None else -1)
    asked = [(True, values), (case["return_inverse"], places), (case["return_counts"], counts)]
    return [one for wanted, one in asked if wanted]


def _order_text(values: str, indices: str) -> Callable[[Case, int], str]:
    return lambda case, number: (indices if number else values) + over(case)


def _order_element(case: Case, number: int, index: Index) -> str:
    """Which element of the operand it is: by its index, if that is a result too."""
    indices = case.result(1)
    if number or indices is None or not index:
        return _row_text(case, index)
    axis = along(case)
    own = int(indices.values[index])
    if not 0 <= own < np.shape(case["input"])[axis]:
        return _row_text(case, index)
    rest = list(index)
    if len(rest) == np.ndim(case["input"]):
        rest[axis] = own
    else:
        rest.insert(axis, own)
    owner = ax.tensor(case, "input")
    return f"{ax.digits(owner.values[tuple(rest)], owner.dtype)} (element {at(tuple(rest))})"


def _row_text(case: Case, index: Index) -> str:
    """The elements among which one is chosen or whose order is asked for."""
    owner, rank = ax.tensor(case, "input"), np.ndim(case["input"])
    row = owner.values.ravel()
    if case.get("dim") is not None and rank:
        axis = along(case)
        after = index[axis + 1 :] if len(index) == rank else index[axis:]
        place: tuple[Any, ...] = (*index[:axis], slice(None), *after)
        row = owner.values[place]
    shown = ", ".join(ax.digits(value, owner.dtype) for value in row[:6])
    return f"among {shown}{f', {row.size - 6:,} more' if row.size > 6 else ''}"


def _all_text(case: Case, number: int, index: Index) -> str:
    return _row_text(Case(case.evidence, {**case.operands, "dim": None}), index)


def _taken(case: Case) -> str:
    return "which of equal elements is taken"


def order_rule(text: tuple[str, str], evaluate: Callable[[Case], list[Array | None]], signature: str) -> Rule:
    """Values and where they were: two results."""
    return Rule(_order_text(*text), evaluate, with_out(signature), _order_element, random=_taken)


OPS: dict[str, Rule] = {
    "sort": order_rule(("{input} in order", "indices of {input} in order"), _sort,
                        "input, dim=-1, descending=False, stable=False"),
    "msort": order_rule(("{input} in order", ""), _msort, "input, dim=0"),
    "argsort": Rule("indices of {input} in order", _argsort, "input, dim=-1, descending=False, stable=False",
                    lambda case, number, index: _row_text(case, index), random=_taken),
    "topk": Rule(_topk_text, _topk, with_out("input, k, dim=-1, largest=True, sorted=True"), _order_element,
                 random=_taken),
    "kthvalue": order_rule(("number {k} of {input} in order", "its index"), _kthvalue,
                            "input, k, dim=-1, keepdim=False"),
    "median": order_rule(("median of {input}", "its index"), lambda case: _middle(case, skip=False),
                          "input, dim=None, keepdim=False"),
    "nanmedian": order_rule(("median of {input} without nan", "its index"),
                             lambda case: _middle(case, skip=True), "input, dim=None, keepdim=False"),
    "mode": order_rule(("most frequent of {input}", "its index"), _mode, "input, dim=-1, keepdim=False"),
    **dict.fromkeys(["quantile", "nanquantile"], Rule(
        "{q} of {input} lie below", _quantile,
        with_out("input, q, dim=None, keepdim=False, *, interpolation='linear'"),
        lambda case, number, index: _row_text(case, index[np.ndim(case["q"]) :]), scale=_quantile_scale)),
    "unique": Rule(("each of {input} once", "where it stands among them", "how often"), _unique,
                   "input, sorted=True, return_inverse=False, return_counts=False, dim=None", _all_text),
}  # fmt: skip

NODES: dict[str, Rule] = {}
