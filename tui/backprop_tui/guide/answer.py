"""Judges an answer: right, close (and by what slip), or wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from backprop_tui.guide.expression import Numbers, Quantity, WrongExpression, evaluate
from backprop_tui.guide.lesson import Ask
from backprop_tui.guide.text import fill, number_text

Mark = Literal["right", "close", "wrong", "skipped"]

_SMALL = 10
"""A whole number below it stands in too many places to be hidden."""
_SLIP = 0.005
"""How near to the result of a slip an answer must be, as a part of it."""
_NEAR = 0.1
"""How near to the right number an answer is close."""
_SERIES = ("losses", "lrs", "printed")
"""Names of what grows with the run and is averaged by nothing."""


@dataclass(frozen=True)
class Verdict:
    """What there is to say to an answer."""

    mark: Mark
    sentence: str
    """``Right: 0.1825.``"""
    why: str


def right_answer(ask: Ask, known: Mapping[str, Any]) -> Quantity | int:
    """The right number, or which of the choices is right, from 1. Raises WrongExpression."""
    if ask.kind == "number":
        return evaluate(ask.answer, known)
    if ask.kind == "choice":
        return ask.right
    numbers = [evaluate(text, known).value for text in ask.values]
    largest = max(numbers)
    if numbers.count(largest) > 1:
        raise WrongExpression(f"several of {', '.join(ask.values)} are largest")
    return numbers.index(largest) + 1


def everywhere(number: float) -> bool:
    """Whether a number stands in too many places to be hidden, as 0 and 1 do."""
    return number.is_integer() and abs(number) < _SMALL


def judge(ask: Ask, given: str | None, known: Mapping[str, Any]) -> Verdict:
    """The verdict on what was typed: a number, or the number of a choice. None: it was skipped.

    Raises ValueError with a sentence if what was typed is not an answer at all, WrongExpression if the
    run has no answer.
    """
    right, why = right_answer(ask, known), fill(ask.why, known)
    shown = _shown(ask, right)
    if given is None:
        return Verdict("skipped", f"{'The answer:' if isinstance(right, int) else 'It is'} {shown}.", why)
    if isinstance(right, int):
        chosen = read_choice(ask, given)
        if chosen == right:
            return Verdict("right", f"Right: {shown}.", why)
        return Verdict("wrong", f"Not “{ask.choices[chosen - 1]}”: {shown}.", why)
    mark, remark = _judged_number(ask, read_number(given), right, known)
    words = {"right": f"Right: {shown}.", "close": f"Close: it is {shown}.", "wrong": f"No: it is {shown}."}
    return Verdict(mark, f"{words[mark]} {remark}".strip(), why)


def check_form(ask: Ask, given: str) -> None:
    """Raises ValueError with a sentence if what was typed is not an answer at all."""
    if ask.kind == "number":
        read_number(given)
    else:
        read_choice(ask, given)


def _shown(ask: Ask, right: Quantity | int) -> str:
    return ask.choices[right - 1] if isinstance(right, int) else number_text(right)


def read_number(text: str) -> float:
    """The number that a person typed: ``0.5``, ``−1``, ``1/3``, ``1e-3``. Raises ValueError."""
    text = text.strip().replace("−", "-").replace("\u2009", "").replace(",", ".")
    try:
        return evaluate(text, {}).value
    except WrongExpression:
        raise ValueError(f"a number is asked for, as in 0.5 or −1/3, not {text!r}") from None


def read_choice(ask: Ask, text: str) -> int:
    """Which choice a person typed, from 1. Raises ValueError."""
    if text.strip().isdecimal() and 1 <= int(text) <= len(ask.choices):
        return int(text)
    raise ValueError(f"choose from 1 to {len(ask.choices)}, not {text.strip()!r}")


def _judged_number(
    ask: Ask, given: float, right: Quantity, known: Mapping[str, Any]
) -> tuple[Literal["right", "close", "wrong"], str]:
    if _within(given, right.value, ask.tolerance):
        return "right", ""
    for slip in ask.slips:
        if _within(given, evaluate(slip.value, known).value, max(_SLIP, ask.tolerance)):
            return "close", fill(slip.say, known)
    for factor, remark in factors(known).items():
        if right.value and _within(given, right.value * factor, _SLIP):
            return "close", remark
    if _within(given, right.value, _NEAR):
        return "close", "That is within a tenth of it."
    return "wrong", ""


def factors(known: Mapping[str, Any]) -> dict[float, str]:
    """What an answer may be off by, with what to say to it."""
    found = {-1.0: "Off by the sign.", 2.0: "Twice as large.", 0.5: "Half of it.", -2.0: "", -0.5: ""}
    found[-2.0] = found[-0.5] = "Off by the sign and a factor of 2."
    rate = known.get("lr")
    if isinstance(rate, Quantity) and rate.value not in (0.0, 1.0, *found):
        text = number_text(rate)
        found[1 / rate.value] = f"Multiply by the learning rate, {text}."
        found[rate.value] = f"The learning rate, {text}, does not belong in it."
        found[-1 / rate.value] = f"Multiply by the learning rate, {text}, and mind the sign."
    for count in sorted(sizes(known)):
        found.setdefault(float(count), f"{count} times as large: is there a mean over {count}?")
        found.setdefault(1 / count, f"1/{count} of it: is there a sum over {count}?")
    return found


def sizes(known: Mapping[str, Any]) -> set[int]:
    """How many elements, rows or columns the tensors have, where there are three or more."""
    found = {size for name, value in known.items() if name not in _SERIES for size in _sizes(value)}
    return found - {0, 1, 2}


def _sizes(value: Any) -> set[int]:
    if isinstance(value, Numbers):
        return _sizes(value.values) | {_count(value.values)}
    if isinstance(value, Mapping):
        return {size for item in value.values() for size in _sizes(item)}
    if isinstance(value, list):
        return {len(value)} | {size for item in value for size in _sizes(item)}
    return set()


def _count(value: Any) -> int:
    """The elements of nested lists."""
    if isinstance(value, Numbers):
        value = value.values
    return sum(_count(item) for item in value) if isinstance(value, list) else int(value is not None)


def _within(given: float, right: float, part: float) -> bool:
    if math.isnan(given) or math.isnan(right):
        return math.isnan(given) and math.isnan(right)
    return given == right or abs(given - right) <= part * abs(right)
