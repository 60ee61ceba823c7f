"""From the text ``Adam(lr=0.1, betas=(0.9, 0.99))`` to a class of `torch.optim` and its arguments."""

from __future__ import annotations

import ast
import inspect
import math
from functools import lru_cache
from typing import Any

import torch
from torch.optim import Optimizer

from backprop_tui.debuggee.changes.errors import ChangeError
from backprop_tui.debuggee.changes.registry import Registry

IMPLEMENTATION = ("foreach", "maximize", "capturable", "differentiable", "fused")
"""Hyperparameters that do not say how to learn; left out where defaults are listed."""


@lru_cache(maxsize=1)
def classes() -> dict[str, type[Optimizer]]:
    """The optimizers of `torch.optim` by name."""
    found = (value for value in vars(torch.optim).values() if isinstance(value, type))
    kinds = [kind for kind in found if issubclass(kind, Optimizer) and kind is not Optimizer]
    return {kind.__name__: kind for kind in sorted(kinds, key=lambda kind: kind.__name__)}


def hyperparameters(kind: type[Optimizer]) -> dict[str, Any]:
    """Names and default values, from the signature of the class."""
    parameters = list(inspect.signature(kind).parameters.values())
    return {item.name: item.default for item in parameters if item.default is not item.empty}


def parse_optimizer(text: str, registry: Registry) -> tuple[type[Optimizer], dict[str, Any]]:
    """Class and arguments. What the class would refuse is refused here, before anything runs."""
    name, given = _call(text)
    if name not in classes():
        raise ChangeError(f"torch.optim has no {name}: choose from {', '.join(classes())}.")
    kind = classes()[name]
    return kind, checked(kind, given, registry)


def _call(text: str) -> tuple[str, dict[str, Any]]:
    wrong = ChangeError(f"An optimizer is written like Adam(lr=0.1), not {text!r}.")
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        raise wrong from None
    keywords = node.keywords if isinstance(node, ast.Call) else []
    if isinstance(node, ast.Call) and (node.args or any(keyword.arg is None for keyword in keywords)):
        raise ChangeError(f"Name every hyperparameter, as in Adam(lr=0.1), not {text!r}.")
    name = _last_name(node.func if isinstance(node, ast.Call) else node)
    if name is None:
        raise wrong
    return name, {str(keyword.arg): _literal(keyword) for keyword in keywords}


def _last_name(node: ast.expr) -> str | None:
    """``Adam`` of ``Adam``, ``optim.Adam`` and ``torch.optim.Adam``."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def _literal(keyword: ast.keyword) -> Any:
    try:
        return ast.literal_eval(keyword.value)
    except (ValueError, TypeError, SyntaxError):
        written = ast.unparse(keyword.value)
        raise ChangeError(f"{keyword.arg} must be a plain value, not {written}.") from None


def checked(kind: type[Optimizer], given: dict[str, Any], registry: Registry) -> dict[str, Any]:
    """The arguments, after a look at each and a trial construction on one small parameter."""
    known = hyperparameters(kind)
    for name in given:
        if name not in known:
            raise ChangeError(f"{kind.__name__} has no {name}: choose from {', '.join(known)}.")
    values = {name: _of_kind(kind, name, value, known[name]) for name, value in given.items()}
    with registry.paused():
        try:
            kind([torch.zeros(1, 1, requires_grad=True)], **values)
        except Exception as error:
            raise ChangeError(f"{kind.__name__}: {error}.") from None
    return values


def _of_kind(kind: type[Optimizer], name: str, value: Any, default: Any) -> Any:
    """The value, if it is of the kind that the default is of."""
    if name == "lr":
        return check_lr(value)
    if isinstance(default, bool) and not isinstance(value, bool):
        raise ChangeError(f"{name} of {kind.__name__} is True or False, not {value!r}.")
    if isinstance(default, (int, float)) and not isinstance(default, bool):
        _check_number(f"{name} of {kind.__name__}", value)
    if isinstance(default, tuple):
        if not isinstance(value, (tuple, list)) or len(value) != len(default):
            raise ChangeError(f"{name} of {kind.__name__} is like {default}, not {value!r}.")
        for item, usual in zip(value, default, strict=True):
            if item is not None or usual is not None:
                _check_number(f"{name} of {kind.__name__}", item)
        return tuple(value)
    return value


def _check_number(what: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
        raise ChangeError(f"{what} must be a number, not {value!r}.")


def check_lr(value: Any) -> float:
    """A learning rate: a finite number, 0 or more."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < 0:
        raise ChangeError(f"lr must be a number, 0 or more, not {value!r}.")
    return value  # type: ignore[no-any-return]


def written(kind: type[Optimizer]) -> str:
    """The class with its default hyperparameters, as a script would write it.

    Without ``lr``: the learning rate in use stays unless one is given.
    """
    hidden = ("lr", *IMPLEMENTATION)
    shown = [f"{name}={value!r}" for name, value in hyperparameters(kind).items() if name not in hidden]
    return f"{kind.__name__}({', '.join(shown)})"
