"""From what the user types to the plain values of a change. Standard library only.

Class names and hyperparameters of optimizers are checked in the debuggee, which has torch.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable
from typing import Any

from backprop_tui.protocol import plain
from backprop_tui.syntax import expression_of

LOSSES = (
    "l1",
    "mse",
    "half_mse",
    "smooth_l1",
    "huber",
    "cross_entropy",
    "nll",
    "multi_margin",
    "bce",
    "bce_with_logits",
)
LARGEST_SEED = 2**32 - 1
"""As NumPy takes it."""
_LOSS_ALIASES = {
    "binary_cross_entropy": "bce",
    "binary_cross_entropy_with_logits": "bce_with_logits",
    "half_se": "half_mse",
}
_INDEX = r"\s*-?\d+\s*(?:,\s*-?\d+\s*)*"
_ELEMENT = re.compile(rf"(?P<name>.+?)\s*(?:\[(?P<index>{_INDEX})?\])?\s*=(?!=)\s*(?P<to>[^=]+)")


def parse_change(kind: str, text: str) -> Any:
    """The value of one change. Raises ValueError with a sentence that lists what is valid.

    zero_grad: "on", "off" or "zero". loss: {"name", "reduction": None}. reduction: {"name": None,
    "reduction"}. optimizer: the text, its syntax checked. lr: a number. scheduler: "on" or "off".
    backward_gradient: a bool. hyperparameter: {"name", "value"}. set: {"name", "attr", "index", "to"}.
    seed: an int.
    """
    if kind not in PARSERS:
        raise ValueError(f"There is no change {kind}: choose from {', '.join(PARSERS)}.")
    return PARSERS[kind](text.strip())


def change_of(kind: str, text: str) -> tuple[str, Any]:
    """(kind, value) of a change as a session takes it: a reduction is a setting of the loss.

    Raises ValueError as `parse_change` does.
    """
    return ("loss" if kind == "reduction" else kind), parse_change(kind, text)


def _one_of(what: str, *words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() in words:
            return text.lower()
        raise ValueError(f"{what} is {', '.join(words[:-1])} or {words[-1]}, not {text!r}.")

    return parse


def _loss(text: str) -> dict[str, str | None]:
    name = text.lower()
    name = _LOSS_ALIASES.get(name, name)
    name = name if name in LOSSES else name.removesuffix("_loss")
    if name not in LOSSES:
        raise ValueError(f"There is no loss {text!r}: choose from {', '.join(LOSSES)}.")
    return {"name": name, "reduction": None}


def _reduction(text: str) -> dict[str, str | None]:
    return {"name": None, "reduction": _one_of("A reduction", "mean", "sum")(text)}


def _lr(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"lr must be a number, 0 or more, not {text!r}.")
    return value


def _seed(text: str) -> int:
    if not text.isdecimal() or len(text) > 10 or int(text) > LARGEST_SEED:
        raise ValueError(f"A seed is a whole number from 0 to {LARGEST_SEED}, not {text!r}.")
    return int(text)


def _backward_gradient(text: str) -> bool:
    if text.lower() in ("loss", "on"):
        return True
    if text.lower() in ("none", "off"):
        return False
    raise ValueError(f"The gradient of backward is loss or off, not {text!r}.")


def _optimizer(text: str) -> str:
    """``Adam``, or ``Adam(lr=0.1, betas=(0.9, 0.99))`` with plain values."""
    wrong = ValueError(f"An optimizer is written like Adam(lr=0.1), not {text!r}.")
    try:
        node = expression_of(text)
        if isinstance(node, ast.Call):
            if node.args or any(keyword.arg is None for keyword in node.keywords):
                raise ValueError(f"Name every hyperparameter, as in Adam(lr=0.1), not {text!r}.")
            _check_literals(node.keywords)
            node = node.func
    except SyntaxError:
        raise wrong from None
    while isinstance(node, ast.Attribute):
        node = node.value
    if not isinstance(node, ast.Name):
        raise wrong
    return text


def _check_literals(keywords: list[ast.keyword]) -> None:
    for keyword in keywords:
        _literal(str(keyword.arg), keyword.value)


def _literal(name: str, node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError):
        raise ValueError(f"{name} must be a plain value, not {ast.unparse(node)}.") from None


def _hyperparameter(text: str) -> dict[str, Any]:
    name, sign, value = (part.strip() for part in text.partition("="))
    try:
        node = expression_of(value)
    except SyntaxError:
        node = None
    if not name.isidentifier() or not sign or node is None:
        raise ValueError(f"A hyperparameter is written like momentum=0.9, not {text!r}.")
    return {"name": name, "value": _literal(name, node)}


def _set(text: str) -> dict[str, Any]:
    """``NAME[0,1]=0.5``; the last pair of brackets is the index. ``NAME.grad[0,1]=0`` for a gradient."""
    wrong = ValueError(f"A value is set like model.weight[0,1]=0.5, not {text!r}.")
    match = _ELEMENT.fullmatch(text)
    if match is None:
        raise wrong
    try:
        word = match["to"].replace(" ", "")
        to = plain(complex(word) if "j" in word else float(word))
        index = [int(part) for part in (match["index"] or "").split(",") if part.strip()]
    except ValueError:
        raise wrong from None
    name = match["name"].strip()
    attr = "grad" if name.endswith(".grad") else "value"
    return {"name": name.removesuffix(".grad"), "attr": attr, "index": index, "to": to}


PARSERS: dict[str, Callable[[str], Any]] = {
    "zero_grad": _one_of("zero_grad", "on", "off", "zero"),
    "loss": _loss,
    "reduction": _reduction,
    "optimizer": _optimizer,
    "lr": _lr,
    "scheduler": _one_of("The scheduler", "on", "off"),
    "backward_gradient": _backward_gradient,
    "hyperparameter": _hyperparameter,
    "set": _set,
    "seed": _seed,
}
"""The kinds of change, each with its parser."""
