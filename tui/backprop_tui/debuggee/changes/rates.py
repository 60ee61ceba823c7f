"""Learning rates and single hyperparameters, set while schedulers are at work."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    LambdaLR,
    LRScheduler,
    OneCycleLR,
)
from torch.optim.swa_utils import SWALR

from backprop_tui.debuggee import private
from backprop_tui.debuggee.changes.errors import ChangeError
from backprop_tui.debuggee.changes.history import History, history_of
from backprop_tui.debuggee.changes.parsing import check_lr, checked, hyperparameters
from backprop_tui.debuggee.changes.registry import Registry
from backprop_tui.debuggee.changes.wrapping import quiet

OVERWRITING = (LambdaLR, CosineAnnealingWarmRestarts, CyclicLR, OneCycleLR)
"""Schedulers that compute each rate from the first one and not from the one in use."""

WRITTEN_BY_SCHEDULERS = ("initial_lr", "max_lr", "min_lr", "base_momentum", "max_momentum")

AT_CONSTRUCTION = (
    "amsgrad",
    "centered",
    "fused",
    "capturable",
    "differentiable",
    "initial_accumulator_value",
)
"""Hyperparameters on which the layout of an optimizer's state depends."""


def text(rate: Any) -> str:
    """A rate in few digits, for a sentence."""
    return f"{float(rate):.6g}"


def found(optimizer: Optimizer, history: History, replay: bool, lr: float, old_rates: list[float]) -> None:
    """Put the schedulers on another first learning rate, as if the optimizer had been made with it.

    Exactly, by making and stepping them again, where their past is known (`replay`); else by scaling,
    which differs in the last bits. A group with a learning rate of its own keeps it.
    """
    if replay:
        _replay(optimizer, history)
        return
    for index, (group, old) in enumerate(zip(optimizer.param_groups, old_rates, strict=True)):
        base = float(group.get("initial_lr", old))
        own = index < len(history.own) and "lr" in history.own[index]
        factor = 1.0 if own or not base else lr / base
        _write(group, old * factor)
        _scale(history.schedulers(), group, index, old, old * factor, factor)


def _replay(optimizer: Optimizer, history: History) -> None:
    for group, own in zip(optimizer.param_groups, history.own, strict=True):
        for name in WRITTEN_BY_SCHEDULERS:
            group.pop(name, None)
        group["lr"] = own.get("lr", optimizer.defaults["lr"])
    schedulers = history.schedulers()
    with quiet():
        for made, scheduler in zip(history.made, schedulers, strict=True):
            args = history.unpacked(made.args, optimizer)
            kwargs = {name: history.unpacked(value, optimizer) for name, value in made.kwargs.items()}
            scheduler.__init__(*args, **kwargs)  # type: ignore[misc]
        for number, args, kwargs in history.log:
            schedulers[number].step(*args, **kwargs)


def set_lr(optimizer: Optimizer, lr: Any, registry: Registry, group: int | None = None) -> str:
    """Set the learning rate of one group, or of all, and let its schedulers go on from there.

    Every rate that they will set is scaled by the same factor (above ``eta_min``, if they have one):
    most would do so by themselves, LambdaLR, CosineAnnealingWarmRestarts, CyclicLR and OneCycleLR
    would go back to the old rates at their next step. Answers with a sentence on what was done.
    """
    value = check_lr(lr)
    history = history_of(optimizer)
    chosen = _chosen(optimizer, group)
    old_rates = history.rates(optimizer)
    for index in chosen:
        old, own = old_rates[index], optimizer.param_groups[index]
        _write(own, value)
        if old:
            _scale(history.schedulers(), own, index, old, value, value / old)
    history.complete = history.complete and not history.made
    history.note_rates(optimizer)
    return _set_sentence(history.schedulers(), value, [old_rates[index] for index in chosen])


def _chosen(optimizer: Optimizer, group: int | None) -> list[int]:
    count = len(optimizer.param_groups)
    if group is None:
        return list(range(count))
    if not 0 <= group < count:
        raise ChangeError(f"There is no parameter group {group}: this optimizer has {count}, from 0.")
    return [group]


