"""Rules of what looks for the largest, the smallest, the middle, and of sorting.

torch's documentation, entry of the function's own name; backwards
torch/csrc/autograd/FunctionsManual.cpp: value_selecting_reduction_backward, evenly_distribute_backward.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array, Tensor
from backprop_tui.explain.rule import Case, Index, Rule, Sum
from backprop_tui.explain.rules import axes as ax
from backprop_tui.explain.rules.choices import LARGER, SMALLER
from backprop_tui.explain.rules.moving import at, returned
from backprop_tui.explain.rules.parts import with_out
from backprop_tui.explain.rules.reductions import gradient_at, keepdim, members, over, spread_back
from backprop_tui.explain.rules.writing import summand

Reduce = Callable[..., Any]


def _axes(case: Case, name: str = "input") -> tuple[int, ...]:
    return ax.axes_of(case.get("dim"), ax.tensor(case, name).values.ndim)


def _along(case: Case, default: int = -1) -> int:
    return ax.axis_of(case.get("dim", default), max(1, np.ndim(case["input"])))


def _values(case: Case) -> Array:
    """A number is a vector of one element here."""
    values = np.asarray(case["input"])
    return values if values.ndim else values.reshape(1)


# -- max and min ------------------------------------------------------------------------------------


def _binary(case: Case) -> bool:
    """``torch.max(x, y)``: the larger of two, element by element."""
    return isinstance(case.operands["other"], Tensor)


def _along_one(case: Case) -> Case:
    """``torch.max(x, 1)``: the second argument is a dimension."""
    dim = case.operands["dim"] if case.has("dim") else case.operands["other"]
    return Case(case.evidence, {**case.operands, "dim": dim})


def _shaped(case: Case, found: Array, axis: int) -> Array:
    """As torch gives it: without the reduced dimension unless it is to be kept, a number for a number."""
    if not np.ndim(case["input"]):
        return found.reshape(())
    return found if keepdim(case) else np.squeeze(found, axis)


def _extreme(case: Case, reduce: Reduce, arg: Reduce) -> list[Array | None]:
    values = _values(case)
    if case.get("dim") is None:
        return [np.asarray(reduce(values))]
    axis = _along(case)
    found = np.asarray(reduce(values, axis=axis, keepdims=True))
    return [
        _shaped(case, found, axis),
        _shaped(case, np.asarray(arg(values, axis=axis, keepdims=True)), axis),
    ]


def _listed(case: Case, word: str, index: Index) -> str:
    """``max(0.1, 0.7, 0.2)``: the elements among which one is chosen."""
    owner = ax.tensor(case, "input")
    values = members(case, index).ravel()
    shown = ", ".join(ax.digits(value, owner.dtype) for value in values[:6])
    return f"{word}({shown}{f', {values.size - 6:,} more' if values.size > 6 else ''})"


def _extreme_rule(word: str, reduce: Reduce, arg: Reduce, two: Rule) -> Rule:
    """torch.max and torch.min in their three forms."""

    def symbols(case: Case, number: int) -> str:
        if _binary(case):
            return f"{word}({{input}}, {{other}})"
        return (f"index of the {word} of {{input}}" if number else f"{word} {{input}}") + over(
            _along_one(case)
        )

    def evaluate(case: Case) -> list[Array | None]:
        return list(two.evaluate(case)) if _binary(case) else _extreme(_along_one(case), reduce, arg)

    def element(case: Case, number: int, index: Index) -> str:
        if _binary(case):
            return f"{word}({case.at('input', index)}, {case.at('other', index)})"
        return _listed(_along_one(case), f"index of the {word} of " if number else word, index)

    return Rule(symbols, evaluate, "input, other=None, keepdim=False, *, dim=None, out=None", element)


def _plain_rule(word: str, reduce: Reduce) -> Rule:
    """torch.amax and amin: values only, over any dimensions."""
    return Rule(
        lambda case, number: f"{word} {{input}}" + over(case),
        lambda case: [np.asarray(reduce(case["input"], axis=_axes(case), keepdims=keepdim(case)))],
        with_out("input, dim=(), keepdim=False"),
        lambda case, number, index: _listed(case, word, index),
    )


def _both(case: Case) -> list[Array | None]:
    """torch.aminmax."""
    return [np.asarray(f(case["input"], axis=_axes(case), keepdims=keepdim(case))) for f in (np.min, np.max)]


def _arg_rule(word: str, arg: Reduce) -> Rule:
    """torch.argmax and argmin: of equals the first."""

    def evaluate(case: Case) -> list[Array | None]:
        values = _values(case)
        if case.get("dim") is None:
            found = np.asarray(arg(values))
            return [found.reshape([1] * np.ndim(case["input"])) if keepdim(case) else found]
        axis = _along(case)
        return [_shaped(case, np.asarray(arg(values, axis=axis, keepdims=True)), axis)]

    return Rule(
        lambda case, number: f"index of the {word} of {{input}}" + over(case),
        evaluate,
        with_out("input, dim=None, keepdim=False"),
        lambda case, number, index: _listed(case, f"index of the {word} of ", index),
    )


# -- order ----------------------------------------------------------------------------------------


def _chosen(case: Case, number: int, values: Array, axis: int, own: Array) -> Array:
    """torch's indices where they lead to the right values: which of equals is taken is not promised."""
    torchs = case.result(number)
    source = _values(case)
    if torchs is None or torchs.values.size != own.size:
        return own
    given = torchs.values.reshape(own.shape)
    inside = (given >= 0) & (given < source.shape[axis])
    found = np.take_along_axis(source, np.where(inside, given, 0), axis)
    right = inside & ((found == values) | (np.isnan(found) & np.isnan(values)))
    return np.where(right, given, own)


