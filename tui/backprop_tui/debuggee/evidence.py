"""Every number of one operation, copied at the moment it is used: what an explanation is checked against."""

from __future__ import annotations

import base64
import contextlib
import math
from collections.abc import Callable
from typing import Any

import torch

from backprop_tui.debuggee import private
from backprop_tui.debuggee.describe import tensors_in
from backprop_tui.debuggee.graph import is_accumulator
from backprop_tui.debuggee.memory import bytes_of, on_cpu
from backprop_tui.debuggee.objects import elements, written

LARGEST = 1_000_000
"""Tensors of more elements are not copied."""

IN_TRANSFORM = "inside a transform of torch.func (vmap, grad) the numbers of a tensor cannot be read"

Namer = Callable[[torch.Tensor], dict[str, Any]]
"""What else is known of a tensor: its name, the operation that made it."""


def nameless(tensor: torch.Tensor) -> dict[str, Any]:
    """Nothing is known of a tensor."""
    return {}


def pack(value: Any, known: Namer = nameless, depth: int = 6) -> Any:
    """A value as JSON with all numbers of its tensors; `explain.evidence.decode` reads it."""
    if isinstance(value, torch.Tensor):
        return {**_packed(value), **known(value)}
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": str(value)}
    if depth and isinstance(value, list):
        return [pack(item, known, depth - 1) for item in elements(value)]
    if depth and isinstance(value, tuple):
        return {"$tuple": [pack(item, known, depth - 1) for item in elements(value)]}
    if depth and isinstance(value, dict):
        return {written(key): pack(item, known, depth - 1) for key, item in dict.items(value)}
    if isinstance(value, slice):
        return {"$tuple": ["slice", *(pack(end, known) for end in (value.start, value.stop, value.step))]}
    return {"$other": "..." if value is Ellipsis else written(value)}


def _packed(tensor: torch.Tensor) -> dict[str, Any]:
    info = {"$tensor": list(tensor.shape), "dtype": str(tensor.dtype)[6:], "data": None}
    if tensor.numel() > LARGEST:
        return {**info, "why": f"a tensor has {tensor.numel():,} elements"}
    try:
        values = tensor.dequantize() if tensor.is_quantized else tensor
        info["data"] = base64.b64encode(bytes_of(on_cpu(values))).decode()
    except (RuntimeError, NotImplementedError, TypeError) as error:
        info["why"] = IN_TRANSFORM if private.is_wrapped(tensor) else str(error).splitlines()[0]
    return info


def saved_of(node: Any) -> dict[str, Any]:
    """What an autograd node keeps for its derivative, under torch's names without the prefix."""
    readable(node)
    found = {}
    for name in _saved_names(type(node), node):
        try:
            found[name[7:]] = getattr(node, name)
        except RuntimeError:  # freed, or changed in place: autograd itself says so when it comes to it
            continue
    return found


def readable(node: Any) -> None:
    """Raises LookupError if reading what a node has saved would call a hook of the script's."""
    if any(private.packed_by_hooks(node, name) for name in _saved_names(type(node), node)):
        raise LookupError("what it saved is kept by a hook of the script's (activation checkpointing)")


_NAMES: dict[type, list[str]] = {}


def _saved_names(kind: type, node: Any) -> list[str]:
    if kind not in _NAMES:
        _NAMES[kind] = [
            name for name in dir(node) if name.startswith("_saved_") and name != _SCRATCH.get(kind.__name__)
        ]
    return _NAMES[kind]


_SCRATCH = {"MkldnnRnnLayerBackward0": "_saved_result3"}
"""Memory that a node keeps for its library's own use: large, and no numbers for anybody else."""


def of_call(name: str, args: Any, kwargs: Any, known: Namer = nameless) -> dict[str, Any]:
    """A call of a torch function or tensor method, before it runs. Add ``outputs`` when it has run."""
    message = {
        "kind": "op",
        "name": name,
        "args": [pack(item, known) for item in args],
        "kwargs": pack(dict(kwargs or {}), known),
    }
    cast = _autocast([args, kwargs])
    return message if cast is None else {**message, "autocast": cast}


def _autocast(arguments: Any) -> str | None:
    """The dtype to which autocast casts these arguments of a function, if it is on where they are."""
    for device in {tensor.device.type for tensor in tensors_in(arguments)}:
        with contextlib.suppress(RuntimeError):  # a device without autocast
            if torch.is_autocast_enabled(device):
                return str(torch.get_autocast_dtype(device))[6:]
    return None


def of_outputs(result: Any, known: Namer = nameless) -> list[Any]:
    """The tensors that a call returned."""
    parts = result if isinstance(result, (list, tuple)) else [result]
    return [pack(part, known) for part in parts]


def of_node(node: Any, grad_outputs: Any, known: Namer = nameless) -> dict[str, Any]:
    """An autograd node before it runs. Add ``grad_inputs`` when it has run."""
    onwards = private.goes_to(node)
    return {
        "kind": "node",
        "name": type(node).__name__,
        "saved": pack(saved_of(node), known),
        "grad_outputs": [pack(item, known) for item in grad_outputs],
        # Autograd brings a gradient to that shape by summing what was broadcast.
        "next_shapes": [None if child is None else list(shape) for child, _, shape in onwards],
        "sequence": private.node_sequence(node),
        "edges": [_edge(child, number, known) for child, number, _ in onwards],
    }


def _edge(child: Any, number: int, known: Namer) -> Any:
    if child is None:
        return None
    if is_accumulator(child):
        return known(child.variable).get("name")
    return {"$tuple": [private.node_sequence(child), number]}


_DRAW_INSIDE = frozenset(
    ["multi_head_attention_forward", "scaled_dot_product_attention", "lstm", "gru", "rnn_tanh", "rnn_relu"]
)
"""Functions with dropout between the parts they are made of: their results do not show what it dropped."""


def drawn(name: str, results: Any, since: int) -> list[Any]:
    """The masks of dropout inside such a function, in the order in which they were drawn.

    Autograd keeps them: the nodes that the function made are those from the sequence number ``since`` on.
    """
    if name not in _DRAW_INSIDE:
        return []
    return [pack(mask) for node in _made(results, since) if (mask := _mask(node)) is not None]


def _made(results: Any, since: int) -> list[Any]:
    parts = results if isinstance(results, (list, tuple)) else [results]
    stack = [part.grad_fn for part in parts if isinstance(part, torch.Tensor)]
    found: dict[int, Any] = {}
    while stack:
        node = stack.pop()
        if node is None or is_accumulator(node):
            continue
        number = private.node_sequence(node)
        if number >= since and number not in found:
            found[number] = node
            stack.extend(child for child, _ in node.next_functions)
    return [found[number] for number in sorted(found)]


def _mask(node: Any) -> torch.Tensor | None:
    """What a product was multiplied with, if that is 0 and one number above 1: 1/(1 − p)."""
    if type(node).__name__ != "MulBackward0":
        return None
    factor = private.multiplied_with(node)
    if factor is None or not factor.numel() or factor.is_complex():
        return None
    most = factor.max()
    return factor if bool((most > 1) & ((factor == 0) | (factor == most)).all()) else None
