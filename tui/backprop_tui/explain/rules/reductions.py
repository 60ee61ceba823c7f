"""Rules of sums, means, products and what else brings many elements to one.

The derivatives are those of tools/autograd/derivatives.yaml, entry of the function's own name; those with
a function of their own are in torch/csrc/autograd/FunctionsManual.cpp.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array
from backprop_tui.explain.rule import Case, Index, Rule, Sum
from backprop_tui.explain.rules import axes as ax

ALONG = "input, dim=None, keepdim=False, *, dtype=None, out=None | input, *, dtype=None, out=None"
"""How most reductions are called."""


def _axes(case: Case, name: str = "input") -> tuple[int, ...]:
    return ax.axes_of(case.get("dim"), ax.tensor(case, name).values.ndim)


def keepdim(case: Case) -> bool:
    """Whether the reduced dimensions stay, as ones."""
    return bool(case.get("keepdim", False))


def members(case: Case, index: Index, name: str = "input") -> Array:
    """The elements behind one element of the result."""
    owner = ax.tensor(case, name)
    axes = _axes(case, name)
    found: Array = owner.values[ax.behind(index, axes, owner.values.ndim, keepdim(case))]
    return found


def spread_back(case: Case, name: str, shape: tuple[int, ...], axes: tuple[int, ...]) -> Array:
    """What belongs to the result, for every element that was reduced to it."""
    return np.asarray(np.broadcast_to(ax.kept(np.asarray(case[name]), axes, shape), shape))


def over(case: Case, name: str = "input") -> str:
    """Which dimensions are reduced, in words."""
    return ax.over(case.get("dim"), ax.tensor(case, name).values.ndim)


# -- sums and means -------------------------------------------------------------------------------


def _sum(case: Case, values: Array) -> Array:
    return np.asarray(np.sum(values, axis=_axes(case), keepdims=keepdim(case)))


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


def _numbers_only(case: Case, index: Index) -> Array:
    values = members(case, index)
    return np.asarray(values[~np.isnan(values)])


def _nansum_element(case: Case, number: int, index: Index) -> Sum:
    return ax.terms_of(ax.tensor(case, "input"), _numbers_only(case, index))


def _nanmean_element(case: Case, number: int, index: Index) -> Sum:
    values = _numbers_only(case, index)
    return ax.terms_of(ax.tensor(case, "input"), values, before="(", after=f") / {values.size}")


_SUM = Rule(
    lambda case, number: "Σ {input}" + over(case),
    lambda case: [_sum(case, _numeric(case["input"]))],
    ALONG,
    _sum_element,
    scale=lambda case: [_sum(case, np.abs(case["input"]))],
)
_MEAN = Rule(
    lambda case, number: f"Σ {{input}} / {_size(case)}" + over(case),
    lambda case: [_mean(case, case["input"])],
    ALONG,
    _mean_element,
    scale=lambda case: [_mean(case, np.abs(case["input"]))],
)
_NANSUM = Rule(
    lambda case, number: "Σ {input} without nan" + over(case),
    lambda case: [_sum(case, np.nan_to_num(case["input"], nan=0.0, posinf=np.inf, neginf=-np.inf))],
    ALONG,
    _nansum_element,
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
        return f"{{g}} / {many} for each element", 1 / many if many else np.nan
    return "{g} for each element", 1.0


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
    return _share(case)[0].replace("{g}", digits).removesuffix(" for each element")


_SHARED = Rule(lambda case, number: _share(case)[0], _shared, element=_shared_element)


def _nansum_back(case: Case) -> list[Array | None]:
    owner = case["self"]
    return [spread_back(case, "g", owner.shape, _axes(case, "self")) * ~np.isnan(owner)]


def _nansum_back_element(case: Case, number: int, index: Index) -> str:
    digits = gradient_at(case, index, case["self"].shape, _axes(case, "self"))
    return f"{digits} · [{case.at('self', index)} not nan]"


# -- products and questions -------------------------------------------------------------------------


def _prod_element(case: Case, number: int, index: Index) -> str:
    owner = ax.tensor(case, "input")
    values = members(case, index).ravel()
    shown = " · ".join(ax.small(value, owner.dtype) for value in values[:6])
    return shown + (f" · {values.size - 6:,} more" if values.size > 6 else "")


_PROD = Rule(
    lambda case, number: "Π {input}" + over(case),
    lambda case: [np.asarray(np.prod(_numeric(case["input"]), axis=_axes(case), keepdims=keepdim(case)))],
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


def _listed(case: Case, index: Index) -> str:
    owner, values = ax.tensor(case, "input"), members(case, index).ravel()
    shown = ", ".join(ax.digits(value, owner.dtype) for value in values[:6])
    return shown + (f", {values.size - 6:,} more" if values.size > 6 else "")


def _question(word: str, function: Any) -> Rule:
    return Rule(
        lambda case, number: f"{word} {{input}}" + over(case),
        lambda case: [function(np.asarray(case["input"]) != 0, axis=_axes(case), keepdims=keepdim(case))],
        ALONG,
        lambda case, number, index: f"{word} {_listed(case, index)}",
    )


def _trace_back(case: Case) -> list[Array | None]:
    torchs = case.result(0)
    return [None if torchs is None else case.g * np.eye(torchs.shape[0], torchs.shape[1])]


OPS: dict[str, Rule] = {
    "sum": _SUM,
    "mean": _MEAN,
    "nansum": _NANSUM,
    "nanmean": Rule(
        lambda case, number: "mean of {input} without nan" + over(case),
        _nanmean,
        ALONG,
        _nanmean_element,
        scale=lambda case: [np.nan_to_num(_mean(case, np.abs(np.nan_to_num(case["input"]))) * _size(case))],
    ),
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
    "NansumBackward": Rule("{g} · [{self} not nan]", _nansum_back, element=_nansum_back_element),
    "ProdBackward": Rule(
        "{g} · product of the other elements of {self}", _prod_back, element=_prod_back_element
    ),
    "TraceBackward": Rule("{g} on the diagonal, else 0", _trace_back,
                          element=lambda case, n, index: f"{case.at('g', ())} · [{index[0]} = {index[1]}]"),
}  # fmt: skip
