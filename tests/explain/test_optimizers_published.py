"""Numbers that books, papers and other frameworks print, from the rules alone: torch has no part in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from backprop_tui.explain.evidence import Array, Evidence, Tensor
from backprop_tui.explain.optimizers import UPDATES, running
from backprop_tui.explain.optimizers.values import Bounded

Gradient = Callable[[Array], Array]

BETAS = {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0, "amsgrad": False}
PLAIN = {"momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0}


def descent(name: str, start: list[float], gradient: Gradient, **options: Any) -> Iterator[Array]:
    """The parameter after each step of an optimizer."""
    weight, state = np.asarray(start, np.float64), {}
    update = UPDATES[name]
    while True:
        saved = {"before": Tensor(weight, "float64"), "grad": Tensor(gradient(weight), "float64")}
        evidence = Evidence("update", name, saved=saved, group=options, state_before=state)
        with np.errstate(all="ignore"):
            values = running.bounded(running.inputs_of(update, evidence))
        weight = values["w"].value
        state = {entry: _entry(values[name]) for name, entry in update.state.items()}
        yield weight


def _entry(value: Any) -> Tensor:
    return Tensor(np.asarray(value.value if isinstance(value, Bounded) else value), "float64")


def after(steps: int, *arguments: Any, **options: Any) -> Array:
    found = descent(*arguments, **options)
    return [next(found) for _ in range(steps)][-1]


def bowl(weight: Array) -> Array:
    """Of f = x²."""
    return 2 * weight


def valley(weight: Array) -> Array:
    """Of f = 0.1·x₁² + 2·x₂², the function of d2l's chapter on optimization."""
    return np.array([0.2, 4.0]) * weight


@pytest.mark.parametrize(("rate", "printed"), [(0.2, "0.060466"), (1.1, "61.917364")])
def test_gradient_descent_of_d2l(rate: float, printed: str) -> None:
    """d2l.ai/chapter_optimization/gd.html: ``epoch 10, x: ...``"""
    assert f"{after(10, 'SGD', [10.0], bowl, lr=rate, **PLAIN)[0]:.6f}" == printed


@pytest.mark.parametrize(
    ("rate", "printed"), [(0.4, ["-0.943467", "-0.000073"]), (0.6, ["-0.387814", "-1673.365109"])]
)
def test_the_valley_of_d2l(rate: float, printed: list[str]) -> None:
    """d2l.ai/chapter_optimization/momentum.html: ``epoch 20, x1: ..., x2: ...``"""
    assert [f"{x:.6f}" for x in after(20, "SGD", [-5.0, -2.0], valley, lr=rate, **PLAIN)] == printed


def test_adagrad_of_d2l() -> None:
    """d2l.ai/chapter_optimization/adagrad.html, η = 2."""
    options = {"lr": 2.0, "eps": 1e-6, "lr_decay": 0.0, "weight_decay": 0.0, "initial_accumulator_value": 0.0}

    assert [f"{x:.6f}" for x in after(20, "Adagrad", [-5.0, -2.0], valley, **options)] == [
        "-0.002295",
        "-0.000000",
    ]


def test_sgd_of_keras() -> None:
    """tensorflow.org/api_docs/python/tf/keras/optimizers/SGD: x²/2 from 1.0 with lr 0.1."""
    plain = {**PLAIN, "lr": 0.1}
    (first,) = after(1, "SGD", [1.0], lambda x: x, **plain)
    moving = descent("SGD", [1.0], lambda x: x, **{**plain, "momentum": 0.9})
    (one,), (two,) = next(moving), next(moving)

    assert f"{first:.1f}" == "0.9"
    assert f"{1.0 - one:.1f}" == "0.1"
    assert f"{one - two:.2f}" == "0.18"  # "the step size increases because of momentum"


@pytest.mark.parametrize(("start", "printed"), [(10.0, "9.900"), (0.001, "-0.099")])
def test_adams_first_step_of_keras(start: float, printed: str) -> None:
    """tensorflow.org/api_docs/python/tf/keras/optimizers/Adam: the first step is −lr·sign(g)."""
    assert f"{after(1, 'Adam', [start], lambda x: x, lr=0.1, **BETAS)[0]:.3f}" == printed


@pytest.mark.parametrize(
    ("name", "options", "printed"),
    [
        ("SGD", {"lr": 0.003, **PLAIN}, ["1.38E+01", "1.37E+01", "1.35E+01", "1.33E+01", "1.32E+01"]),
        ("Adam", {"lr": 0.003, **BETAS}, ["1.40E+01", "1.39E+01", "1.39E+01", "1.39E+01", "1.38E+01"]),
        (
            "AdamW",
            {"lr": 0.003, **BETAS, "weight_decay": 1e-4},
            ["1.40E+01", "1.39E+01", "1.39E+01", "1.39E+01", "1.38E+01"],
        ),
        (
            "Adagrad",
            {"lr": 1.0, "initial_accumulator_value": 0.1, "eps": 1e-7, "lr_decay": 0.0, "weight_decay": 0.0},
            ["5.01E+00", "2.40E+00", "1.25E+00", "6.86E-01", "3.85E-01"],
        ),
    ],
)
def test_the_docstrings_of_optax(name: str, options: dict[str, Any], printed: list[str]) -> None:
    """optax.readthedocs.io/en/latest/api/optimizers.html: f = Σp² from [1, 2, 3] after each of five steps."""
    found = descent(name, [1.0, 2.0, 3.0], bowl, **options)

    assert [f"{np.sum(next(found) ** 2):.2E}" for _ in range(5)] == printed


def test_distills_closed_form() -> None:
    """distill.pub/2017/momentum: x after k steps is (1 − αλ)ᵏ·x₀, at the optimal α."""
    lambdas = np.array([0.01, 0.1, 1.0])
    rate = 2 / (lambdas[0] + lambdas[-1])
    found = after(50, "SGD", [1.0, 1.0, 1.0], lambda x: lambdas * x, lr=rate, **PLAIN)

    assert [f"{abs(x):.6f}" for x in found] == ["0.367867", "0.000016", "0.367867"]


def test_the_update_of_mazurs_example() -> None:
    """mattmazur.com/2015/03/17/a-step-by-step-backpropagation-example: w5 with lr 0.5."""
    gradient = np.array([0.082167041])

    assert f"{after(1, 'SGD', [0.4], lambda x: gradient, lr=0.5, **PLAIN)[0]:.8f}" == "0.35891648"


@pytest.mark.parametrize(("name", "printed"), [("Adam", ["0.90", "99.90"]), ("AdamW", ["0.89", "99.00"])])
def test_decay_in_adam_hardly_shrinks_a_large_weight(name: str, printed: list[str]) -> None:
    """Loshchilov and Hutter, arXiv:1711.05101: with L2 in Adam large gradients' weights are decayed less."""
    options = {**BETAS, "lr": 0.1, "weight_decay": 0.1}
    found = after(1, name, [1.0, 100.0], lambda x: np.array([1.0, 0.0]), **options)

    assert [f"{x:.2f}" for x in found] == printed
