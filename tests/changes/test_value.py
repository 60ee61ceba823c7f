"""One element set by hand; backward with the loss as its gradient; what is in force."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from backprop_tui.debuggee import private
from backprop_tui.debuggee.changes import ChangeError, Changes
from backprop_tui.debuggee.changes.backward_gradient import with_loss_as_gradient
from backprop_tui.debuggee.changes.registry import Registry
from backprop_tui.debuggee.changes.value import set_value, shortest


def test_elements_of_parameters_and_gradients() -> None:
    weight = torch.nn.Parameter(torch.zeros(2, 3))
    weight.grad = torch.ones(2, 3)
    version = weight._version
    assert set_value(weight, [0, -1], 0.5) == 0.5
    assert set_value(weight.grad, (1, 0), "inf") == float("inf")
    assert weight[0, 2] == 0.5 and int((weight != 0).sum()) == 1
    assert weight._version == version and weight.is_leaf and weight.grad_fn is None
    assert set_value(torch.tensor(1.0), [], -2) == -2.0


def test_the_value_is_rounded_to_the_dtype() -> None:
    assert set_value(torch.zeros(1), [0], 0.1) == torch.tensor(0.1).item()
    assert set_value(torch.zeros(1, dtype=torch.float16), [0], 1e6) == float("inf")
    assert set_value(torch.zeros(1, dtype=torch.int64), [0], 2**60 + 1) == 2**60 + 1
    assert set_value(torch.zeros(1, dtype=torch.bool), [0], 1) is True


def test_backward_goes_on_with_the_new_value() -> None:
    weight = torch.nn.Parameter(torch.tensor([3.0]))
    loss = (weight**2).sum()
    set_value(weight, [0], 5.0)
    loss.backward()
    assert weight.grad is not None and weight.grad.item() == 10.0


WRONG: list[tuple[torch.Tensor, Any, Any, str]] = [
    (torch.zeros(2, 3), [0], 1, r"one of its numbers with 2 indices, as in \[0,0\], not \[0\]\."),
    (torch.zeros(1), [], 1, r"this tensor has shape \[1\]: .* with 1 index, as in \[0\]\."),
    (torch.tensor(1.0), [0], 1, "a single number: it is set without an index"),
    (torch.zeros(2, 3), [0, 3], 1, "Index 3 is not in dimension 1, which has 3 elements"),
    (torch.zeros(2), [-3], 1, "Index -3"),
    (torch.zeros(2), [0.5], 1, "Index 0.5"),
    (torch.zeros(2), [0], "much", "must be a number"),
    (torch.zeros(2), [0], None, "must be a number"),
    (torch.zeros(2, dtype=torch.int8), [0], 0.5, "whole numbers from -128 to 127"),
    (torch.zeros(2, dtype=torch.int8), [0], 300, "whole numbers"),
    (torch.zeros(2, dtype=torch.int8), [0], "nan", "whole numbers"),
    (torch.zeros(2, dtype=torch.bool), [0], 2, "0 or 1"),
    (torch.eye(2).to_sparse(), [0, 0], 1, "sparse"),
]


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case[3])
def test_wrong_elements_and_values(case: Any) -> None:
    tensor, index, to, why = case
    before = tensor.clone()
    with pytest.raises(ChangeError, match=why) as caught:
        set_value(tensor, index, to)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)
    assert torch.equal(tensor.to_dense(), before.to_dense())


@pytest.fixture
def entering(monkeypatch: pytest.MonkeyPatch) -> None:
    """The change in force, as the debuggee's patch of autograd's entry asks for it."""
    changes = Changes()
    changes.backward_gradient = True

    def around(original: Any) -> Any:
        return lambda roots, *args, **kw: original(roots, *changes.gradient_arguments(roots, args, kw), **kw)

    monkeypatch.setattr(
        torch.autograd.graph, "_engine_run_backward", torch.autograd.graph._engine_run_backward
    )
    monkeypatch.setattr(torch.autograd, "_engine_run_backward", torch.autograd.graph._engine_run_backward)
    private.wrap_engine(around)


def gradient(backward: Any, shape: tuple[int, ...] = ()) -> torch.Tensor:
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(3))
    loss = (weight**3).sum().reshape(shape)
    backward(loss, weight)
    assert weight.grad is not None
    return weight.grad


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_the_loss_as_gradient(shape: tuple[int, ...], request: pytest.FixtureRequest) -> None:
    expected = gradient(lambda loss, w: loss.backward(gradient=loss), shape)
    squared = gradient(lambda loss, w: (loss**2 / 2).sum().backward(), shape)
    plain = gradient(lambda loss, w: loss.backward(), shape)
    request.getfixturevalue("entering")
    actual = gradient(lambda loss, w: loss.backward(), shape)
    assert torch.equal(actual, expected) and torch.equal(actual, squared)
    assert not torch.equal(actual, plain)


def test_other_passes_stay(entering: None) -> None:
    by_grad = gradient(lambda loss, w: setattr(w, "grad", torch.autograd.grad(loss, w)[0]))
    two = gradient(lambda loss, w: torch.autograd.backward([loss, loss * 0]))
    many = gradient(lambda loss, w: loss.expand(2).backward(torch.tensor([0.5, 0.5])))
    torch.manual_seed(0)
    expected = 3 * torch.randn(3) ** 2
    for found in (by_grad, two, many):
        assert torch.allclose(found, expected)


def test_arguments_after_the_gradients_stay() -> None:
    loss = torch.ones((), requires_grad=True)
    args = with_loss_as_gradient((loss,), ((torch.zeros(()),), True, False, ()))
    assert torch.equal(args[0][0], loss) and not args[0][0].requires_grad
    assert args[1:] == (True, False, ())


def test_what_is_in_force() -> None:
    registry = Registry()
    changes = Changes(registry)
    assert not changes.needs_mode
    changes.set_zero_grad("zero")
    assert changes.needs_mode and changes.zero_grad.mode == "zero"
    changes.set_zero_grad("on")
    changes.set_loss(None, "sum")
    assert changes.needs_mode and changes.loss is not None
    changes.set_loss(None, None)
    assert not changes.needs_mode and changes.loss is None
    changes.set_scheduler(False)
    assert changes.scheduler_off and registry.scheduler_off
    with pytest.raises(ChangeError):
        changes.set_loss("rmse", None)
    assert changes.loss is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("value", [0.1, 1.2, -0.0, 3.14159265358979, 1e-30, 65504.0])
def test_a_value_is_told_with_as_many_digits_as_its_dtype_tells_apart(
    dtype: torch.dtype, value: float
) -> None:
    held = torch.tensor(value, dtype=dtype).item()
    told = shortest(held, dtype)

    assert torch.tensor(told, dtype=dtype).item() == held
    assert len(repr(told)) <= len(repr(value))


def test_what_is_no_finite_float_is_told_as_it_is() -> None:
    assert shortest(3, torch.int64) == 3
    assert shortest(float("inf"), torch.float32) == float("inf")
