"""Another optimizer in the place of the script's, while it runs.

The object is converted in place: the script and its schedulers hold it, so object, list of groups,
group dicts and state keep their identity, and only class, hyperparameters and state are new.
The result is what the script would have had if it had been written with the other class.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.optim import LBFGS, Optimizer, SparseAdam
from torch.optim.lr_scheduler import CyclicLR, LRScheduler, OneCycleLR

from backprop_tui.debuggee import private
from backprop_tui.debuggee.changes import rates
from backprop_tui.debuggee.changes.errors import ChangeError
from backprop_tui.debuggee.changes.history import History, history_of
from backprop_tui.debuggee.changes.parsing import classes, hyperparameters, written
from backprop_tui.debuggee.changes.registry import Registry
from backprop_tui.debuggee.changes.wrapping import quiet

OBJECTIVE = ("maximize", "differentiable")
"""Hyperparameters that say what is optimised and not how: they stay unless given."""


def convert(optimizer: Optimizer, kind: type[Optimizer], given: dict[str, Any], registry: Registry) -> str:
    """Make an optimizer one of another class (or of its own, with other hyperparameters), in place.

    Its state starts fresh. The learning rate in use stays unless `given` has one; given one, the
    schedulers go on as if the optimizer had been made with it. What a parameter group was given of
    its own stays with that group if the new class knows it; all other hyperparameters are `given`
    or the new class's defaults.

    Not to be called inside ``step``. Raises ChangeError, and then nothing has changed. Answers with
    a sentence on what was done.
    """
    history = history_of(optimizer)
    check(optimizer, kind, history)
    cyclers = [item for item in history.schedulers() if cycles_momentum(item)]
    momenta = [_momentum(group) for group in optimizer.param_groups]
    replay = "lr" in given and history.replayable(optimizer)
    with registry.paused():
        new = _build(optimizer, kind, given, history)
        _check_cyclers(new, cyclers)
        old_rates = history.rates(optimizer)
        _transplant(optimizer, new)
        _cycle_on(optimizer, cyclers, momenta)
        if "lr" in given and history.made:
            rates.found(optimizer, history, replay, float(given["lr"]), old_rates)
    history.note_rates(optimizer)
    return _sentence(optimizer, given, history)


def convert_on_construction(
    kind: type[Optimizer], given: dict[str, Any], registry: Registry
) -> Callable[[Optimizer], None]:
    """For `Registry.on_made`: every optimizer of the script becomes one of this class.

    At the end of its construction there are no schedulers yet, so nothing has to be re-founded.
    """

    def made(optimizer: Optimizer) -> None:
        convert(optimizer, kind, given, registry)

    return made


def choices(optimizer: Optimizer | None, registry: Registry) -> list[str]:
    """The classes that this optimizer can become, each with its default hyperparameters as text."""
    kinds = classes().values()
    possible = [kind for kind in kinds if optimizer is None or _possible(optimizer, kind, registry)]
    return [written(kind) for kind in possible]


def _possible(optimizer: Optimizer, kind: type[Optimizer], registry: Registry) -> bool:
    history = history_of(optimizer)
    try:
        check(optimizer, kind, history)
        with registry.paused():
            new = _build(optimizer, kind, {}, history)
        _check_cyclers(new, history.schedulers())
    except ChangeError:
        return False
    return True


def check(optimizer: Optimizer, kind: type[Optimizer], history: History) -> None:
    """Refuse what torch itself would let through and then fail on at the next step."""
    name = kind.__name__
    if private.step_by_script(optimizer):
        raise ChangeError("This script puts a function of its own in the place of optimizer.step.")
    if kind is LBFGS and history.closure is False:
        raise ChangeError("LBFGS needs optimizer.step(closure), and this script calls step() without one.")
    if kind is SparseAdam and any(_dense(leaf.grad) for leaf in _leaves(optimizer)):
        raise ChangeError("SparseAdam takes only sparse gradients, and those of this script are dense.")
    for item in OBJECTIVE:
        if optimizer.defaults.get(item) and item not in hyperparameters(kind):
            raise ChangeError(f"{name} has no {item}=True, with which this script made its optimizer.")
    _check_layout(optimizer, kind)


def _leaves(optimizer: Optimizer) -> list[torch.Tensor]:
    return [leaf for group in optimizer.param_groups for leaf in group["params"]]


def _dense(gradient: torch.Tensor | None) -> bool:
    return gradient is not None and not gradient.is_sparse


def _check_layout(optimizer: Optimizer, kind: type[Optimizer]) -> None:
    """A class with ``__slots__`` cannot be left: find out while nothing has changed."""
    old = type(optimizer)
    try:
        optimizer.__class__ = kind
        optimizer.__class__ = old
    except TypeError:
        raise ChangeError(f"A {old.__name__} cannot become another class: it has __slots__.") from None


def _build(optimizer: Optimizer, kind: type[Optimizer], given: dict[str, Any], history: History) -> Optimizer:
    """A new optimizer over copies of the groups; if its class refuses, nothing has changed."""
    known = hyperparameters(kind)
    values = {name: optimizer.defaults[name] for name in OBJECTIVE if optimizer.defaults.get(name)}
    if "lr" in optimizer.defaults:
        values["lr"] = optimizer.defaults["lr"]
    groups = []
    for group, own in zip(optimizer.param_groups, _own(optimizer, history), strict=True):
        copy = {name: value for name, value in group.items() if name not in optimizer.defaults}
        copy["params"] = list(group["params"])
        copy.update({name: group.get(name, value) for name, value in own.items() if name in known})
        if "lr" not in given and "lr" in group:
            copy["lr"] = group["lr"]
        groups.append(copy)
    try:
        with quiet():
            return kind(groups, **{**values, **given})
    except Exception as error:
        raise ChangeError(f"{kind.__name__}: {str(error).rstrip('.')}.") from None


def _own(optimizer: Optimizer, history: History) -> list[dict[str, Any]]:
    """Per group: the hyperparameters that the script gave to this group itself.

    An optimizer that was copied has no past: there, what differs from the default was given.
    """
    if len(history.own) == len(optimizer.param_groups):
        return history.own
    return [_differing(group, optimizer.defaults) for group in optimizer.param_groups]


def _differing(group: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    with private.DisableTorchFunction():
        return {name: group[name] for name in defaults if name in group and group[name] != defaults[name]}


def _transplant(optimizer: Optimizer, new: Optimizer) -> None:
    groups, state = optimizer.param_groups, optimizer.state
    lasting = private.lasting_attributes(optimizer, new)
    wrapped = "step" in optimizer.__dict__
    for group, fresh in zip(groups, new.param_groups, strict=True):
        leaves = group["params"]
        group.clear()
        group.update(fresh, params=leaves)
    state.clear()
    state.update(new.state)
    attributes = {**new.__dict__, **lasting, "param_groups": groups, "state": state}
    optimizer.__class__ = type(new)
    optimizer.__dict__.clear()
    optimizer.__dict__.update(attributes)
    if wrapped:
        private.count_steps(optimizer)


# schedulers that move the momentum
def cycles_momentum(scheduler: LRScheduler) -> bool:
    """Whether a scheduler writes ``momentum`` or the first of ``betas``."""
    return isinstance(scheduler, (CyclicLR, OneCycleLR)) and bool(scheduler.cycle_momentum)


def _check_cyclers(new: Optimizer, schedulers: list[LRScheduler]) -> None:
    for scheduler in schedulers:
        if cycles_momentum(scheduler) and not {"momentum", "betas"} & new.defaults.keys():
            here, there = type(scheduler).__name__, type(new).__name__
            raise ChangeError(f"{here} moves the momentum too, and {there} has neither momentum nor betas.")


def _momentum(group: dict[str, Any]) -> Any:
    return group["betas"][0] if "betas" in group else group.get("momentum")


def _cycle_on(optimizer: Optimizer, cyclers: list[LRScheduler], momenta: list[Any]) -> None:
    """The momentum that a scheduler has set goes to where the new class has its own."""
    if not cyclers:
        return
    for scheduler in cyclers:
        scheduler.use_beta1 = "betas" in optimizer.defaults  # type: ignore[attr-defined]
    for group, momentum in zip(optimizer.param_groups, momenta, strict=True):
        if "betas" in optimizer.defaults:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum


def _sentence(optimizer: Optimizer, given: dict[str, Any], history: History) -> str:
    shown = ", ".join(rates.text(rate) for rate in history.rates(optimizer))
    name = type(optimizer).__name__
    kept = "" if "lr" in given else " (kept)"
    words = f"{name} with fresh state, lr {shown}{kept}"
    names = ", ".join(type(item).__name__ for item in history.schedulers())
    if names and "lr" in given:
        words += f"; {names} as if made with lr {rates.text(given['lr'])}"
    return words + "."