def _sorted(case: Case, descending: bool, axis: int) -> tuple[Array, Array]:
    """Values and where they come from. NaN counts as larger than every number."""
    source = _values(case)
    if descending:
        order = np.flip(np.argsort(np.flip(source, axis), axis=axis, kind="stable"), axis)
        order = source.shape[axis] - 1 - order
    else:
        order = np.argsort(source, axis=axis, kind="stable")
    return np.take_along_axis(source, order, axis), order


def _sort(case: Case) -> list[Array | None]:
    axis = _along(case)
    values, order = _sorted(case, bool(case.get("descending", False)), axis)
    shape = np.shape(case["input"])
    return [values.reshape(shape), _chosen(case, 1, values, axis, order).reshape(shape)]


def _msort(case: Case) -> list[Array | None]:
    return [np.sort(_values(case), axis=0).reshape(np.shape(case["input"]))]


def _argsort(case: Case) -> list[Array | None]:
    axis = _along(case)
    values, order = _sorted(case, bool(case.get("descending", False)), axis)
    return [_chosen(case, 0, values, axis, order).reshape(np.shape(case["input"]))]


def _topk(case: Case) -> list[Array | None]:
    axis, many = _along(case), int(case["k"])
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
    axis = _along(case)
    values, order = _sorted(case, False, axis)
    place = np.broadcast_to(position, [1 if i == axis else n for i, n in enumerate(values.shape)])
    found, own = (np.take_along_axis(one, place, axis) for one in (values, order))
    indices = _chosen(case, 1, found, axis, own)
    return [_shaped(case, one, axis) for one in (found, indices)]


def _kthvalue(case: Case) -> list[Array | None]:
    return _one_of_sorted(case, np.asarray(int(case["k"]) - 1))


