"""Rules of elementary functions of one operand.

The derivatives are those of tools/autograd/derivatives.yaml, entry of the function's own name.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array
from backprop_tui.explain.rule import Case, Index, Rule, bracketed
from backprop_tui.explain.rules.dtypes import held
from backprop_tui.explain.rules.parts import FLAT, PASSED, Part, aliases, always, counted, in_place, node, op
from backprop_tui.explain.rules.writing import single

LN2, LN10 = math.log(2), math.log(10)


def _each(function: Any) -> Any:
    """A function of the standard library for every element: numpy has no erf."""
    ufunc = np.frompyfunc(function, 1, 1)
    return lambda values: np.asarray(ufunc(np.asarray(values) * 1.0), dtype=np.float64)


erf = _each(math.erf)
erfc = _each(math.erfc)


def _log_gamma(value: float) -> float:
    try:
        return math.lgamma(value)
    except ValueError:  # a pole
        return math.inf


log_gamma = _each(_log_gamma)


def digamma(values: Any) -> Array:
    """The derivative of log Γ: recurrence up to 10, then the asymptotic series.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 6.3.5, 6.3.7 and 6.3.18.
    """
    x = np.asarray(values, dtype=np.float64)
    below = x < 0
    reflected = np.where(below, 1 - x, x)
    shift = np.zeros_like(x)
    for _ in range(10):
        small = reflected < 10
        shift = np.where(small, shift - 1 / reflected, shift)
        reflected = np.where(small, reflected + 1, reflected)
    inverse = 1 / reflected**2
    series = inverse * (
        1 / 12 - inverse * (1 / 120 - inverse * (1 / 252 - inverse * (1 / 240 - inverse / 132)))
    )
    found = shift + np.log(reflected) - 0.5 / reflected - series
    return np.asarray(found - np.where(below, np.pi / np.tan(np.pi * x), 0))


def _digamma_size(values: Any) -> Array:
    """Left of 0 the slope magnifies the rounding of the operand."""
    x = np.asarray(values, dtype=np.float64)
    steep = np.where(x < 0, np.abs(x) * (np.pi / np.sin(np.pi * x)) ** 2, 0)
    return np.asarray(np.abs(digamma(x)) + 1 + steep)


def sinc(values: Any) -> Array:
    """sin(πx)/(πx), and 1 at 0."""
    return np.asarray(np.sinc(values))


def _sinc_slope(x: Array) -> Array:
    slope = (np.cos(np.pi * x) * np.pi * x - np.sin(np.pi * x)) / (np.pi * x * x)
    return np.asarray(np.where(x == 0, 0, slope))


# -- steps --------------------------------------------------------------------------------------


def _decimals(case: Case) -> list[Array | None]:
    """torch.round's ``decimals``: aten/src/ATen/native/cpu/UnaryOpsKernel.cpp, round_decimals_kernel."""
    values, decimals = case["input"], case.get("decimals", 0)
    dtype = case.operands["input"].dtype
    ten = 10.0 ** abs(decimals)
    if decimals == 0:
        return [np.round(values)]
    if decimals < 0:
        return [np.round(held(values / ten, dtype)) * ten]
    return [np.round(held(values * ten, dtype)) / ten]


_ROUND = Rule(
    lambda case, number: "round({input})" + (" to {decimals} decimals" if case.get("decimals", 0) else ""),
    _decimals,
    "input, *, decimals=0, out=None",
)
STEP = node(FLAT, note=always("a step function: its slope is 0 wherever it has one, so nothing passes"))
"""The node of a function whose slope is 0."""


# -- the slopes that need more than one line ------------------------------------------------------


_ROOT_NOTE = counted(lambda c: c["result"] == 0, "the root of 0: the slope of √ is infinite there")
_AT_ZERO = counted(lambda c: c["self"] == 0, "exactly 0: |x| has no slope there, torch takes 0")
_LOG_NOTE = counted(lambda c: c["input"] <= 0, "0 or less: the logarithm is −inf at 0 and nan below")
_SQRT_NOTE = counted(lambda c: c["input"] < 0, "negative: the root is nan")


def _near_one(g: Array, x: Array, slope: Array) -> Array:
    """Rounding of 1 − x², relative to a slope that it divides."""
    return np.asarray(np.abs(g * slope) * (1 + x * x) / np.abs(1 - x * x))


