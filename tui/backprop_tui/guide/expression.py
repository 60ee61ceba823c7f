"""Expressions over the numbers of a run: arithmetic and a few functions, nothing that could do anything else.

A person's own guide is read by this program, so an expression must not be able to run code: it is
parsed by Python's `ast` and only what is listed here is worked out.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from backprop_tui.syntax import expression_of

MOST_CHARACTERS = 500
_LARGEST_POWER = 1000


class WrongExpression(ValueError):
    """What cannot be worked out; the message is one sentence."""


@dataclass(frozen=True)
class Numbers:
    """A tensor, or a list of numbers: nested lists with their dtype."""

    values: Any
    dtype: str = "float64"

    def at(self, index: tuple[int, ...]) -> Numbers | Quantity | None:
        """One element, or a part along the leading dimensions."""
        found = self.values
        for number in index:
            if not isinstance(found, list) or not -len(found) <= number < len(found):
                raise WrongExpression(f"there is no element {list(index)}")
            found = found[number]
        if isinstance(found, list):
            return Numbers(found, self.dtype)
        if found is None or isinstance(found, (Numbers, Quantity)):
            return found
        return Quantity(_number(found), self.dtype)


@dataclass(frozen=True)
class Quantity:
    """A number with the precision in which it is known."""

    value: float
    dtype: str = "float64"
    exact: bool = True
    """Read from the run as it is, not worked out from several numbers."""


def _number(value: Any) -> float:
    """The float behind a number or one of the words nan, inf and -inf."""
    if value is None:
        raise WrongExpression("it is None")
    return float(value)


def _flat(value: Any) -> list[float]:
    if isinstance(value, Numbers):
        value = value.values
    if isinstance(value, Quantity):
        return [value.value]
    if isinstance(value, list):
        return [number for item in value for number in _flat(item)]
    return [_number(value)]


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


_OF_ONE: dict[str, Callable[[float], float]] = {
    "abs": abs,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "sin": math.sin,
    "cos": math.cos,
    "tanh": math.tanh,
    "sigmoid": _sigmoid,
    "sign": lambda x: float((x > 0) - (x < 0)),
    "isnan": lambda x: float(math.isnan(x)),
    "isfinite": lambda x: float(math.isfinite(x)),
    "round": lambda x: float(round(x)),
}
_OF_ALL: dict[str, Callable[[list[float]], float]] = {
    "sum": math.fsum,
    "mean": lambda numbers: math.fsum(numbers) / len(numbers) if numbers else math.nan,
    "min": min,
    "max": max,
    "len": lambda numbers: float(len(numbers)),
    "norm": lambda numbers: math.sqrt(math.fsum(x * x for x in numbers)),
}
FUNCTIONS = (*_OF_ONE, *_OF_ALL)
_OPERATORS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def parse(text: str) -> ast.expr:
    """The syntax of an expression. Raises WrongExpression."""
    if len(text) > MOST_CHARACTERS:
        raise WrongExpression(f"an expression has at most {MOST_CHARACTERS} characters")
    try:
        return expression_of(text.strip())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise WrongExpression(f"“{text}” is not an expression") from None


def evaluate(text: str, known: Mapping[str, Any]) -> Quantity:
    """The number that an expression stands for.

    ``known``: what its names stand for: numbers, `Quantity`, `Numbers`, mappings of these, or None.
    A key may be what a script would write: ``model[0].weight``. Raises WrongExpression.
    """
    return quantity(part(text, known), text)


def part(text: str, known: Mapping[str, Any]) -> Any:
    """As `evaluate`; the result may be a tensor too."""
    try:
        return _Worker(known).work(parse(text))
    except WrongExpression as error:
        raise WrongExpression(f"“{text}”: {error}") from None
    except RecursionError:
        raise WrongExpression("an expression is nested too deeply") from None
    except (ArithmeticError, ValueError, TypeError) as error:
        raise WrongExpression(f"“{text}”: {error}") from None


def is_true(text: str, known: Mapping[str, Any]) -> bool:
    """Whether an expression holds. What cannot be said, as of a division by 0, does not."""
    value = evaluate(text, known).value
    return bool(value) and not math.isnan(value)


def quantity(value: Any, text: str) -> Quantity:
    """A single number. Raises WrongExpression if it is none."""
    if isinstance(value, Numbers) and len(_flat(value)) == 1:
        return Quantity(_flat(value)[0], value.dtype)
    if isinstance(value, Quantity):
        return value
    if isinstance(value, (int, float)):
        return Quantity(float(value))
    raise WrongExpression(f"“{text}” is {'None' if value is None else 'not one number'}")


class _Worker:
    """Works out one expression."""

    def __init__(self, known: Mapping[str, Any]) -> None:
        self.known = known

    def work(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant):
            return self._constant(node)
        if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
            return self._reference(node)
        if isinstance(node, ast.BinOp):
            return self._binary(type(node.op), node.left, node.right)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not)):
            return self._unary(node)
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            return self._compare(node)
        if isinstance(node, ast.BoolOp):
            wanted = all if isinstance(node.op, ast.And) else any
            return Quantity(float(wanted([self.single(item).value for item in node.values])), exact=False)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
            return self._call(node.func.id, node.args)
        raise WrongExpression(f"{ast.unparse(node)} cannot stand in an expression")

    def single(self, node: ast.expr) -> Quantity:
        return quantity(self.work(node), ast.unparse(node))

    def _constant(self, node: ast.Constant) -> Quantity:
        if isinstance(node.value, (int, float)):
            return Quantity(float(node.value))
        raise WrongExpression(f"{node.value!r} is not a number")

    def _reference(self, node: ast.expr) -> Any:
        """A name of the run; the longest one that is known, then its parts."""
        text = ast.unparse(node)
        if text in self.known:
            return self.known[text]
        if isinstance(node, ast.Subscript):
            return self._element(node)
        if isinstance(node, ast.Attribute):
            return self._attribute(node)
        raise WrongExpression(f"nothing is called {text} here")

    def _element(self, node: ast.Subscript) -> Any:
        whole = self.work(node.value)
        inside = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        index = tuple(_index(self.single(item).value) for item in inside)
        if isinstance(whole, Numbers):
            return whole.at(index)
        if whole is None:
            raise WrongExpression(f"{ast.unparse(node.value)} is None")
        raise WrongExpression(f"{ast.unparse(node.value)} has no elements")

    def _attribute(self, node: ast.Attribute) -> Any:
        try:
            whole = self.work(node.value)
        except WrongExpression:
            raise WrongExpression(f"nothing is called {ast.unparse(node)} here") from None
        if isinstance(whole, Mapping) and node.attr in whole:
            return whole[node.attr]
        raise WrongExpression(f"nothing is called {ast.unparse(node)} here")

    def _binary(self, kind: type[ast.AST], left: ast.expr, right: ast.expr) -> Quantity:
        if kind not in _OPERATORS:
            raise WrongExpression("an expression has + - * / // % ** and comparisons")
        a, b = self.single(left), self.single(right)
        if kind is ast.Pow and abs(b.value) > _LARGEST_POWER:
            raise WrongExpression(f"a power is at most {_LARGEST_POWER}")
        try:
            result = _OPERATORS[kind](a.value, b.value)
        except ZeroDivisionError:
            result = math.nan
        if isinstance(result, complex):
            raise WrongExpression("a root of a negative number")
        return Quantity(float(result), _coarser(a, b), exact=False)

    def _unary(self, node: ast.UnaryOp) -> Quantity:
        found = self.single(node.operand)
        if isinstance(node.op, ast.Not):
            return Quantity(float(not found.value), exact=False)
        return Quantity(-found.value, found.dtype, found.exact)

    def _compare(self, node: ast.Compare) -> Quantity:
        """Equality is asked in the precision of the less precise side: 0.1 in float32 equals 0.1."""
        kind, right = type(node.ops[0]), node.comparators[0]
        if isinstance(node.ops[0], (ast.Is, ast.IsNot)):
            return self._is_none(node)
        if kind not in _OPERATORS:
            raise WrongExpression("a comparison is == != < <= > >= or “is None”")
        a, b = self.single(node.left), self.single(right)
        if kind in (ast.Eq, ast.NotEq):
            return Quantity(float(same(a, b) == (kind is ast.Eq)), exact=False)
        return Quantity(float(_OPERATORS[kind](a.value, b.value)), exact=False)

    def _is_none(self, node: ast.Compare) -> Quantity:
        right = node.comparators[0]
        if not isinstance(right, ast.Constant) or right.value is not None:
            raise WrongExpression("“is” is followed by None")
        return Quantity(float((self.work(node.left) is None) == isinstance(node.ops[0], ast.Is)), exact=False)

    def _call(self, name: str, arguments: list[ast.expr]) -> Quantity:
        if name in _OF_ONE and len(arguments) == 1:
            found = self.single(arguments[0])
            return Quantity(_OF_ONE[name](found.value), found.dtype, exact=False)
        if name in _OF_ALL and arguments:
            parts = [self.work(argument) for argument in arguments]
            return Quantity(_OF_ALL[name](_flat(parts)), _coarsest(parts), exact=False)
        raise WrongExpression(f"there is no function {name}: there are {', '.join(FUNCTIONS)}")


def _index(value: float) -> int:
    if not value.is_integer():
        raise WrongExpression("an index is a whole number")
    return int(value)


_PRECISION = {"bfloat16": 2**-8, "float16": 2**-11, "float32": 2**-24}


def same(a: Quantity, b: Quantity) -> bool:
    """Whether two numbers agree in the precision of the less precise one."""
    if a.value == b.value or (math.isnan(a.value) and math.isnan(b.value)):
        return True
    if not (math.isfinite(a.value) and math.isfinite(b.value)):
        return False
    coarse = _PRECISION.get(_coarser(a, b), 2**-52)
    return abs(a.value - b.value) <= 4 * coarse * max(abs(a.value), abs(b.value))


def _coarser(a: Quantity, b: Quantity) -> str:
    return max(a.dtype, b.dtype, key=lambda dtype: _PRECISION.get(dtype, 0.0))


def _coarsest(parts: list[Any]) -> str:
    dtypes = [item.dtype for item in parts if isinstance(item, (Numbers, Quantity))]
    return max(dtypes, key=lambda dtype: _PRECISION.get(dtype, 0.0), default="float64")
