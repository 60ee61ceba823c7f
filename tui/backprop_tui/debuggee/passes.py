"""The backward passes of an iteration taken together: the sum of their losses, and what they give to leaves.

Only in a copy that is thrown away: the hooks stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from backprop_tui.debuggee.engine import Engine
from backprop_tui.protocol import plain

Message = dict[str, Any]


class Passes:
    """What `.grad` collects from now on, and the losses that it is the gradient of.

    Several passes before a step (gradient accumulation) add up. `autograd.grad` gives nothing to `.grad`:
    it counts only where no backward pass comes. Inside a step (LBFGS) only the first pass is at the
    parameters that the iteration began with.
    """

    def __init__(self, engine: Engine, leaves: Sequence[torch.Tensor] = ()) -> None:
        self.count = 0
        self.trouble: str | None = None
        self._engine = engine
        self._counts = False
        self._accumulates = False
        self._loss = 0.0
        self._sums: list[torch.Tensor | None] = [None] * len(leaves)
        engine.on_backward = self._begins
        for number, leaf in enumerate(leaves):
            if leaf.requires_grad:
                leaf.register_hook(partial(self._add, number))  # type: ignore[no-untyped-call]

    def gradient(self, number: int) -> torch.Tensor | None:
        """What all passes gave to a leaf, in float64 (complex128); None if nothing."""
        return self._sums[number]

    def told(self) -> Message:
        """The sum of the losses, of how many passes, and why there is no such sum."""
        return {"loss": plain(self._loss), "passes": self.count, "trouble": self.trouble}

    def _begins(self, roots: Sequence[Any], gradients: Sequence[Any]) -> None:
        accumulates = self._engine.open[-1].name == "backward"
        if accumulates and not self._accumulates:
            self._begin_anew()
        again = self.count > 0 and any(op.kind == "step" for op in self._engine.open)
        self._counts = not again and (accumulates or (self.count == 0 and not self._accumulates))
        if self._counts:
            self.count += 1
            for root in roots:
                self._add_loss(root)

    def _begin_anew(self) -> None:
        self._accumulates, self.count, self._loss, self.trouble = True, 0, 0.0, None
        self._sums = [None] * len(self._sums)

    def _add_loss(self, root: torch.Tensor) -> None:
        if root.numel() == 1 and not root.is_complex():
            self._loss += float(root.detach().item())
        else:
            self.trouble = (
                f"backward is called on a tensor of shape {tuple(root.shape)}, not on one real number"
            )

    def _add(self, number: int, gradient: torch.Tensor) -> None:
        if not self._counts:
            return
        self._engine.quiet += 1
        try:
            with torch.no_grad():
                more = wide(gradient)
                before = self._sums[number]
                self._sums[number] = more if before is None else before + more
        finally:
            self._engine.quiet -= 1


def wide(tensor: torch.Tensor) -> torch.Tensor:
    """A dense copy in the widest type."""
    whole = tensor.detach().to_dense() if tensor.layout is not torch.strided else tensor.detach()
    return whole.to(torch.complex128 if whole.is_complex() else torch.float64, copy=True)
