"""Sees gradient clipping as one operation, with what torch computes for it inside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from types import GeneratorType
from typing import Any

import torch
from torch.nn import utils
from torch.nn.utils import clip_grad

from backprop_tui.debuggee.changes.wrapping import transparent
from backprop_tui.debuggee.engine import Engine
from backprop_tui.protocol import OPERATION

_CLIPS = {"clip_grad_norm_": "max_norm", "clip_grad_value_": "clip_value"}
"""Function to its second parameter."""


def install(engine: Engine) -> None:
    """Patch the functions, in both modules that have them."""
    for name, limit in _CLIPS.items():
        clip = _wrapped(engine, getattr(clip_grad, name), limit)
        for module in (utils, clip_grad):
            setattr(module, name, clip)


def _wrapped(engine: Engine, original: Callable[..., Any], limit: str) -> Callable[..., Any]:
    @transparent
    @wraps(original)
    def clip(*args: Any, **kwargs: Any) -> Any:
        if not engine.observing or not engine.ours() or engine.in_function:
            return original(*args, **kwargs)
        parameters, args, kwargs = _parameters(args, kwargs)
        gradients = [
            item.grad for item in parameters if isinstance(item, torch.Tensor) and item.grad is not None
        ]
        settings = {limit: args[1] if len(args) > 1 else kwargs.get(limit)}
        if limit == "max_norm":
            settings["norm_type"] = args[2] if len(args) > 2 else kwargs.get("norm_type", 2.0)
        op = engine.begin(OPERATION, "op", original.__name__, ((gradients,), settings))
        try:
            result = original(*args, **kwargs)
        except BaseException as error:
            engine.fail(op, error)
            raise
        engine.end(op, gradients if result is None else result)  # what it has written, as of any in-place op
        return result

    return clip


def _parameters(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """(the parameters, args, kwargs): an iterator can be gone through once, so another takes its place."""
    given = args[0] if args else kwargs.get("parameters", ())
    if isinstance(given, torch.Tensor):
        return [given], args, kwargs
    if not isinstance(given, Iterator):
        return list(given), args, kwargs
    kept = list(given)
    # torch warns of an empty generator, and of no other iterator
    fresh = (item for item in kept) if isinstance(given, GeneratorType) else iter(kept)
    return (kept, (fresh, *args[1:]), kwargs) if args else (kept, args, {**kwargs, "parameters": fresh})