def _middle(case: Case, skip: bool) -> list[Array | None]:
    """torch.median: the lower of the two in the middle. NaN if there is one, unless NaN are skipped."""
    values, whole = _values(case), case.get("dim") is None
    flat = values.reshape(-1) if whole else values
    axis = 0 if whole else _along(case)
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
    axis = _along(case)
    source = np.moveaxis(_values(case), axis, -1)
    rows = source.reshape(-1, source.shape[-1])
    found = np.empty(len(rows), dtype=rows.dtype)
    for i, row in enumerate(rows):
        values, many = np.unique(row, return_counts=True)
        found[i] = values[many.argmax()]
    values = np.moveaxis(found.reshape(*source.shape[:-1], 1), -1, axis)
    own = np.argmax(_values(case) == values, axis=axis, keepdims=True)
    return [_shaped(case, one, axis) for one in (values, _chosen(case, 1, values, axis, own))]


def _quantile(case: Case) -> list[Array | None]:
    """torch.quantile; numpy's methods have the same names."""
    function = np.nanquantile if case.evidence.name == "nanquantile" else np.quantile
    q, axes = np.asarray(case["q"]), case.get("dim")
    axis = None if axes is None else ax.signed(int(axes))
    found = function(_values(case), q, axis=axis, keepdims=keepdim(case), method=case["interpolation"])
    return [np.asarray(found)]


def _quantile_scale(case: Case) -> list[Array | None]:
    torchs = case.result(0)
    largest = np.max(np.abs(np.nan_to_num(case["input"])), initial=0.0)
    return [None if torchs is None else np.full(torchs.shape, largest)]


def _unique(case: Case) -> list[Array | None]:
    """torch.unique of all elements, sorted, with what it was asked for besides."""
    if case.get("dim") is not None:
        return [None]
    values, inverse, counts = np.unique(case["input"], return_inverse=True, return_counts=True)
    asked = [(True, values), (case["return_inverse"], inverse.reshape(np.shape(case["input"]))),
             (case["return_counts"], counts)]  # fmt: skip
    return [one for wanted, one in asked if wanted]


# -- running extremes -------------------------------------------------------------------------------


def _running(accumulate: Reduce) -> Callable[[Case], list[Array | None]]:
    """torch.cummax and cummin: of equals the last."""

    def evaluate(case: Case) -> list[Array | None]:
        axis, values = _along(case), _values(case)
        if not values.size:
            return [values, values]
        found = np.asarray(accumulate(values, axis=axis))
        steps = np.arange(values.shape[axis]).reshape([-1] + [1] * (values.ndim - axis - 1))
        new = (values == found) | np.isnan(values * 1.0)
        indices = np.maximum.accumulate(np.where(new, steps, 0), axis=axis)
        return [one.reshape(np.shape(case["input"])) for one in (found, indices)]

    return evaluate


# -- backwards --------------------------------------------------------------------------------------


def _positions(case: Case, ids: Array) -> Array | None:
    """From the kept indices, where in the operand each result was found."""
    indices = case.operands.get("indices")
    if not isinstance(indices, Tensor):
        return None
    own = ids if ids.ndim else ids.reshape(1)
    axis = ax.axis_of(case["dim"], own.ndim)
    where = indices.values
    if not ids.ndim:
        return np.take_along_axis(own, where.reshape(1), axis).reshape(where.shape)
    lost = where.ndim < own.ndim
    found = np.take_along_axis(own, np.expand_dims(where, axis) if lost else where, axis)
    return np.squeeze(found, axis) if lost else found


def _places_text(case: Case, number: int) -> str:
    return "{g} at {indices}, else 0" if np.size(case["indices"]) <= 6 else "{g} at the indices, else 0"


def _even(case: Case, name: str, number: int) -> Array | None:
    """The gradient of an extreme, in equal shares to all elements that are equal to it."""
    gradients = case.evidence.grad_outputs
    g = gradients[number] if number < len(gradients) else None
    if g is None:
        return None
    values, axes = case["self"], _axes(case, "self")
    result = spread_back(case, name, values.shape, axes)
    ties = (values == result) | (np.isnan(values) & np.isnan(result))
    spread = np.broadcast_to(ax.kept(g.values, axes, values.shape), values.shape)
    return np.asarray(np.where(ties, spread / ties.sum(axis=axes, keepdims=True), 0))


