"""Reads the arithmetic that an explanation shows, as a learner with a calculator would."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import numpy as np

from backprop_tui.explain import explanation
from backprop_tui.explain.evidence import Evidence
from backprop_tui.explain.rules import writing
from explain.checking import results

_SPELLED = [("−", "-"), ("·", "*"), ("²", "**2"), ("½", "0.5*"), ("^", "**"), ("2π", "(2*pi)")]
_WRITTEN = [
    (re.compile(r" \([a-z][^()]*\)$"), ""),  # where the number stands
    (re.compile(r"^0, .*"), "0"),  # why it is 0
    (re.compile(r"\*\*\*"), "**2*"),
    (re.compile(r"√(\d+(?:\.\d+)?)"), r"sqrt(\1)"),
    (re.compile(r"√\("), "sqrt("),
    (re.compile(r"σ\("), "sigmoid("),
    (re.compile(r"‖([^‖]*)‖"), r"(\1)"),
    (re.compile(r"\|([^|]*)\|"), r"abs(\1)"),
    (re.compile(r"\[([^\]]*)\]"), r"(1*(\1))"),
    (re.compile(r"log (\(2\*pi\)|\(?-?[\d.]+(?:e-?\d+)?\)?)"), r"log(\1)"),
    (re.compile(r"log sigmoid\(((?:[^()]|\([^()]*\))*)\)"), r"log(sigmoid(\1))"),
    (re.compile(r"0\.5\*\*"), "0.5*"),
]
_WORDS = re.compile(r"\b(?!sqrt|sigmoid|abs|max|min|log|exp|tanh|clamp|inf|nan|pi|e\b|e-?\d)[A-Za-zΣ]{2,}")


def _sigmoid(x: float) -> float:
    return math.exp(min(x, 0)) / (1 + math.exp(-abs(x)))


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf


_FUNCTIONS = {
    "sqrt": math.sqrt, "sigmoid": _sigmoid, "abs": abs, "max": max, "min": min, "log": _log, "exp": math.exp,
    "tanh": math.tanh, "e": math.e, "inf": math.inf, "nan": math.nan, "pi": math.pi,
    "clamp": lambda x, low, high: min(max(x, low), high),
}  # fmt: skip


def worked_out(text: str) -> float | None:
    """What the arithmetic comes to; None if it is not only arithmetic."""
    for written, meant in _SPELLED:
        text = text.replace(written, meant)
    for pattern, meant in _WRITTEN:
        text = pattern.sub(meant, text)
    if _WORDS.search(text):
        return None
    try:
        return float(eval(text, {"__builtins__": {}}, dict(_FUNCTIONS)))
    except (SyntaxError, TypeError, NameError, RecursionError):
        return None
    except (OverflowError, ZeroDivisionError, ValueError):
        return math.nan


@contextmanager
def all_terms() -> Iterator[None]:
    """Write out sums of any length."""
    kept = writing.SHOWN, writing.INNER, explanation.SHOWN_TERMS
    writing.SHOWN = writing.INNER = explanation.SHOWN_TERMS = 100_000
    try:
        yield
    finally:
        writing.SHOWN, writing.INNER, explanation.SHOWN_TERMS = kept


def misread(
    evidence: Iterable[Evidence], ours: Callable[[Evidence], bool], tolerance: float = 1e-4
) -> tuple[list[str], int]:
    """Elements whose written arithmetic gives something else than torch, and how many were read."""
    found, count = [], 0
    chance = random.Random(0)
    with all_terms():
        for one in evidence:
            for number, result in enumerate(results(one)) if ours(one) else ():
                if not result.values.size or result.values.dtype.kind not in "fiu":
                    continue
                index = tuple(chance.randrange(size) for size in result.shape)
                shown = explanation.explain(one, index)
                if len(shown) != len(results(one)) or shown[number].element is None:
                    continue
                text = shown[number].element or ""
                value, torchs = worked_out(text), float(result.values[index])
                if value is None:
                    continue
                count += 1
                size = max(abs(torchs), float(np.abs(np.nan_to_num(result.values)).max()) * 1e-2, 1e-6)
                if not (
                    abs(value - torchs) <= tolerance * size
                    or (math.isnan(value) and not math.isfinite(torchs))
                ):
                    found.append(f"{one.name} {list(index)}: {text} is {value}, not {torchs}")
    return found, count
