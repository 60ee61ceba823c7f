"""Rules of element-by-element arithmetic, with broadcasting.

The derivatives are those of tools/autograd/derivatives.yaml, entry of the function's own name.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array
from backprop_tui.explain.rule import Case, Rule, number_text
from backprop_tui.explain.rules.dtypes import floating, held
from backprop_tui.explain.rules.parts import (
    FLAT,
    NEGATED,
    PASSED,
    Part,
    aliases,
    counted,
    in_place,
    node,
    node_of,
    op,
)

_SUPERSCRIPTS = str.maketrans("0123456789-.", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻·")
_SUM = "input, other, *, alpha=1"


def _times(case: Case, name: str) -> str:
    """A factor as it is written before a product: nothing for 1."""
    return "" if case.get(name, 1) == 1 else f"{{{name}}}·"


# -- sums and products --------------------------------------------------------------------------


def _sum_size(one: Any, alpha: Any, other: Any) -> Array:
    return np.asarray(np.abs(one) + np.abs(alpha * other))


_ADD = op(
    lambda c: f"{{input}} + {_times(c, 'alpha')}{{other}}",
    lambda a, alpha, b: a + alpha * b,
    _SUM,
    _sum_size,
    names="input alpha other",
)
_SUB = op(
    lambda c: f"{{input}} − {_times(c, 'alpha')}{{other}}",
    lambda a, alpha, b: a - alpha * b,
    _SUM,
    _sum_size,
    names="input alpha other",
)
_RSUB = op(
    lambda c: f"{{other}} − {_times(c, 'alpha')}{{input}}",
    lambda b, alpha, a: b - alpha * a,
    _SUM,
    _sum_size,
    names="other alpha input",
)
_MUL = op("{input} · {other}", lambda a, b: a * b, "input, other")


# -- quotients and remainders ---------------------------------------------------------------------


def _quotient(case: Case) -> Array:
    """The quotient as the operands' own dtype holds it, which a step downwards or to zero then rounds."""
    operands = [case.operands[name] for name in ("input", "other")]
    dtype = floating(operands)
    return held(held(case["input"], dtype) / np.asarray(held(case["other"], dtype), float), dtype)


def _floor(a: Any, b: Any) -> Any:
    """Of integers exactly; of floats by the remainder, which is exact (as Python does)."""
    return np.floor_divide(a, b)


def _divided(case: Case) -> list[Array | None]:
    mode = case.get("rounding_mode")
    if mode == "floor":
        return [np.asarray(_floor(*_rounded(case)))]
    quotient = _quotient(case) if mode == "trunc" else None
    return [np.trunc(quotient) if quotient is not None else np.true_divide(case["input"], case["other"])]


def _rounded(case: Case) -> list[Array]:
    operands = [case.operands[name] for name in ("input", "other")]
    dtype = floating(operands)
    return [held(case["input"], dtype), held(case["other"], dtype)]


_ROUNDED = {"floor": "⌊{input} / {other}⌋", "trunc": "{input} / {other}, rounded towards 0"}
_DIV = Rule(
    lambda case, number: _ROUNDED.get(case.get("rounding_mode", ""), "{input} / {other}"),
    _divided,
    "input, other, *, rounding_mode=None, out=None",
)
_FLOORDIV = Rule(
    "⌊{input} / {other}⌋", lambda case: [np.asarray(_floor(*_rounded(case)))], "input, other, *, out=None"
)
_RFLOORDIV = Rule(
    "⌊{other} / {input}⌋", lambda case: [np.asarray(_floor(*_rounded(case)[::-1]))], "input, other"
)


def _remainder(template: str, function: Any, backwards: bool = False) -> Rule:
    return Rule(
        template,
        lambda case: [np.asarray(function(*_rounded(case)[:: -1 if backwards else 1]))],
        "input, other, *, out=None",
        scale=lambda case: [np.abs(np.asarray(_rounded(case)[0 if backwards else 1], float))],
    )


# -- powers -------------------------------------------------------------------------------------


def _power(base: Any, exponent: Any) -> Any:
    if np.asarray(base).dtype.kind in "iub" and np.asarray(exponent).dtype.kind in "iub":
        return _integer_power(np.asarray(base, np.int64), np.asarray(exponent, np.int64))
    return np.power(np.asarray(base) * 1.0, exponent)


def _integer_power(base: Array, exponent: Array) -> Array:
    """torch takes the integer part of a negative power: 0 but for ±1."""
    inverse = np.where(base == 1, 1, np.where(base == -1, 1 - 2 * (exponent % 2), 0))
    return np.where(exponent < 0, inverse, np.power(base, np.maximum(exponent, 0)))


