"""Rules of variance and standard deviation.

torch's documentation, ``torch.var``; torch/csrc/autograd/FunctionsManual.cpp: var_backward, std_backward.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backprop_tui.explain.evidence import Array
from backprop_tui.explain.rule import Case, Index, Rule, Sum
from backprop_tui.explain.rules import axes as ax
from backprop_tui.explain.rules.parts import counted
from backprop_tui.explain.rules.reductions import gradient_at, keepdim, over
from backprop_tui.explain.rules.writing import summand


def _correction(case: Case) -> float:
    """1 unless said otherwise, in any of the ways of which torch.var has had three."""
    dim = case.operands.get("dim")
    if isinstance(dim, bool):
        return float(dim)
    unbiased = case.operands.get("unbiased")
    return float(unbiased) if unbiased is not None else float(case.get("correction", 1))


def _var_axes(case: Case, name: str) -> tuple[int, ...]:
    dim = case.operands.get("dim")
    rank = ax.tensor(case, name).values.ndim
    return ax.axes_of(None if isinstance(dim, bool) else dim, rank)


def _freedom(case: Case, name: str) -> float:
    """N minus the correction."""
    return ax.count(ax.tensor(case, name).shape, _var_axes(case, name)) - _correction(case)


def _mean_of(case: Case, name: str) -> Array:
    values = case[name]
    axes = _var_axes(case, name)
    many = np.float64(ax.count(values.shape, axes))
    return np.asarray(np.sum(values, axis=axes, keepdims=True) / many)


def _variance(case: Case) -> Array:
    squares = (case["input"] - _mean_of(case, "input")) ** 2
    total = np.sum(squares, axis=_var_axes(case, "input"), keepdims=keepdim(case))
    return np.asarray(total / np.float64(max(0.0, _freedom(case, "input"))))


def _plain_mean(case: Case) -> Array:
    mean = _mean_of(case, "input")
    return mean if keepdim(case) else mean.reshape(np.sum(case["input"], axis=_var_axes(case, "input")).shape)


def _plain(number: float) -> str:
    return f"{number:g}"


def _var_text(case: Case, number: int) -> str:
    dim = case.operands.get("dim")
    place = "" if isinstance(dim, bool) else over(case)
    return f"Σ({{input}} − mean)² / {_plain(_freedom(case, 'input'))}" + place


def _std_text(case: Case, number: int) -> str:
    return f"√(Σ({{input}} − mean)² / {_plain(_freedom(case, 'input'))})" + over(case)


def _mean_text(case: Case, number: int) -> str:
    many = ax.count(ax.tensor(case, "input").shape, _var_axes(case, "input"))
    return f"Σ {{input}} / {many}" + over(case)


def _var_element(root: bool) -> Callable[[Case, int, Index], Sum | str]:
    def element(case: Case, number: int, index: Index) -> Sum | str:
        owner = ax.tensor(case, "input")
        axes = _var_axes(case, "input")
        values = owner.values[ax.behind(index, axes, owner.values.ndim, keepdim(case))]
        if number == 1:
            return ax.terms_of(owner, values, before="(", after=f") / {values.size}")
        mean = summand(np.mean(values))
        before, after = ("√((", ")") if root else ("(", "")
        after = f") / {_plain(_freedom(case, 'input'))}{after}"
        return ax.terms_of(owner, values, lambda text: f"({text} − {mean})²", before, after)

    return element


def _var_scale(case: Case) -> list[Array | None]:
    """The mean is rounded before it is subtracted."""
    spread = np.max(np.abs(case["input"]), axis=_var_axes(case, "input"), keepdims=keepdim(case), initial=0.0)
    deviation = np.sqrt(_variance(case))
    return [np.asarray(deviation**2 + spread * deviation * 0.5), spread]


_SPREAD = (
    "input, dim=None, unbiased=None, keepdim=False, *, correction=1, out=None"
    " | input, dim=None, *, correction=1, keepdim=False, out=None"
)


def _spread_rule(root: bool, with_mean: bool) -> Rule:
    """torch.var, std, var_mean, std_mean."""

    def evaluate(case: Case) -> list[Array | None]:
        variance = _variance(case)
        first = np.sqrt(variance) if root else variance
        return [first, _plain_mean(case)] if with_mean else [first]

    def scale(case: Case) -> list[Array | None]:
        variance, spread = _var_scale(case)
        return ([spread, spread] if root else [variance, spread])[: 1 + with_mean]

    def symbols(case: Case, number: int) -> str:
        return (_mean_text if number else _std_text if root else _var_text)(case, number)

    return Rule(symbols, evaluate, _SPREAD, _var_element(root), scale=scale)


def _incoming(case: Case, number: int) -> Array | None:
    """The gradient of one of a node's results, spread back to what was reduced."""
    gradients = case.evidence.grad_outputs
    g = gradients[number] if number < len(gradients) else None
    if g is None:
        return None
    shape = case["self"].shape
    return np.asarray(np.broadcast_to(ax.kept(g.values, _var_axes(case, "self"), shape), shape))


