"""What a record says of an operation besides its tensors: settings, modes, parameters left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

from backprop_tui.debuggee.describe import scalar_of
from backprop_tui.debuggee.frames import user_frames
from backprop_tui.protocol import LeftOut, Record

Name = Callable[[torch.Tensor], "str | None"]

_OF_CALLS = ("training", "p", "reduction", "max_norm", "clip_value")
_OF_GROUPS = ("weight_decay", "decoupled_weight_decay", "momentum")
_OF_SCHEDULERS = ("T_max", "total_steps")
_CALLERS = 8


def of_module(module: torch.nn.Module) -> Record:
    """The mode that a module is called in."""
    found: Record = {"training": module.training}
    if isinstance(reduction := getattr(module, "reduction", None), str):
        found["settings"] = {"reduction": reduction}
    found.update(_gradient_mode())
    return found


def of_call(kwargs: Any) -> Record:
    """What a torch function was asked for by keyword, which is nearly always nothing, and its mode."""
    found = _gradient_mode()
    settings = {name: kwargs[name] for name in _OF_CALLS if name in kwargs}
    if settings:
        found["settings"] = {name: scalar_of(value) for name, value in settings.items()}
    return found


def _gradient_mode() -> Record:
    return {} if torch.is_grad_enabled() else {"no_grad": True}


def of_step(optimizer: Any) -> Record:
    """The settings of each parameter group."""
    groups = optimizer.param_groups
    names = [name for name in _OF_GROUPS if any(name in group for group in groups)]
    return {"settings": {name: [scalar_of(group.get(name)) for group in groups] for name in names}}


def of_schedule(scheduler: Any) -> Record:
    """Where the schedule ends."""
    ends = {name: getattr(scheduler, name, None) for name in _OF_SCHEDULERS}
    return {"settings": {name: end for name, end in ends.items() if isinstance(end, int)}}


def of_backward() -> Record:
    """Which lines of the script lead to the call."""
    return {"callers": [frame.f_lineno for frame, _ in zip(user_frames(), range(_CALLERS), strict=False)]}


def without_gradient(optimizer: Any) -> list[torch.Tensor]:
    """The parameters that require a gradient and have none."""
    leaves = (leaf for group in optimizer.param_groups for leaf in group["params"])
    return [leaf for leaf in leaves if leaf.requires_grad and leaf.grad is None]


def skipped(candidates: Iterable[torch.Tensor], name: Name) -> list[LeftOut]:
    """Those that got none during the step either: a closure may have computed it."""
    return [_left_out(leaf, name) for leaf in candidates if leaf.grad is None]


def unowned(leaves: Iterable[torch.Tensor], optimizers: Iterable[Any], name: Name) -> list[LeftOut]:
    """The parameters among the leaves of a backward pass that no optimizer holds."""
    owned = {
        id(leaf) for optimizer in optimizers for group in optimizer.param_groups for leaf in group["params"]
    }
    return [
        _left_out(leaf, name)
        for leaf in leaves
        if id(leaf) not in owned and isinstance(leaf, torch.nn.Parameter) and leaf.grad is not None
    ]


def _left_out(leaf: torch.Tensor, name: Name) -> LeftOut:
    return {"name": name(leaf), "shape": list(leaf.shape)}
