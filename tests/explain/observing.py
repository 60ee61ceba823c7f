"""Evidence of torch calls and autograd nodes, taken in the test's own process by the debuggee's own code."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from backprop_tui.debuggee import evidence as capture
from backprop_tui.explain.evidence import Evidence, decode


def travelled(message: dict[str, Any]) -> Evidence:
    """Evidence as it arrives in the debugger."""
    return decode(json.loads(json.dumps(message, allow_nan=False)))


def call(name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Evidence, Any]:
    """The evidence of one call, and what the call returned."""
    message = capture.of_call(name, args, kwargs)
    result = function(*args, **kwargs)
    message["outputs"] = capture.of_outputs(result)
    return travelled(message), result


def backward(
    root: torch.Tensor, gradient: torch.Tensor | None = None, names: dict[int, str] | None = None
) -> list[Evidence]:
    """The evidence of every node of one backward pass but the leaves' own, in the order in which they run.

    ``names``: of leaves, by id.
    """

    def known(tensor: torch.Tensor) -> dict[str, Any]:
        return {"name": (names or {}).get(id(tensor))}

    found: list[dict[str, Any]] = []
    handles = []
    for node in _nodes(root.grad_fn):
        if type(node).__name__ != "AccumulateGrad":
            handles.append(node.register_prehook(partial(_begins, found, node, known)))
            handles.append(node.register_hook(partial(_ends, found, node)))
    root.backward(gradient)
    for handle in handles:
        handle.remove()
    return [travelled({key: value for key, value in message.items() if key != "id"}) for message in found]


def _begins(found: list[dict[str, Any]], node: Any, known: Any, grad_outputs: Any) -> None:
    found.append({**capture.of_node(node, grad_outputs, known), "id": id(node)})


def _ends(found: list[dict[str, Any]], node: Any, grad_inputs: Any, grad_outputs: Any) -> None:
    (message,) = (item for item in found if item["id"] == id(node))
    message["grad_inputs"] = [capture.pack(item) for item in grad_inputs]


def _nodes(root: Any) -> list[Any]:
    stack, found = [root], []
    while stack:
        node = stack.pop()
        if node is not None and node not in found:
            found.append(node)
            stack.extend(child for child, _ in node.next_functions)
    return found
