"""The rule of gradient clipping against torch."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from backprop_tui.debuggee import evidence as capture
from backprop_tui.explain.explanation import Explanation, explain
from explain.observing import travelled


def clipped(gradients: list[torch.Tensor], most: float, kind: float = 2.0) -> Explanation:
    leaves = [torch.nn.Parameter(torch.zeros_like(item)) for item in gradients]
    for leaf, gradient in zip(leaves, gradients, strict=True):
        leaf.grad = gradient.clone()
    settings: dict[str, Any] = {"max_norm": most, "norm_type": kind}
    message = capture.of_call("clip_grad_norm_", (gradients,), settings)
    norm = torch.nn.utils.clip_grad_norm_(leaves, most, kind)
    message["outputs"] = capture.of_outputs(norm)
    (shown,) = explain(travelled(message))
    return shown


def test_the_norm_of_all_gradients_and_what_comes_of_it() -> None:
    shown = clipped([torch.tensor([3.0]), torch.tensor([[4.0]])], 1.0)
    assert (shown.symbols, shown.result, shown.verdict) == ("√Σ g² over all gradients", "5", "✓")
    assert shown.element == "√(3² + 4²)"
    assert shown.note == "The norm is above 1, so every gradient is multiplied by 1/5 = 0.2."


def test_a_norm_below_the_limit_changes_nothing() -> None:
    shown = clipped([torch.tensor([0.3, 0.4])], 1.0)
    assert shown.verdict == "✓"
    assert shown.note is not None and "stay as they are" in shown.note


@pytest.mark.parametrize("kind", [1.0, 2.0, 3.0, math.inf])
def test_every_norm(kind: float) -> None:
    assert clipped([torch.randn(4, 3), torch.randn(7), torch.randn(())], 0.1, kind).verdict == "✓"


def limited(gradients: list[torch.Tensor], most: float) -> list[Explanation]:
    leaves = [torch.nn.Parameter(torch.zeros_like(item)) for item in gradients]
    for leaf, gradient in zip(leaves, gradients, strict=True):
        leaf.grad = gradient.clone()
    message = capture.of_call("clip_grad_value_", (gradients,), {"clip_value": most})
    torch.nn.utils.clip_grad_value_(leaves, most)
    message["outputs"] = capture.of_outputs([leaf.grad for leaf in leaves])
    return explain(travelled(message))


def test_every_gradient_is_brought_within_the_limits() -> None:
    one, other = limited([torch.tensor([3.0, -0.25]), torch.tensor([[-4.0]])], 0.5)
    assert (one.symbols, one.verdict, other.verdict) == ("min(max(g, −0.5), 0.5)", "✓", "✓")
    assert (one.element, other.element) == ("min(max(3, −0.5), 0.5)", "min(max(−4, −0.5), 0.5)")
    assert one.note == "2 of 3 elements lay beyond ±0.5."


def test_a_gradient_that_is_no_number_stays_none() -> None:
    (shown,) = limited([torch.tensor([math.nan, math.inf, 0.1])], 1.0)
    assert shown.verdict == "✓"
