"""Rules of running sums and products, and of sums of exponentials.

torch/csrc/autograd/FunctionsManual.cpp: cumsum_backward, cumprod_backward, logsumexp_backward.
"""

from __future__ import annotations

import numpy as np

from backprop_tui.explain.evidence import Array
from backprop_tui.explain.rule import Case, Index, Rule, Sum
from backprop_tui.explain.rules import axes as ax
from backprop_tui.explain.rules.parts import in_place, with_out
from backprop_tui.explain.rules.reductions import gradient_at, keepdim, members, over, spread_back
from backprop_tui.explain.rules.writing import largest, single, summand


def _axis(case: Case, values: Array) -> int:
    return ax.axis_of(case["dim"], values.ndim)


def _so_far(case: Case, name: str, index: Index, onwards: bool = False) -> Array:
    """The elements along the dimension up to this one, or from it on."""
    values = ax.tensor(case, name).values
    if not index:
        return values
    axis = _axis(case, values)
    cut = slice(index[axis], None) if onwards else slice(index[axis] + 1)
    place = tuple(cut if i == axis else one for i, one in enumerate(index))
    return np.asarray(values[place])


def _lifted(values: Array) -> Array:
    numeric = values.astype(np.int64) if values.dtype.kind == "b" else values
    return numeric if numeric.ndim else numeric.reshape(1)


def _cumulated(case: Case, values: Array) -> Array:
    return np.asarray(np.cumsum(_lifted(values), axis=_axis(case, values)).reshape(values.shape))


def _from_here(values: Array, axis: int) -> Array:
    """Sums from each element on."""
    lifted = _lifted(values)
    return np.flip(np.cumsum(np.flip(lifted, axis), axis=axis), axis).reshape(values.shape)


def _cumsum_element(case: Case, number: int, index: Index) -> Sum:
    return ax.terms_of(ax.tensor(case, "input"), _so_far(case, "input", index))


def _cumsum_back_element(case: Case, number: int, index: Index) -> Sum:
    return ax.terms_of(ax.tensor(case, "g"), _so_far(case, "g", index, onwards=True))


def _cumprod_element(case: Case, number: int, index: Index) -> str:
    owner = ax.tensor(case, "input")
    values = _so_far(case, "input", index).ravel()
    shown = " · ".join(ax.small(value, owner.dtype) for value in values[:6])
    return shown + (f" · {values.size - 6:,} more" if values.size > 6 else "")


def _cumprod_slope(g: Array, values: Array, axis: int) -> Array:
    """∂/∂xᵢ of Σ g·cumprod: the product before it, times Σ from it on of g times what came between."""
    x, gradients = (np.moveaxis(_lifted(one), axis, -1) for one in (values, g))
    before = np.cumprod(np.concatenate([np.ones((*x.shape[:-1], 1)), x[..., :-1]], axis=-1), axis=-1)
    rest = np.array(gradients, dtype=np.float64)
    for i in range(x.shape[-1] - 2, -1, -1):
        rest[..., i] += x[..., i + 1] * rest[..., i + 1]
    return np.asarray(np.moveaxis(before * rest, -1, axis).reshape(values.shape))


def _cumprod_back_element(case: Case, number: int, index: Index) -> Sum:
    """For every product in which this element is a factor: the gradient times the others."""
    g, values = _so_far(case, "g", index, onwards=True).ravel(), case["self"]
    axis = _axis(case, values)
    own = index[axis] if index else 0
    place = tuple(slice(None) if i == axis else one for i, one in enumerate(index))
    row = np.where(np.arange(values[place].size) == own, 1, values[place].ravel())
    rest = np.cumprod(row)[own:]
    return largest(g * rest, lambda i: f"{summand(g[i])}·{summand(rest[i])}")


def _cumprod_back(case: Case) -> list[Array | None]:
    values = case["self"]
    return [_cumprod_slope(case.g, values, _axis(case, values))]


