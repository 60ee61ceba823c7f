"""A gradient that arrives at a leaf: what was there, what comes, what is there now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from backprop_tui.debuggee import evidence_steps
from backprop_tui.explain.accumulate import ADDED, NOTHING, STALE, TAKEN, TO_ZERO, explain_accumulate
from backprop_tui.explain.evidence import Evidence
from backprop_tui.explain.explanation import explain
from explain.observing import travelled
from explain.stepping import parameter


def accumulated(
    leaf: torch.Tensor, added: torch.Tensor | None, uses: Sequence[torch.Tensor] = ()
) -> Evidence:
    """One gradient brought to a leaf as autograd does it."""
    message = evidence_steps.of_accumulate(leaf, added, uses)
    if added is not None:
        leaf.grad = added.clone() if leaf.grad is None else leaf.grad + added
    return travelled(evidence_steps.after_accumulate(message, leaf))


def by_autograd(leaf: torch.Tensor, loss: torch.Tensor) -> Evidence:
    """One backward pass to a leaf, seen by the hooks that the observer uses."""
    found: list[dict[str, Any]] = []
    node = torch.autograd.graph.get_gradient_edge(leaf).node
    handle = node.register_prehook(
        lambda gradients: found.append(evidence_steps.of_accumulate(leaf, gradients[0]))
    )
    loss.backward()
    handle.remove()
    (message,) = found
    return travelled(evidence_steps.after_accumulate(message, leaf))


def test_nothing_was_there() -> None:
    weight = parameter([[0.14, 0.15]])
    (shown,) = explain(by_autograd(weight, (weight * torch.tensor([[-0.85, -0.48]])).sum()))

    assert (shown.symbols, shown.numbers) == ("this pass", "")
    assert (shown.result, shown.verdict, shown.note) == ("[[−0.85 −0.48]]", "✓", TAKEN)


def test_a_second_pass_is_added() -> None:
    weight = parameter([1.0, 2.0])
    by_autograd(weight, (weight * 2).sum())
    (shown,) = explain(by_autograd(weight, (weight * torch.tensor([-3.0, 1.0])).sum()))

    assert (shown.symbols, shown.numbers) == ("grad before + this pass", "[2 2] + [−3 1]")
    assert (shown.result, shown.verdict, shown.note) == ("[−1 3]", "✓", ADDED)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.complex64], ids=str)
def test_in_every_dtype(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    weight = torch.randn(20, 3, dtype=dtype, requires_grad=True)
    evidence = [accumulated(weight, torch.randn(20, 3, dtype=dtype) * 3) for _ in range(4)]

    assert [explain_accumulate(item).verdict for item in evidence] == ["✓"] * 4


def test_a_zero_is_not_none() -> None:
    weight = parameter([1.0])
    weight.grad = torch.zeros(1)

    assert explain_accumulate(accumulated(weight, torch.ones(1))).note == TO_ZERO


def test_a_gradient_of_an_earlier_iteration_is_stale() -> None:
    weight = parameter([1.0])
    accumulated(weight, torch.tensor([30.0]))
    shown = explain_accumulate(accumulated(weight, torch.tensor([30.0])), stale=True)

    assert (shown.numbers, shown.result, shown.note) == ("[30] + [30]", "[60]", STALE)


def test_none_or_zero_is_never_stale() -> None:
    weight = parameter([1.0])

    assert explain_accumulate(accumulated(weight, torch.ones(1)), stale=True).note == TAKEN
    weight.grad = torch.zeros(1)
    assert explain_accumulate(accumulated(weight, torch.ones(1)), stale=True).note == TO_ZERO


def test_earlier_passes_are_told_apart() -> None:
    weight = parameter([1.0])
    first, second = accumulated(weight, torch.tensor([1.0])), accumulated(weight, torch.tensor([-2.0]))
    shown = explain_accumulate(accumulated(weight, torch.tensor([4.0])), earlier=[first, second])

    assert shown.symbols == "pass 1 + pass 2 + this pass"
    assert (shown.numbers, shown.result, shown.verdict) == ("[1] + [−2] + [4]", "[3]", "✓")
    assert shown.element == "1 + (−2) + 4"


def test_earlier_passes_that_do_not_make_what_was_there_are_not_shown() -> None:
    weight = parameter([1.0])
    first = accumulated(weight, torch.tensor([1.0]))
    weight.grad = torch.tensor([7.0])
    shown = explain_accumulate(accumulated(weight, torch.tensor([4.0])), earlier=[first])

    assert (shown.symbols, shown.numbers, shown.verdict) == ("grad before + this pass", "[7] + [4]", "✓")


def test_uses_of_one_tensor_are_told_apart() -> None:
    weight = parameter([1.0])
    uses = [torch.tensor([1.5]), torch.tensor([-0.25])]
    shown = explain_accumulate(accumulated(weight, torch.tensor([1.25]), uses))

    assert (shown.symbols, shown.numbers, shown.result) == ("use 1 + use 2", "[1.5] + [−0.25]", "[1.25]")


def test_of_a_large_tensor_one_element_is_shown() -> None:
    weight = torch.zeros(10, 10, requires_grad=True)
    evidence = [accumulated(weight, torch.full((10, 10), 0.5)), accumulated(weight, -torch.ones(10, 10))]
    shown = explain_accumulate(evidence[1], index=(3, 4))

    assert (shown.numbers, shown.result, shown.index) == ("0.5 + (−1)", "−0.5", (3, 4))


def test_a_sum_that_is_not_torchs_is_wrong() -> None:
    weight = parameter([1.0, 2.0])
    accumulated(weight, torch.ones(2))
    evidence = accumulated(weight, torch.ones(2))
    evidence.saved["after"].values[1] = 5.0
    shown = explain_accumulate(evidence)

    assert (shown.verdict, shown.difference) == ("✗", "differs by 3 at [1]")


def test_a_pass_that_brings_nothing() -> None:
    weight = parameter([1.0])
    assert explain_accumulate(accumulated(weight, None)).result == "None"
    weight.grad = torch.ones(1)
    shown = explain_accumulate(accumulated(weight, None))

    assert (shown.symbols, shown.result, shown.verdict, shown.note) == ("grad before", "[1]", "✓", NOTHING)


def test_a_sparse_gradient() -> None:
    table = torch.nn.Embedding(5, 2, sparse=True)
    shown = explain_accumulate(by_autograd(table.weight, table(torch.tensor([1, 1, 3])).sum()))

    assert (shown.verdict, shown.result) == ("✓", "[[0 0] [2 2] [0 0] [1 1] [0 0]]")