def raised(name: str, exponent: Any) -> str:
    """An operand to a power that is a number: ``{self}²``; nothing for the power 0, no exponent for 1."""
    if exponent == 1:
        return f"{{{name}}}"
    whole = isinstance(exponent, int) or float(exponent).is_integer()
    if whole and 0 <= exponent < 100:
        return f"{{{name}}}{str(int(exponent)).translate(_SUPERSCRIPTS)}"
    return f"{{{name}}}^{number_text(float(exponent), 'float64')}"


def _power_text(case: Case) -> str:
    exponent = case.get("exponent")
    return raised("input", exponent) if isinstance(exponent, (int, float)) else "{input}^{exponent}"


_POW = op(_power_text, _power, "input, exponent", names="input exponent")


def _slope_text(case: Case) -> str:
    exponent = case.get("exponent")
    if not isinstance(exponent, (int, float)):
        return "{g} · {exponent}·{self}^({exponent} − 1)"
    if exponent == 0:
        return "0 · {g}"
    factor = "" if exponent == 1 else f"{number_text(float(exponent), 'float64')}·"
    base = "1" if exponent == 1 else factor + raised("self", exponent - 1)
    return f"{{g}} · {base}"


def _slope_of_base(case: Case) -> Part:
    """torch/csrc/autograd/FunctionsManual.cpp: pow_backward, pow_backward_self.

    A power that is too large for the dtype is infinite there before it is multiplied.
    """
    dtype = floating([case.operands.get("self")])

    def value(g: Array, base: Array, exponent: Any) -> Array:
        slope = held(exponent * held(np.power(base, np.asarray(exponent) - 1.0), dtype), dtype)
        return np.asarray(np.where(np.asarray(exponent) == 0, 0, g * slope))

    return Part(_slope_text, value, names="g self exponent")


def _slope_of_exponent(case: Case) -> Part:
    """torch/csrc/autograd/FunctionsManual.cpp: pow_backward_exponent."""
    dtype = floating([case.operands.get("exponent")])

    def value(g: Array, base: Any, exponent: Array, result: Array) -> Array:
        still = (np.asarray(base) == 0) & (exponent >= 0)
        return np.asarray(g * np.where(still, 0, held(result * np.log(base), dtype)))

    return Part("{g} · {result}·log({self})", value, names="g self exponent result")


def _pow_parts(case: Case) -> list[Part]:
    """PowBackward0: the exponent is a number; PowBackward2: the base is; PowBackward1: both are tensors."""
    exponent = _slope_of_exponent(case)
    return [exponent] if isinstance(case.get("self"), (int, float)) else [_slope_of_base(case), exponent]


def _vertical(case: Case) -> Array:
    """Where 0 is raised to a power below 1."""
    exponent = np.asarray(case["exponent"])
    base = case["self"] if isinstance(case["self"], np.ndarray) else np.ones(())
    return np.asarray((base == 0) & (exponent < 1) & (exponent != 0))


# -- slopes of sums and quotients -------------------------------------------------------------------

_SCALED_G = Part(lambda c: f"{_times(c, 'alpha')}{{g}}", lambda g, alpha: g * alpha, names="g alpha")
_NEGATED_G = Part(lambda c: f"−{_times(c, 'alpha')}{{g}}", lambda g, alpha: -g * alpha, names="g alpha")
_DIVIDED = (
    Part("{g} / {other}", lambda g, other: g / other),
    Part("−{g} · {self}/{other}²", lambda g, a, b: -g * (a / b) / b),
)


def _div_parts(case: Case) -> tuple[Part, ...]:
    """A quotient that was rounded is a step: its slope is 0 wherever it has one."""
    return _DIVIDED if case.get("rounding_mode") is None else (FLAT, FLAT)


def _product_part(factor: str) -> Part:
    """The gradient of one factor of addcmul."""
    return Part(
        lambda c: f"{{g}} · {_times(c, 'value')}{{{factor}}}", lambda g, v, b: g * (b * v),
        names=f"g value {factor}",
    )  # fmt: skip


# -- tables -------------------------------------------------------------------------------------

_SCALED = "input, tensor1, tensor2, *, value=1"
_ADDCMUL = op(
    lambda c: f"{{input}} + {_times(c, 'value')}{{tensor1}}·{{tensor2}}",
    lambda a, value, b, c: a + value * b * c,
    _SCALED,
    lambda a, value, b, c: np.abs(a) + np.abs(value * b * c),
    names="input value tensor1 tensor2",
)
_ADDCDIV = op(
    lambda c: f"{{input}} + {_times(c, 'value')}{{tensor1}}/{{tensor2}}",
    lambda a, value, b, c: a + value * b / c,
    _SCALED,
    lambda a, value, b, c: np.abs(a) + np.abs(value * b / c),
    names="input value tensor1 tensor2",
)
_LERP = op(
    "{input} + {weight}·({end} − {input})",
    lambda a, weight, end: a + weight * (end - a),
    "input, end, weight",
    lambda a, weight, end: np.abs(a) + np.abs(weight) * (np.abs(end) + np.abs(a)),
)

