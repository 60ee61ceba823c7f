"""Rules of element-by-element arithmetic against torch."""

from __future__ import annotations

import torch

from backprop_tui.explain.explanation import explain
from explain.observing import backward, call


def test_a_product_forwards_and_backwards() -> None:
    a = torch.tensor([[1.0, -2.0]], requires_grad=True)
    b = torch.tensor([[3.0], [0.1]], requires_grad=True)
    evidence, result = call("mul", torch.mul, a, b)
    (shown,) = explain(evidence)
    assert shown.verdict == "✓"
    assert shown.symbols == "input · other"
    assert shown.numbers == "[[1 −2]] · [[3] [0.1]]"
    assert shown.result == "[[3 −6] [0.1 −0.2]]"
    assert shown.element == "(−2) · 3"
    _, node = backward(result.sum())
    assert [one.verdict for one in explain(node)] == ["✓", "✓"]
