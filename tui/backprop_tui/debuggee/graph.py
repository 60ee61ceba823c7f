"""Walks through an autograd graph."""

from __future__ import annotations

from typing import Any

import torch

from backprop_tui.debuggee import private


def reachable(roots: Any) -> list[Any]:
    """Every autograd node from the roots down, each once."""
    # autograd itself will say that a root does not require a gradient
    stack = [private.root_node(root) for root in roots]
    seen: set[Any] = {None}
    found = []
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        found.append(node)
        stack += [child for child, _ in node.next_functions]
    return found


def is_accumulator(node: Any) -> bool:
    """Whether a node adds to the gradient of a leaf."""
    return type(node) is private.Accumulator


def standing(tensor: torch.Tensor) -> tuple[bool, bool]:
    """Whether a tensor requires a gradient, and whether it is a leaf of its graph.

    A view that was made under ``no_grad``, and whose memory was written to since, cannot be asked
    (torch/csrc/autograd/variable.cpp): under ``no_grad`` it is like any other result.
    """
    try:
        return tensor.requires_grad, tensor.is_leaf
    except RuntimeError:
        return False, True


def gathers_gradient(tensor: torch.Tensor) -> bool:
    """Whether passes add to its ``grad``: a leaf that requires a gradient."""
    return standing(tensor) == (True, True)


def leaves(roots: Any) -> list[torch.Tensor]:
    """The leaves that the roots' gradients can reach."""
    return [node.variable for node in reachable(roots) if is_accumulator(node)]
