"""The sum over paths is the gradient, and the paths are the ones of the textbook."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from backprop_tui.explain.chain import Broken, Chain, Node, chain
from explain.observing import backward


def chain_of(loss: torch.Tensor, leaf: torch.Tensor, index: tuple[int, ...]) -> Chain:
    found = backward(loss, names={id(leaf): "w"})
    nodes = [Node(evidence, (0, i), 1, i + 1) for i, evidence in enumerate(found)]
    return chain(nodes, "w", index)


def test_the_lesson_is_a_product_of_three_factors() -> None:
    first = nn.Parameter(torch.tensor([[0.11, 0.21], [0.12, 0.08]]))
    second = nn.Parameter(torch.tensor([[0.14, 0.15]]))
    x = torch.tensor([2.0, 3.0])
    result = nn.functional.linear(nn.functional.linear(x, first), second)
    found = chain_of((result - 1).abs().mean(), first, (1, 0))
    (path,) = found.paths
    assert [round(factor.value, 6) for factor in path.factors] == [-1.0, 0.15, 2.0]
    assert [factor.node for factor in path.factors] == ["AbsBackward0", "MmBackward0", "MmBackward0"]
    assert path.product == pytest.approx(-0.3)
    assert found.agrees and found.autograd == pytest.approx(-0.3)


def test_a_weight_that_is_used_twice_has_two_paths() -> None:
    w = torch.tensor([3.0], requires_grad=True)
    found = chain_of((w * w * 2).sum(), w, (0,))
    assert [path.product for path in found.paths] == [6.0, 6.0]
    assert found.agrees and found.total == 12


def test_paths_fork_at_a_hidden_layer_and_the_rest_is_summed() -> None:
    torch.manual_seed(0)
    first, second = nn.Linear(3, 8), nn.Linear(8, 5)
    loss = second(torch.tanh(first(torch.randn(4, 3)))).pow(2).sum()
    found = chain_of(loss, first.weight, (2, 1))
    assert len(found.paths) == 12
    assert found.more > 0
    assert found.agrees, (found.total, found.autograd)
    sizes = [abs(path.product) for path in found.paths]
    assert sizes == sorted(sizes, reverse=True)


def test_a_node_without_a_rule_breaks_the_chain_and_is_named() -> None:
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):  # type: ignore[no-untyped-def]
            return x * 2

        @staticmethod
        def backward(ctx, gradient):  # type: ignore[no-untyped-def]
            return gradient * 2

    w = torch.tensor([3.0], requires_grad=True)
    with pytest.raises(Broken, match="no rule for DoubleBackward"):
        chain_of(Double.apply(w).sum(), w, (0,))
    with pytest.raises(Broken, match="no gradient came to w"):
        chain_of((w.detach() * torch.ones(1, requires_grad=True)).sum(), w, (0,))
