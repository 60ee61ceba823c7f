"""A rule that is wrong must be found wrong: every formula is broken in every simple way, one at a time.

A mutant exchanges + and −, · and /, one name for a similar one, drops a root or an absolute value, adds 1
to a constant, leaves out a line, or turns a condition round. Each must turn some step of some configuration ✗
(or fail).
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import torch

from backprop_tui.explain.evidence import Evidence
from backprop_tui.explain.optimizers import UPDATES, running
from backprop_tui.explain.optimizers.update import Assign, Unknown, Update
from explain.stepping import parts_of_lbfgs, six_steps

CONFIGURATIONS: dict[str, list[dict[str, Any]]] = {
    "SGD": [
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.2},
        {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True},
        {"lr": 0.1},
    ],
    "Adam": [
        {"lr": 0.1, "weight_decay": 0.2, "eps": 0.01},
        {"lr": 0.1, "amsgrad": True, "betas": (0.5, 0.6)},
        {"lr": 0.1, "weight_decay": 0.2, "decoupled_weight_decay": True, "maximize": True},
    ],
    "Adamax": [
        {"lr": 0.1, "weight_decay": 0.2, "eps": 0.01},
        {"lr": 0.1, "betas": (0.9, 0.5), "maximize": True},
    ],
    "NAdam": [
        {"lr": 0.1, "weight_decay": 0.2, "eps": 0.01, "momentum_decay": 0.1},
        {"lr": 0.1, "weight_decay": 0.2, "decoupled_weight_decay": True, "maximize": True},
    ],
    "RAdam": [
        {"lr": 0.1, "betas": (0.9, 0.99), "weight_decay": 0.2, "eps": 0.01},
        {"lr": 0.1, "weight_decay": 0.2, "decoupled_weight_decay": True, "maximize": True},
    ],
    "SparseAdam": [{"lr": 0.1, "eps": 0.01}, {"lr": 0.1, "maximize": True}],
    "Adagrad": [
        {"lr": 0.1, "lr_decay": 0.3, "weight_decay": 0.2, "eps": 0.01},
        {"lr": 0.1, "maximize": True, "initial_accumulator_value": 0.2},
    ],
    "Adadelta": [{"lr": 0.1, "weight_decay": 0.2, "eps": 0.01}, {"lr": 0.1, "maximize": True}],
    "RMSprop": [
        {"lr": 0.1, "weight_decay": 0.2, "eps": 0.01},
        {"lr": 0.1, "centered": True, "momentum": 0.9, "maximize": True, "eps": 0.01},
    ],
    "Adafactor": [
        {"lr": 0.1, "weight_decay": 0.2, "maximize": True},
        {"lr": 0.9, "eps": (0.7, 9.0)},
        {"lr": 0.1, "eps": (0.1, 9.0), "d": 5.0},
    ],
    "Rprop": [
        {"lr": 0.1, "step_sizes": (0.09, 0.15)},
        {"lr": 2.0, "etas": (0.4, 1.3), "maximize": True},
        {"lr": 2.0},
    ],
    "ASGD": [
        {"lr": 0.1, "lambd": 0.3, "t0": 2, "weight_decay": 0.2},
        {"lr": 0.1, "lambd": 0.3, "alpha": 0.5, "maximize": True},
    ],
    "Muon": [
        {"lr": 0.1, "weight_decay": 5.0, "momentum": 0.6},
        {"lr": 0.1, "nesterov": False, "weight_decay": 0.0, "momentum": 0.6},
    ],
    "LBFGS": [{"lr": 0.3, "max_iter": 3}, {"lr": 0.3, "max_iter": 1}],
}  # fmt: skip

SIMILAR = {
    "beta1": "beta2", "beta2": "beta1", "m": "v", "v": "m", "mhat": "m", "vhat": "v", "eps": "lr",
    "lr": "eps", "g": "w", "w": "g", "t": "lr", "weight_decay": "lr", "momentum": "lr", "b": "g",
    "dampening": "momentum",
    "s": "t", "rho": "lr", "alpha": "lr", "a": "v", "delta": "g", "size": "v", "spread": "v", "u": "g",
    "share": "t", "rate": "lr", "r": "c", "c": "r", "d": "lr", "o": "u", "ratio": "lr", "turn": "g",
    "factor": "step", "step": "factor", "prev": "g", "eta": "mu", "mu": "eta", "lambd": "lr", "ax": "w",
    "t0": "lr", "mu_t": "mu_next", "mu_next": "mu_t", "product": "mu_t", "momentum_decay": "lr", "rho_t": "t",
    "rho_inf": "rho_t", "scale": "r", "eps1": "eps2", "eps2": "eps1", "beta2_decay": "lr", "lr_decay": "lr",
    "etaplus": "etaminus", "etaminus": "etaplus", "step_min": "step_max", "step_max": "step_min", "vmax": "v",
    "x": "w", "earlier": "w",
}  # fmt: skip
SWAPPED: dict[type[ast.operator], ast.operator] = {
    ast.Add: ast.Sub(), ast.Sub: ast.Add(), ast.Mult: ast.Div(), ast.Div: ast.Mult(),
}  # fmt: skip


# mutants
def formulas(text: str) -> Iterator[str]:
    """A formula broken in one place, in every place."""
    places = len(list(ast.walk(ast.parse(text, mode="eval"))))
    for place in range(places):
        tree = ast.parse(text, mode="eval")
        node = list(ast.walk(tree))[place]
        for broken in _broken(node):
            yield ast.unparse(_Replace(node, broken).visit(copy.copy(tree)))


class _Replace(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> Any:
        return self.new if node is self.old else super().visit(node)


def _broken(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.BinOp) and type(node.op) in SWAPPED:
        yield ast.BinOp(node.left, SWAPPED[type(node.op)], node.right)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        yield ast.Constant(node.value + 1)
    elif isinstance(node, ast.Name) and node.id in SIMILAR:
        yield ast.Name(SIMILAR[node.id], ast.Load())
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        yield from _other_calls(node)


def _other_calls(node: ast.Call) -> Iterator[ast.AST]:
    assert isinstance(node.func, ast.Name)
    if node.func.id in ("sqrt", "abs", "sign", "rms", "row_mean", "column_mean", "newton_schulz"):
        yield node.args[0]
    if node.func.id in ("max", "min"):
        other = "min" if node.func.id == "max" else "max"
        yield ast.Call(ast.Name(other, ast.Load()), node.args, [])
    if node.func.id in ("lerp", "where"):
        first, second, third = node.args
        swapped = [second, first, third] if node.func.id == "lerp" else [first, third, second]
        yield ast.Call(node.func, swapped, [])


def mutants(name: str) -> Iterator[tuple[Assign, Update]]:
    """Every mutant of an update, with the line that was broken."""
    update = UPDATES[name]
    for place, line in enumerate(update.lines):
        others = [replace(line, formula=text) for text in formulas(line.formula)]
        others.append(replace(line, when="False"))
        if line.when != "True":
            others.append(replace(line, when=f"not ({line.when})"))
        for other in others:
            lines = (*update.lines[:place], other, *update.lines[place + 1 :])
            yield other, replace(update, lines=lines)


# and whether they are found
@lru_cache(maxsize=32)
def evidence_of(name: str) -> tuple[Evidence, ...]:
    found = [item for options in CONFIGURATIONS[name] for item in six_steps(name, options, torch.float64)]
    if name == "LBFGS":
        found += parts_of_lbfgs(torch.float64, several=True, search=True)
    return tuple(found)


def is_found(update: Update, evidence: tuple[Evidence, ...]) -> bool:
    return any(_is_wrong(update, item) for item in evidence)


def _is_wrong(update: Update, evidence: Evidence) -> bool:
    try:
        with np.errstate(all="ignore"):
            inputs = running.inputs_of(update, evidence)
            values = running.bounded(inputs)
            return not all(verdict.agrees for verdict in running.verdicts(inputs, values).values())
    except Unknown:
        return False
    except (NameError, TypeError, ArithmeticError, ValueError, AttributeError):
        return True


def test_every_update_has_configurations() -> None:
    assert CONFIGURATIONS.keys() | {"AdamW"} == UPDATES.keys()
    assert UPDATES["AdamW"].lines is UPDATES["Adam"].lines


@pytest.mark.parametrize("name", sorted(CONFIGURATIONS))
def test_the_rules_as_they_are_are_right(name: str) -> None:
    assert not is_found(UPDATES[name], evidence_of(name))


@pytest.mark.parametrize("name", sorted(CONFIGURATIONS))
def test_no_mutant_passes(name: str) -> None:
    evidence = evidence_of(name)
    survivors = [line for line, update in mutants(name) if not is_found(update, evidence)]

    assert survivors == []


def test_there_are_mutants_of_every_kind() -> None:
    texts = set(formulas("w - lr*mhat/(sqrt(vhat) + eps)"))

    assert {
        "w + lr * mhat / (sqrt(vhat) + eps)", "w - lr * mhat * (sqrt(vhat) + eps)",
        "w - lr * m / (sqrt(vhat) + eps)", "w - lr * mhat / (sqrt(v) + eps)", "w - lr * mhat / (vhat + eps)",
    } <= texts  # fmt: skip
    assert sum(1 for name in UPDATES for _ in mutants(name)) > 500