def _even_node(case: Case) -> list[Array | None]:
    return [_even(case, "result", 0)]


def _even_element(case: Case, number: int, index: Index) -> str:
    owner, axes = ax.tensor(case, "self"), _axes(case, "self")
    place = tuple(0 if i in axes else one for i, one in enumerate(index))
    group = owner.values[ax.behind(place, axes, owner.values.ndim, True)]
    result = ax.kept(np.asarray(case["result"]), axes, owner.shape)[place]
    many = int(np.count_nonzero(group == result))
    digits = gradient_at(case, index, owner.shape, axes)
    own = ax.small(owner.values[index], owner.dtype)
    share = f" / {many}" if many > 1 else ""
    return f"{digits} · [{own} = {ax.small(result, owner.dtype)}]{share}"


def _even_note(case: Case) -> str | None:
    if not case.has("self") or not case.has("result"):
        return None
    values, axes = case["self"], _axes(case, "self")
    ties = (values == spread_back(case, "result", values.shape, axes)).sum(axis=axes)
    many = int(np.count_nonzero(ties > 1))
    return (
        f"{many} of {ties.size} extremes are reached more than once: each place gets an equal share"
        if many
        else None
    )


_EVEN_TEXT = "{g} · [{self} = {result}] / number of such"
_EVEN = Rule(_EVEN_TEXT, _even_node, element=_even_element, note=_even_note)
_PLACED = returned(_places_text, _positions)


def _either_node(case: Case) -> Rule:
    """With a dimension the node has kept indices, without one the result."""
    return _PLACED if case.has("indices") else _EVEN


def _by_form() -> Rule:
    """The rule of a node that comes in both forms."""

    def symbols(case: Case, number: int) -> str:
        return _places_text(case, number) if case.has("indices") else _EVEN_TEXT

    def element(case: Case, number: int, index: Index) -> Sum | str:
        form = _either_node(case).element
        assert form is not None
        return form(case, number, index)

    def scale(case: Case) -> Sequence[Array | None]:
        form = _either_node(case).scale
        return [None] if form is None else form(case)

    return Rule(symbols, lambda case: _either_node(case).evaluate(case), "", element, _even_note, scale)


def _aminmax_back(case: Case) -> list[Array | None]:
    parts = [_even(case, "min", 0), _even(case, "max", 1)]
    given = [part for part in parts if part is not None]
    return [np.sum(given, axis=0) if given else None]


def _aminmax_element(case: Case, number: int, index: Index) -> str:
    """The shares in the smallest and in the largest."""
    parts = [_even(case, "min", 0), _even(case, "max", 1)]
    return " + ".join(summand(part[index]) for part in parts if part is not None)


def _order_text(values: str, indices: str) -> Callable[[Case, int], str]:
    return lambda case, number: (indices if number else values) + over(case)


def _order_element(case: Case, number: int, index: Index) -> str:
    """Which element of the operand it is: by its index, if that is a result too."""
    indices = case.result(1)
    if number or indices is None or not index:
        return _row_text(case, index)
    axis = _along(case)
    own = int(indices.values[index])
    rest = list(index)
    if len(rest) == np.ndim(case["input"]):
        rest[axis] = own
    else:
        rest.insert(axis, own)
    owner = ax.tensor(case, "input")
    return f"{ax.small(owner.values[tuple(rest)], owner.dtype)} (element {at(tuple(rest))})"


