"""Rules of losses of numbers against torch."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from backprop_tui.explain.rules import losses
from explain.both_ways import both_ways, correct, family
from explain.checking import database, unnoticed
from explain.reading import misread

OURS = family(losses)
REDUCTIONS = ["mean", "sum", "none"]
FLOATS = [torch.float32, torch.float64]
NAMES = [
    "l1_loss",
    "mse_loss",
    "smooth_l1_loss",
    "huber_loss",
    "gaussian_nll_loss",
    "poisson_nll_loss",
    "kl_div",
]

Call = Callable[[], Any]


def leaf(values: Any, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.tensor(values, dtype=dtype, requires_grad=True)


X, T = [0.5, -1.0, 2.0, 0.0], [0.5, 1.0, 0.0, -3.0]


def shown(function: Call, name: str, number: int = 0) -> Any:
    """The explanation of one result of one operation, everything of which is right."""
    return correct(function, name)[name][number]


@pytest.mark.parametrize(
    ("function", "name", "symbols", "element"),
    [
        (lambda: F.mse_loss(leaf(X), leaf(T)), "mse_loss", "1/4 · Σ (input − target)²",
         "1/4 · ((0.5 − 0.5)² + ((−1) − 1)² + (2 − 0)² + (0 − (−3))²)"),
        (lambda: F.mse_loss(leaf(X), leaf(T), reduction="sum"), "mse_loss", "Σ (input − target)²",
         "(0.5 − 0.5)² + ((−1) − 1)² + (2 − 0)² + (0 − (−3))²"),
        (lambda: F.mse_loss(leaf(X), leaf(T), reduction="none"), "mse_loss", "(input − target)²",
         "(0 − (−3))²"),
        (lambda: F.mse_loss(leaf(2.0), leaf(5.0)), "mse_loss", "(input − target)²", "(2 − 5)²"),
        (lambda: F.mse_loss(leaf(X[:2]), leaf(T[:2]), weight=torch.tensor([1.0, 3.0])), "mse_loss",
         "1/4 · Σ weight·(input − target)²", "1/4 · (1·(0.5 − 0.5)² + 3·((−1) − 1)²)"),
        (lambda: F.l1_loss(leaf(X), leaf(T)), "l1_loss", "1/4 · Σ |input − target|",
         "1/4 · (|0.5 − 0.5| + |(−1) − 1| + |2 − 0| + |0 − (−3)|)"),
        (lambda: F.huber_loss(leaf(X), leaf(T), delta=2.0), "huber_loss",
         "1/4 · Σ (½·d² if |d| ≤ 2 else 2·(|d| − 1)), d = input − target",
         "1/4 · (½·(0.5 − 0.5)² + ½·((−1) − 1)² + ½·(2 − 0)² + 2·(|0 − (−3)| − 1))"),
        (lambda: F.smooth_l1_loss(leaf(X), leaf(T), beta=0.5, reduction="none"), "smooth_l1_loss",
         "(½·d²/0.5 if |d| < 0.5 else |d| − 0.25), d = input − target", "(|0 − (−3)| − 0.25)"),
        (lambda: F.kl_div(leaf([-1.0, -2.0]), leaf([0.25, 0.75]), reduction="sum"), "kl_div",
         "Σ target·(log target − input)", "0.25·(log 0.25 − (−1)) + 0.75·(log 0.75 − (−2))"),
        (lambda: F.kl_div(leaf([[-1.0]]), leaf([[-2.0]]), reduction="batchmean", log_target=True), "kl_div",
         "exp(target)·(target − input)", "exp(−2)·((−2) − (−1))"),
        (lambda: F.gaussian_nll_loss(leaf([1.0]), leaf([3.0]), leaf([4.0]), full=True), "gaussian_nll_loss",
         "(½·(log var + (input − target)²/var) + ½·log 2π)", "(½·(log 4 + (1 − 3)²/4) + ½·log 2π)"),
        (lambda: F.poisson_nll_loss(leaf([1.0]), torch.tensor([3.0])), "poisson_nll_loss",
         "(exp(input) − target·input)", "(exp(1) − 3·1)"),
        (lambda: F.poisson_nll_loss(leaf([1.0]), torch.tensor([3.0]), log_input=False), "poisson_nll_loss",
         "(input − target·log(input + 1e−8))", "(1 − 3·log(1 + 1e−8))"),
    ],
)  # fmt: skip
def test_a_loss_reads_as_its_definition(function: Call, name: str, symbols: str, element: str) -> None:
    found = shown(function, name)
    assert found.symbols == symbols
    assert found.element == element


@pytest.mark.parametrize(
    ("function", "name", "symbols", "numbers"),
    [
        (lambda: F.mse_loss(leaf([3.0, 1.0]), leaf([1.0, 1.0])), "MseLossBackward",
         ["g · 2·(self − target)/2", "−g · 2·(self − target)/2"], "[−2 0]"),
        (lambda: F.huber_loss(leaf([3.0, 1.0]), leaf([1.0, 1.5])), "HuberLossBackward",
         ["g · clamp(self − target, −1, 1)/2", "−g · clamp(self − target, −1, 1)/2"], "[−0.5 0.25]"),
        (lambda: F.smooth_l1_loss(leaf([3.0, 1.0]), leaf([1.0, 1.5]), beta=2.0, reduction="sum"),
         "SmoothL1LossBackward",
         ["g · clamp((self − target)/2, −1, 1)", "−g · clamp((self − target)/2, −1, 1)"], "[−1 0.25]"),
    ],
)  # fmt: skip
def test_gradients_for_input_and_target_are_opposite(
    function: Call, name: str, symbols: list[str], numbers: str
) -> None:
    evidence = both_ways(lambda: function())
    assert [one.symbols for one in correct(function, name)[name]] == symbols
    node = next(one for one in evidence if one.name.startswith(name))
    first, second = node.grad_inputs
    assert first is not None and second is not None
    assert (first.values == -second.values).all()
    assert correct(lambda: _ones(function()), name)[name][1].result == numbers


class _FromOnes(torch.autograd.Function):
    """Whatever gradient comes in, all ones go on."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return torch.ones_like(grad)


