"""What the user may change while the script runs: mechanisms only, no protocol and no patching order.

errors      ChangeError
zero_grad   the clearing of gradients: on, off, zero
loss        another loss function or reduction
optimizer   another optimizer, in place
rates       learning rate and single hyperparameters
registry    the optimizers and schedulers of the script; scheduler off
schedule    the learning rates ahead
fork        trying something in a copy of the process
value       one element of a tensor
seed        the generators of random numbers
unmet       changes that the script gave no occasion to
backward_gradient   backward(gradient=loss)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from backprop_tui.debuggee.changes.backward_gradient import with_loss_as_gradient
from backprop_tui.debuggee.changes.errors import ChangeError
from backprop_tui.debuggee.changes.loss import LossSwap
from backprop_tui.debuggee.changes.registry import Registry
from backprop_tui.debuggee.changes.zero_grad import ZeroGrad

__all__ = ["ChangeError", "Changes"]


class Changes:
    """What is in force, as plain attributes for the patches to read on their hot paths."""

    def __init__(self, registry: Registry | None = None) -> None:
        self.registry = registry
        self.zero_grad = ZeroGrad()
        self.loss: LossSwap | None = None
        self.scheduler_off = False
        self.held_scheduler = False
        """A scheduler's ``step`` did nothing, because schedulers are off."""
        self.backward_gradient = False
        self.gave_gradient = False
        """A backward pass was given its loss as gradient."""
        self.needs_mode = False
        """Whether a change needs the torch-function mode even where nothing is observed."""

    def set_zero_grad(self, mode: str, leaves: Iterable[torch.Tensor] = ()) -> None:
        """on, off or zero. ``leaves``: those that got a gradient before, as in `ZeroGrad`."""
        self.zero_grad = ZeroGrad(mode, leaves, self.zero_grad.met)
        self._sync()

    def set_loss(self, name: str | None, reduction: str | None) -> None:
        """Swap the loss, its reduction or both; two Nones take the script's own again."""
        self.loss = LossSwap(name, reduction) if name or reduction else None
        self._sync()

    def set_scheduler(self, on: bool) -> None:
        """While off, a scheduler's ``step`` does nothing, and it goes on later from where it was."""
        self.scheduler_off = not on
        if self.registry is not None:
            self.registry.scheduler_off = not on

    def _sync(self) -> None:
        self.needs_mode = self.zero_grad.mode != "on" or self.loss is not None

    def gradient_arguments(
        self, t_outputs: Sequence[Any], args: tuple[Any, ...], kwargs: Mapping[str, Any] | None = None
    ) -> tuple[Any, ...]:
        """The arguments with which to enter autograd's engine (see `with_loss_as_gradient`)."""
        if not self.backward_gradient:
            return args
        given = with_loss_as_gradient(t_outputs, args, kwargs)
        self.gave_gradient = self.gave_gradient or given is not args
        return given

    def met(self) -> set[str]:
        """The kinds of changes that had something to change."""
        found = {
            "zero_grad": self.zero_grad.met,
            "scheduler": self.held_scheduler,
            "backward_gradient": self.gave_gradient,
        }
        return {kind for kind, met in found.items() if met}
