"""Hides a number in everything that the panes show, while it is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from decimal import Decimal, InvalidOperation
from struct import Struct
from typing import Any, TypeVar

from backprop_tui.debugger.view import View
from backprop_tui.explain.numbers import MINUS, Hidden

_NUMERAL = re.compile(rf"(?<![\w.])[-{MINUS}]?\d+(?:\.\d*)?(?:[eE][-{MINUS}+]?\d+)?(?![\w.]*\w)")
_FEWEST_DIGITS = 3
"""A numeral with fewer digits may be a rounding of many numbers: only the very number is hidden then."""
_FLOAT32 = Struct("<f")
_KEPT = frozenset({"time", "iteration", "number", "depth", "line", "landmark", "shape", "origin", "source"})
"""Entries of records that are places, not values."""

T = TypeVar("T")


def hidden(view: View, numbers: frozenset[float]) -> View:
    """The view with ``?`` wherever one of the numbers would stand."""
    if not numbers:
        return view
    stop = view.stop
    if stop is not None:
        stop = replace(
            stop,
            next=_masked(stop.next, numbers),
            last=_masked(stop.last, numbers),
            open=_masked(stop.open, numbers),
        )
    return replace(
        view,
        stop=stop,
        records=_masked(view.records, numbers),
        parameters=_masked(view.parameters, numbers),
        losses=_masked(view.losses, numbers),
        rates=_masked(view.rates, numbers),
        plan=_masked(view.plan, numbers),
        output=_masked(view.output, numbers),
        toggles=_masked(view.toggles, numbers),
        explanations=_masked(view.explanations, numbers),
        message=hidden_text(view.message, numbers),
    )


def hidden_values(values: T, numbers: frozenset[float]) -> T:
    """Nested lists with ``?`` for the numbers."""
    masked: T = _masked(values, numbers)
    return masked


def hidden_text(text: str, numbers: frozenset[float]) -> str:
    """A text with ``?`` for each numeral that is one of the numbers, rounded or not."""

    def cover(match: re.Match[str]) -> str:
        return "?" if any(_names(match[0], number) for number in numbers) else match[0]

    return _NUMERAL.sub(cover, text)


def _names(numeral: str, number: float) -> bool:
    try:
        value = Decimal(numeral.replace(MINUS, "-"))
    except InvalidOperation:
        return False
    if number in (float(value), _single(float(value))):
        return True
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or len(value.as_tuple().digits) < _FEWEST_DIGITS:
        return False
    return abs(Decimal(number) - value) <= Decimal((0, (6,), exponent - 1))


def _single(value: float) -> float:
    """The float32 that has this name: −0.85 is how −0.8500000238418579 is written, with all its digits."""
    try:
        nearest: float = _FLOAT32.unpack(_FLOAT32.pack(value))[0]
    except OverflowError:
        return value
    return nearest


def _masked(value: Any, numbers: frozenset[float]) -> Any:
    if isinstance(value, float):
        return Hidden(value) if value in numbers else value
    if isinstance(value, (list, tuple)):
        found = [_masked(item, numbers) for item in value]
        return found if isinstance(value, list) else tuple(found)
    if isinstance(value, Mapping):
        return {key: item if key in _KEPT else _masked(item, numbers) for key, item in value.items()}
    if isinstance(value, str):
        return hidden_text(value, numbers)
    if is_dataclass(value) and not isinstance(value, type):
        changed = {field.name: _masked(getattr(value, field.name), numbers) for field in fields(value)}
        return replace(value, **changed)
    return value