def _cumprod_back_scale(case: Case) -> list[Array | None]:
    values = np.abs(case["self"])
    return [_cumprod_slope(np.abs(case.g), values, _axis(case, values))]


def _differences(case: Case) -> Array:
    """torch.diff; of order 0 the tensor itself."""
    if int(case["n"]) == 0:
        return np.asarray(case["input"])
    axis = ax.signed(int(case["dim"]))
    parts = [case.get(name) for name in ("prepend", "input", "append")]
    values = np.concatenate([part for part in parts if part is not None], axis=axis)
    return np.asarray(np.diff(values * 1, int(case["n"]), axis=axis))


def _difference_element(case: Case, number: int, index: Index) -> str:
    values, axis = ax.tensor(case, "input"), ax.axis_of(case["dim"], np.ndim(case["input"]))
    if int(case["n"]) != 1 or case.has("prepend") or case.has("append"):
        return f"difference of order {case['n']}"
    later = tuple(one + 1 if i == axis else one for i, one in enumerate(index))
    return f"{case.at('input', later)} − {ax.small(values.values[index], values.dtype)}"


# -- sums of exponentials ---------------------------------------------------------------------------


def _axes(case: Case, name: str) -> tuple[int, ...]:
    return ax.axes_of(case.get("dim"), ax.tensor(case, name).values.ndim)


def _logsumexp(case: Case) -> list[Array | None]:
    values, axes = case["input"] * 1.0, _axes(case, "input")
    top = np.max(values, axis=axes, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)
    found = top + np.log(np.sum(np.exp(values - top), axis=axes, keepdims=True))
    return [found if keepdim(case) else np.squeeze(found, axes)]


def _logsumexp_scale(case: Case) -> list[Array | None]:
    size = np.abs(case["input"] * 1.0)
    size = np.where(np.isfinite(size), size, 0)
    return [np.asarray(np.max(size, axis=_axes(case, "input"), keepdims=keepdim(case), initial=0.0) + 1)]


def _logsum_text(case: Case, values: Array) -> Sum:
    return ax.terms_of(ax.tensor(case, "input"), values, lambda text: f"exp {text}", "log(", ")")


def _logsumexp_element(case: Case, number: int, index: Index) -> Sum:
    return _logsum_text(case, members(case, index))


def _logsumexp_back(case: Case) -> list[Array | None]:
    values, axes = case["self"], _axes(case, "self")
    g, result = (spread_back(case, name, values.shape, axes) for name in ("g", "result"))
    return [g * np.exp(values - result)]


def _logsumexp_back_scale(case: Case) -> list[Array | None]:
    """The difference in the exponent is rounded to the size of its two numbers."""
    values, axes = case["self"], _axes(case, "self")
    g, result = (spread_back(case, name, values.shape, axes) for name in ("g", "result"))
    return [np.abs(g) * np.exp(values - result) * (1 + np.abs(values) + np.abs(result))]


def _logsumexp_back_element(case: Case, number: int, index: Index) -> str:
    owner, axes = ax.tensor(case, "self"), _axes(case, "self")
    place = tuple(0 if i in axes else one for i, one in enumerate(index))
    result = ax.kept(np.asarray(case["result"]), axes, owner.shape)[place]
    digits = gradient_at(case, index, owner.shape, axes)
    return f"{digits} · exp({ax.small(owner.values[index], owner.dtype)} − {single(result)})"


def _logcumsumexp(case: Case) -> list[Array | None]:
    values = case["input"]
    return [np.logaddexp.accumulate(_lifted(values), axis=_axis(case, values)).reshape(values.shape)]


def _logcumsumexp_scale(case: Case) -> list[Array | None]:
    values = case["input"]
    size = np.abs(_lifted(values)) + 1
    return [np.maximum.accumulate(size, axis=_axis(case, values)).reshape(values.shape)]


