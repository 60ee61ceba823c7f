"""How far every result on the way moves when one element of a leaf moves: the tangents ∂a/∂w.

An autograd node maps the gradients of its results to those of its operands by a linear map. The derivative
of that map by the incoming gradients, applied to the operands' tangents, gives the results' tangents:
forward mode out of backward formulas (J. Townsend, "A new trick for calculating Jacobian vector products",
2017). So the sum over the elements of ∂L/∂a · ∂a/∂w can be taken at any operation, however wide.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch

from backprop_tui.debuggee import private
from backprop_tui.debuggee.evidence import readable, saved_of
from backprop_tui.debuggee.graph import is_accumulator

LARGEST = 10_000_000
"""A result of more elements is not followed: its tangent takes as much memory as the result."""
MOST_NODES = 5_000

Tangents = list[torch.Tensor | None]
"""One for each result of a node; None where it does not depend on the element."""


class Unfollowed(Exception):
    """A node's backward formula cannot be differentiated, or is too large; says which and why."""


def between(roots: Iterable[Any], leaf: torch.Tensor) -> list[Any]:
    """The nodes that lie between the roots and a leaf, its own first: each after those that it sends to."""
    on_way: dict[Any, bool] = {}
    found = []
    stack = [(private.root_node(root), False) for root in roots]
    while stack:
        node, done = stack.pop()
        if node is None or (node in on_way and not done):
            continue
        if not done:
            on_way[node] = False
            stack.append((node, True))
            stack += [(child, False) for child, _ in node.next_functions]
        elif _is_leaf(node, leaf) or any(on_way.get(child) for child, _ in node.next_functions):
            on_way[node] = True
            found.append(node)
    return found


def _is_leaf(node: Any, leaf: torch.Tensor) -> bool:
    return is_accumulator(node) and node.variable is leaf


def widest(nodes: Sequence[Any]) -> int:
    """The largest number of gradient elements that comes to one of the nodes; the leaf's own apart."""
    return max((_largest(node) for node in nodes if not is_accumulator(node)), default=0)


def _largest(node: Any) -> int:
    return max((math.prod(shape) for shape, _, _ in private.results_like(node)), default=0)


def tangents(nodes: Sequence[Any], index: tuple[int, ...]) -> dict[Any, Tangents]:
    """∂a/∂w for the results a of every node of `between`. Raises Unfollowed."""
    if len(nodes) > MOST_NODES:
        raise Unfollowed(f"{len(nodes):,} operations lie between: more than {MOST_NODES:,} are not followed")
    found: dict[Any, Tangents] = {}
    for node in nodes:
        found[node] = [_unit(node.variable, index)] if is_accumulator(node) else _through(node, found)
    return found


def _unit(leaf: torch.Tensor, index: tuple[int, ...]) -> torch.Tensor:
    unit = torch.zeros(leaf.shape, dtype=leaf.dtype, device=leaf.device)
    unit[index] = 1
    return unit


def _through(node: Any, known: dict[Any, Tangents]) -> Tangents:
    """The tangents of a node's results from those of its operands."""
    name = type(node).__name__
    if _largest(node) > LARGEST:
        raise Unfollowed(
            f"{name} has {_largest(node):,} gradient elements: more than {LARGEST:,} are not summed"
        )
    try:
        readable(node)
        return _differentiated(node, known)
    except Exception as error:  # of torch, or of a backward function of the script's
        raise Unfollowed(f"{name} cannot be followed: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error.args[0] if error.args else error).splitlines() or [type(error).__name__])[0]


def _differentiated(node: Any, known: dict[Any, Tangents]) -> Tangents:
    if any(dtype.is_complex for _, dtype, _ in private.results_like(node)):
        raise LookupError("it computes with complex numbers")
    incoming = [
        torch.zeros(shape, dtype=dtype, device=device, requires_grad=dtype.is_floating_point)
        for shape, dtype, device in private.results_like(node)
    ]
    outgoing, weights = [], []
    with torch.enable_grad():
        for result, (child, number) in zip(_mapped(node, incoming), node.next_functions, strict=False):
            tangent = known[child][number] if child in known else None
            if tangent is None or result is None:
                continue
            if not result.requires_grad and isinstance(node, private.OwnNode):
                raise LookupError("its backward function cannot be differentiated")
            # Autograd sums what was broadcast before it hands a gradient on.
            outgoing.append(result.sum_to_size(tangent.shape))
            weights.append(tangent)
    pairs = [(one, weight) for one, weight in zip(outgoing, weights, strict=True) if one.requires_grad]
    if not pairs:
        return [None] * len(incoming)
    outgoing, weights = [one for one, _ in pairs], [weight for _, weight in pairs]
    wanted = [gradient for gradient in incoming if gradient.requires_grad]
    derived = iter(torch.autograd.grad(outgoing, wanted, weights, allow_unused=True))
    return [next(derived) if gradient.requires_grad else None for gradient in incoming]


def _mapped(node: Any, incoming: Sequence[torch.Tensor]) -> tuple[torch.Tensor | None, ...]:
    """What a node makes of gradients: the outgoing ones, with their graph."""
    instead = _INSTEAD.get(type(node).__name__)
    if instead is not None:
        return instead(node, incoming)
    call: Any = node.apply if isinstance(node, private.OwnNode) else node
    found = call(*incoming)
    return found if isinstance(found, tuple) else (found,)


def _attention(node: Any, incoming: Sequence[torch.Tensor]) -> tuple[torch.Tensor | None, ...]:
    """The same attention written out: torch cannot differentiate the backward formula of the fused kernel."""
    saved = saved_of(node)
    leaves = [saved[name].detach().requires_grad_() for name in ("query", "key", "value")]
    query, key, value = leaves
    scale = saved.get("scale")
    scores = query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if saved.get("attn_mask") is not None:
        scores = scores + saved["attn_mask"]
    if saved["is_causal"]:
        later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(later, -math.inf)
    output = torch.softmax(scores, -1) @ value
    return torch.autograd.grad(output, leaves, incoming[0], create_graph=True)


_INSTEAD: dict[str, Callable[[Any, Sequence[torch.Tensor]], tuple[torch.Tensor | None, ...]]] = {
    "ScaledDotProductFlashAttentionForCpuBackward0": _attention,
}
"""Stand-ins for formulas that torch cannot differentiate."""