def _slope_of_spread(case: Case, root: bool) -> tuple[Array, Array]:
    """∂/∂x of the variance or the deviation, and its size before the mean is subtracted."""
    values = case["self"]
    mean = _mean_of(case, "self")
    factor = np.asarray(2.0) / np.float64(_freedom(case, "self"))
    if not root:
        return factor * (values - mean), np.abs(factor) * (np.abs(values) + np.abs(mean))
    axes = _var_axes(case, "self")
    result = ax.kept(np.asarray(case.get("result", case.get("result0"))), axes, values.shape)
    factor = np.where(result == 0, 0, factor / (2 * result))
    return factor * (values - mean), np.abs(factor) * (np.abs(values) + np.abs(mean))


def _spread_back_rule(root: bool) -> Rule:
    """The nodes of var, std, var_mean and std_mean."""

    def pieces(case: Case, size: bool) -> list[Array | None]:
        g, mean_g = _incoming(case, 0), _incoming(case, 1)
        total = np.zeros(case["self"].shape)
        if g is not None:
            slope = _slope_of_spread(case, root)[size]
            total = total + (np.abs(g) if size else g) * slope
        if mean_g is not None:
            many = ax.count(total.shape, _var_axes(case, "self"))
            total = total + (np.abs(mean_g) if size else mean_g) / many
        return [total]

    def symbols(case: Case, number: int) -> str:
        freedom = _plain(_freedom(case, "self"))
        name = "result" if case.has("result") else "result0"
        main = (
            f"{{g}} · ({{self}} − mean)/({freedom}·{{{name}}})"
            if root
            else f"{{g}} · 2·({{self}} − mean)/{freedom}"
        )
        both = len(case.evidence.grad_outputs) > 1 and case.evidence.grad_outputs[1] is not None
        return main + " + the mean's share" if both else main

    return Rule(
        symbols,
        lambda case: pieces(case, False),
        element=_spread_back_element(root),
        note=counted(lambda c: root and np.asarray(c.get("result", c.get("result0", 1))) == 0,
                     "a deviation of 0: torch takes 0 as the slope there"),
        scale=lambda case: pieces(case, True),
    )  # fmt: skip


def _mean_share(case: Case, index: Index, size: int) -> str:
    """What comes through the mean, where that is a result too."""
    gradients = case.evidence.grad_outputs
    g = gradients[1] if len(gradients) > 1 else None
    if g is None:
        return ""
    axes, shape = _var_axes(case, "self"), case["self"].shape
    place = tuple(0 if i in axes else one for i, one in enumerate(index))
    return f"{ax.small(ax.kept(g.values, axes, shape)[place], g.dtype)}/{size}"


def _spread_back_element(root: bool) -> Callable[[Case, int, Index], str]:
    def element(case: Case, number: int, index: Index) -> str:
        axes, owner = _var_axes(case, "self"), ax.tensor(case, "self")
        place = tuple(0 if i in axes else one for i, one in enumerate(index))
        group = owner.values[ax.behind(place, axes, owner.values.ndim, True)]
        share = _mean_share(case, index, group.size)
        if not case.has("g"):
            return share
        freedom = _plain(_freedom(case, "self"))
        difference = f"({ax.small(owner.values[index], owner.dtype)} − {summand(np.mean(group))})"
        slope = f"2·{difference}/{freedom}"
        if root:
            result = ax.tensor(case, "result" if case.has("result") else "result0")
            deviation = ax.small(ax.kept(result.values, axes, owner.shape)[place], result.dtype)
            slope = f"{difference}/({freedom}·{deviation})"
        main = f"{gradient_at(case, index, owner.shape, axes)} · {slope}"
        return f"{main} + {share}" if share else main

    return element


OPS: dict[str, Rule] = {
    "var": _spread_rule(root=False, with_mean=False),
    "std": _spread_rule(root=True, with_mean=False),
    "var_mean": _spread_rule(root=False, with_mean=True),
    "std_mean": _spread_rule(root=True, with_mean=True),
}

NODES: dict[str, Rule] = {
    "VarBackward": _spread_back_rule(root=False),
    "StdBackward": _spread_back_rule(root=True),
    "VarMeanBackward": _spread_back_rule(root=False),
    "StdMeanBackward": _spread_back_rule(root=True),
}
