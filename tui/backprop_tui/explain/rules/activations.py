"""Rules of activations, element by element.

torch/nn/functional.py and the documentation of each; backwards tools/autograd/derivatives.yaml and
aten/src/ATen/native/cpu/Activation.cpp.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array
from backprop_tui.explain.rule import Case, Index, Rule
from backprop_tui.explain.rules import axes as ax
from backprop_tui.explain.rules.dtypes import level
from backprop_tui.explain.rules.functions import erf
from backprop_tui.explain.rules.parts import Part, aliases, always, counted, in_place, node, node_of, op

# -- smooth ones ------------------------------------------------------------------------------------


def sigmoid(x: Any) -> Array:
    """1 / (1 + exp(−x)), without overflow."""
    power = np.exp(-np.abs(x))
    return np.asarray(np.where(np.asarray(x) >= 0, 1, power) / (1 + power))


def log1p_exp(x: Any) -> Array:
    """log(1 + exp(x)), without overflow."""
    return np.asarray(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))


def _normal(x: Any) -> Array:
    """The standard normal distribution: the probability of less than x."""
    return np.asarray(0.5 * (1 + erf(np.asarray(x) / math.sqrt(2))))


_GELU = math.sqrt(2 / math.pi)


def _tanh_gelu(x: Array) -> tuple[Array, Array]:
    """tanh of the approximation by Hendrycks and Gimpel (arXiv 1606.08415), and its argument's slope."""
    return np.tanh(_GELU * (x + 0.044715 * x**3)), _GELU * (1 + 3 * 0.044715 * x * x)


def _approximate(case: Case) -> bool:
    return bool(case.get("approximate", "none") == "tanh")


def _gelu(x: Array, approximate: str) -> Array:
    if approximate == "tanh":
        return np.asarray(0.5 * x * (1 + _tanh_gelu(x)[0]))
    return np.asarray(x * _normal(x))


def _gelu_slope(g: Array, x: Array, approximate: str) -> Array:
    if approximate == "tanh":
        inner, slope = _tanh_gelu(x)
        return np.asarray(g * (0.5 * (1 + inner) + 0.5 * x * (1 - inner**2) * slope))
    density = np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    return np.asarray(g * (_normal(x) + x * density))


def _gelu_slope_size(g: Array, x: Array, approximate: str) -> Array:
    return np.asarray(np.abs(g) * (1 + np.abs(x) * np.exp(-0.5 * x * x)))


def _gelu_text(case: Case) -> str:
    if _approximate(case):
        return "½·{input}·(1 + tanh(√(2/π)·({input} + 0.044715·{input}³)))"
    return "{input} · ½(1 + erf({input}/√2))"


def _gelu_back_text(case: Case) -> str:
    if _approximate(case):
        return "{g} · gelu′({self}), with tanh for erf"
    return "{g} · (Φ({self}) + {self}·φ({self}))"


def _softplus(x: Array, beta: float, threshold: float) -> Array:
    return np.asarray(np.where(x * beta > threshold, x, log1p_exp(x * beta) / beta))


def _softplus_text(case: Case) -> str:
    return "log(1 + exp {input})" if case.get("beta", 1) == 1 else "log(1 + exp({beta}·{input})) / {beta}"


def _softplus_slope(g: Array, x: Array, beta: float, threshold: float) -> Array:
    return np.asarray(np.where(x * beta > threshold, g, g * sigmoid(x * beta)))


def _mish_slope(g: Array, x: Array) -> Array:
    share = np.tanh(log1p_exp(x))
    return np.asarray(g * (share + x * sigmoid(x) * (1 - share**2)))


def _kept(case: Case) -> str:
    """What the node kept: its operand or, if that was overwritten in place, its result."""
    return "result" if case.has("result") and not case.has("self") else "self"


# -- exponential linear units -----------------------------------------------------------------------


def _elu(x: Array, alpha: float, scale: float = 1.0, inner: float = 1.0) -> Array:
    return np.asarray(np.where(x > 0, scale * x, scale * alpha * np.expm1(x * inner)))