def _write(group: dict[str, Any], value: float) -> None:
    """As torch's schedulers write: into the tensor, where the rate is one."""
    if isinstance(group.get("lr"), torch.Tensor):
        with private.DisableTorchFunction(), torch.no_grad():
            group["lr"].fill_(value)
    else:
        group["lr"] = value


def _scale(
    schedulers: list[LRScheduler], group: dict[str, Any], index: int, old: float, new: float, factor: float
) -> None:
    """Scale what the schedulers compute the coming rates of one group from."""
    with private.DisableTorchFunction():
        for name in ("initial_lr", "max_lr", "min_lr"):
            if name in group:
                group[name] = group[name] * factor
        for scheduler in schedulers:
            for name in ("base_lrs", "max_lrs"):
                values = getattr(scheduler, name, None)
                if isinstance(values, list) and index < len(values):
                    values[index] = _scaled(scheduler, values[index], old, new, factor)


def _scaled(scheduler: LRScheduler, base: Any, old: float, new: float, factor: float) -> Any:
    if isinstance(scheduler, (CosineAnnealingLR, CosineAnnealingWarmRestarts)):
        floor = scheduler.eta_min
        return base if old == floor else floor + (base - floor) * ((new - floor) / (old - floor))
    return base * factor


def _set_sentence(schedulers: list[LRScheduler], value: float, old: list[float]) -> str:
    groups = f" in all {len(old)} parameter groups, whose rates were different" if len(set(old)) > 1 else ""
    words = f"lr {text(value)}{groups}"
    overwriting = _names(item for item in schedulers if isinstance(item, OVERWRITING))
    if overwriting and all(old):
        words += f"; {overwriting} would go back at the next step, so the whole schedule is scaled to it"
    elif overwriting:
        words += f", until {overwriting} sets it again: a rate of 0 cannot be scaled"
    elif schedulers:
        words += f"; {_names(schedulers)} goes on from it"
    ending = [item for item in schedulers if isinstance(item, SWALR)]
    return words + ("; SWALR still ends at its swa_lr." if ending else ".")


def _names(schedulers: Any) -> str:
    return ", ".join(type(item).__name__ for item in schedulers)


def set_hyperparameter(
    optimizer: Optimizer, name: str, value: Any, registry: Registry, group: int | None = None
) -> str:
    """Set one hyperparameter in one group, or in all. Answers with a sentence on what was done."""
    if name == "lr":
        return set_lr(optimizer, value, registry, group)
    kind = type(optimizer)
    chosen = _chosen(optimizer, group)
    _check_settable(optimizer, name)
    for index in chosen:
        value = _checked_in(optimizer, optimizer.param_groups[index], name, value, registry)
    for index in chosen:
        optimizer.param_groups[index][name] = value
    words = f"{kind.__name__} {name} {value}"
    moved = {"betas", "momentum"} if name in ("betas", "momentum") else set()
    cyclers = [item for item in history_of(optimizer).schedulers() if getattr(item, "cycle_momentum", False)]
    if moved and cyclers:
        words += f", until {_names(cyclers)} sets it at its next step"
    return words + "."


def _check_settable(optimizer: Optimizer, name: str) -> None:
    kind = type(optimizer)
    if name not in optimizer.defaults:
        known = ", ".join(optimizer.defaults)
        raise ChangeError(f"{kind.__name__} has no {name}: choose from {known}.")
    buffered = kind is torch.optim.RMSprop and name == "momentum"
    if optimizer.state and (name in AT_CONSTRUCTION or buffered):
        raise ChangeError(
            f"{name} decides what {kind.__name__} keeps in its state: "
            f"swap the optimizer for {kind.__name__}({name}=...) instead."
        )


def _checked_in(
    optimizer: Optimizer, group: dict[str, Any], name: str, value: Any, registry: Registry
) -> Any:
    """The value, if the class takes it together with what the group has already."""
    kind = type(optimizer)
    if not private.of_torch(kind):
        return value
    known = hyperparameters(kind)
    if name not in known:
        raise ChangeError(f"{name} of {kind.__name__} is fixed.")
    others = {item: group[item] for item in known if item in group and item != "lr"}
    others = {item: other for item, other in others.items() if not isinstance(other, torch.Tensor)}
    return checked(kind, {**others, name: value}, registry)[name]
