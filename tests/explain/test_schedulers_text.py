"""What a learner reads about a learning rate, and why ``get_lr()`` is not it."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

from backprop_tui.explain.explanation import Explanation
from backprop_tui.explain.schedulers import explain_schedule, three_rates
from explain.stepping import parameter, scheduled


def optimizer(*rates: float) -> torch.optim.Optimizer:
    found = torch.optim.SGD(
        [{"params": [parameter([1.0])], "lr": rate} for rate in rates or (0.1,)], momentum=0.9
    )
    found.step()
    return found


def texts(shown: Explanation) -> list[str]:
    return [f"{line.text} {line.verdict}".rstrip() for line in shown.lines]


def test_a_rate_between_and_at_the_steps() -> None:
    scheduler = lr_scheduler.StepLR(optimizer(), 2, 0.5)
    between, at = (explain_schedule(scheduled(scheduler)) for _ in range(2))

    assert (between.symbols, between.numbers, between.result) == ("lr", "0.1", "0.1")
    assert between.note == "epoch 1 is not a multiple of step_size 2"
    assert texts(between) == ["lr = 0.1 ✓"]
    assert (at.symbols, at.numbers, at.result, at.verdict) == ("lr·gamma", "0.1·0.5", "0.05", "✓")
    assert at.note == "epoch 2 is a multiple of step_size 2"
    assert texts(at) == ["lr = lr·gamma = 0.1·0.5 = 0.05 ✓"]


def test_groups_have_a_line_each() -> None:
    shown = explain_schedule(scheduled(lr_scheduler.ExponentialLR(optimizer(0.5, 0.25), 0.5)))

    assert (shown.symbols, shown.numbers, shown.result) == ("lr·gamma", "0.5·0.5 | 0.25·0.5", "0.25, 0.125")
    assert texts(shown) == [
        "group 0: lr = lr·gamma = 0.5·0.5 = 0.25 ✓",
        "group 1: lr = lr·gamma = 0.25·0.5 = 0.125 ✓",
    ]


@pytest.mark.parametrize(
    ("make", "symbols", "numbers"),
    [
        (lambda o: lr_scheduler.LambdaLR(o, lambda n: 0.5**n), "base_lr·factor", "0.1·0.5"),
        (lambda o: lr_scheduler.ConstantLR(o, 0.5, 1), "lr/factor", "0.05/0.5"),
        (
            lambda o: lr_scheduler.LinearLR(o, 0.5, 1.0, 2),
            "lr·(1 + change/(total_iters·start_factor + (epoch − 1)·change))",
            "0.05·(1 + 0.5/(2·0.5 + (1 − 1)·0.5))",
        ),
        (
            lambda o: lr_scheduler.PolynomialLR(o, 4, 2.0),
            "lr·((1 − epoch/total_iters)/(1 − (epoch − 1)/total_iters))^power",
            "0.1·((1 − 1/4)/(1 − (1 − 1)/4))²",
        ),
        (
            lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 4),
            "eta_min + (base_lr − eta_min)·(1 + cos(π·T_cur/T_i))/2",
            "0 + (0.1 − 0)·(1 + cos(π·1/4))/2",
        ),
    ],
)
def test_the_formula_in_symbols_and_numbers(make: Any, symbols: str, numbers: str) -> None:
    shown = explain_schedule(scheduled(make(optimizer())))

    assert (shown.symbols, shown.numbers, shown.verdict) == (symbols, numbers, "✓")


def test_a_rate_in_a_tensor_has_its_own_digits() -> None:
    weight = parameter([1.0])
    made = torch.optim.SGD([weight], lr=torch.tensor(0.1))
    made.step()
    shown = explain_schedule(scheduled(lr_scheduler.ExponentialLR(made, 0.9)))

    assert (shown.numbers, shown.result) == ("0.1·0.9", "0.089999996")


def test_a_chain_tells_each_scheduler() -> None:
    made = optimizer()
    chain = lr_scheduler.ChainedScheduler(
        [lr_scheduler.StepLR(made, 1, 0.5), lr_scheduler.ExponentialLR(made, 0.1)]
    )
    shown = explain_schedule(scheduled(chain))

    assert (shown.symbols, shown.numbers) == ("lr·gamma, then lr·gamma", "0.1·0.5, then 0.05·0.1")
    assert (
        shown.note
        == "StepLR: epoch 1 is a multiple of step_size 1; ExponentialLR: every epoch multiplies by gamma"
    )


def test_a_sequence_tells_whose_turn_it_is() -> None:
    made = optimizer()
    sequence = lr_scheduler.SequentialLR(
        made, [lr_scheduler.ConstantLR(made, 0.5, 9), lr_scheduler.ExponentialLR(made, 0.5)], [1]
    )
    at, later = (explain_schedule(scheduled(sequence)) for _ in range(2))

    assert (at.symbols, at.numbers, at.result) == ("base_lr·gamma^epoch", "0.1·0.5⁰", "0.1")
    assert at.note == "ExponentialLR: worked out from epoch 0 alone"
    assert (later.numbers, later.result) == ("0.1·0.5", "0.05")


def test_momentum_runs_against_the_rate() -> None:
    shown = explain_schedule(scheduled(lr_scheduler.CyclicLR(optimizer(), 0.1, 0.5, step_size_up=4)))

    assert texts(shown) == [
        "lr = base_lr + (max_lr − base_lr)·height·scale = 0.1 + (0.5 − 0.1)·0.25·1 = 0.2 ✓",
        "momentum = high − (high − low)·height·scale = 0.9 − (0.9 − 0.8)·0.25·1 = 0.875 ✓",
    ]


def test_a_plateau_counts_before_our_eyes() -> None:
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer(), patience=1, factor=0.5)
    *_, last = (explain_schedule(scheduled(scheduler, metric)) for metric in (1.0, 2.0, 3.0))

    assert texts(last) == [
        "better: metrics < best·(1 − threshold) = 3 < 1·(1 − 0.0001) = no",
        "num_bad_epochs = num_bad_epochs + 1 = 1 + 1 = 2",
        "reduce: num_bad_epochs > patience = 2 > 1 = yes",
        "cooldown_counter = cooldown = 0 ✓",
        "num_bad_epochs = 0 ✓",
        "lr = max(lr·factor, min_lr) = max(0.1·0.5, 0) = 0.05 ✓",
    ]
    assert last.note == "2 epochs without a better metric, more than patience = 1"


def test_a_rate_that_torch_has_otherwise_is_wrong() -> None:
    evidence = scheduled(lr_scheduler.ExponentialLR(optimizer(), 0.5))
    evidence.saved["lr_after"][0] = 0.06
    shown = explain_schedule(evidence)

    assert (shown.verdict, shown.difference) == ("✗", "lr differs by 0.01")
    assert texts(shown) == ["lr = lr·gamma = 0.1·0.5 = 0.05 ✗"]


# the rate three ways
def three(make: Any, steps: int, metric: float | None = None) -> str:
    """What is said after so many steps."""
    made = optimizer()
    scheduler = make(made)
    for _ in range(steps):
        used = [group["lr"] for group in made.param_groups]
        evidence = scheduled(scheduler, *([] if metric is None else [metric]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "please use get_last_lr()": that is the question
        try:
            said = copy.deepcopy(scheduler).get_lr()
        except NotImplementedError:
            said = None
    return three_rates(used, scheduler.get_last_lr(), said, evidence)


def test_get_lr_multiplies_once_more() -> None:
    """github.com/pytorch/pytorch/issues/31871: it printed 0.025 where the rate was 0.05."""
    assert three(lambda o: lr_scheduler.StepLR(o, 5, 0.5), 5) == (
        "The last optimizer.step() used 0.1; scheduler.step() has set 0.05 for the next. "
        "get_lr() is not the rate: it multiplies by gamma once more, lr·gamma = 0.05·0.5 = 0.025. "
        "It is the factor applied again; get_last_lr() is the rate."
    )


def test_get_lr_agrees_between_the_milestones() -> None:
    assert three(lambda o: lr_scheduler.StepLR(o, 5, 0.5), 4) == (
        "The last optimizer.step() used 0.1, and the next one will. get_lr() happens to agree here."
    )


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda o: lr_scheduler.LambdaLR(o, lambda n: 0.5), "get_lr() agrees: it works the rate out"),
        (lambda o: lr_scheduler.CyclicLR(o, 0.1, 0.5), "Calling it also sets the momentum."),
        (
            lambda o: lr_scheduler.MultiplicativeLR(o, lambda n: 0.5),
            "it multiplies by lr_lambda(2) once more",
        ),
        (lambda o: lr_scheduler.CosineAnnealingLR(o, 5), "it takes the step of epoch 2 once more"),
        (lambda o: lr_scheduler.LinearLR(o, 0.5, 1.0, 4), "it takes the step of epoch 2 once more"),
        (lambda o: lr_scheduler.PolynomialLR(o, 4), "it takes the step of epoch 2 once more"),
        (lambda o: lr_scheduler.ConstantLR(o, 0.5, 2), "it applies the factor of epoch 2 once more"),
        (lambda o: lr_scheduler.MultiStepLR(o, [2, 2], 0.5), "lr·gamma^times = 0.025·0.5² = 0.00625"),
        (lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.StepLR(o, 2)]), "has no get_lr() of its own"),
    ],
)
def test_why_get_lr_is_or_is_not_the_rate(make: Any, expected: str) -> None:
    assert expected in three(make, 2)


class Own(lr_scheduler.LRScheduler):
    """A scheduler of a script's own."""

    def get_lr(self) -> list[Any]:
        return [group["lr"] / 2 for group in self.optimizer.param_groups]