def _ones(x: torch.Tensor) -> torch.Tensor:
    return _FromOnes.apply(x)


CALLS: dict[str, Callable[..., torch.Tensor]] = {
    "l1_loss": F.l1_loss,
    "mse_loss": F.mse_loss,
    "smooth_l1_loss": lambda x, t, **k: F.smooth_l1_loss(x, t, beta=0.7, **k),
    "huber_loss": lambda x, t, **k: F.huber_loss(x, t, delta=0.7, **k),
    "gaussian_nll_loss": lambda x, t, **k: F.gaussian_nll_loss(x, t, t.detach().square() + 0.1, **k),
    "poisson_nll_loss": lambda x, t, **k: F.poisson_nll_loss(x, t.abs(), full=True, **k),
    "kl_div": lambda x, t, **k: F.kl_div(x, t.softmax(-1), **k),
}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", CALLS)
def test_every_reduction_and_shape_is_right_and_a_mistake_would_be_seen(
    name: str, dtype: torch.dtype
) -> None:
    torch.manual_seed(1)
    for reduction in [*REDUCTIONS, "batchmean"] if name == "kl_div" else REDUCTIONS:
        for shape in [(3,), (4, 5), (2, 1, 3)]:
            x, t = (torch.randn(shape, dtype=dtype, requires_grad=True) for _ in range(2))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # kl_div wants batchmean
                evidence = both_ways(lambda x=x, t=t, how=reduction: CALLS[name](x, t, reduction=how))
            assert {one.name for one in evidence} >= {name}
            assert not misread(evidence, OURS)[0]
            assert unnoticed(evidence, OURS) == []


@pytest.mark.parametrize("old", [{"reduce": False}, {"size_average": False}, {"size_average": True}])
def test_the_old_arguments_say_the_reduction(old: dict[str, bool]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are deprecated
        symbols = shown(lambda: F.mse_loss(leaf(X), leaf(T), **old), "mse_loss").symbols
    prefix = {"reduce": "", "size_average": "1/4 · Σ " if old.get("size_average") else "Σ "}
    assert symbols == prefix[next(iter(old))] + "(input − target)²"


def test_a_column_against_a_row_is_each_against_each() -> None:
    with pytest.warns(UserWarning, match="target size"):
        found = shown(lambda: F.mse_loss(leaf(X), leaf([[1.0], [2.0], [3.0], [4.0]])), "mse_loss")
    assert found.symbols == "1/16 · Σ (input − target)²"
    assert found.note == "shapes [4] and [4, 1] broadcast: 4×4 differences are averaged, each with each"
    with pytest.warns(UserWarning, match="target size"):
        found = shown(lambda: F.l1_loss(leaf(X), leaf([[1.0], [2.0]]), reduction="sum"), "l1_loss")
    assert found.note == "shapes [4] and [2, 1] broadcast: 2×4 differences are added, each with each"
    assert shown(lambda: F.mse_loss(leaf(X), leaf(T)), "mse_loss").note is None


def test_kinks_are_told() -> None:
    assert shown(lambda: F.l1_loss(leaf(X), leaf(T)), "l1_loss").note == (
        "1 of 4 differences exactly 0: there |x| has a corner, and torch takes 0 for its derivative"
    )
    assert shown(lambda: F.huber_loss(leaf(X), leaf(T), delta=2.0), "HuberLossBackward").note == (
        "2 of 4 differences exactly at the knee, 2: parabola and line have the same slope there"
    )
    assert shown(lambda: F.huber_loss(leaf(X), leaf(T), delta=2.5), "HuberLossBackward").note is None
    zero = F.kl_div, leaf([[-1.0, -2.0]]), torch.tensor([[0.0, 1.0]])
    assert shown(lambda: zero[0](zero[1], zero[2], reduction="sum"), "kl_div").note == (
        "where the target is 0, 0·log 0 is taken to be 0"
    )


def test_a_variance_below_the_limit_is_raised_to_it() -> None:
    found = shown(
        lambda: F.gaussian_nll_loss(leaf([1.0, 2.0]), leaf([1.5, 2.0]), torch.tensor([0.0, 1.0])),
        "gaussian_nll_loss",
    )
    assert "max(var, 1e−6)" in found.symbols
    assert "(1 − 1.5)²/1e−6" in (found.element or "")


def test_a_variance_for_each_row_stands_beside_its_elements() -> None:
    x, t = leaf([[1.0, 2.0], [3.0, 4.0]]), leaf([[0.0, 0.0], [0.0, 0.0]])
    found = shown(lambda: F.gaussian_nll_loss(x, t, torch.tensor([1.0, 2.0])), "gaussian_nll_loss")
    assert "(½·(log 2 + (4 − 0)²/2))" in (found.element or "")


@pytest.mark.usefixtures("torch_database")
@pytest.mark.parametrize("name", NAMES)
def test_samples_of_the_database(name: str) -> None:
    assert database(f"nn.functional.{name}", OURS, 6) == []


@pytest.mark.usefixtures("torch_database")
@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", [*FLOATS, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", NAMES)
def test_all_of_the_database(name: str, dtype: torch.dtype) -> None:
    assert database(f"nn.functional.{name}", OURS, 10_000, dtype) == []
