"""Clearing gradients: left out, or to zero, is what the script without it, or with zeros, would do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode

from backprop_tui.debuggee.changes.errors import ChangeError
from backprop_tui.debuggee.changes.zero_grad import ZeroGrad
from changes.training import equal


class Mode(TorchFunctionMode):
    """As the debuggee's mode does it."""

    def __init__(self, change: ZeroGrad) -> None:
        self.change = change

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self.change.concerns(func):
            func, args, kwargs = self.change.replacement(func, args, kwargs)
        return func(*args, **kwargs)


Clear = Callable[[torch.nn.Module, torch.optim.Optimizer], Any]


def by_hand(clear: Callable[[torch.Tensor], Any]) -> Clear:
    def all_of_them(net: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        for parameter in net.parameters():
            if parameter.grad is not None:
                clear(parameter)

    return all_of_them


def delete(parameter: torch.Tensor) -> None:
    del parameter.grad


def together(net: torch.nn.Module) -> None:
    gradients = [parameter.grad for parameter in net.parameters() if parameter.grad is not None]
    if gradients:
        torch._foreach_zero_(gradients)


WAYS: dict[str, Clear] = {
    "optimizer": lambda net, optimizer: optimizer.zero_grad(),
    "optimizer, zeros": lambda net, optimizer: optimizer.zero_grad(set_to_none=False),
    "optimizer, positional": lambda net, optimizer: optimizer.zero_grad(False),
    "module": lambda net, optimizer: net.zero_grad(),
    "module, zeros": lambda net, optimizer: net.zero_grad(set_to_none=False),
    "None": by_hand(lambda p: setattr(p, "grad", None)),
    "del": by_hand(delete),
    "zero_": by_hand(lambda p: p.grad.zero_()),  # type: ignore[union-attr]
    "data.zero_": by_hand(lambda p: p.grad.data.zero_()),  # type: ignore[union-attr]
    "detach_ and zero_": by_hand(lambda p: p.grad.detach_().zero_()),  # type: ignore[union-attr]
    "torch.zero_": by_hand(lambda p: torch.zero_(p.grad)),
    "fill_": by_hand(lambda p: p.grad.fill_(0)),  # type: ignore[union-attr]
    "torch.fill_": by_hand(lambda p: torch.fill_(p.grad, 0.0)),
    "foreach": lambda net, optimizer: together(net),
}
NEEDS_NO_MODE = [way for way in WAYS if way.startswith(("optimizer", "module"))]


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[ZeroGrad], None]]:
    """zero_grad wrapped, as the debuggee does it."""

    def patch(change: ZeroGrad) -> None:
        for owner in (torch.optim.Optimizer, torch.nn.Module):
            monkeypatch.setattr(owner, "zero_grad", change.wrap(owner.zero_grad))  # type: ignore[attr-defined]

    yield patch


def train(clear: Clear | None, foreach: bool = False) -> Any:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1, foreach=foreach)
    x, y = torch.randn(5, 3), torch.randn(5, 1)
    hidden = torch.ones(3)
    kinds = []
    for _ in range(4):
        if clear is not None:
            clear(net, optimizer)
        kinds.append([parameter.grad is None for parameter in net.parameters()])
        hidden.fill_(0)
        hidden.zero_().add_(1)
        torch.nn.functional.mse_loss(net(x), y).backward()
        optimizer.step()
    parameters = list(net.parameters())
    return [parameters, [parameter.grad for parameter in parameters], optimizer.state_dict(), hidden], kinds


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("foreach", [False, True])
def test_off_is_the_script_without_it(way: str, foreach: bool, patched: Any) -> None:
    expected, _ = train(None, foreach)
    change = ZeroGrad("off")
    patched(change)
    with Mode(change):
        actual, _ = train(WAYS[way], foreach)
    assert equal(actual, expected)
    assert torch.equal(actual[-1], torch.ones(3)), "a tensor that is no gradient is zeroed as always"


@pytest.mark.parametrize("way", NEEDS_NO_MODE)
@pytest.mark.parametrize("mode", ["off", "zero"])
def test_zero_grad_needs_no_mode(way: str, mode: str, patched: Any) -> None:
    expected, _ = train(None if mode == "off" else WAYS["optimizer, zeros"])
    patched(ZeroGrad(mode))
    actual, _ = train(WAYS[way])
    assert equal(actual, expected)


@pytest.mark.parametrize("way", WAYS)
def test_zero_leaves_zeros_and_not_none(way: str, patched: Any) -> None:
    expected, kinds = train(WAYS["zero_"])
    change = ZeroGrad("zero")
    patched(change)
    with Mode(change):
        actual, actual_kinds = train(WAYS[way])
    assert equal(actual, expected)
    assert actual_kinds == kinds


@pytest.mark.parametrize("way", WAYS)
def test_on_changes_nothing(way: str, patched: Any) -> None:
    expected = train(WAYS[way])
    change = ZeroGrad("on")
    patched(change)
    with Mode(change):
        assert equal(train(WAYS[way])[0], expected[0])


def test_off_differs_from_on() -> None:
    assert not equal(train(None)[0], train(WAYS["None"])[0])


def test_gradients_taken_before_are_known_when_taken_again() -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    with Mode(ZeroGrad("off")):
        weight.grad = weight.grad * 2
        weight.grad.zero_()
        memory = torch.ones(2)
        memory.zero_()
    assert torch.equal(weight.grad, torch.full((2,), 2.0))
    assert torch.equal(memory, torch.zeros(2))


def test_a_gradient_with_a_graph_is_detached_as_torch_does() -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.autograd.grad((weight**3).sum(), weight, create_graph=True)[0]
    assert weight.grad.requires_grad
    with Mode(ZeroGrad("zero")):
        weight.grad = None
    assert weight.grad is not None and not weight.grad.requires_grad
    assert torch.equal(weight.grad, torch.zeros(2))


def test_a_gradient_that_is_a_leaf_of_its_own_no_longer_requires_one() -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2, requires_grad=True)
    with Mode(ZeroGrad("zero")):
        weight.grad = None
    assert weight.grad is not None and not weight.grad.requires_grad


def test_memory_of_a_gradient_that_is_gone_belongs_to_no_one() -> None:
    weight = torch.nn.Parameter(torch.ones(1000))
    change = ZeroGrad("off")
    with Mode(change):
        weight.grad = torch.ones(1000)
        other = weight.grad.detach()
        weight.grad = torch.ones(1000)
        other.zero_()
    assert torch.equal(other, torch.zeros(1000))


def test_a_wrong_word_lists_the_right_ones() -> None:
    with pytest.raises(ChangeError, match="on, off or zero, not maybe"):
        ZeroGrad("maybe")