def _elu_parts(case: Case) -> tuple[Part, ...]:
    """aten/src/ATen/native/cpu/Activation.cpp: elu_backward_kernel. In place, the result is kept instead."""
    celu = case.evidence.name.startswith("Celu")
    scale, alpha = float(case.get("scale", 1)), float(case.get("alpha", 1))
    inner = 1 / alpha if celu else float(case.get("input_scale", 1))

    def from_input(g: Array, x: Array) -> Array:
        return np.asarray(np.where(x <= 0, g * inner * alpha * scale * np.exp(x * inner), g * scale))

    def from_result(g: Array, y: Array) -> Array:
        return np.asarray(np.where(y <= 0, g * inner * (y + alpha * scale), g * scale))

    def size_of_input(g: Array, x: Array) -> Array:
        return np.asarray(np.abs(from_input(g, x)) * (1 + np.abs(x * inner)))

    def size_of_result(g: Array, y: Array) -> Array:
        return np.asarray(np.abs(g) * (np.abs(inner) * (np.abs(y) + np.abs(alpha * scale)) + scale))

    factor = "" if scale == 1 else f"{scale:.6g}·"
    name = _kept(case)
    exponential = "exp({self}/α)" if celu and alpha != 1 else "α·exp({self})"
    slope = "({result} + α)" if name == "result" else exponential
    slope = slope.replace("α", f"{alpha:.6g}") if alpha != 1 else slope.replace("α·", "").replace("α", "1")
    text = f"{{g}} · {factor}(1 if {{{name}}} > 0, else {slope})"
    if name == "self":
        return (Part(text, from_input, size_of_input, "g self"),)
    return (Part(text, from_result, size_of_result, "g result"),)


# -- with corners -----------------------------------------------------------------------------------


def _leaky_parts(case: Case) -> tuple[Part, ...]:
    name = _kept(case)
    return (
        Part(
            f"{{g}} · (1 if {{{name}}} > 0, else {{negative_slope}})",
            lambda g, x, slope: np.where(x > 0, g, g * slope),
            names=f"g {name} negative_slope",
        ),
    )


def _bounds(case: Case, name: str) -> tuple[Any, Any]:
    return level(case, "min_val", name), level(case, "max_val", name)


def _hardtanh_parts(case: Case) -> tuple[Part, ...]:
    """On a bound itself torch lets nothing through."""
    name = _kept(case)
    low, high = _bounds(case, name)
    return (
        Part(
            f"{{g}} · [{{min_val}} < {{{name}}} < {{max_val}}]",
            lambda g, x: np.where((x <= low) | (x >= high), 0, g),
            names=f"g {name}",
        ),
    )


def _on_hardtanh_bound(case: Case) -> Array:
    name = _kept(case)
    low, high = _bounds(case, name)
    return np.asarray((case[name] == low) | (case[name] == high))


def _threshold_parts(case: Case) -> tuple[Part, ...]:
    name = _kept(case)
    limit = level(case, "threshold", name)
    return (
        Part(
            f"{{g}} · [{{{name}}} > {{threshold}}]",
            lambda g, x: np.where(x <= limit, 0, g),
            names=f"g {name}",
        ),
    )


def _threshold(case: Case) -> list[Array | None]:
    x = case["input"]
    return [np.where(x <= level(case, "threshold", "input"), case["value"], x)]


def _shrunk(case: Case) -> list[Array | None]:
    x, limit = case["input"], level(case, "lambd", "input")
    return [np.where((x >= -limit) & (x <= limit), 0, x)]


def _soft_shrunk(case: Case) -> list[Array | None]:
    x, limit = case["input"], level(case, "lambd", "input")
    return [np.where(x > limit, x - limit, np.where(x < -limit, x + limit, x * 0))]


def _shrink_parts(case: Case) -> tuple[Part, ...]:
    limit = level(case, "lambd", "self")
    return (
        Part(
            "{g} · [|{self}| > {lambd}]",
            lambda g, x: np.where((x >= -limit) & (x <= limit), 0, g),
            names="g self",
        ),
    )


_SIXTH = float(np.float32(1 / 6))
"""The kernel has the constant in single precision, also for double (Activation.cpp: hardsigmoid_backward)."""