_ARC_SINE = Part(
    "{g} / √(1 − {self}²)",
    lambda g, x: g / np.sqrt(1 - x * x),
    lambda g, x: _near_one(g, x, 1 / np.sqrt(1 - x * x)),
)
_ARC_COSINE = Part(
    "−{g} / √(1 − {self}²)",
    lambda g, x: -g / np.sqrt(1 - x * x),
    lambda g, x: _near_one(g, x, 1 / np.sqrt(1 - x * x)),
)
_AREA_COSINE = Part(
    "{g} / √({self}² − 1)",
    lambda g, x: g / np.sqrt(x * x - 1),
    lambda g, x: _near_one(g, x, 1 / np.sqrt(x * x - 1)),
)
_AREA_TANGENT = Part(
    "{g} / (1 − {self}²)",
    lambda g, x: g / (1 - x * x),
    lambda g, x: _near_one(g, x, 1 / (1 - x * x)),
)

_UNARY: dict[str, tuple[Any, ...]] = {
    "exp": ("exp({input})", np.exp),
    "exp2": ("2^{input}", np.exp2),
    "expm1": ("exp({input}) − 1", np.expm1),
    "sin": ("sin {input}", np.sin),
    "cos": ("cos {input}", np.cos),
    "tan": ("tan {input}", np.tan),
    "asin": ("arcsin {input}", np.arcsin),
    "acos": ("arccos {input}", np.arccos),
    "atan": ("arctan {input}", np.arctan),
    "sinh": ("sinh {input}", np.sinh),
    "cosh": ("cosh {input}", np.cosh),
    "asinh": ("arsinh {input}", np.arcsinh),
    "acosh": ("arcosh {input}", np.arccosh),
    "atanh": ("artanh {input}", np.arctanh),
    "erf": ("erf {input}", erf),
    "erfc": ("erfc {input}", erfc),
    "rsqrt": ("1/√{input}", lambda x: 1 / np.sqrt(x)),
    "abs": ("|{input}|", np.abs),
    "sign": ("sign {input}", np.sign),
    "floor": ("⌊{input}⌋", np.floor),
    "ceil": ("⌈{input}⌉", np.ceil),
    "trunc": ("{input}, rounded towards 0", np.trunc),
    "frac": ("{input} − trunc({input})", lambda x: x - np.trunc(x)),
    "deg2rad": ("{input} · π/180", np.deg2rad),
    "rad2deg": ("{input} · 180/π", np.rad2deg),
    "lgamma": ("log Γ({input})", log_gamma, "input", lambda x: np.abs(log_gamma(x)) + 1),
    "digamma": ("Γ′({input})/Γ({input})", digamma, "input", _digamma_size),
    "sinc": ("sin(π{input})/(π{input})", sinc),
}
_LOGARITHMS: dict[str, tuple[str, Any]] = {
    "log": ("log {input}", np.log),
    "log2": ("log₂ {input}", np.log2),
    "log10": ("log₁₀ {input}", np.log10),
}


def _xlogy_slope(g: Array, b: Any, a: Array) -> Array:
    return np.asarray(np.where((g == 0) | ((a == 0) & (np.asarray(b) <= 0)), 0, g * np.log(b)))


def _replaced(case: Case) -> list[Array | None]:
    """torch.nan_to_num: what is not given is the largest number of the dtype."""
    values = case["input"]
    dtype = {"float16": "float16", "float64": "float64"}.get(case.operands["input"].dtype, "float32")
    largest = float(np.finfo(dtype).max)
    high, low = case.get("posinf", largest), case.get("neginf", -largest)
    found = np.where(np.isnan(values), case.get("nan", 0.0), values)
    return [np.where(found == np.inf, high, np.where(found == -np.inf, low, found))]


def _logit(x: Array, eps: float) -> Array:
    kept = np.clip(x, eps, 1 - eps) if eps >= 0 else x
    return np.asarray(np.log(kept / (1 - kept)))


def _logit_slope(g: Array, x: Array, eps: float) -> Array:
    slope = g / (x * (1 - x))
    if eps < 0:
        return np.asarray(np.where((x < 0) | (x > 1), np.nan, slope))
    return np.asarray(np.where((x < eps) | (x > 1 - eps), 0, slope))


def _eps(case: Case) -> float:
    return float(case.get("eps", -1.0))


def _kept(value: float, eps: float) -> str:
    """The number that is taken: within eps of 0 and 1, that."""
    return single(min(max(value, eps), 1 - eps) if eps >= 0 else value)


def _logit_element(case: Case, number: int, index: Index) -> str:
    kept = _kept(case.value("input", index), _eps(case))
    return f"log({bracketed(kept)} / (1 − {bracketed(kept)}))"


def _logit_text(case: Case, name: str) -> str:
    return "" if _eps(case) < 0 else f", {{{name}}} within {{eps}} and 1 − {{eps}}"


