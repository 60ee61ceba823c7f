"""``loss.backward(gradient=loss)`` where the script says ``loss.backward()``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch


def with_loss_as_gradient(
    t_outputs: Sequence[Any], args: tuple[Any, ...], kwargs: Mapping[str, Any] | None = None
) -> tuple[Any, ...]:
    """The positional arguments after the roots with which to enter autograd's engine instead.

    `args` begins with the tuple of incoming gradients, which becomes the value of the loss. Left as
    it is: a pass from several roots or from one that is no single number, and `autograd.grad`, whose
    result is no step of learning. To be used for the outermost pass only.
    """
    accumulates = kwargs is None or kwargs.get("accumulate_grad", True)
    root = t_outputs[0] if len(t_outputs) == 1 else None
    if not accumulates or not isinstance(root, torch.Tensor) or root.numel() != 1:
        return args
    return ((root.detach().clone(),), *args[1:])