def _row_text(case: Case, index: Index) -> str:
    """The elements among which one is chosen or whose order is asked for."""
    owner, rank = ax.tensor(case, "input"), np.ndim(case["input"])
    row = owner.values.ravel()
    if case.get("dim") is not None and rank:
        axis = _along(case)
        after = index[axis + 1 :] if len(index) == rank else index[axis:]
        place: tuple[Any, ...] = (*index[:axis], slice(None), *after)
        row = owner.values[place]
    shown = ", ".join(ax.digits(value, owner.dtype) for value in row[:6])
    return f"among {shown}{f', {row.size - 6:,} more' if row.size > 6 else ''}"


def _taken(case: Case) -> str:
    return "which of equal elements is taken"


def _order_rule(
    text: tuple[str, str], evaluate: Callable[[Case], list[Array | None]], signature: str
) -> Rule:
    return Rule(_order_text(*text), evaluate, with_out(signature), _order_element, random=_taken)


OPS: dict[str, Rule] = {
    "max": _extreme_rule("max", np.max, np.argmax, LARGER),
    "min": _extreme_rule("min", np.min, np.argmin, SMALLER),
    "amax": _plain_rule("max", np.max),
    "amin": _plain_rule("min", np.min),
    "aminmax": Rule(("min {input}", "max {input}"), _both, with_out("input, *, dim=None, keepdim=False"),
                    lambda case, number, index: _listed(case, "max" if number else "min", index)),
    "argmax": _arg_rule("max", np.argmax),
    "argmin": _arg_rule("min", np.argmin),
    "sort": _order_rule(("{input} in order", "indices of {input} in order"), _sort,
                        "input, dim=-1, descending=False, stable=False"),
    "msort": _order_rule(("{input} in order", ""), _msort, "input, dim=0"),
    "argsort": Rule("indices of {input} in order", _argsort, "input, dim=-1, descending=False, stable=False",
                    lambda case, number, index: _row_text(case, index), random=_taken),
    "topk": Rule(_topk_text, _topk, with_out("input, k, dim=-1, largest=True, sorted=True"), _order_element,
                 random=_taken),
    "kthvalue": _order_rule(("number {k} of {input} in order", "its index"), _kthvalue,
                            "input, k, dim=-1, keepdim=False"),
    "median": _order_rule(("median of {input}", "its index"), lambda case: _middle(case, skip=False),
                          "input, dim=None, keepdim=False"),
    "nanmedian": _order_rule(("median of {input} without nan", "its index"),
                             lambda case: _middle(case, skip=True), "input, dim=None, keepdim=False"),
    "mode": _order_rule(("most frequent of {input}", "its index"), _mode, "input, dim=-1, keepdim=False"),
    **dict.fromkeys(["quantile", "nanquantile"], Rule(
        "{q} of {input} lie below", _quantile,
        with_out("input, q, dim=None, keepdim=False, *, interpolation='linear'"),
        lambda case, number, index: _row_text(case, index[np.ndim(case["q"]) :]), scale=_quantile_scale)),
    "unique": Rule(("each of {input} once", "where it stands among them", "how often"), _unique,
                   "input, sorted=True, return_inverse=False, return_counts=False, dim=None",
                   lambda case, number, index: _row_text(case, index)),
    "cummax": _order_rule(("largest of {input} so far", "its index"), _running(np.maximum.accumulate),
                          "input, dim"),
    "cummin": _order_rule(("smallest of {input} so far", "its index"), _running(np.minimum.accumulate),
                          "input, dim"),
}  # fmt: skip

NODES: dict[str, Rule] = {
    **dict.fromkeys(["MaxBackward", "MinBackward", "MedianBackward", "NanmedianBackward"], _by_form()),
    **dict.fromkeys(["AmaxBackward", "AminBackward"], _EVEN),
    **dict.fromkeys(
        [
            "KthvalueBackward",
            "TopkBackward",
            "SortBackward",
            "ModeBackward",
            "CummaxBackward",
            "CumminBackward",
        ],
        _PLACED,
    ),
    "AminmaxBackward": Rule(
        "{g} · [{self} = min or max] / number of such",
        _aminmax_back,
        element=_aminmax_element,
    ),
}