def _hardswish_slope(g: Array, x: Array) -> Array:
    return np.asarray(g * np.where(x <= -3, 0, np.where(x < 3, x / 3 + 0.5, 1)))


def _prelu_weight(case: Case) -> Array:
    """One weight, or one for each channel: the second dimension."""
    weight, rank = np.asarray(case["weight"]), np.ndim(case["input"])
    return (
        weight.reshape([1, -1] + [1] * (rank - 2)) if weight.size > 1 and rank > 1 else weight.reshape(-1)[:1]
    )


def _prelu(case: Case) -> list[Array | None]:
    x = case["input"]
    weight = _prelu_weight(case)
    return [np.where(x > 0, x, x * (weight if x.ndim else weight[0]))]


def _prelu_element(case: Case, number: int, index: Index) -> str:
    x = case["input"]
    weight = np.broadcast_to(_prelu_weight(case) if x.ndim else _prelu_weight(case)[0], x.shape)[index]
    slope = "" if x[index] > 0 else f"{ax.small(weight, ax.tensor(case, 'weight').dtype)} · "
    return f"{slope}{case.at('input', index)}"


# -- gates ------------------------------------------------------------------------------------------


def _halves(case: Case, name: str) -> tuple[Array, Array, int]:
    values = case[name]
    axis = ax.axis_of(case.get("dim", -1), values.ndim)
    first, second = np.split(values, 2, axis=axis)
    return first, second, axis


def _glu(case: Case) -> list[Array | None]:
    first, gate, _ = _halves(case, "input")
    return [first * sigmoid(gate)]


def _glu_back(case: Case) -> list[Array | None]:
    first, gate, axis = _halves(case, "self")
    open_ = sigmoid(gate)
    return [np.concatenate([case.g * open_, case.g * first * open_ * sigmoid(-gate)], axis=axis)]


def _glu_places(case: Case, name: str, index: Index) -> tuple[Index, Index, bool]:
    """Where the two halves lie that belong to an index of either."""
    values = case[name]
    axis = ax.axis_of(case.get("dim", -1), values.ndim)
    half = values.shape[axis] // 2
    low = tuple(one % half if i == axis else one for i, one in enumerate(index))
    high = tuple(one + half if i == axis else one for i, one in enumerate(low))
    return low, high, index[axis] >= half


def _glu_element(case: Case, number: int, index: Index) -> str:
    low, high, _ = _glu_places(case, "input", index)
    return f"{case.at('input', low)} · σ({case.at('input', high)})"


def _glu_back_element(case: Case, number: int, index: Index) -> str:
    low, high, second = _glu_places(case, "self", index)
    gate, g = case.at("self", high), case.at("g", low)
    return f"{g} · {case.at('self', low)}·σ({gate})·σ(−{gate})" if second else f"{g} · σ({gate})"


def _rrelu_slope(case: Case) -> list[Array | None]:
    """In training by the slopes that were drawn, which the node keeps; otherwise by their mean."""
    x = case["self"]
    if case.get("training", False) and float(case["upper"]) - float(case["lower"]) > 1e-6:
        return [case.g * case["noise"]]
    slope = (float(case["lower"]) + float(case["upper"])) / 2
    return [np.where(x > 0, case.g, case.g * slope)]


def _rrelu(case: Case) -> list[Array | None]:
    """In training each negative element gets a slope of its own, which is read off the result."""
    x, torchs = case["input"], case.result(0)
    low, high = float(case["lower"]), float(case["upper"])
    slopes: Array = np.full(np.shape(x), (low + high) / 2)
    if case["training"] and torchs is not None:
        slopes = np.clip(torchs.values / np.where(x == 0, 1, x), low, high)
    return [np.where(x > 0, x, x * slopes)]


# -- tables -----------------------------------------------------------------------------------------

_RELU = op(
    "max(0, {input})",
    lambda x: np.where(np.isnan(x), x, np.maximum(x, 0)),
    "input, inplace=False",
    note=counted(
        lambda c: c["input"] == 0, "exactly 0, where relu has a corner: torch takes the slope 0 there"
    ),
)
_CORNER = always("where the result is 0 nothing passes; at an input of exactly 0 that is torch's choice")


