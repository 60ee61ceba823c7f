"""Tensors of a record in words, for sentences that a learner reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from backprop_tui.explain.numbers import display, flat, norm_of, shape_text, shortest, significant
from backprop_tui.protocol import TensorInfo

_LISTED = 3


def number(value: Any, dtype: str = "float64", digits: int = 4) -> str:
    """A number rounded to so many digits."""
    return significant(value, dtype, digits)


def exact(value: Any) -> str:
    """A number as the script would write it: a learning rate, a limit."""
    return display(shortest(value, "float64"))


def called(info: TensorInfo | None, otherwise: str = "tensor") -> str:
    """What the script calls a tensor; a temporary is ``the input``, or what else it is."""
    name = None if info is None else info.get("name")
    return name or f"the {otherwise}"


def size(info: TensorInfo | None) -> str:
    """``0.25`` for a tensor of one element, ``norm 0.25`` for a larger one; empty if not known."""
    if info is None:
        return "None"
    values = info.get("values")
    if values is not None and len(inside := flat(values)) == 1:
        return number(inside[0], info.get("dtype", ""))
    norm = norm_of(info)
    return "" if norm is None else f"norm {number(norm, digits=3)}"


def listed(names: Sequence[str], limit: int = _LISTED) -> str:
    """``a``, ``a and b``, ``a, b, c and 4 more``."""
    shown = list(names[:limit])
    if len(names) > limit:
        return f"{', '.join(shown)} and {len(names) - limit} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def counted(count: int, noun: str) -> str:
    """``1 gradient``, ``2 gradients``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def be(count: int) -> str:
    """``is`` or ``are``."""
    return "is" if count == 1 else "are"


def shape_words(info: TensorInfo | None) -> str:
    """``(6, 1)``, as torch and numpy write it."""
    return str(tuple(info.get("shape", []))) if info is not None else "()"


def left_out_names(items: Iterable[Any]) -> list[str]:
    """Names of parameters, or their shapes where no variable leads to them."""
    return [item["name"] or f"an unnamed {shape_text(item['shape'])} parameter" for item in items]
