"""Every optimizer of torch with every set of options: parameter and state are what the rules say."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from backprop_tui.debuggee import evidence_steps
from backprop_tui.explain.evidence import Evidence
from backprop_tui.explain.explanation import explain
from backprop_tui.explain.optimizers import UPDATES, explain_update
from explain.observing import travelled
from explain.stepping import (
    Configuration,
    configurations,
    one_update,
    parameter,
    parts_of_lbfgs,
    six_steps,
    updates,
)

UNSEPARABLE = {"LBFGS"}
"""Optimizers of which a step is no sum of gradient, momentum and decay."""


def explained(evidence: Sequence[Evidence]) -> list[str]:
    """What is wrong with each explanation that is not ✓."""
    found = [explain_update(item) for item in evidence]
    return [f"{one.verdict} {one.difference or one.note}" for one in found if one.verdict != "✓"]


def test_every_optimizer_of_torch_has_an_update() -> None:
    known = {
        name
        for name, kind in vars(torch.optim).items()
        if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer) and name != "Optimizer"
    }

    assert known <= UPDATES.keys()
    assert len(known) >= 15


@pytest.mark.usefixtures("torch_database")
def test_pytorchs_own_configurations_are_all_there() -> None:
    assert len(configurations()) >= 180
    assert {name for name, _ in configurations()} == UPDATES.keys()


def wrong_in(configuration: Configuration, dtype: torch.dtype) -> list[str]:
    """What is not ✓ in six steps."""
    wrong = explained(list(six_steps(*configuration, dtype)))
    if configuration[0] == "LBFGS" and dtype is torch.bfloat16:
        # So coarse that curvature conditions fail: torch does not keep those moves.
        wrong = [line for line in wrong if not line.startswith("? This step() made")]
    return [f"{configuration[1]}: {line}" for line in wrong]


@pytest.mark.usefixtures("torch_database")
@pytest.mark.parametrize("name", sorted(UPDATES))
def test_a_fair_sample_of_pytorchs_configurations(name: str) -> None:
    own = [configuration for configuration in configurations() if configuration[0] == name]

    assert [line for one in own[::6] for line in wrong_in(one, torch.float32)] == []


@pytest.mark.exhaustive
@pytest.mark.usefixtures("torch_database")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", sorted(UPDATES))
def test_every_configuration_of_pytorch(name: str, dtype: torch.dtype) -> None:
    own = [configuration for configuration in configurations() if configuration[0] == name]

    assert [line for one in own for line in wrong_in(one, dtype)] == []


@pytest.mark.parametrize("name", sorted(UPDATES.keys() - UNSEPARABLE))
def test_the_parts_of_a_step_add_up_to_it(name: str) -> None:
    options = (
        {"weight_decay": 0.1}
        if "weight_decay" in inspect.signature(getattr(torch.optim, name)).parameters
        else {}
    )
    for evidence in six_steps(name, options, torch.float64):
        for index in np.ndindex(evidence.saved["before"].shape):
            shown = explain_update(evidence, index)
            assert shown.split is not None
            moved = evidence.saved["after"].values[index] - evidence.saved["before"].values[index]
            close = 0.1 if name == "Muon" else 1e-6 if name == "NAdam" else 1e-12
            assert math.isclose(shown.split.total, moved, rel_tol=close, abs_tol=close)


NUMBERS = [0.5, -1.0, 0.0, 2.0]


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Adagrad", "RMSprop", "Rprop", "NAdam", "ASGD"])
@pytest.mark.parametrize(
    "gradients", [[math.nan] * 4, [math.inf] * 4, [0.0] * 4, [1e25] * 4, [1e-25] * 4], ids=str
)
def test_gradients_that_are_not_finite_or_cannot_be_squared(name: str, gradients: list[float]) -> None:
    weight = parameter(NUMBERS)
    optimizer = getattr(torch.optim, name)([weight], lr=0.1)

    evidence = [one_update(optimizer, weight, gradient) for gradient in (gradients, NUMBERS, gradients)]

    assert explained(evidence) == []


@pytest.mark.parametrize("name", ["SGD", "Adam", "Adamax", "RMSprop", "Rprop", "Adadelta", "ASGD", "RAdam"])
def test_complex_parameters_are_pairs_of_numbers(name: str) -> None:
    weight = parameter([[0.5 + 1j], [-1 + 0.25j]], torch.complex64)
    optimizer = getattr(torch.optim, name)([weight], lr=0.1)
    gradients = [[[0.1 - 2j], [1 + 1j]], [[-0.1 - 1j], [1 - 3j]]]

    evidence = [one_update(optimizer, weight, gradient) for gradient in gradients]

    assert explained(evidence) == []
    assert explain_update(evidence[0], (1, 0)).index == (1, 0, 0)


def test_options_changed_while_training() -> None:
    weight = parameter([[1.0, 2.0]])
    optimizer = torch.optim.SGD([weight], lr=0.1)
    evidence = [one_update(optimizer, weight, [[1.0, -1.0]])]
    optimizer.param_groups[0].update(momentum=0.9, weight_decay=0.1)
    evidence += [one_update(optimizer, weight, [[1.0, -1.0]]) for _ in range(2)]
    optimizer.param_groups[0].update(momentum=0.0, maximize=True)
    evidence += [one_update(optimizer, weight, [[1.0, -1.0]])]

    assert explained(evidence) == []


def test_betas_and_rates_that_are_tensors() -> None:
    weight = parameter([[1.0, 2.0]], torch.float64)
    optimizer = torch.optim.Adam([weight], lr=torch.tensor(0.1), betas=(0.8, 0.95))

    evidence = [one_update(optimizer, weight, [[1.0, -1.0]]) for _ in range(3)]

    assert explained(evidence) == []
    assert "float32" in str(explain_update(evidence[0]).note)


def test_a_parameter_in_the_second_group_has_that_groups_options() -> None:
    first, second = parameter([1.0]), parameter([1.0])
    optimizer = torch.optim.SGD([{"params": [first]}, {"params": [second], "lr": 0.5}], lr=0.1)
    first.grad, second.grad = torch.ones(1), torch.ones(1)

    one, other = updates(optimizer, [first, second])

    assert explain_update(one).numbers == "1 − 0.1·1"
    assert explain_update(other).numbers == "1 − 0.5·1"


class OwnRule(torch.optim.Optimizer):
    """An optimizer of a script's own."""

    def __init__(self, params: Any) -> None:
        super().__init__(params, {"lr": 0.1})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for weight in group["params"]:
                weight -= weight.grad.sign()