def _relu_note(case: Case) -> str | None:
    return _CORNER(case) if case.has("result") and bool(np.any(case["result"] == 0)) else None


_ALPHA, _SCALE = 1.6732632423543772, 1.0507009873554805
"""Klambauer and others, Self-Normalizing Neural Networks (arXiv 1706.02515)."""
_AT_KNEE = counted(
    lambda c: c["self"] == 0, "exactly 0, where there is a corner: torch takes the slope of the left"
)
_ON_BOUND = counted(_on_hardtanh_bound, "exactly on a bound: torch lets nothing through there")

OPS: dict[str, Rule] = {
    "relu": _RELU,
    "relu6": op("min(max(0, {input}), 6)", lambda x: np.clip(x, 0, 6), "input, inplace=False"),
    "leaky_relu": op(
        "{input} if > 0, else {negative_slope}·{input}",
        lambda x, slope: np.where(x > 0, x, x * slope),
        "input, negative_slope=0.01, inplace=False", names="input negative_slope",
    ),
    "elu": op(
        lambda c: f"{{input}} if > 0, else {'' if c.get('alpha', 1) == 1 else '{alpha}·'}(exp {{input}} − 1)",
        lambda x, alpha: _elu(x, alpha), "input, alpha=1.0, inplace=False", names="input alpha",
    ),
    "celu": op(
        "{input} if > 0, else {alpha}·(exp({input}/{alpha}) − 1)",
        lambda x, alpha: _elu(x, alpha, 1.0, 1 / alpha), "input, alpha=1.0, inplace=False",
    ),
    "selu": op(
        "1.0507·({input} if > 0, else 1.67326·(exp {input} − 1))",
        lambda x: _elu(x, _ALPHA, _SCALE), "input, inplace=False",
    ),
    "gelu": op(
        _gelu_text, _gelu, "input, approximate='none'", lambda x, a: np.abs(x) * 0.5 + np.abs(_gelu(x, a)),
        names="input approximate",
    ),
    "silu": op("{input} · σ({input})", lambda x: x * sigmoid(x), "input, inplace=False"),
    "sigmoid": op("1 / (1 + exp(−{input}))", sigmoid),
    "tanh": op("tanh {input}", np.tanh),
    "softplus": op(
        _softplus_text,
        _softplus, "input, beta=1, threshold=20", names="input beta threshold",
    ),
    "mish": op("{input} · tanh(log(1 + exp {input}))", lambda x: x * np.tanh(log1p_exp(x)),
               "input, inplace=False"),
    "softsign": op("{input} / (1 + |{input}|)", lambda x: x / (1 + np.abs(x))),
    "tanhshrink": op("{input} − tanh {input}", lambda x: x - np.tanh(x), "input",
                     lambda x: np.abs(x) + np.abs(np.tanh(x))),
    "hardtanh": op(
        "min(max({input}, {min_val}), {max_val})", lambda x, low, high: np.minimum(np.maximum(x, low), high),
        "input, min_val=-1.0, max_val=1.0, inplace=False",
    ),
    "hardsigmoid": op("min(max({input}/6 + ½, 0), 1)", lambda x: np.clip(x + 3, 0, 6) / 6,
                      "input, inplace=False", lambda x: (np.abs(x) + 3) / 6 * (np.abs(x) < 3.1)),
    "hardswish": op("{input} · min(max({input} + 3, 0), 6)/6", lambda x: x * np.clip(x + 3, 0, 6) / 6,
                    "input, inplace=False", lambda x: np.abs(x) * (np.abs(x) + 3) / 6 * (x > -3.1)),
    "prelu": Rule("{input} if > 0, else {weight}·{input}", _prelu, "input, weight", _prelu_element),
    "rrelu": Rule("{input} if > 0, else slope·{input}", _rrelu,
                  "input, lower=0.125, upper=0.3333333333333333, training=False, inplace=False",
                  random=lambda case: "the slopes of negative elements"),
    "threshold": Rule("{input} if > {threshold}, else {value}", _threshold,
                      "input, threshold, value, inplace=False, *, out=None"),
    "hardshrink": Rule("{input} if |{input}| > {lambd}, else 0", _shrunk, "input, lambd=0.5, *, out=None"),
    "softshrink": Rule("{input} ∓ {lambd} beyond ±{lambd}, else 0", _soft_shrunk,
                       "input, lambd=0.5, *, out=None",
                       scale=lambda c: [np.abs(c["input"]) + float(c["lambd"])]),
    "glu": Rule("first half · σ(second half) of {input}", _glu, "input, dim=-1, *, out=None", _glu_element),
    "log_sigmoid": op("−log(1 + exp(−{input}))", lambda x: -log1p_exp(-x)),
}  # fmt: skip
OPS |= in_place(OPS)
OPS |= aliases(
    OPS, _threshold="threshold", logsigmoid="log_sigmoid", special_expit="sigmoid", expit="sigmoid",
)  # fmt: skip

