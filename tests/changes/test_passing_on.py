"""An optimizer that passes everything on to another, as accelerate's and transformers' do."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from backprop_tui.debuggee.changes.registry import Registry
from backprop_tui.debuggee.changes.schedule import preview


class Passing(Optimizer):
    """Has nothing of its own."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer

    @property
    def state(self) -> Any:  # type: ignore[override]
        return self.optimizer.state

    @property
    def param_groups(self) -> Any:  # type: ignore[override]
        return self.optimizer.param_groups

    @property
    def defaults(self) -> Any:  # type: ignore[override]
        return self.optimizer.defaults

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        self.optimizer.step(closure)


def test_it_is_none_of_its_own_and_its_scheduler_is_the_others(registry: Registry) -> None:
    sgd = SGD([torch.nn.Parameter(torch.ones(1))], lr=0.5)
    passing = Passing(sgd)
    scheduler = LambdaLR(passing, lambda step: 1 / (1 + step))

    assert registry.optimizers() == [sgd]
    assert registry.schedulers(sgd) == [scheduler]
    passing.step()
    scheduler.step()
    (plan,) = preview(registry, 2)
    assert [round(rate, 4) for (rate,) in plan["lrs"]] == [round(0.5 / 3, 4), 0.125]


def test_one_with_groups_of_its_own_is_another(registry: Registry) -> None:
    parameters = [torch.nn.Parameter(torch.ones(1))]
    one, other = SGD(parameters, lr=0.5), SGD(parameters, lr=0.25)

    assert registry.optimizers() == [one, other]