def test_an_optimizer_of_the_scripts_own_has_no_rule() -> None:
    weight = parameter([1.0, 2.0])
    (shown,) = explain(one_update(OwnRule([weight]), weight, [3.0, -1.0]))

    assert (shown.verdict, shown.result) == ("?", "1 → 0")
    assert shown.symbols.startswith("no rule for") and shown.symbols.endswith("OwnRule yet")


def test_one_that_only_has_the_name_of_torchs_is_not_taken_for_it() -> None:
    weight = parameter([1.0])
    impostor = type("SGD", (OwnRule,), {})

    assert explain_update(one_update(impostor([weight]), weight, [3.0])).verdict == "?"


def test_options_that_a_rule_needs_and_a_group_lacks() -> None:
    weight = parameter([1.0])
    evidence = one_update(torch.optim.SGD([weight]), weight, [1.0])
    shown = explain_update(replace(evidence, group={"lr": 0.1}))

    assert (shown.verdict, shown.symbols) == ("?", "no rule for this kind of SGD")


@pytest.mark.parametrize("adjust", ["original", "match_rms_adamw"])
def test_muons_rates_for_other_shapes(adjust: str) -> None:
    weight = parameter([[3.0, -1.0], [0.5, 2.0], [1.0, 1.0]])
    optimizer = torch.optim.Muon([weight], lr=0.1, adjust_lr_fn=adjust)
    gradients = [torch.randn(3, 2, generator=torch.Generator().manual_seed(0)), torch.zeros(3, 2)]
    shown = [explain_update(one_update(optimizer, weight, gradient)) for gradient in gradients]

    assert [one.verdict for one in shown] == ["✓", "✓"]
    assert shown[1].split is not None and shown[1].split.gradient == 0 != shown[1].split.momentum


