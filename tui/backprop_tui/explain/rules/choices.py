"""Rules of what chooses between numbers: where, masks, clamp, the larger of two, comparisons, logic.

The derivatives are those of tools/autograd/derivatives.yaml, entry of the function's own name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array, Tensor
from backprop_tui.explain.rule import Case, Rule
from backprop_tui.explain.rules.dtypes import alike, level
from backprop_tui.explain.rules.parts import Part, aliases, counted, in_place, node, op, with_out

# -- where and masks ------------------------------------------------------------------------------


def _where_operands(case: Case) -> tuple[str, str, str]:
    """The names of condition, what is taken, and what else: ``x.where(condition, y)`` has another order."""
    first = case.operands["condition"]
    method = case.has("other") and not (isinstance(first, Tensor) and first.dtype in ("bool", "uint8"))
    return ("input", "condition", "other") if method else ("condition", "input", "other")


def _where_text(case: Case, number: int) -> str:
    if not case.has("input"):
        return "indices at which {condition} is not 0"
    condition, chosen, other = _where_operands(case)
    return f"{{{chosen}}} where {{{condition}}}, else {{{other}}}"


def _where(case: Case) -> list[Array | None]:
    if not case.has("input"):
        return list(np.nonzero(np.atleast_1d(case["condition"])))
    condition, chosen, other = (case[name] for name in _where_operands(case))
    return [np.where(condition, chosen, other)]


_FILL = op(
    "{value} where {mask}, else {input}",
    lambda value, mask, a: np.where(mask, value, a),
    "input, mask, value",
)
_KEPT = Part("{g} · [{condition}]", lambda g, chosen: np.where(chosen, g, 0))
_LEFT = Part("{g} · [not {condition}]", lambda g, chosen: np.where(chosen, 0, g))
_UNMASKED = Part("{g} · [not {mask}]", lambda g, mask: np.where(mask, 0, g))
_MASKED = Part("{g} · [{mask}]", lambda g, mask: np.where(mask, g, 0))

# -- clamp ----------------------------------------------------------------------------------------


def _clamp_text(case: Case, number: int) -> str:
    if not case.has("max"):
        return "max({input}, {min})"
    return "min(max({input}, {min}), {max})" if case.has("min") else "min({input}, {max})"


def _clamped(case: Case) -> list[Array | None]:
    """torch.clamp: if min > max, the result is max."""
    found = np.asarray(case["input"])
    low, high = case.get("min"), case.get("max")
    if low is not None:
        found = np.maximum(found, low)
    return [found if high is None else np.minimum(found, high)]


def _bounds(case: Case) -> tuple[Any, Any]:
    return level(case, "min", "self"), level(case, "max", "self")


def _inside(case: Case) -> Array:
    """Where clamp lets through, its bounds included: FunctionsManual.cpp, clamp_backward."""
    low, high = _bounds(case)
    found = np.ones_like(case["self"], dtype=bool)
    if low is not None:
        found = found & (case["self"] >= low)
    return np.asarray(found if high is None else found & (case["self"] <= high))


def _inside_text(case: Case) -> str:
    if not case.has("max"):
        return "{g} · [{self} ≥ {min}]"
    return "{g} · [{min} ≤ {self} ≤ {max}]" if case.has("min") else "{g} · [{self} ≤ {max}]"


def _below(case: Case) -> Array:
    low, high = _bounds(case)
    found = case["self"] < low
    return np.asarray(found if high is None else found & (low < high))


def _above(case: Case) -> Array:
    low, high = _bounds(case)
    found = case["self"] > high
    return np.asarray(found if low is None else found | (high < low))


def _clamp_node(case: Case) -> list[Array | None]:
    g = case.operands.get("g")
    if not isinstance(g, Tensor) or not case.has("self"):
        return []
    wanted = [case.result(number) is not None for number in range(3)]
    order = _bound_order(case)
    masks = [_inside, *order]
    return [
        np.where(mask(case), g.values, 0) if want else None for mask, want in zip(masks, wanted, strict=False)
    ]


def _bound_order(case: Case) -> list[Callable[[Case], Array]]:
    """Which results follow: clamp has two bounds, clamp_min and clamp_max have one."""
    name = case.evidence.name
    if name.startswith("ClampMin"):
        return [_below]
    return [_above] if name.startswith("ClampMax") else [_below, _above]


def _clamp_node_text(case: Case, number: int) -> str:
    if number == 0:
        return _inside_text(case)
    below = _bound_order(case)[number - 1] is _below
    return "{g} · [{self} < {min}]" if below else "{g} · [{self} > {max}]"


def _on_bound(case: Case) -> Array:
    low, high = _bounds(case)
    found = np.zeros_like(case["self"], dtype=bool)
    for bound in (low, high):
        found = found if bound is None else found | (case["self"] == bound)
    return np.asarray(found)


_CLAMP_NODE = Rule(
    _clamp_node_text,
    _clamp_node,
    note=counted(_on_bound, "exactly on a bound: the gradient passes there, which is a choice"),
)

# -- the larger and the smaller of two --------------------------------------------------------------


def _tied(case: Case) -> bool:
    return bool(np.any(case["self"] == case["other"])) if case.has("self") and case.has("other") else False


def _share(own: str, other: str, sign: str, loses: Callable[[Any, Any], Any]) -> Part:
    """The gradient of one of two operands: all where it is taken, half where both are equal."""

    def text(case: Case) -> str:
        full = f"[{{{own}}} {sign} {{{other}}}]"
        return f"{{g}} · ({full} + ½·[{{{own}}} = {{{other}}}])" if _tied(case) else f"{{g}} · {full}"

    def value(g: Array, a: Any, b: Any) -> Array:
        return np.asarray(np.where(loses(a, b), 0, np.where(a == b, g / 2, g)))

    return Part(text, value, names=f"g {own} {other}")


TIE = counted(lambda c: c["self"] == c["other"], "equal in both operands: torch gives half to each")
_MAXIMUM = node(_share("self", "other", ">", np.less), _share("other", "self", ">", np.less), note=TIE)
_MINIMUM = node(_share("self", "other", "<", np.greater), _share("other", "self", "<", np.greater), note=TIE)


def _first_wins(sign: str, wins: Callable[[Any, Any], Any]) -> Rule:
    """fmax and fmin: a NaN loses, and of equals the first is taken."""
    return node(
        Part(f"{{g}} · [{{self}} {sign} {{other}}]",
             lambda g, a, b: np.where(wins(a, b) | np.isnan(b), g, 0)),
        Part(f"{{g}} · [not {{self}} {sign} {{other}}]",
             lambda g, a, b: np.where(wins(a, b) | np.isnan(b), 0, g)),
    )  # fmt: skip


LARGER = op("max({input}, {other})", np.maximum, "input, other")
SMALLER = op("min({input}, {other})", np.minimum, "input, other")

# -- comparisons and logic ------------------------------------------------------------------------


def _comparison(sign: str, function: Callable[[Array, Array], Any]) -> Rule:
    return Rule(
        f"[{{input}} {sign} {{other}}]",
        lambda case: [np.asarray(function(*alike(case, "input", "other")))],
        with_out("input, other"),
    )


def _close(case: Case) -> list[Array | None]:
    a, b = alike(case, "input", "other")
    near = (a == b) | (
        np.isfinite(a) & np.isfinite(b) & (np.abs(a - b) <= case["atol"] + case["rtol"] * np.abs(b))
    )
    return [np.asarray(near | (np.isnan(a) & np.isnan(b) & bool(case["equal_nan"])))]


def _bits(function: Any) -> Any:
    return lambda *operands: function(*(np.asarray(operand) for operand in operands))


_PAIR = "input, other"

OPS: dict[str, Rule] = {
    "masked_fill": _FILL,
    "clamp": Rule(_clamp_text, _clamped, with_out("input, min=None, max=None")),
    "clamp_min": Rule(_clamp_text, _clamped, with_out("input, min, max=None")),
    "clamp_max": Rule(_clamp_text, _clamped, with_out("input, max, min=None")),
    "fmax": op("max({input}, {other}), not nan", np.fmax, _PAIR),
    "fmin": op("min({input}, {other}), not nan", np.fmin, _PAIR),
    "eq": _comparison("=", np.equal),
    "ne": _comparison("≠", np.not_equal),
    "lt": _comparison("<", np.less),
    "le": _comparison("≤", np.less_equal),
    "gt": _comparison(">", np.greater),
    "ge": _comparison("≥", np.greater_equal),
    "logical_and": op("{input} and {other}", np.logical_and, _PAIR),
    "logical_or": op("{input} or {other}", np.logical_or, _PAIR),
    "logical_xor": op("either {input} or {other}", np.logical_xor, _PAIR),
    "logical_not": op("not {input}", np.logical_not),
    "bitwise_and": op("{input} & {other}", _bits(np.bitwise_and), _PAIR),
    "bitwise_or": op("{input} | {other}", _bits(np.bitwise_or), _PAIR),
    "bitwise_xor": op("{input} ^ {other}", _bits(np.bitwise_xor), _PAIR),
    "bitwise_not": op("~{input}", _bits(np.bitwise_not)),
    "heaviside": op("[{input} > 0], {values} at 0", lambda a, v: np.where(a == 0, v, a > 0), "input, values"),
}
OPS |= aliases(
    OPS, clip="clamp", not_equal="ne", less="lt", less_equal="le", greater="gt",
    greater_equal="ge", xor="bitwise_xor", invert="bitwise_not",
)  # fmt: skip
OPS |= in_place(OPS)
OPS |= {
    "where": Rule(_where_text, _where, with_out("condition, input=None, other=None")),
    "maximum": LARGER,
    "minimum": SMALLER,
    "nonzero": Rule(
        "indices at which {input} is not 0",
        lambda case: (
            list(np.nonzero(np.atleast_1d(case["input"])))
            if case["as_tuple"]
            else [np.argwhere(case["input"])]
        ),
        "input, *, as_tuple=False, out=None",
        lambda case, number, index: "a place that is not 0",
    ),
    "argwhere": op(
        "indices at which {input} is not 0",
        np.argwhere,
        element=lambda case, number, index: "a place that is not 0",
    ),
    "isclose": Rule("[{input} ≈ {other}]", _close, "input, other, rtol=1e-05, atol=1e-08, equal_nan=False"),
    "isnan": op("[{input} is nan]", np.isnan),
    "isinf": op("[{input} is infinite]", np.isinf),
    "isfinite": op("[{input} is finite]", np.isfinite),
    "isin": op(
        "[{elements} among {test_elements}]",
        np.isin,
        "elements, test_elements, *, assume_unique=False, invert=False",
    ),
    "isposinf": op("[{input} = inf]", lambda a: a == np.inf),
    "isneginf": op("[{input} = −inf]", lambda a: a == -np.inf),
    "isreal": op("[{input} is real]", np.isreal),
    "signbit": op("[{input} has a minus]", np.signbit),
}

NODES: dict[str, Rule] = {
    "WhereBackward": node(_KEPT, _LEFT),
    "MaskedFillBackward": node(_UNMASKED, _MASKED),
    "ClampBackward": _CLAMP_NODE,
    "ClampMinBackward": _CLAMP_NODE,
    "ClampMaxBackward": _CLAMP_NODE,
    "MaximumBackward": _MAXIMUM,
    "MinimumBackward": _MINIMUM,
    "FmaxBackward": _first_wins("≥", np.greater_equal),
    "FminBackward": _first_wins("≤", np.less_equal),
}