def test_of_a_scheduler_of_the_scripts_own_only_the_numbers_are_told() -> None:
    assert three(Own, 1).endswith("get_lr() says 0.0125; get_last_lr() is the rate.")


def test_a_plateau_has_no_get_lr() -> None:
    said = three(lambda o: lr_scheduler.ReduceLROnPlateau(o), 1, 1.0)

    assert said.endswith("ReduceLROnPlateau has no get_lr() of its own: get_last_lr() is the rate.")


PUBLISHED = {
    # docstrings of torch 2.13: the rate used in an epoch, starting from 0.05
    "StepLR": (lambda o: lr_scheduler.StepLR(o, 30, 0.1), {0: "0.05", 29: "0.05", 30: "0.005", 60: "0.0005"}),
    "MultiStepLR": (
        lambda o: lr_scheduler.MultiStepLR(o, [30, 80], 0.1),
        {29: "0.05", 30: "0.005", 79: "0.005", 80: "0.0005"},
    ),
    "ConstantLR": (lambda o: lr_scheduler.ConstantLR(o, 0.5, 40), {1: "0.025", 39: "0.025", 40: "0.05"}),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_tables_of_the_documentation(name: str) -> None:
    make, printed = PUBLISHED[name]
    scheduler = make(optimizer(0.05))
    shown = {0: "0.05"} | {
        epoch: f"{float(explain_schedule(scheduled(scheduler)).result):.4g}"
        for epoch in range(1, max(printed) + 1)
    }

    assert {epoch: shown[epoch] for epoch in printed} == printed
