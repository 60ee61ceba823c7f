"""Walks through an autograd graph."""

from __future__ import annotations

from typing import Any

import torch

from backprop_tui.debuggee import private


def reachable(roots: Any) -> list[Any]:
    """Every autograd node from the roots down, each once."""
    # autograd itself will say that a root does not require a gradient
    roots = [root for root in roots if not isinstance(root, torch.Tensor) or root.requires_grad]
    stack = [root if not isinstance(root, torch.Tensor) else private.gradient_node(root) for root in roots]
    stack = [getattr(node, "node", node) for node in stack]
    seen: set[Any] = set()
    found = []
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        found.append(node)
        stack.extend(child for child, _ in node.next_functions)
    return found


def leaves(roots: Any) -> list[torch.Tensor]:
    """The leaves that the roots' gradients can reach."""
    return [node.variable for node in reachable(roots) if type(node).__name__ == "AccumulateGrad"]
