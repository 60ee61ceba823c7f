"""Learning rates and single hyperparameters, set by hand while a scheduler is at work."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch.optim import SGD, Adam, RMSprop, lr_scheduler

from backprop_tui.debuggee.changes.errors import ChangeError
from backprop_tui.debuggee.changes.rates import OVERWRITING, set_hyperparameter, set_lr
from backprop_tui.debuggee.changes.registry import Registry
from changes.training import SCHEDULERS, Training, equal

NEW = 7.0
OVERWRITE = [kind.__name__ for kind in OVERWRITING]
BY_THEMSELVES = [name for name in SCHEDULERS if name.split()[0] not in (*OVERWRITE, "SequentialLR")]


def rates_after(run: Training, count: int) -> list[float]:
    found = []
    for _ in range(count):
        run.schedule()
        found.append(float(run.optimizer.param_groups[0]["lr"]))
    return found


@pytest.mark.parametrize("plan", BY_THEMSELVES)
def test_most_schedulers_go_on_as_if_the_script_had_set_it(registry: Registry, plan: str) -> None:
    """CosineAnnealingLR looks at its first rate only where it turns up again, after step 4 here."""
    run, by_hand = Training("SGD", plan).steps(1), Training("SGD", plan).steps(1)
    words = set_lr(run.optimizer, NEW, registry)
    by_hand.optimizer.param_groups[0]["lr"] = NEW
    count = 2 if plan == "CosineAnnealingLR" else 12
    assert equal(rates_after(run, count), rates_after(by_hand, count))
    assert plan in words and "would go back" not in words


@pytest.mark.parametrize("plan", [name for name in SCHEDULERS if name not in BY_THEMSELVES])
def test_the_others_would_go_back_and_are_scaled(registry: Registry, plan: str) -> None:
    """Against the plan as it was: set by hand it comes back, set by us all is scaled (above eta_min)."""
    run, by_hand, plain = (Training("SGD", plan).steps(1) for _ in range(3))
    old = float(run.optimizer.param_groups[0]["lr"])
    words = set_lr(run.optimizer, NEW, registry)
    by_hand.optimizer.param_groups[0]["lr"] = NEW
    floor = getattr(run.scheduler, "eta_min", 0.0)
    usual = rates_after(plain, 12)
    assert rates_after(by_hand, 12)[-1] == pytest.approx(usual[-1])
    expected = [floor + (rate - floor) * (NEW - floor) / (old - floor) for rate in usual]
    assert rates_after(run, 12) == pytest.approx(expected)
    assert ("would go back" in words) == (plan.split()[0] in OVERWRITE)


def test_one_rate_for_groups_that_had_different_ones_is_told_of(registry: Registry) -> None:
    one, other = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    optimizer = SGD([{"params": [one]}, {"params": [other], "lr": 0.5}], lr=0.1)

    assert "in all 2 parameter groups, whose rates were different" in set_lr(optimizer, NEW, registry)
    assert "groups" not in set_lr(optimizer, 0.25, registry)


def test_cosine_annealing_turns_up_to_the_scaled_rate(registry: Registry) -> None:
    run, plain = Training("SGD", "CosineAnnealingLR").steps(1), Training("SGD", "CosineAnnealingLR").steps(1)
    old, floor = float(run.optimizer.param_groups[0]["lr"]), 0.001
    set_lr(run.optimizer, NEW, registry)
    factor = (NEW - floor) / (old - floor)
    expected = [floor + (rate - floor) * factor for rate in rates_after(plain, 12)]
    assert rates_after(run, 12) == pytest.approx(expected)


def test_a_rate_of_zero_cannot_be_scaled_and_that_is_said(registry: Registry) -> None:
    optimizer = SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    scheduler = lr_scheduler.LambdaLR(optimizer, lambda epoch: epoch / 10)
    assert "until LambdaLR sets it again" in set_lr(optimizer, 0.5, registry)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1)


def test_one_group_alone(registry: Registry) -> None:
    optimizer = SGD([{"params": [torch.nn.Parameter(torch.ones(1))]} for _ in range(2)], lr=1.0)
    scheduler = lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))
    set_lr(optimizer, 3.0, registry, group=1)
    optimizer.step()
    scheduler.step()
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 1.5]
    with pytest.raises(ChangeError, match="no parameter group 2: this optimizer has 2"):
        set_lr(optimizer, 3.0, registry, group=2)


@pytest.mark.parametrize("wrong", ["fast", None, -1, math.nan, math.inf, True, [0.1]])
def test_what_is_no_learning_rate(registry: Registry, wrong: Any) -> None:
    optimizer = SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    with pytest.raises(ChangeError, match=r"lr must be a number, 0 or more, not .*\.$"):
        set_lr(optimizer, wrong, registry)
    assert optimizer.param_groups[0]["lr"] == 1.0


def trained(kind: Any, **values: Any) -> Any:
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = kind([weight], lr=0.1, **values)
    weight.grad = torch.ones(1)
    optimizer.step()
    return optimizer


def test_a_hyperparameter_alone(registry: Registry) -> None:
    optimizer = trained(Adam)
    assert set_hyperparameter(optimizer, "betas", [0.5, 0.9], registry) == "Adam betas (0.5, 0.9)."
    assert optimizer.param_groups[0]["betas"] == (0.5, 0.9)
    optimizer.step()
    assert set_hyperparameter(optimizer, "lr", 0.2, registry) == "lr 0.2."
    later = trained(SGD, nesterov=False)
    set_hyperparameter(later, "momentum", 0.9, registry)
    set_hyperparameter(later, "nesterov", True, registry)
    later.step()


WRONG: list[tuple[Any, str, Any, str]] = [
    (Adam, "momentum", 0.9, "choose from lr, betas"),
    (Adam, "betas", (0.9, 1.5), "beta parameter at index 1"),
    (Adam, "eps", "tiny", "must be a number"),
    (Adam, "amsgrad", True, "keeps in its state"),
    (RMSprop, "momentum", 0.9, "keeps in its state"),
    (SGD, "nesterov", True, "Nesterov momentum requires"),
]


@pytest.mark.parametrize("case", WRONG, ids=lambda case: f"{case[0].__name__} {case[1]}")
def test_a_wrong_hyperparameter_changes_nothing(registry: Registry, case: Any) -> None:
    kind, name, value, why = case
    optimizer = trained(kind)
    before = {key: item for key, item in optimizer.param_groups[0].items() if key != "params"}
    with pytest.raises(ChangeError, match=why) as caught:
        set_hyperparameter(optimizer, name, value, registry)
    assert "\n" not in str(caught.value)
    assert {key: item for key, item in optimizer.param_groups[0].items() if key != "params"} == before


def test_a_scheduler_that_moves_the_momentum_is_named(registry: Registry) -> None:
    run = Training("SGD", "OneCycleLR").steps(1)
    assert "until OneCycleLR sets it" in set_hyperparameter(run.optimizer, "momentum", 0.5, registry)