OPS: dict[str, Rule] = {
    "add": _ADD,
    "sub": _SUB,
    "mul": _MUL,
    "div": _DIV,
    "floor_divide": _FLOORDIV,
    "pow": _POW,
    "remainder": _remainder("{input} mod {other}", np.mod),
    "fmod": _remainder("{input} rem {other}", np.fmod),
    "neg": op("−{input}", lambda a: -a),
    "reciprocal": op("1/{input}", lambda a: 1.0 / a),
    "square": op("{input}²", lambda a: a * a),
    "addcmul": _ADDCMUL,
    "addcdiv": _ADDCDIV,
    "lerp": _LERP,
    "float_power": op(_power_text, lambda a, b: np.power(a * 1.0, b * 1.0), "input, exponent",
                      names="input exponent"),
    "hypot": op("√({input}² + {other}²)", np.hypot, "input, other"),
    "copysign": op("|{input}| with the sign of {other}", np.copysign, "input, other"),
    "ldexp": op("{input} · 2^{other}", lambda a, b: a * np.exp2(b), "input, other"),
}  # fmt: skip
OPS |= aliases(
    OPS, subtract="sub", multiply="mul", divide="div", true_divide="div", negative="neg",
)  # fmt: skip
OPS |= in_place(OPS)
OPS |= {
    "rsub": _RSUB,
    "rdiv": op("{other} / {input}", lambda b, a: np.true_divide(b, a), "input, other"),
    "rpow": op("{other}^{input}", _power, "input, other"),
    "rmod": _remainder("{other} mod {input}", np.mod, backwards=True),
    "floordiv": _FLOORDIV,
    "floordiv_": _FLOORDIV,
    "mod": OPS["remainder"],
    "mod_": OPS["remainder"],
    "rfloordiv": _RFLOORDIV,
    "radd": _ADD,
    "rmul": _MUL,
    "positive": op("{input}", lambda a: a),
}

NODES: dict[str, Rule] = {
    "AddBackward": node(PASSED, _SCALED_G),
    "SubBackward": node(PASSED, _NEGATED_G),
    "RsubBackward": node(_NEGATED_G, PASSED),
    "MulBackward": node(
        Part("{g} · {other}", lambda g, other: g * other), Part("{g} · {self}", lambda g, own: g * own)
    ),
    "DivBackward": node_of(_div_parts),
    "PowBackward": node_of(
        _pow_parts, counted(_vertical, "0 raised to a power below 1: the slope there is infinite")
    ),
    "NegBackward": node(NEGATED),
    "ReciprocalBackward": node(Part("−{g} · {result}²", lambda g, result: -g * result * result)),
    "AddcmulBackward": node(
        PASSED, _product_part("tensor2"), _product_part("tensor1")
    ),
    "AddcdivBackward": node(
        PASSED,
        Part("{g} · {value}/{tensor2}", lambda g, value, b: g * value / b),
        Part("−{g} · {value}·{tensor1}/{tensor2}²", lambda g, value, a, b: -g * value * a / (b * b)),
    ),
    "LerpBackward": node(
        Part("{g} · (1 − {weight})", lambda g, w: g * (1 - w), lambda g, w: np.abs(g) * (1 + np.abs(w))),
        Part("{g} · {weight}", lambda g, w: g * w),
        Part("{g} · ({end} − {self})", lambda g, end, own: g * (end - own),
             lambda g, end, own: np.abs(g) * (np.abs(end) + np.abs(own))),
    ),
    "RemainderBackward": node(
        PASSED, Part("−{g} · ⌊{self} / {other}⌋", lambda g, a, b: -g * np.floor_divide(a, b))
    ),
    "FmodBackward": node(
        PASSED, Part("−{g} · trunc({self} / {other})", lambda g, a, b: -g * np.trunc(a / b))
    ),
    "HypotBackward": node(
        Part("{g} · {self}/{result}", lambda g, a, r: g * a / r),
        Part("{g} · {other}/{result}", lambda g, a, r: g * a / r),
    ),
    "CopysignBackward": node(
        Part("{g} · sign({result})·sign({self})",
             lambda g, r, a: np.where(a == 0, 0, g * (r / a)), names="g result self"),
        FLAT,
    ),
    "LdexpBackward": node(
        Part("{g} · 2^{other}", lambda g, b: g * np.exp2(b)),
        Part("{g} · {result}·ln 2", lambda g, r: g * r * np.log(2)),
    ),
}  # fmt: skip
