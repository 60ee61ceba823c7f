"""Every optimizer in the place of others, under every scheduler, against the script written that way."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

from backprop_tui.debuggee.changes.errors import ChangeError
from backprop_tui.debuggee.changes.optimizer import convert, convert_on_construction
from backprop_tui.debuggee.changes.registry import Registry
from changes.training import LR, OLD, OPTIMIZERS, SCHEDULERS, STEPS, Training, equal, optimizer_class, warned

MATRIX = list(itertools.product(OLD, OPTIMIZERS, [None, *SCHEDULERS]))
SAMPLE = MATRIX[::11]
MOVES_MOMENTUM = ("CyclicLR with momentum", "OneCycleLR")


def impossible(optimizer: str, scheduler: str | None) -> bool:
    """torch refuses to move the momentum of an optimizer that has none."""
    defaults = optimizer_class(optimizer)([torch.zeros(1, 1)], **OPTIMIZERS[optimizer]).defaults
    return scheduler in MOVES_MOMENTUM and not {"momentum", "betas"} & defaults.keys()


def possible(cases: list[tuple[str, str, str | None]]) -> list[tuple[str, str, str | None]]:
    """Without the scripts that torch itself refuses; sparse gradients need an optimizer that takes them."""
    kept = [(old, new, plan) for old, new, plan in cases if not impossible(old, plan)]
    return [("SGD" if new == "SparseAdam" else old, new, plan) for old, new, plan in kept]


def identities(optimizer: torch.optim.Optimizer) -> list[int]:
    """What the script may hold: the list of groups, the state, each group and its list of parameters."""
    groups = optimizer.param_groups
    return [id(item) for item in (groups, optimizer.state, groups[0], groups[0]["params"])]


def swapped(registry: Registry, old: str, new: str, plan: str | None, after: int, lr: float | None) -> Any:
    """The script with `old`, its optimizer converted after so many steps."""
    run = Training(old, plan, new == "SparseAdam", LR if lr is None else 0.5)
    run.steps(after)
    given = {**OPTIMIZERS[new], **({} if lr is None else {"lr": lr})}
    before = identities(run.optimizer)
    convert(run.optimizer, optimizer_class(new), given, registry)
    assert identities(run.optimizer) == before
    assert type(run.optimizer) is optimizer_class(new)
    return run.steps(STEPS - after).result()


def check_matrix(registry: Registry, cases: list[tuple[str, str, str | None]], after: int) -> tuple[int, int]:
    """Compare all; answer how many were equal and how many refused as torch would."""
    compared = refused = 0
    for old, new, plan in possible(cases):
        what = f"{old} → {new} under {plan} after {after}"
        if impossible(new, plan):
            with pytest.raises(ChangeError, match="neither momentum nor betas"):
                swapped(registry, old, new, plan, after, LR)
            refused += 1
            continue
        expected, usual = warned(lambda: by_hand(old, new, plan, after))  # noqa: B023
        actual, warnings = warned(lambda: swapped(registry, old, new, plan, after, LR))  # noqa: B023
        assert equal(actual, expected), what
        assert [item for item in warnings if item not in usual] == [], what
        compared += 1
    return compared, refused


def by_hand(old: str, new: str, plan: str | None, after: int) -> Any:
    """Train with `old`; then go on with a script that was written with `new`, at the same step."""
    sparse = new == "SparseAdam"
    first = Training(old, plan, sparse, 0.5).steps(after)
    run = Training(new, plan, sparse, LR)
    with torch.no_grad():
        for target, source in zip(run.net.parameters(), first.net.parameters(), strict=True):
            target.copy_(source)
    for loss in first.losses:
        run.losses.append(loss)
        run.schedule()
    run.rates = first.rates
    return run.steps(STEPS - after).result()


def test_before_the_first_step(registry: Registry) -> None:
    compared, _ = check_matrix(registry, SAMPLE, 0)
    assert compared > 50


def test_in_the_middle(registry: Registry) -> None:
    compared, _ = check_matrix(registry, MATRIX[5::17], 3)
    assert compared > 30


@pytest.mark.exhaustive
@pytest.mark.parametrize("after", [0, 1, 3])
def test_all(registry: Registry, after: int) -> None:
    compared, refused = check_matrix(registry, MATRIX, after)
    print(f"\nafter {after}: {compared} equal, {refused} refused, of {len(MATRIX)}")
    assert compared + refused == len(possible(MATRIX))


def check_construction(registry: Registry, cases: list[tuple[str, str, str | None]]) -> int:
    """The swap that is asked for before the script runs."""
    compared = 0
    for old, new, plan in possible(cases):
        if impossible(new, plan):
            continue
        sparse = new == "SparseAdam"
        given = {**OPTIMIZERS[new], "lr": LR}
        expected, usual = warned(lambda: Training(new, plan, sparse, LR).steps().result())  # noqa: B023
        registry.on_made = convert_on_construction(optimizer_class(new), given, registry)
        actual, warnings = warned(lambda: Training(old, plan, sparse, 0.5).steps().result())  # noqa: B023
        registry.on_made = None
        assert equal(actual, expected), f"{old} → {new} under {plan}"
        assert warnings == usual
        compared += 1
    return compared


def test_on_construction(registry: Registry) -> None:
    assert check_construction(registry, MATRIX[3::13]) > 40


@pytest.mark.exhaustive
def test_on_construction_all(registry: Registry) -> None:
    print(f"\non construction: {check_construction(registry, MATRIX)} equal")


GROUPED = [case for case in MATRIX if "LBFGS" not in case[:2] and case[1] != "SparseAdam"]


def check_groups(registry: Registry, cases: list[tuple[str, str, str | None]]) -> int:
    """Two groups, one with a learning rate of its own, which it keeps as in a script written so."""
    compared = 0
    for old, new, plan in possible(cases):
        if impossible(new, plan):
            continue
        run = Training(old, plan, lr=0.5, own_rate=0.02)
        convert(run.optimizer, optimizer_class(new), {**OPTIMIZERS[new], "lr": LR}, registry)
        expected = Training(new, plan, lr=LR, own_rate=0.02)
        assert equal(run.steps().result(), expected.steps().result()), f"{old} → {new} under {plan}"
        compared += 1
    return compared


def test_two_groups(registry: Registry) -> None:
    assert check_groups(registry, GROUPED[4::13]) > 30


@pytest.mark.exhaustive
def test_two_groups_all(registry: Registry) -> None:
    print(f"\ntwo groups: {check_groups(registry, GROUPED)} equal")


def kept_by_hand(old: str, new: str, plan: str, after: int) -> Any:
    """As one would do it in a script: a new optimizer with the rate in use, the scheduler moved to it."""
    sparse = new == "SparseAdam"
    run = Training(old, plan, sparse).steps(after)
    before = run.optimizer
    groups = [
        {name: value for name, value in group.items() if name == "params" or name not in before.defaults}
        for group in before.param_groups
    ]
    groups[0]["lr"] = before.param_groups[0]["lr"]
    run.optimizer = optimizer_class(new)(groups, lr=LR, **OPTIMIZERS[new])
    assert run.scheduler is not None
    for scheduler in [run.scheduler, *getattr(run.scheduler, "_schedulers", [])]:
        scheduler.optimizer = run.optimizer
        if plan in MOVES_MOMENTUM:
            _move_momentum(scheduler, before.param_groups[0], run.optimizer)
    return run.steps(STEPS - after).result()


def _move_momentum(scheduler: Any, old: dict[str, Any], optimizer: torch.optim.Optimizer) -> None:
    scheduler.use_beta1 = "betas" in optimizer.defaults
    momentum = old["betas"][0] if "betas" in old else old["momentum"]
    group = optimizer.param_groups[0]
    if scheduler.use_beta1:
        group["betas"] = (momentum, *group["betas"][1:])
    else:
        group["momentum"] = momentum


def check_kept(registry: Registry, cases: list[tuple[str, str, str | None]], after: int) -> int:
    compared = 0
    for old, new, plan in possible(cases):
        if plan is None or impossible(new, plan):
            continue
        actual = swapped(registry, old, new, plan, after, None)
        assert equal(actual, kept_by_hand(old, new, plan, after)), f"{old} → {new} under {plan}"
        compared += 1
    return compared


def test_rate_in_use_is_kept(registry: Registry) -> None:
    assert check_kept(registry, MATRIX[2::19], 3) > 30


@pytest.mark.exhaustive
def test_rate_in_use_is_kept_all(registry: Registry) -> None:
    print(f"\nrate kept: {check_kept(registry, MATRIX, 3)} equal")
