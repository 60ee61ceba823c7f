"""Rules of what looks for the largest and the smallest.

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
from backprop_tui.explain.rules.moving import returned
from backprop_tui.explain.rules.ordering import along, order_rule, shaped, values_of
from backprop_tui.explain.rules.parts import with_out
from backprop_tui.explain.rules.reductions import gradient_at, keepdim, members, over, spread_back
from backprop_tui.explain.rules.writing import summand

Reduce = Callable[..., Any]


def _axes(case: Case, name: str = "input") -> tuple[int, ...]:
    return ax.axes_of(case.get("dim"), ax.tensor(case, name).values.ndim)


# -- max and min ------------------------------------------------------------------------------------


def _binary(case: Case) -> bool:
    """``torch.max(x, y)``: the larger of two, element by element."""
    return isinstance(case.operands["other"], Tensor)


def _along_one(case: Case) -> Case:
    """``torch.max(x, 1)``: the second argument is a dimension."""
    dim = case.operands["dim"] if case.has("dim") else case.operands["other"]
    return Case(case.evidence, {**case.operands, "dim": dim})


def _extreme(case: Case, reduce: Reduce, arg: Reduce) -> list[Array | None]:
    values = values_of(case)
    if case.get("dim") is None:
        return [np.asarray(reduce(values))]
    axis = along(case)
    found = np.asarray(reduce(values, axis=axis, keepdims=True))
    return [
        shaped(case, found, axis),
        shaped(case, np.asarray(arg(values, axis=axis, keepdims=True)), axis),
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
        values = values_of(case)
        if case.get("dim") is None:
            found = np.asarray(arg(values))
            return [found.reshape([1] * np.ndim(case["input"])) if keepdim(case) else found]
        axis = along(case)
        return [shaped(case, np.asarray(arg(values, axis=axis, keepdims=True)), axis)]

    return Rule(
        lambda case, number: f"index of the {word} of {{input}}" + over(case),
        evaluate,
        with_out("input, dim=None, keepdim=False"),
        lambda case, number, index: _listed(case, f"index of the {word} of ", index),
    )


# -- running extremes -------------------------------------------------------------------------------


def _running(accumulate: Reduce) -> Callable[[Case], list[Array | None]]:
    """torch.cummax and cummin: of equals the last."""

    def evaluate(case: Case) -> list[Array | None]:
        axis, values = along(case), values_of(case)
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


OPS: dict[str, Rule] = {
    "max": _extreme_rule("max", np.max, np.argmax, LARGER),
    "min": _extreme_rule("min", np.min, np.argmin, SMALLER),
    "amax": _plain_rule("max", np.max),
    "amin": _plain_rule("min", np.min),
    "aminmax": Rule(("min {input}", "max {input}"), _both, with_out("input, *, dim=None, keepdim=False"),
                    lambda case, number, index: _listed(case, "max" if number else "min", index)),
    "argmax": _arg_rule("max", np.argmax),
    "argmin": _arg_rule("min", np.argmin),
    "cummax": order_rule(("largest of {input} so far", "its index"), _running(np.maximum.accumulate),
                          "input, dim"),
    "cummin": order_rule(("smallest of {input} so far", "its index"), _running(np.minimum.accumulate),
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
