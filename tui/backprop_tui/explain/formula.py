"""Formulas that are written once, in Python's syntax: what is computed is what is printed.

``w - lr*mhat/(sqrt(vhat) + eps)`` is evaluated with whatever its names stand for, is printed in symbols
as ``w − lr·m̂/(√v̂ + ε)``, and in numbers as ``0.14 − 0.05·(−0.85)/(0.85 + 1e−8)``.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import CodeType
from typing import Any

import numpy as np

from backprop_tui.explain.numbers import display, shortest, significant
from backprop_tui.syntax import code_of, expression_of

NOTATION = {
    "beta1": "β₁", "beta2": "β₂", "eps": "ε", "eps1": "ε₁", "eps2": "ε₂", "rho": "ρ", "alpha": "α",
    "mhat": "m̂", "vhat": "v̂", "vmax": "v_max", "pi": "π", "eta": "η", "etaminus": "η₋", "etaplus": "η₊",
    "mu": "μ", "rho_t": "ρₜ", "rho_inf": "ρ∞", "delta": "Δ", "mu_next": "μ₊", "mu_t": "μₜ", "product": "Πμ",
}  # fmt: skip
"""Names in formulas that are printed otherwise. Arguments of constructors keep the names that users write."""

_SUPERSCRIPTS = str.maketrans("0123456789tn−", "⁰¹²³⁴⁵⁶⁷⁸⁹ᵗⁿ⁻")
_RAISED = set("0123456789tn−")
_NUMERAL = set("0123456789.e−")
_SUM, _PRODUCT, _SIGN, _POWER, _ATOM = range(5)
_OPERATORS: dict[type[ast.operator], tuple[str, int]] = {
    ast.Add: (" + ", _SUM),
    ast.Sub: (" − ", _SUM),
    ast.Mult: ("·", _PRODUCT),
    ast.Div: ("/", _PRODUCT),
}
_COMPARISONS: dict[type[ast.cmpop], str] = {ast.Lt: "<", ast.Gt: ">", ast.LtE: "≤", ast.GtE: "≥", ast.Eq: "="}

Names = Callable[[str], str]
Fold = Callable[[ast.expr], "str | None"]


def _where(condition: Any, one: Any, other: Any) -> Any:
    choose = getattr(one, "where", None) or getattr(other, "where", None)
    return np.where(condition, one, other) if choose is None else choose(condition, one, other)


def _lerp(start: Any, end: Any, weight: Any) -> Any:
    """From one number towards another, as torch.lerp does it (aten/src/ATen/native/Lerp.h)."""
    if weight < 0.5:
        return start + weight * (end - start)
    return end - (end - start) * (1 - weight)


FUNCTIONS: dict[str, Any] = {
    "sqrt": np.sqrt, "abs": np.absolute, "max": np.maximum, "min": np.minimum, "sign": np.sign,
    "cos": np.cos, "floor": np.floor, "where": _where, "lerp": _lerp, "pi": math.pi, "inf": math.inf,
    "__builtins__": {},
}  # fmt: skip


@lru_cache(maxsize=4096)
def tree_of(formula: str) -> ast.expr:
    """A formula's syntax tree."""
    return expression_of(formula)


@lru_cache(maxsize=4096)
def _code_of(tree: ast.expr) -> CodeType:
    return code_of(tree, "formula")


def value_of(formula: str | ast.expr, values: Mapping[str, Any]) -> Any:
    """What a formula gives with these values for its names. Formulas are literals of the rules."""
    tree = tree_of(formula) if isinstance(formula, str) else formula
    return eval(_code_of(tree), FUNCTIONS, values)


def symbols_of(formula: str, renamed: Mapping[str, str] | None = None) -> str:
    """A formula in symbols."""
    own = renamed or {}
    printer = _Printer(
        lambda name: own.get(name) or NOTATION.get(name, name), lambda tree: None, lambda tree: None
    )
    return printer.text(formula)


def numbers_of(
    formula: str,
    texts: Mapping[str, str],
    values: Mapping[str, Any],
    dtype: str,
    pick: Callable[[Any], Any] = lambda value: value,
) -> str:
    """A formula in numbers: each name's text, and small calculations with constants already done.

    ``texts`` has the numbers' texts, ``values`` the numbers themselves, of which ``pick`` takes the chosen
    element. A name without a text is printed to the digits that ``dtype`` surely has.
    """

    def name(called: str) -> str:
        if called in texts:
            return texts[called]
        return rough(pick(values[called]), dtype) if called in values else NOTATION.get(called, called)

    def fold(tree: ast.expr) -> str | None:
        return rough(pick(value_of(tree, values)), dtype) if _is_done(tree, values) else None

    return _Printer(name, fold, lambda tree: bool(pick(value_of(tree, values)))).text(formula)


class Option(float):
    """A number that the user has given, as an argument of a constructor."""


def _is_done(tree: ast.expr, values: Mapping[str, Any]) -> bool:
    """Whether a part of a formula is printed as its value: roots of one number, functions of whole
    tensors, and sums of plain numbers inside products."""
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
        called = tree.func.id
        return called not in FUNCTIONS or (called == "sqrt" and isinstance(tree.args[0], ast.Name))
    return isinstance(tree, ast.BinOp) and isinstance(tree.op, (ast.Add, ast.Sub)) and all(
        isinstance(side, ast.Constant)
        or (isinstance(side, ast.Name) and isinstance(values.get(side.id), Option))
        for side in (tree.left, tree.right)
    )  # fmt: skip


