"""What torch does by itself within one call of the script's, where nobody looks: counted, not watched.

A `zero_grad`, a backward pass and a step are most of an iteration's operations. Where no run can stop
inside them and nothing is recorded, it is enough to know how many they are: the numbers of the operations
that follow depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

from backprop_tui.debuggee import graph, private


def sets_none(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether ``zero_grad`` with these arguments sets gradients to None: one operation for each."""
    return bool(args[0] if args else kwargs.get("set_to_none", True))


def steps_alone(optimizer: Any, *closure: Any, **more: Any) -> bool:
    """Whether ``step`` with these arguments runs torch's code only: one update for each parameter that has a
    gradient."""
    return not closure and not more and private.plain_step(optimizer)


def gradients(owner: Any) -> int:
    """How many parameters of an optimizer or a module have a gradient."""
    if isinstance(owner, torch.nn.Module):
        return _gradients(owner.parameters())
    return sum([_gradients(group["params"]) for group in owner.param_groups])


def _gradients(parameters: Iterable[torch.Tensor]) -> int:
    return sum([parameter.grad is not None for parameter in parameters])


def backward_nodes(
    roots: Any, inputs: Any, sought: Callable[[str], bool]
) -> tuple[int, list[torch.Tensor]] | None:
    """How many nodes a backward pass runs, and the leaves that it reaches; None where it may not run all
    that can be reached, or runs code of the script's or a node whose name is ``sought``."""
    if inputs:
        return None
    nodes = graph.reachable(roots)
    kinds = {type(node) for node in nodes}
    if any(issubclass(kind, private.OwnNode) or sought(kind.__name__) for kind in kinds):
        return None
    return len(nodes), [node.variable for node in nodes if graph.is_accumulator(node)]
