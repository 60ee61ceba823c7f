"""What tests of rules ask: is all of it explained and right, and would it be noticed if it were not?"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from backprop_tui.explain.evidence import Evidence, Tensor
from backprop_tui.explain.explanation import Explanation, explain
from explain.both_ways import both_ways, samples


def results(evidence: Evidence) -> list[Tensor]:
    """What torch computed."""
    found = evidence.grad_inputs if evidence.kind == "node" else evidence.outputs
    return [one for one in found if isinstance(one, Tensor)]


def name_of(evidence: Evidence) -> str:
    """As the tables of rules have it."""
    return evidence.name.rstrip("0123456789") if evidence.kind == "node" else evidence.name


def not_right(evidence: Iterable[Evidence]) -> list[str]:
    """What is wrong or has no rule; nothing is asked of numbers that are given or drawn by chance."""
    found = []
    for one in evidence:
        shown = explain(one) if results(one) else []
        told = [
            f"{part.verdict} {part.symbols}: {part.difference}"
            for part in shown
            if part.verdict in ("✗", "?")
        ]
        found += [f"{one.name}: {text}" for text in told]
    return found


def all_right(function: Callable[[], Any], *names: str) -> dict[str, list[Explanation]]:
    """Assert that whatever a function computes, both ways, is ✓, and that these names are among it.

    Returns the explanations by name.
    """
    evidence = [one for one in both_ways(function) if results(one)]
    unlike = not_right(evidence)
    assert not unlike, "\n".join(unlike)
    found: dict[str, list[Explanation]] = {}
    for one in evidence:
        found.setdefault(name_of(one), []).extend(explain(one))
    assert set(names) <= set(found), sorted(found)
    return found


def tampered(evidence: Evidence, change: Callable[[Any], Any]) -> Evidence:
    """The same operation, as if torch had computed something else."""

    def changed(one: Any) -> Any:
        return replace(one, values=change(one.values)) if isinstance(one, Tensor) else one

    if evidence.kind == "node":
        return replace(evidence, grad_inputs=tuple(changed(one) for one in evidence.grad_inputs))
    return replace(evidence, outputs=tuple(changed(one) for one in evidence.outputs))


WRONG: dict[str, Callable[[Any], Any]] = {
    "sign": lambda values: -values,
    "factor": lambda values: 2 * values,
    "thousandth": lambda values: values * 1.001,
}


def unnoticed(evidence: Iterable[Evidence], ours: Callable[[Evidence], bool]) -> list[tuple[str, str]]:
    """Operations that would be called right if a sign, a factor 2 or a thousandth were wrong."""
    found = []
    for one in evidence:
        if ours(one) and any(_large(tensor) for tensor in results(one)):
            for mistake, change in WRONG.items():
                shown = explain(tampered(one, change))
                if all(result.verdict == "✓" for result in shown):
                    found.append((one.name, mistake))
    return found


def _large(tensor: Tensor) -> bool:
    values = tensor.values
    if tensor.dtype not in ("float32", "float64") or not values.size:
        return False
    return bool(np.isfinite(values).all() and np.abs(values).max() > 1e-3)


def database(
    name: str, ours: Callable[[Evidence], bool], most: int, dtype: torch.dtype = torch.float32
) -> list[str]:
    """What is not ✓ of ours in the first samples of an operation in PyTorch's own database."""
    found: list[str] = []
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some samples are of deprecated calls
        for sample in samples(name, dtype, most):
            found += not_right(one for one in both_ways(sample) if ours(one))
    return found