class _Printer:
    """Prints a syntax tree; names, parts to print as their value, and choices are given by functions."""

    def __init__(self, name: Names, fold: Fold, choose: Callable[[ast.expr], bool | None]) -> None:
        self.name = name
        self.fold = fold
        self.choose = choose

    def text(self, formula: str) -> str:
        return self._bare(tree_of(formula))

    def _bare(self, tree: ast.expr) -> str:
        """What stands alone needs no brackets, even if it is negative."""
        text = self.name(tree.id) if isinstance(tree, ast.Name) else self._printed(tree)[0]
        return text[1:-1] if isinstance(tree, ast.Call) and _is_bracketed_number(text) else text

    def _printed(self, tree: ast.expr, inside: bool = False) -> tuple[str, int]:
        folded = self.fold(tree) if inside or isinstance(tree, ast.Call) else None
        if folded is not None:
            return _bracketed(folded), _ATOM
        if isinstance(tree, ast.BinOp):
            return self._power(tree) if isinstance(tree.op, ast.Pow) else self._operation(tree)
        if isinstance(tree, ast.UnaryOp):
            return "−" + self._within(tree.operand, _SIGN), _SIGN
        if isinstance(tree, ast.Call):
            return self._call(tree)
        if isinstance(tree, ast.Compare):
            return self._comparison(tree), _SUM
        if isinstance(tree, ast.Name):
            return _bracketed(self.name(tree.id)), _ATOM
        assert isinstance(tree, ast.Constant) and isinstance(tree.value, (int, float))
        return constant(float(tree.value)), _ATOM

    def _within(self, tree: ast.expr, least: int) -> str:
        """A part of something: in brackets if it binds less than what is around it."""
        text, binds = self._printed(tree, inside=least > _SUM)
        return text if binds >= least else f"({text})"

    def _operation(self, tree: ast.BinOp) -> tuple[str, int]:
        sign, binds = _OPERATORS[type(tree.op)]
        # a − (b + c) and a/(b·c) need the brackets on the right; a·(b/c) does not.
        closer = binds + (1 if isinstance(tree.op, (ast.Sub, ast.Div)) else 0)
        return self._within(tree.left, binds) + sign + self._within(tree.right, closer), binds

    def _power(self, tree: ast.BinOp) -> tuple[str, int]:
        base = self._within(tree.left, _ATOM)
        if base[:1].isdigit() and "e" in base:  # 1e−7² would be 10 to the −72
            base = f"({base})"
        exponent, binds = self._printed(tree.right)
        bare = exponent.strip("()")
        if set(bare) <= _RAISED:
            return base + bare.translate(_SUPERSCRIPTS), _POWER
        return f"{base}^{exponent if binds == _ATOM else f'({exponent})'}", _POWER

    def _call(self, tree: ast.Call) -> tuple[str, int]:
        assert isinstance(tree.func, ast.Name)
        called, arguments = tree.func.id, tree.args
        if called == "where":
            return self._choice(tree)
        if called == "lerp":
            return self._printed(_expanded(*arguments))
        if called == "sqrt":
            inner, binds = self._printed(arguments[0])
            return ("√" + inner if binds == _ATOM else f"√({inner})"), _ATOM
        inner = ", ".join(self._bare(argument) for argument in arguments)
        return (f"|{inner}|" if called == "abs" else f"{called}({inner})"), _ATOM

    def _choice(self, tree: ast.Call) -> tuple[str, int]:
        condition, one, other = tree.args
        holds = self.choose(condition)
        if holds is not None:
            return self._printed(one if holds else other)
        texts = [self._printed(part)[0] for part in (one, condition, other)]
        return "{} if {}, else {}".format(*texts), _SUM

    def _comparison(self, tree: ast.Compare) -> str:
        left, right = self._printed(tree.left)[0], self._printed(tree.comparators[0])[0]
        return f"{left} {_COMPARISONS[type(tree.ops[0])]} {right}"


@lru_cache(maxsize=256)
def _expanded(start: ast.expr, end: ast.expr, weight: ast.expr) -> ast.expr:
    """``lerp(m, g, 1 - beta)`` as people write it: ``beta·m + (1 - beta)·g``."""
    rest: ast.expr = ast.BinOp(ast.Constant(1), ast.Sub(), weight)
    match weight:
        case ast.BinOp(ast.Constant(1), ast.Sub(), right):
            rest = right
    sides = (ast.BinOp(one, ast.Mult(), other) for one, other in ((rest, start), (weight, end)))
    return ast.fix_missing_locations(ast.BinOp(next(sides), ast.Add(), next(sides)))


def _is_bracketed_number(text: str) -> bool:
    return text.startswith("(−") and text.endswith(")") and set(text[2:-1]) <= _NUMERAL


def _bracketed(text: str) -> str:
    return f"({text})" if text.startswith("−") else text


def constant(value: float) -> str:
    """A number that the user or the formula has given, with all its digits."""
    return display(shortest(int(value) if value.is_integer() and abs(value) < 1e15 else value, "float64"))


DIGITS = {"float64": 12, "float32": 7, "float16": 4, "bfloat16": 3}
"""Significant digits of numbers in between, which no tensor holds."""


def rough(value: Any, dtype: str) -> str:
    """A number in between, to the digits that the dtype surely has."""
    number = float(value) + 0.0  # of two zeros, the one without a sign
    if not math.isfinite(number):
        return display(str(number))
    return significant(number, "float64", DIGITS.get(dtype, 7))