NODES: dict[str, Rule] = {
    "ReluBackward": node(
        Part("{g} · [{result} > 0]", lambda g, r: np.where(r <= 0, 0, g)), note=_relu_note
    ),
    "SigmoidBackward": node(
        Part("{g} · {result}·(1 − {result})", lambda g, r: g * (1 - r) * r, lambda g, r: g * (1 + r) * r)
    ),
    "TanhBackward": node(
        Part("{g} · (1 − {result}²)", lambda g, r: g * (1 - r * r), lambda g, r: g * (1 + r * r))
    ),
    "LeakyReluBackward": node_of(_leaky_parts, _AT_KNEE),
    "EluBackward": node_of(_elu_parts),
    "CeluBackward": node_of(_elu_parts),
    "GeluBackward": node(Part(_gelu_back_text, _gelu_slope, _gelu_slope_size, "g self approximate")),
    "SiluBackward": node(
        Part("{g} · σ({self})·(1 + {self}·(1 − σ({self})))",
             lambda g, x: g * sigmoid(x) * (1 + x * sigmoid(-x)),
             lambda g, x: np.abs(g) * sigmoid(x) * (1 + np.abs(x)))
    ),
    "SoftplusBackward": node(
        Part(lambda c: "{g} · σ({self})" if c.get("beta", 1) == 1 else "{g} · σ({beta}·{self})",
             _softplus_slope, names="g self beta threshold")
    ),
    "MishBackward": node(
        Part("{g} · mish′({self})", _mish_slope, lambda g, x: np.abs(g) * (1 + np.abs(x)) * sigmoid(x))
    ),
    "HardtanhBackward": node_of(_hardtanh_parts, _ON_BOUND),
    "HardsigmoidBackward": node(
        Part("{g} / 6 · [−3 < {self} < 3]", lambda g, x: np.where((x > -3) & (x < 3), g * _SIXTH, 0))
    ),
    "HardswishBackward": node(
        Part("{g} · ({self}/3 + ½), 0 below −3, 1 above 3", _hardswish_slope,
             lambda g, x: np.abs(g) * (np.abs(x) / 3 + 1) * (x > -3))
    ),
    "PreluKernelBackward": node(
        Part("{g} · (1 if {self} > 0, else {weight})", lambda g, x, w: np.where(x > 0, g, w * g)),
        Part("{g} · min(0, {self})", lambda g, x: np.where(x > 0, 0, x * g)),
        note=_AT_KNEE,
    ),
    "ThresholdBackward": node_of(_threshold_parts),
    "HardshrinkBackward": node_of(_shrink_parts),
    "SoftshrinkBackward": node_of(_shrink_parts),
    "GluBackward": Rule("{g} · σ(gate), {g} · value·σ′(gate)", _glu_back, element=_glu_back_element),
    "LogSigmoidBackward": node(
        Part("{g} · (1 − σ({self}))", lambda g, x: g * sigmoid(-x))
    ),
    "RreluWithNoiseBackward": Rule("{g} · slope at {self}", _rrelu_slope,
                                   element=lambda c, n, index: f"{c.at('g', index)} · slope"),
}  # fmt: skip
