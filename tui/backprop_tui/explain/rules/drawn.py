"""Rules of numbers drawn by chance: from where to where they can lie is known, and is all that is checked.

torch/nn/init.py for the starting values of weights: Glorot and Bengio (2010), He and others (2015).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array
from backprop_tui.explain.rule import Case, Index, Rule
from backprop_tui.explain.rules import axes as ax
from backprop_tui.explain.rules.writing import wide

Bounds = Callable[[Case], tuple[Any, Any]]
FAR = 9.0
"""So many deviations from the mean a normal number lies in 1 of 10¹⁸ draws."""


def _chance(case: Case) -> str:
    return "the numbers are drawn by chance: only the range is checked"


def _drawn(text: Callable[[Case], str], bounds: Bounds, signature: str) -> Rule:
    def evaluate(case: Case) -> list[Array | None]:
        torchs = case.result(0)
        return [None if torchs is None else np.clip(torchs.values, *bounds(case))]

    def element(case: Case, number: int, index: Index) -> str:
        return text(case)

    return Rule(lambda case, number: text(case), evaluate, signature, element, _chance, random=_chance)


def _evenly(bounds: Bounds, signature: str) -> Rule:
    def text(case: Case) -> str:
        low, high = bounds(case)
        return f"drawn evenly from {_short(low)} to {_short(high)}"

    return _drawn(text, bounds, signature)


def _normally(moments: Bounds, signature: str) -> Rule:
    """``moments``: mean and deviation, numbers or one for each element."""

    def bounds(case: Case) -> tuple[Any, Any]:
        mean, deviation = moments(case)
        return mean - FAR * deviation, mean + FAR * deviation

    def text(case: Case) -> str:
        mean, deviation = moments(case)
        return f"drawn from a normal distribution, mean {_short(mean)}, deviation {_short(deviation)}"

    return _drawn(text, bounds, signature)


def _short(value: Any) -> str:
    if np.size(value) > 1:
        return "of each its own"
    return wide(round(float(value), 6))


# -- starting values --------------------------------------------------------------------------------

_GAINS = {"relu": math.sqrt(2), "tanh": 5 / 3, "selu": 3 / 4}


def _gain(case: Case) -> float:
    """torch.nn.init.calculate_gain."""
    name = case.get("nonlinearity", "leaky_relu")
    if name == "leaky_relu":
        return math.sqrt(2 / (1 + float(case.get("a", 0)) ** 2))
    return _GAINS.get(name, 1.0)


def _fans(case: Case) -> tuple[int, int]:
    """Inputs and outputs of a unit: torch.nn.init._calculate_fan_in_and_fan_out."""
    shape = ax.tensor(case, "tensor").shape
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] * window


def _he(case: Case) -> float:
    """The deviation that keeps the size of a signal: gain/√fan."""
    fan_in, fan_out = _fans(case)
    return _gain(case) / math.sqrt(max(1, fan_in if case["mode"] == "fan_in" else fan_out))


def _glorot(case: Case) -> float:
    return float(case["gain"]) * math.sqrt(2 / max(1, sum(_fans(case))))


def _even(deviation: Callable[[Case], float]) -> Bounds:
    """The bounds of an even distribution of this deviation."""
    return lambda case: (-math.sqrt(3) * deviation(case), math.sqrt(3) * deviation(case))


# -- any numbers ------------------------------------------------------------------------------------


def _between(case: Case) -> tuple[Any, Any]:
    low = case.get("a", case.get("low", 0.0))
    return low, case.get("b", case.get("high", 1.0))


def _mean_and_deviation(case: Case) -> tuple[Any, Any]:
    return case.get("mean", 0.0), case.get("std", 1.0)


def _whole_numbers(case: Case) -> tuple[int, int]:
    """``randint(high, size)`` and ``randint(low, high, size)``."""
    low, high = case.get("low", 0), case["high"]
    return int(low), int(high) - 1


def _permuted(case: Case) -> list[Array | None]:
    torchs, order = case.result(0), np.arange(int(case["n"]))
    if torchs is None:
        return [None]
    return [torchs.values if np.array_equal(np.sort(torchs.values), order) else order]


_KAIMING = "tensor, a=0, mode='fan_in', nonlinearity='leaky_relu', generator=None"
_GLOROT = "tensor, gain=1.0, generator=None"
_UNIT = _evenly(lambda case: (0.0, 1.0), "*size, **options")
_STANDARD = _normally(lambda case: (0.0, 1.0), "*size, **options")
_WHOLE = "high, size, **options | low, high, size, **options"

OPS: dict[str, Rule] = {
    "rand": _UNIT,
    "rand_like": _UNIT,
    "randn": _STANDARD,
    "randn_like": _STANDARD,
    "uniform_": _evenly(_between, "tensor, a=0.0, b=1.0, generator=None"),
    "normal_": _normally(_mean_and_deviation, "tensor, mean=0.0, std=1.0, generator=None"),
    "normal": _normally(_mean_and_deviation, "mean=0.0, std=1.0, size=None, **options"),
    "trunc_normal_": _drawn(
        lambda case: f"drawn from a normal distribution, cut at {_short(case['a'])} and {_short(case['b'])}",
        lambda case: (case["a"], case["b"]),
        "tensor, mean=0.0, std=1.0, a=-2.0, b=2.0, generator=None",
    ),
    "kaiming_uniform_": _evenly(_even(_he), _KAIMING),
    "kaiming_normal_": _normally(lambda case: (0.0, _he(case)), _KAIMING),
    "xavier_uniform_": _evenly(_even(_glorot), _GLOROT),
    "xavier_normal_": _normally(lambda case: (0.0, _glorot(case)), _GLOROT),
    "randint": _evenly(_whole_numbers, _WHOLE),
    "randint_like": _evenly(_whole_numbers, "input, high, **options | input, low, high, **options"),
    "randperm": Rule(
        "0, 1, … below {n} in any order", _permuted, "n, **options",
        lambda case, number, index: "one of them", _chance, random=_chance,
    ),
    "bernoulli": _drawn(
        lambda case: "1 with the probability {input}, else 0",
        lambda case: (np.floor(case["input"]), np.ceil(case["input"])), "input, **options",
    ),
}  # fmt: skip

NODES: dict[str, Rule] = {}
