"""Taking numbers down must not change what the script does."""

from __future__ import annotations

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from backprop_tui.debuggee import evidence as capture
from backprop_tui.debuggee import private
from backprop_tui.debuggee.evidence import saved_of
from backprop_tui.explain.explanation import explain
from explain.observing import call, travelled


@pytest.fixture(autouse=True)
def _hooks_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a torch whose saved tensors do not tell of their hooks."""
    for name in ("_push_saved_tensors_default_hooks", "_pop_saved_tensors_default_hooks"):
        monkeypatch.setattr(torch._C._autograd, name, getattr(torch._C._autograd, name))
    private.watch_saved_tensor_hooks()


def test_saved_tensors_that_a_hook_keeps_are_not_read() -> None:
    x = torch.ones(3, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: "packed", lambda packed: pytest.fail(packed)):
        node = x.exp().grad_fn
    with pytest.raises(LookupError, match="hook"):
        saved_of(node)


def test_activation_checkpointing_still_works() -> None:
    x = torch.ones(3, requires_grad=True)
    y = checkpoint(lambda t: t.exp() * 2, x, use_reentrant=False)
    assert y.grad_fn is not None
    ((inner, _), *_) = y.grad_fn.next_functions
    with pytest.raises(LookupError, match="activation checkpointing"):
        saved_of(inner)
    y.sum().backward()
    assert x.grad is not None


def test_memory_as_it_was_found_is_not_called_unexplained() -> None:
    evidence, _ = call("empty", lambda: torch.empty(2))
    (shown,) = explain(evidence)
    assert shown.check is None
    assert "no rule" not in shown.symbols


def test_what_cannot_be_explained_is_told_with_the_reason() -> None:
    node = torch.ones(2, requires_grad=True).sigmoid().grad_fn
    assert node is not None
    message = {**capture.of_node(node, [None]), "grad_inputs": [None]}
    assert [one.symbols for one in explain(travelled(message))] == ["no gradient comes in, and none goes out"]

    z = torch.tensor([1 + 2j, 2j], requires_grad=True)
    numbers = z.abs()
    gradient = torch.ones(2)
    message = capture.of_node(numbers.grad_fn, [gradient])
    message["grad_inputs"] = capture.of_outputs(torch.autograd.grad(numbers, z, gradient))
    (shown,) = explain(travelled(message))
    assert shown.symbols == "no rule for AbsBackward0 with such operands yet"
    assert shown.verdict == "?"