def _logit_back_element(case: Case, number: int, index: Index) -> str:
    value, eps = case.value("self", index), _eps(case)
    inside = f" · [{single(eps)} ≤ {case.at('self', index)} ≤ {single(1 - eps)}]" if eps >= 0 else ""
    x = bracketed(single(value))
    return f"{case.at('g', index)} / ({x} · (1 − {x})){inside}"


_LOGIT = Rule(
    lambda case, number: "log({input} / (1 − {input}))" + _logit_text(case, "input"),
    lambda case: [_logit(case["input"], _eps(case))],
    "input, eps=None, *, out=None",
    _logit_element,
    scale=lambda case: [np.abs(_logit(case["input"], _eps(case))) + 1 / (1 - np.minimum(case["input"], 0.5))],
)
_LOGIT_NODE = Rule(
    lambda case, number: "{g} / ({self} · (1 − {self}))" + _logit_text(case, "self"),
    lambda case: [_logit_slope(case.g, case["self"], _eps(case))],
    element=_logit_back_element,
    scale=lambda case: [np.abs(case.g / (case["self"] * (1 - case["self"]) ** 2))],
)

OPS: dict[str, Rule] = {name: op(*row) for name, row in _UNARY.items()}
OPS |= {name: op(*row, note=_LOG_NOTE) for name, row in _LOGARITHMS.items()}
OPS |= {
    "log1p": op("log(1 + {input})", np.log1p),
    "sqrt": op("√{input}", np.sqrt, note=_SQRT_NOTE),
    "round": _ROUND,
    "logit": _LOGIT,
    "nan_to_num": Rule(
        "{input} with finite numbers for nan and inf",
        _replaced,
        "input, nan=0.0, posinf=None, neginf=None, *, out=None",
    ),
    "atan2": op("arctan of {input}/{other} in its quadrant", np.arctan2, "input, other"),
    "logaddexp": op("log(exp {input} + exp {other})", np.logaddexp, "input, other",
                    lambda a, b: np.maximum(np.abs(a), np.abs(b)) + 1),
    "logaddexp2": op("log₂(2^{input} + 2^{other})", np.logaddexp2, "input, other",
                     lambda a, b: np.maximum(np.abs(a), np.abs(b)) + 1),
    "xlogy": op("{input} · log {other}",
                lambda a, b: np.where((a == 0) & ~np.isnan(b), 0, a * np.log(b)), "input, other"),
}  # fmt: skip
OPS |= aliases(
    OPS, absolute="abs", sgn="sign", fix="trunc", arcsin="asin", arccos="acos", arctan="atan",
    arctan2="atan2", arcsinh="asinh", arccosh="acosh", arctanh="atanh",
)  # fmt: skip
OPS |= in_place(OPS)
OPS |= aliases(
    OPS, special_erf="erf", special_erfc="erfc", special_exp2="exp2", special_expm1="expm1",
    special_log1p="log1p", special_round="round", special_sinc="sinc", special_gammaln="lgamma",
    special_digamma="digamma", special_psi="digamma", special_logit="logit", special_xlogy="xlogy",
)  # fmt: skip

