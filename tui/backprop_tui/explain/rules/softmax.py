"""Rules of softmax and its relatives.

torch/nn/functional.py; aten/src/ATen/native/SoftMax.cpp: softmax_backward_data, log_softmax_backward_data.
"""

from __future__ import annotations

import numpy as np

from backprop_tui.explain.evidence import Array
from backprop_tui.explain.rule import Case, Index, Rule, Sum
from backprop_tui.explain.rules import axes as ax
from backprop_tui.explain.rules.writing import single, summand

CALLED = (
    "input, dim=None, _stacklevel=3, dtype=None | input, dim=None, dtype=None, *, out=None"
    " | input, dim=None, *, dtype=None, out=None"
)


def _axis(case: Case, values: Array) -> int:
    """Which dimension; where none is given, torch/nn/functional.py: _get_softmax_dim."""
    dim = case.get("dim")
    if dim is None:
        return 0 if values.ndim in (0, 1, 3) else 1
    return ax.axis_of(dim, values.ndim)


def _lifted(values: Array) -> Array:
    return values if values.ndim else values.reshape(1)


def softmax(values: Array, axis: int) -> Array:
    """exp(x) / Σ exp(x) along an axis."""
    lifted = _lifted(values) * 1.0
    powers = np.exp(lifted - np.max(lifted, axis=axis, keepdims=True, initial=-np.inf))
    return np.asarray((powers / np.sum(powers, axis=axis, keepdims=True)).reshape(values.shape))


def log_softmax(values: Array, axis: int) -> Array:
    """x − log Σ exp(x) along an axis."""
    lifted = _lifted(values) * 1.0
    shifted = lifted - np.max(lifted, axis=axis, keepdims=True, initial=-np.inf)
    return np.asarray(
        (shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))).reshape(values.shape)
    )


def _row(case: Case, name: str, index: Index) -> Array:
    """The elements that one element is brought into proportion with."""
    values = ax.tensor(case, name).values
    if not index:
        return values.reshape(1)
    axis = _axis(case, values)
    return np.asarray(values[tuple(slice(None) if i == axis else one for i, one in enumerate(index))])


def _exponentials(case: Case, index: Index, sign: str = "") -> str:
    row = _row(case, "input", index)
    dtype = ax.tensor(case, "input").dtype
    shown = [f"exp {sign}{ax.small(value, dtype)}" for value in row[:4]]
    return " + ".join(shown) + (f" + {row.size - 4:,} more" if row.size > 4 else "")


def _softmax_element(case: Case, number: int, index: Index) -> str:
    return f"exp {case.at('input', index)} / ({_exponentials(case, index)})"


def _softmin_element(case: Case, number: int, index: Index) -> str:
    return f"exp −{case.at('input', index)} / ({_exponentials(case, index, '−')})"


def _log_softmax_element(case: Case, number: int, index: Index) -> str:
    return f"{case.at('input', index)} − log({_exponentials(case, index)})"


def _spread(values: Array, axis: int) -> Array:
    """How far an element lies below the largest: the exponent is rounded to that size."""
    size = np.abs(_lifted(values) * 1.0)
    size = np.where(np.isfinite(size), size, 0)  # what a mask has set to −inf takes no part
    top = np.max(size, axis=axis, keepdims=True, initial=0.0)
    return np.asarray((size + top).reshape(values.shape))


def _softmax_scale(case: Case) -> list[Array | None]:
    values = case["input"]
    axis = _axis(case, values)
    return [softmax(values, axis) * (1 + _spread(values, axis))]


def _softmin_scale(case: Case) -> list[Array | None]:
    values = -case["input"]
    axis = _axis(case, values)
    return [softmax(values, axis) * (1 + _spread(values, axis))]


def _log_softmax_scale(case: Case) -> list[Array | None]:
    values = case["input"]
    return [_spread(values, _axis(case, values)) + 1]


# -- backwards --------------------------------------------------------------------------------------


def _total(case: Case, values: Array) -> Array:
    lifted = _lifted(values)
    axis = _axis(case, case["result"])
    return np.asarray(np.sum(lifted, axis=axis, keepdims=True) * np.ones_like(lifted)).reshape(values.shape)


def _softmax_back(case: Case) -> list[Array | None]:
    g, result = case.g, case["result"]
    return [result * (g - _total(case, g * result))]


def _softmax_back_scale(case: Case) -> list[Array | None]:
    g, result = np.abs(case.g), case["result"]
    return [result * (g + _total(case, g * result))]


def _log_softmax_back(case: Case) -> list[Array | None]:
    g, result = case.g, case["result"]
    return [g - np.exp(result) * _total(case, g)]


def _log_softmax_back_scale(case: Case) -> list[Array | None]:
    g, result = np.abs(case.g), case["result"]
    return [g + np.exp(result) * (1 + np.abs(result)) * _total(case, g)]


def _softmax_back_element(case: Case, number: int, index: Index) -> Sum:
    """The element's own gradient less the mean of all, weighted by the shares."""
    g, result = (_row(case, name, index) for name in ("g", "result"))
    dtype = ax.tensor(case, "g").dtype
    own = f"{case.at('result', index)} · ({case.at('g', index)} − ("
    products = ax.terms_of(ax.tensor(case, "g"), g * result)
    return Sum(
        [
            type(term)(f"{ax.small(g[i], dtype)}·{summand(result[i])}", term.value)
            for i, term in enumerate(products.terms[: g.size])
        ]
        if g.size <= 6
        else [],
        own if g.size <= 6 else own + f"Σ of {g.size} products = {single(np.sum(g * result))}",
        "))",
    )


def _log_softmax_back_element(case: Case, number: int, index: Index) -> Sum:
    g = ax.tensor(case, "g")
    before = f"{case.at('g', index)} − exp({case.at('result', index)}) · ("
    return ax.terms_of(g, _row(case, "g", index), before=before, after=")")


_SOFTMAX = Rule(
    "exp {input} / Σ exp {input}",
    lambda case: [softmax(case["input"], _axis(case, case["input"]))],
    CALLED,
    _softmax_element,
    scale=_softmax_scale,
)
_LOG_SOFTMAX = Rule(
    "{input} − log Σ exp {input}",
    lambda case: [log_softmax(case["input"], _axis(case, case["input"]))],
    CALLED,
    _log_softmax_element,
    scale=_log_softmax_scale,
)

OPS: dict[str, Rule] = {
    "softmax": _SOFTMAX,
    "special_softmax": _SOFTMAX,
    "log_softmax": _LOG_SOFTMAX,
    "special_log_softmax": _LOG_SOFTMAX,
    "softmin": Rule(
        "exp(−{input}) / Σ exp(−{input})",
        lambda case: [softmax(-case["input"], _axis(case, case["input"]))],
        CALLED,
        _softmin_element,
        scale=_softmin_scale,
    ),
}

NODES: dict[str, Rule] = {
    "SoftmaxBackward": Rule(
        "{result} · ({g} − Σ {g}·{result})", _softmax_back, element=_softmax_back_element,
        scale=_softmax_back_scale,
    ),
    "LogSoftmaxBackward": Rule(
        "{g} − exp({result}) · Σ {g}", _log_softmax_back, element=_log_softmax_back_element,
        scale=_log_softmax_back_scale,
    ),
}  # fmt: skip
NODES["SafeSoftmaxBackward"] = NODES["SoftmaxBackward"]