def test_an_update_by_hand_is_not_explained_as_an_optimizers() -> None:
    weight = parameter([1.0])
    weight.grad = torch.ones(1)
    message = evidence_steps.of_update(None, weight)
    with torch.no_grad():
        weight -= 0.25 * weight.grad
    shown = explain_update(travelled(evidence_steps.after_update(message, None, weight)))

    assert (shown.verdict, shown.result) == ("?", "1 → 0.75")
    assert "by hand" in shown.symbols


# L-BFGS
@pytest.mark.parametrize("search", [False, True])
@pytest.mark.parametrize("several", [False, True])
def test_every_part_of_a_step_of_lbfgs(several: bool, search: bool) -> None:
    shown = [explain_update(evidence) for evidence in parts_of_lbfgs(torch.float32, several, search)]

    assert {one.verdict for one in shown} == {"✓"}
    assert "w + t·d" in {one.symbols for one in shown}
    assert len(shown) >= (24 if several else 8)


class Bowl:
    """A quadratic that L-BFGS minimises, and what is seen of it."""

    def __init__(self, **options: Any) -> None:
        self.weight = parameter([[3.0, -2.0], [1.0, 0.5]])
        self.optimizer = torch.optim.LBFGS([self.weight], **options)
        self.began: dict[str, Any] | None = None
        self.seen: list[Evidence] = []

    def closure(self) -> torch.Tensor:
        if self.began is not None:
            evidence_steps.after_update(self.began, self.optimizer, self.weight)
            self.seen.append(travelled(self.began))
        self.optimizer.zero_grad()
        loss = (self.weight**4).sum() + (self.weight**2).sum()
        loss.backward()
        self.began = evidence_steps.of_update(self.optimizer, self.weight)
        return loss


def test_what_lbfgs_did_between_two_calls_of_the_closure() -> None:
    bowl = Bowl(lr=0.1, max_iter=6)
    bowl.optimizer.step(bowl.closure)

    assert len(bowl.seen) == 5
    assert explained(bowl.seen) == []
    assert {explain_update(item).symbols for item in bowl.seen} == {"w + t·d"}


def test_between_the_tries_of_a_line_search() -> None:
    bowl = Bowl(max_iter=6, line_search_fn="strong_wolfe")
    bowl.optimizer.step(bowl.closure)

    assert len(bowl.seen) > 5
    assert explained(bowl.seen) == []


def test_all_moves_of_one_step_are_summed() -> None:
    bowl = Bowl(lr=0.1, max_iter=6)
    (evidence,) = updates(bowl.optimizer, [bowl.weight], bowl.closure)
    shown = explain_update(evidence)

    assert shown.verdict == "✓"
    assert [line.symbols for line in shown.lines] == ["w = w + earlier", "w = w + t·d"]
    assert shown.split is None


def test_moves_that_torch_has_not_kept_are_not_made_up() -> None:
    bowl = Bowl(lr=0.1, max_iter=6, history_size=2)
    (evidence,) = updates(bowl.optimizer, [bowl.weight], bowl.closure)
    shown = explain_update(evidence)

    assert (shown.verdict, shown.lines) == ("?", ())
    assert shown.note is not None and shown.note.startswith(
        "This step() made 6 moves, and torch has not kept"
    )


def test_a_parameter_without_a_gradient_moves_with_the_others() -> None:
    one, other = parameter([1.0]), parameter([2.0])
    optimizer = torch.optim.LBFGS([one, other], max_iter=2, lr=0.1)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (one**2).sum()
        loss.backward()
        return loss

    moved, still = updates(optimizer, [one, other], closure)

    assert other.grad is None
    assert (explain_update(moved).verdict, explain_update(still).verdict) == ("✓", "✓")
    assert explain_update(still).result == "2"
