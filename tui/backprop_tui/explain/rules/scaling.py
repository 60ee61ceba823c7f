"""Rules of division by a length: RMS norm, normalize, local response norm (torch/nn/functional.py)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backprop_tui.explain.check import EPSILON
from backprop_tui.explain.evidence import Array
from backprop_tui.explain.rule import Case, Index, Rule, bracketed, element_text
from backprop_tui.explain.rules.distances import LANES, index_of, norm
from backprop_tui.explain.rules.resampling import average_axis, resampled
from backprop_tui.explain.rules.writing import one_by_one, single, some, wide

# --- root mean square (Zhang and Sennrich 2019)


def _eps(case: Case) -> float:
    """Without ``eps``: how far 1 is from the next number of the dtype that torch computes in."""
    dtype = case.operands["input"].dtype
    return float(case.get("eps", EPSILON["float64" if dtype == "float64" else "float32"]))


def _mean_square(case: Case) -> Array:
    count = len(tuple(np.atleast_1d(case["normalized_shape"])))
    x = case["input"]
    return np.asarray(np.square(x).mean(axis=tuple(range(x.ndim - count, x.ndim)), keepdims=True))


def _rms(case: Case) -> Sequence[Array | None]:
    made = case["input"] / np.sqrt(_mean_square(case) + _eps(case))
    return [made * case["weight"] if case.has("weight") else made]


def _rms_symbols(case: Case, number: int) -> str:
    weight = " · {weight}" if case.has("weight") else ""
    return f"{{input}}/√(mean({{input}}²) + {single(_eps(case))}){weight}"


def _rms_at(case: Case, number: int, index: Index) -> str:
    square = np.broadcast_to(_mean_square(case), case["input"].shape)[index]
    weight = ""
    if case.has("weight"):
        place = index[len(index) - case["weight"].ndim :]
        weight = f" · {bracketed(element_text(case.operands['weight'], place))}"
    return f"{case.at('input', index)}/√({single(square)} + {single(_eps(case))}){weight}"


# --- a vector of length 1


def _length(case: Case) -> Array:
    dim = case["dim"]
    return norm(case["input"], case["p"], tuple(dim) if isinstance(dim, (list, tuple)) else dim, True)


def _unit(case: Case) -> Sequence[Array | None]:
    return [case["input"] / np.maximum(_length(case), case["eps"])]


def _unit_symbols(case: Case, number: int) -> str:
    small = bool((_length(case) < case["eps"]).any())
    length = f"‖{{input}}‖{index_of(case['p'])}"
    return f"{{input}}/max({length}, {wide(case['eps'])})" if small else f"{{input}}/{length}"


def _unit_at(case: Case, number: int, index: Index) -> str:
    length = np.broadcast_to(_length(case), case["input"].shape)[index]
    return f"{case.at('input', index)}/{single(max(length, case['eps']))}"


def _unit_scale(case: Case) -> Sequence[Array | None]:
    width = case["input"].size // max(_length(case).size, 1)
    return [np.abs(case["input"] / np.maximum(_length(case), case["eps"])) * one_by_one(width, LANES)]


def _unit_note(case: Case) -> str | None:
    small = _length(case) < case["eps"]
    if not small.any():
        return None
    where = some(int(small.sum()), small.size, "vector")
    return f"{where} shorter than {wide(case['eps'])}: divided by that instead of by the length"


# --- local response norm (Krizhevsky et al. 2012)


def _neighbours(case: Case) -> Array:
    """Mean of the squares of the channels around each; zeros beyond the first and the last count."""
    x, size = case["input"], int(case["size"])
    count = x.shape[1]
    padded = np.pad(np.square(x), [(0, 0), (size // 2, (size - 1) // 2), *[(0, 0)] * (x.ndim - 2)])
    axis = average_axis(padded.shape[1], count, size, 1, 0, True)
    return np.moveaxis(resampled(np.moveaxis(padded, 1, -1), [axis]), -1, 1)


def _response(case: Case) -> Sequence[Array | None]:
    if not case["input"].size:
        return [case["input"]]
    return [case["input"] / (case["k"] + case["alpha"] * _neighbours(case)) ** case["beta"]]


def _response_symbols(case: Case, number: int) -> str:
    k, alpha, beta = (wide(case[name]) for name in ("k", "alpha", "beta"))
    return f"{{input}}/({k} + {alpha}·mean of {case['size']} channels' {{input}}²)^{beta}"


def _response_at(case: Case, number: int, index: Index) -> str:
    k, alpha, beta = (wide(case[name]) for name in ("k", "alpha", "beta"))
    return f"{case.at('input', index)}/({k} + {alpha}·{single(_neighbours(case)[index])})^{beta}"


# --- no slice longer than a limit


def shrunk(values: Array, p: float, dim: int, limit: float) -> Array:
    """The factor of every slice along a dimension: 1, or what brings its norm down to the limit."""
    others = tuple(axis for axis in range(values.ndim) if axis != dim % values.ndim)
    length = norm(values, p, others, True)
    return np.asarray(np.where(length > limit, limit / (length + 1e-7), 1))


def _factor(case: Case) -> Array:
    return shrunk(case["input"], float(case["p"]), case["dim"], float(case["maxnorm"]))


def _renorm_at(case: Case, number: int, index: Index) -> str:
    factor = np.broadcast_to(_factor(case), case["input"].shape)[index]
    return f"{case.at('input', index)}·{single(factor)}"


_RENORM = Rule(
    lambda c, number: f"{{input}} · min(1, {wide(c['maxnorm'])}/‖slice‖{index_of(float(c['p']))})",
    lambda c: [c["input"] * _factor(c)],
    "input, p, dim, maxnorm",
    _renorm_at,
)

OPS: dict[str, Rule] = {
    "rms_norm": Rule(_rms_symbols, _rms, "input, normalized_shape, weight=None, eps=None", _rms_at),
    "normalize": Rule(
        _unit_symbols, _unit, "input, p=2.0, dim=1, eps=1e-12, out=None", _unit_at, _unit_note, _unit_scale
    ),
    "local_response_norm": Rule(
        _response_symbols, _response, "input, size, alpha=1e-4, beta=0.75, k=1.0", _response_at
    ),
    "renorm": _RENORM,
    "renorm_": _RENORM,
}

NODES: dict[str, Rule] = {}
