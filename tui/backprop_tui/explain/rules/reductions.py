"""Rules of sums, means, products, variances and what else brings many elements to one.

The derivatives are those of tools/autograd/derivatives.yaml, entry of the function's own name; those with
a function of their own are in torch/csrc/autograd/FunctionsManual.cpp.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array, Tensor
from backprop_tui.explain.rule import Case, Index, Rule, Sum
from backprop_tui.explain.rules import axes as ax
from backprop_tui.explain.rules.parts import counted

ALONG = "input, dim=None, keepdim=False, *, dtype=None, out=None | input, *, dtype=None, out=None"
"""How most reductions are called."""


def _axes(case: Case, name: str = "input") -> tuple[int, ...]:
    return ax.axes_of(case.get("dim"), ax.tensor(case, name).values.ndim)


def _keep(case: Case) -> bool:
    return bool(case.get("keepdim", False))


def members(case: Case, index: Index, name: str = "input") -> Array:
    """The elements behind one element of the result."""
    owner = ax.tensor(case, name)
    axes = _axes(case, name)
    found: Array = owner.values[ax.behind(index, axes, owner.values.ndim, _keep(case))]
    return found


def spread_back(case: Case, name: str, shape: tuple[int, ...], axes: tuple[int, ...]) -> Array:
    """What belongs to the result, for every element that was reduced to it."""
    return np.asarray(np.broadcast_to(ax.kept(np.asarray(case[name]), axes, shape), shape))


def _over(case: Case, name: str = "input") -> str:
    return ax.over(case.get("dim"), ax.tensor(case, name).values.ndim)


# -- sums and means -------------------------------------------------------------------------------


def _sum(case: Case, values: Array) -> Array:
    return np.asarray(np.sum(values, axis=_axes(case), keepdims=_keep(case)))


def _sum_element(case: Case, number: int, index: Index) -> Sum:
    return ax.terms_of(ax.tensor(case, "input"), members(case, index))


def _mean_element(case: Case, number: int, index: Index) -> Sum:
    values = members(case, index)
    return ax.terms_of(ax.tensor(case, "input"), values, before="(", after=f") / {values.size}")


def _numeric(values: Array) -> Array:
    return values.astype(np.int64) if values.dtype.kind == "b" else values


def _size(case: Case) -> int:
    return ax.count(ax.tensor(case, "input").shape, _axes(case))


def _mean(case: Case, values: Array) -> Array:
    return np.asarray(_sum(case, values) / np.float64(_size(case)))


_SUM = Rule(
    lambda case, number: "Σ {input}" + _over(case),
    lambda case: [_sum(case, _numeric(case["input"]))],
    ALONG,
    _sum_element,
    scale=lambda case: [_sum(case, np.abs(case["input"]))],
)
_MEAN = Rule(
    lambda case, number: f"Σ {{input}} / {_size(case)}" + _over(case),
    lambda case: [_mean(case, case["input"])],
    ALONG,
    _mean_element,
    scale=lambda case: [_mean(case, np.abs(case["input"]))],
)
_NANSUM = Rule(
    lambda case, number: "Σ {input} without nan" + _over(case),
    lambda case: [_sum(case, np.nan_to_num(case["input"], nan=0.0, posinf=np.inf, neginf=-np.inf))],
    ALONG,
    scale=lambda case: [_sum(case, np.abs(np.nan_to_num(case["input"])))],
)


def _nanmean(case: Case) -> list[Array | None]:
    values = case["input"]
    return [np.asarray(_sum(case, np.where(np.isnan(values), 0, values)) / _sum(case, ~np.isnan(values)))]


def _sizes(case: Case) -> tuple[int, ...]:
    """The shape of what was reduced: kept by the node, or that of the gradient."""
    torchs = case.result(0)
    return () if torchs is None else torchs.shape


def _reduced_axes(case: Case) -> tuple[int, ...]:
    return ax.axes_of(case.get("dim"), len(_sizes(case)))


def _share(case: Case) -> tuple[str, float]:
    """What each element gets of the gradient: how it is written, and as a factor."""
    if case.evidence.name.startswith("Mean"):
        many = ax.count(_sizes(case), _reduced_axes(case))
        return f"{{g}} / {many}", 1 / many if many else np.nan
    return "{g}", 1.0


def _shared(case: Case) -> list[Array | None]:
    if not case.has("g") or case.result(0) is None:
        return [None]
    return [spread_back(case, "g", _sizes(case), _reduced_axes(case)) * _share(case)[1]]


def gradient_at(case: Case, index: Index, shape: tuple[int, ...], axes: tuple[int, ...]) -> str:
    """The digits of the gradient that comes into the result of one element."""
    g = ax.tensor(case, "g")
    place = tuple(0 if i in axes else one for i, one in enumerate(index))
    return ax.small(ax.kept(g.values, axes, shape)[place], g.dtype)


def _shared_element(case: Case, number: int, index: Index) -> str:
    digits = gradient_at(case, index, _sizes(case), _reduced_axes(case))
    return _share(case)[0].replace("{g}", digits)


_SHARED = Rule(lambda case, number: _share(case)[0], _shared, element=_shared_element)


def _nansum_back(case: Case) -> list[Array | None]:
    owner = case["self"]
    return [spread_back(case, "g", owner.shape, _axes(case, "self")) * ~np.isnan(owner)]


# -- variance and deviation -----------------------------------------------------------------------


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
    total = np.sum(squares, axis=_var_axes(case, "input"), keepdims=_keep(case))
    return np.asarray(total / np.float64(max(0.0, _freedom(case, "input"))))


def _plain_mean(case: Case) -> Array:
    mean = _mean_of(case, "input")
    return mean if _keep(case) else mean.reshape(np.sum(case["input"], axis=_var_axes(case, "input")).shape)


def _plain(number: float) -> str:
    return f"{number:g}"


def _var_text(case: Case, number: int) -> str:
    dim = case.operands.get("dim")
    place = "" if isinstance(dim, bool) else _over(case)
    return f"Σ({{input}} − mean)² / {_plain(_freedom(case, 'input'))}" + place


def _std_text(case: Case, number: int) -> str:
    return f"√(Σ({{input}} − mean)² / {_plain(_freedom(case, 'input'))})" + _over(case)


def _mean_text(case: Case, number: int) -> str:
    many = ax.count(ax.tensor(case, "input").shape, _var_axes(case, "input"))
    return f"Σ {{input}} / {many}" + _over(case)


def _var_element(root: bool) -> Callable[[Case, int, Index], Sum | str]:
    def element(case: Case, number: int, index: Index) -> Sum | str:
        owner = ax.tensor(case, "input")
        axes = _var_axes(case, "input")
        values = owner.values[ax.behind(index, axes, owner.values.ndim, _keep(case))]
        if number == 1:
            return ax.terms_of(owner, values, before="(", after=f") / {values.size}")
        mean = ax.small(np.mean(values), "float32")
        before, after = ("√((", ")") if root else ("(", "")
        after = f") / {_plain(_freedom(case, 'input'))}{after}"
        return ax.terms_of(owner, values, lambda text: f"({text} − {mean})²", before, after)

    return element


def _var_scale(case: Case) -> list[Array | None]:
    """The mean is rounded before it is subtracted."""
    spread = np.max(np.abs(case["input"]), axis=_var_axes(case, "input"), keepdims=_keep(case), initial=0.0)
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
        main = f"{{g}} · ({{self}} − mean)/({freedom}·{{{name}}})" if root else f"{{g}} · 2·({{self}} − mean)/{freedom}"
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


def _spread_back_element(root: bool) -> Callable[[Case, int, Index], str]:
    def element(case: Case, number: int, index: Index) -> str:
        axes, owner = _var_axes(case, "self"), ax.tensor(case, "self")
        place = tuple(0 if i in axes else one for i, one in enumerate(index))
        group = owner.values[ax.behind(place, axes, owner.values.ndim, True)]
        mean = ax.small(np.mean(group), "float32")
        g, freedom = case.operands.get("g"), _plain(_freedom(case, "self"))
        if not isinstance(g, Tensor):
            return f"the mean's share, 1/{group.size}"
        digits = gradient_at(case, index, owner.shape, axes)
        value = ax.small(owner.values[index], owner.dtype)
        if not root:
            return f"{digits} · 2·({value} − {mean})/{freedom}"
        name = "result" if case.has("result") else "result0"
        result = ax.tensor(case, name)
        return f"{digits} · ({value} − {mean})/({freedom}·{ax.small(ax.kept(result.values, axes, owner.shape)[place], result.dtype)})"

    return element


# -- products and questions -------------------------------------------------------------------------


def _prod_element(case: Case, number: int, index: Index) -> str:
    owner = ax.tensor(case, "input")
    values = members(case, index).ravel()
    shown = " · ".join(ax.small(value, owner.dtype) for value in values[:6])
    return shown + (f" · {values.size - 6:,} more" if values.size > 6 else "")


_PROD = Rule(
    lambda case, number: "Π {input}" + _over(case),
    lambda case: [np.asarray(np.prod(_numeric(case["input"]), axis=_axes(case), keepdims=_keep(case)))],
    ALONG,
    _prod_element,
)


def others(values: Array, axis: int) -> Array:
    """For every element the product of all others along an axis, also where some are 0."""
    moved = np.moveaxis(values, axis, -1)
    ones = np.ones((*moved.shape[:-1], 1))
    left = np.concatenate([ones, np.cumprod(moved[..., :-1], axis=-1)], axis=-1)
    right = np.concatenate([np.cumprod(moved[..., :0:-1], axis=-1)[..., ::-1], ones], axis=-1)
    return np.asarray(np.moveaxis(left * right, -1, axis))


def _prod_back(case: Case) -> list[Array | None]:
    values = case["self"]
    if values.size == 0:
        return [np.zeros(values.shape)]
    axes = _axes(case, "self")
    if len(axes) == values.ndim:
        rest = others(values.ravel(), 0).reshape(values.shape)
    else:
        rest = others(values, axes[0])
    return [spread_back(case, "g", values.shape, axes) * rest]


def _prod_back_element(case: Case, number: int, index: Index) -> str:
    values, axes = ax.tensor(case, "self"), _axes(case, "self")
    place = tuple(slice(None) if i in axes else one for i, one in enumerate(index))
    own = tuple(one for i, one in enumerate(index) if i in axes)
    group = values.values[place]
    rest = np.delete(group.ravel(), np.ravel_multi_index(own, group.shape)) if own else np.ones(0)
    shown = " · ".join(ax.small(value, values.dtype) for value in rest[:6])
    digits = gradient_at(case, index, values.shape, axes)
    return digits + (f" · {shown}" if shown else "") + (f" · {rest.size - 6:,} more" if rest.size > 6 else "")


def _question(word: str, function: Any) -> Rule:
    return Rule(
        lambda case, number: f"{word} {{input}}" + _over(case),
        lambda case: [np.asarray(function(np.asarray(case["input"]) != 0, axis=_axes(case), keepdims=_keep(case)))],
        ALONG,
    )  # fmt: skip


def _trace_back(case: Case) -> list[Array | None]:
    torchs = case.result(0)
    return [None if torchs is None else case.g * np.eye(*torchs.shape)]


OPS: dict[str, Rule] = {
    "sum": _SUM,
    "mean": _MEAN,
    "nansum": _NANSUM,
    "nanmean": Rule(
        lambda case, number: "mean of {input} without nan" + _over(case),
        _nanmean,
        ALONG,
        scale=lambda case: [np.nan_to_num(_mean(case, np.abs(np.nan_to_num(case["input"]))) * _size(case))],
    ),
    "var": _spread_rule(root=False, with_mean=False),
    "std": _spread_rule(root=True, with_mean=False),
    "var_mean": _spread_rule(root=False, with_mean=True),
    "std_mean": _spread_rule(root=True, with_mean=True),
    "prod": _PROD,
    "all": _question("all of", np.all),
    "any": _question("any of", np.any),
    "count_nonzero": _question("number of nonzero elements of", np.sum),
    "trace": Rule(
        "Σ diagonal of {input}",
        lambda case: [np.asarray(np.trace(case["input"]))],
        "input",
        lambda case, number, index: ax.terms_of(ax.tensor(case, "input"), np.diagonal(case["input"])),
        scale=lambda case: [np.asarray(np.trace(np.abs(case["input"])))],
    ),
}

NODES: dict[str, Rule] = {
    "SumBackward": _SHARED,
    "MeanBackward": _SHARED,
    "NansumBackward": Rule("{g} · [{self} not nan]", _nansum_back),
    "VarBackward": _spread_back_rule(root=False),
    "StdBackward": _spread_back_rule(root=True),
    "VarMeanBackward": _spread_back_rule(root=False),
    "StdMeanBackward": _spread_back_rule(root=True),
    "ProdBackward": Rule("{g} · product of the other elements of {self}", _prod_back, element=_prod_back_element),
    "TraceBackward": Rule("{g} on the diagonal, else 0", _trace_back,
                          element=lambda case, n, index: f"{case.at('g', ())} · [{index[0]} = {index[1]}]"),
}  # fmt: skip
