"""Ten rules broken as people break them: each must turn ✗."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from backprop_tui.explain import rules
from backprop_tui.explain.evidence import Evidence
from backprop_tui.explain.explanation import case_of as case_for
from backprop_tui.explain.explanation import explained, rule_of
from backprop_tui.explain.rule import Case, Rule
from explain.observing import backward, call

Values = list[Any]
Break = Callable[[Case, Values], Values]


def node(loss: torch.Tensor, name: str) -> Evidence:
    (found,) = (item for item in backward(loss) if item.name.rstrip("0123456789") == name)
    return found


def forward(name: str, function: Any, *args: Any, **kwargs: Any) -> Evidence:
    return call(name, function, *args, **kwargs)[0]


def leaf(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, requires_grad=True)


def scaled(factor: float) -> Break:
    return lambda case, values: [None if value is None else factor * value for value in values]


BROKEN: dict[str, tuple[Callable[[], Evidence], Break]] = {
    "a sign": (lambda: node((leaf(3) - leaf(3)).sum(), "SubBackward"), scaled(-1)),
    "a factor 2": (lambda: node((leaf(3) ** 2).sum(), "PowBackward"), scaled(0.5)),
    "a forgotten 1/N": (lambda: forward("mean", torch.mean, leaf(7)), scaled(7)),
    "a forgotten 1/N of a loss": (lambda: forward("mse_loss", F.mse_loss, leaf(5), leaf(5)), scaled(5)),
    "a forgotten transposition": (
        lambda: forward("linear", F.linear, leaf(3, 3), leaf(3, 3)),
        lambda case, values: [case["input"] @ case["weight"]],
    ),
    "a forgotten bias": (
        lambda: forward("linear", F.linear, leaf(2, 3), leaf(4, 3), leaf(4)),
        lambda case, values: [case["input"] @ case["weight"].T],
    ),
    "the derivative of another function": (
        lambda: node(leaf(6).sigmoid().sum(), "SigmoidBackward"),
        lambda case, values: [case.g * (1 - case["result"] ** 2)],
    ),
    "a dropped cross term of softmax": (
        lambda: node((leaf(5).softmax(0) * torch.arange(5.0)).sum(), "SoftmaxBackward"),
        lambda case, values: [case.g * case["result"]],
    ),
    "the unbiased variance": (
        lambda: forward("var", torch.var, leaf(6)),
        lambda case, values: [np.var(case["input"])],
    ),
    "a mask the other way round": (
        lambda: node(leaf(9).relu().sum(), "ReluBackward"),
        lambda case, values: [case.g * (case["result"] <= 0)],
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_turns_wrong(name: str) -> None:
    torch.manual_seed(0)
    make, broken = BROKEN[name]
    evidence = make()
    rule = rule_of(evidence)
    assert rule is not None
    assert verdicts(rule, evidence) == {"✓"}

    def evaluate(case: Case) -> Values:
        return broken(case, list(rule.evaluate(case)))

    assert "✗" in verdicts(replace(rule, evaluate=evaluate), evidence)


def verdicts(rule: Rule, evidence: Evidence) -> set[str]:
    case = case_for(rule, evidence)
    assert case is not None
    return {shown.verdict for shown in explained(rule, case)}


def test_every_rule_has_symbols_for_a_learner() -> None:
    found = {**rules.ops(), **rules.nodes()}
    assert len(found) > 500
    assert all(callable(rule.symbols) or rule.symbols for rule in found.values())
