"""Edits as they are typed: one element, a whole tensor, a hyperparameter."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

from backprop_tui.debugger.failure import Refused
from backprop_tui.debugger.view import Choice
from backprop_tui.protocol import plain
from backprop_tui.syntax import expression_of

FORMS = (
    "0.5 or =1/3 sets the element · fill 0, *0.5, [[1, 2], [3, 4]] the whole tensor · NAME = 0.1 another one"
)
_OTHERS = "NAME = 1/3, NAME[0,1] = 0.5, NAME.grad fill 0, NAME *0.5, lr = 0.1"


Edit = tuple[str, Any]
"""(kind, value) of a change, as the session makes it."""

_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}
_CONSTANTS = {"inf": math.inf, "nan": math.nan, "pi": math.pi, "e": math.e}
_NAMED = re.compile(r"(?P<name>[A-Za-z_]\w*(?:\.\w+|\[[^\]]*\])*)\s*(?P<rest>=.*|\*.*|fill\b.*)")


def read_edit(text: str, chosen: Choice | None, tensors: Collection[str]) -> Edit:
    """The change that was typed. ``tensors``: every name that leads to one; others are hyperparameters.

    Raises Refused with the forms.
    """
    text = text.strip()
    named = None if text.startswith("fill") else _NAMED.fullmatch(text)
    if named is not None:
        return _of_name(named["name"], named["rest"].strip(), tensors)
    if chosen is None:
        raise Refused(f"choose a number in the parameters pane (3), or type a name: {_OTHERS}")
    return "set", _of_tensor(chosen, text)


def _of_name(name: str, rest: str, tensors: Collection[str]) -> Edit:
    if name in tensors:
        return "set", _of_tensor(Choice(name, "value", None), rest)
    whole, _, index = name.rpartition("[")
    attribute = "value"
    for place in (Choice(name, "value", None), Choice(whole, "value", _index(index))):
        if place.name.endswith(".grad") and place.name not in tensors:
            attribute = "grad"
        owner = place.name.removesuffix(".grad") if attribute == "grad" else place.name
        if owner in tensors:
            return "set", _of_tensor(Choice(owner, attribute, place.index), rest)
    if not name.isidentifier() or not rest.startswith("="):
        raise Refused(f"no tensor of the script is called {name} here; for example {_OTHERS}")
    value = _whole_number(_numbers(rest[1:]))
    return ("lr", value) if name == "lr" else ("hyperparameter", {"name": name, "value": value})


def _index(text: str) -> tuple[int, ...] | None:
    parts = text.removesuffix("]").split(",")
    return tuple(int(part) for part in parts) if all(re.fullmatch(r"\s*-?\d+\s*", p) for p in parts) else None


def _of_tensor(place: Choice, text: str) -> dict[str, Any]:
    """The value of a ``set`` change."""
    where = {"name": place.name, "attr": place.attribute}
    if text.startswith("*"):
        return {**where, "scale": _single(text[1:])}
    if re.match(r"fill\b", text):
        return {**where, "fill": _single(text[4:])}
    value = _numbers(text.removeprefix("="))
    if isinstance(value, list):
        if shape_of(value) is None:
            raise Refused(f"the lists in {text.removeprefix('=').strip()} are not equally long")
        return {**where, "load": value}
    if place.index is None:
        raise Refused(f"{place.name} is a whole tensor: fill {text.removeprefix('=').strip()} sets all of it")
    return {**where, "index": list(place.index), "to": plain(value)}


def _single(text: str) -> Any:
    value = _numbers(text)
    if isinstance(value, list):
        raise Refused(f"one number is needed, not {text.strip()}")
    return plain(value)


def _whole_number(value: Any) -> Any:
    """A hyperparameter as the script would write it: 5 rather than 5.0."""
    if isinstance(value, list):
        return tuple(_whole_number(item) for item in value)
    if not isinstance(value, float):
        raise Refused(f"a hyperparameter is a real number, not {value}")
    return int(value) if math.isfinite(value) and value == int(value) and abs(value) < 1e15 else value


def _numbers(text: str) -> Any:
    """A number, or nested lists of numbers, of an expression. Raises Refused."""
    try:
        return _value(expression_of(text.strip()))
    except (SyntaxError, ValueError, KeyError, TypeError, RecursionError):
        raise Refused(f"“{text.strip()}” is no number; {FORMS}") from None
    except ArithmeticError as error:
        raise Refused(f"“{text.strip()}” cannot be worked out: {error}") from None


def _value(node: ast.AST) -> Any:
    """Arithmetic of numbers only: nothing else of Python is run."""
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_listed(_value(item)) for item in node.elts]
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return float(node.value)
    if isinstance(node, ast.Constant) and isinstance(node.value, complex):
        return node.value
    if isinstance(node, ast.Name):
        return _CONSTANTS[node.id]
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left), _value(node.right)
        return _plain_number(_OPERATORS[type(node.op)](left, right), left, right)
    if isinstance(node, ast.UnaryOp):
        operand = _value(node.operand)
        return _plain_number(_OPERATORS[type(node.op)](operand), operand)
    raise ValueError(ast.dump(node))


def _plain_number(value: Any, *operands: Any) -> float | complex:
    """What was computed; of real numbers, only real ones."""
    wanted = (float, complex) if any(isinstance(one, complex) for one in operands) else float
    if not isinstance(value, wanted):
        raise TypeError(value)
    return value


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else plain(value)


def shape_of(values: Sequence[Any]) -> tuple[int, ...] | None:
    """The shape of nested lists; None if they are ragged."""
    shapes = [shape_of(item) if isinstance(item, list) else () for item in values]
    if any(shape != shapes[0] for shape in shapes):
        return None
    inner = shapes[0] if shapes else ()
    return None if inner is None else (len(values), *inner)