NODES: dict[str, Rule] = {
    "ExpBackward": node(Part("{g} · {result}", lambda g, r: g * r)),
    "Exp2Backward": node(Part("{g} · {result}·ln 2", lambda g, r: g * r * LN2)),
    "Expm1Backward": node(
        Part("{g} · ({result} + 1)", lambda g, r: g * (r + 1), lambda g, r: np.abs(g) * (np.abs(r) + 1))
    ),
    "LogBackward": node(Part("{g} / {self}", lambda g, x: g / x)),
    "Log2Backward": node(Part("{g} / ({self}·ln 2)", lambda g, x: g / (x * LN2))),
    "Log10Backward": node(Part("{g} / ({self}·ln 10)", lambda g, x: g / (x * LN10))),
    "Log1PBackward": node(
        Part("{g} / (1 + {self})", lambda g, x: g / (1 + x),
             lambda g, x: np.abs(g) * (1 + np.abs(x)) / (1 + x) ** 2)
    ),
    "SqrtBackward": node(Part("{g} / (2·{result})", lambda g, r: g / (2 * r)), note=_ROOT_NOTE),
    "RsqrtBackward": node(Part("−½ · {g} · {result}³", lambda g, r: -0.5 * g * r**3)),
    "SinBackward": node(Part("{g} · cos {self}", lambda g, x: g * np.cos(x))),
    "CosBackward": node(Part("−{g} · sin {self}", lambda g, x: -g * np.sin(x))),
    "TanBackward": node(Part("{g} · (1 + {result}²)", lambda g, r: g * (1 + r * r))),
    "AsinBackward": node(_ARC_SINE),
    "AcosBackward": node(_ARC_COSINE),
    "AtanBackward": node(Part("{g} / (1 + {self}²)", lambda g, x: g / (1 + x * x))),
    "SinhBackward": node(Part("{g} · cosh {self}", lambda g, x: g * np.cosh(x))),
    "CoshBackward": node(Part("{g} · sinh {self}", lambda g, x: g * np.sinh(x))),
    "AsinhBackward": node(Part("{g} / √({self}² + 1)", lambda g, x: g / np.sqrt(x * x + 1))),
    "AcoshBackward": node(_AREA_COSINE),
    "AtanhBackward": node(_AREA_TANGENT),
    "ErfBackward": node(
        Part("{g} · 2/√π · exp(−{self}²)", lambda g, x: g * 2 / math.sqrt(math.pi) * np.exp(-x * x),
             lambda g, x: np.abs(g) * (1 + x * x) * np.exp(-x * x))
    ),
    "ErfcBackward": node(
        Part("−{g} · 2/√π · exp(−{self}²)", lambda g, x: -g * 2 / math.sqrt(math.pi) * np.exp(-x * x),
             lambda g, x: np.abs(g) * (1 + x * x) * np.exp(-x * x))
    ),
    "AbsBackward": node(Part("{g} · sign {self}", lambda g, x: g * np.sign(x)), note=_AT_ZERO),
    "SignBackward": STEP,
    "SgnBackward": STEP,
    "FloorBackward": STEP,
    "CeilBackward": STEP,
    "RoundBackward": STEP,
    "TruncBackward": STEP,
    "FracBackward": node(PASSED),
    "Deg2RadBackward": node(Part("{g} · π/180", np.deg2rad)),
    "Rad2DegBackward": node(Part("{g} · 180/π", np.rad2deg)),
    "LgammaBackward": node(
        Part("{g} · Γ′({self})/Γ({self})", lambda g, x: g * digamma(x),
             lambda g, x: np.abs(g) * _digamma_size(x))
    ),
    "SincBackward": node(
        Part("{g} · (πx cos πx − sin πx)/(πx²), x = {self}", lambda g, x: g * _sinc_slope(x),
             lambda g, x: np.abs(g) * (1 + 1 / (x * x)))
    ),
    "LogitBackward": _LOGIT_NODE,
    "NanToNumBackward": node(
        Part("{g} · [{self} finite]", lambda g, x: g * np.isfinite(x))
    ),
    "Atan2Backward": node(
        Part("{g} · {other}/({self}² + {other}²)", lambda g, b, a: _over_squares(g * b, a, b)),
        Part("−{g} · {self}/({self}² + {other}²)", lambda g, a, b: _over_squares(-g * a, a, b)),
    ),
    "LogaddexpBackward": node(
        Part("{g} / (1 + exp({other} − {self}))", lambda g, b, a: g / (1 + np.exp(b - a)),
             lambda g, b, a: np.abs(g) / (1 + np.exp(b - a)) * (1 + np.abs(b) + np.abs(a))),
        Part("{g} / (1 + exp({self} − {other}))", lambda g, a, b: g / (1 + np.exp(a - b)),
             lambda g, a, b: np.abs(g) / (1 + np.exp(a - b)) * (1 + np.abs(b) + np.abs(a))),
    ),
    "Logaddexp2Backward": node(
        Part("{g} / (1 + 2^({other} − {self}))", lambda g, b, a: g / (1 + np.exp2(b - a)),
             lambda g, b, a: np.abs(g) / (1 + np.exp2(b - a)) * (1 + np.abs(b) + np.abs(a))),
        Part("{g} / (1 + 2^({self} − {other}))", lambda g, a, b: g / (1 + np.exp2(a - b)),
             lambda g, a, b: np.abs(g) / (1 + np.exp2(a - b)) * (1 + np.abs(b) + np.abs(a))),
    ),
    "XlogyBackward": node(
        Part("{g} · log {other}", _xlogy_slope, names="g other self"),
        Part("{g} · {self}/{other}", lambda g, a, b: g * a / b),
    ),
}  # fmt: skip


def _over_squares(values: Array, a: Array, b: Array) -> Array:
    """Divided by a² + b²; where both are 0, torch takes 0 (FunctionsManual.cpp: atan2_backward)."""
    squares = a * a + b * b
    return np.asarray(np.where(squares == 0, 0, values / squares))