def _logcumsumexp_back(case: Case) -> list[Array | None]:
    """∂/∂xᵢ: Σ from it on of g · exp(xᵢ − result)."""
    values, axis = _lifted(case["self"]), _axis(case, case["self"])
    g, result = _lifted(case.g), _lifted(case["result"])
    top = np.max(np.where(np.isfinite(values), values, 0), axis=axis, keepdims=True, initial=0.0)
    weights = _from_here(g * np.exp(top - result), axis)
    return [(np.exp(values - top) * weights).reshape(case["self"].shape)]


def _logcumsumexp_back_element(case: Case, number: int, index: Index) -> Sum:
    g, result = (_so_far(case, name, index, onwards=True).ravel() for name in ("g", "result"))
    own = case["self"][index]
    return largest(
        g * np.exp(own - result), lambda i: f"{summand(g[i])}·exp({single(own)} − {summand(result[i])})"
    )


def _logcumsumexp_back_scale(case: Case) -> list[Array | None]:
    values, axis = _lifted(case["self"]), _axis(case, case["self"])
    g, result = np.abs(_lifted(case.g)), _lifted(case["result"])
    top = np.max(np.where(np.isfinite(values), values, 0), axis=axis, keepdims=True, initial=0.0)
    weights = _from_here(g * np.exp(top - result), axis)
    found = np.exp(values - top) * weights * (1 + np.abs(values) + np.abs(result).max(initial=0.0))
    return [found.reshape(case["self"].shape)]


OPS: dict[str, Rule] = {
    "cumsum": Rule(
        "running sum of {input}" + " along dimension {dim}",
        lambda case: [_cumulated(case, np.asarray(case["input"]))],
        with_out("input, dim, *, dtype=None"),
        _cumsum_element,
        scale=lambda case: [_cumulated(case, np.abs(case["input"]))],
    ),
    "cumprod": Rule(
        "running product of {input} along dimension {dim}",
        lambda case: [
            np.cumprod(_lifted(case["input"]), axis=_axis(case, case["input"])).reshape(case["input"].shape)
        ],
        with_out("input, dim, *, dtype=None"),
        _cumprod_element,
    ),
    "logcumsumexp": Rule(
        "running log Σ exp {input} along dimension {dim}",
        _logcumsumexp,
        with_out("input, dim"),
        lambda case, number, index: _logsum_text(case, _so_far(case, "input", index)),
        scale=_logcumsumexp_scale,
    ),
}  # fmt: skip
OPS |= in_place(OPS)
OPS["diff"] = Rule(
    "each of {input} less the one before, along dimension {dim}",
    lambda case: [_differences(case)],
    with_out("input, n=1, dim=-1, prepend=None, append=None"),
    _difference_element,
    scale=lambda case: [
        np.full(_differences(case).shape, np.abs(case["input"]).max(initial=0.0) * 2.0 ** case["n"])
    ],
)
OPS["logsumexp"] = Rule(
    lambda case, number: "log Σ exp {input}" + over(case),
    _logsumexp,
    with_out("input, dim, keepdim=False"),
    _logsumexp_element,
    scale=_logsumexp_scale,
)
OPS["special_logsumexp"] = OPS["logsumexp"]

NODES: dict[str, Rule] = {
    "CumsumBackward": Rule(
        "Σ {g} from here on",
        lambda case: [_from_here(case.g, _axis(case, case.g))],
        element=_cumsum_back_element,
        scale=lambda case: [_from_here(np.abs(case.g), _axis(case, case.g))],
    ),
    "CumprodBackward": Rule(
        "Σ {g} · product of the other elements of {self}, from here on",
        _cumprod_back,
        element=_cumprod_back_element,
        scale=_cumprod_back_scale,
    ),
    "LogsumexpBackward": Rule(
        "{g} · exp({self} − {result})",
        _logsumexp_back,
        element=_logsumexp_back_element,
        scale=_logsumexp_back_scale,
    ),
    "LogcumsumexpBackward": Rule(
        "Σ {g} · exp({self} − {result}), from here on",
        _logcumsumexp_back,
        element=_logcumsumexp_back_element,
        scale=_logcumsumexp_back_scale,
    ),
}
