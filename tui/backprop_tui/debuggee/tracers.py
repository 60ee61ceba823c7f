"""Functions that run the script's model to write down what it does: torch.jit.trace, torch.export.

What they run works with stand-ins for numbers, and takes note of every function that is called, so also of
ours. They are left alone.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any

import torch

from backprop_tui.debuggee.changes.wrapping import transparent

_TRACERS = {
    torch.jit: ("trace", "trace_module"),
    torch.export: ("export", "draft_export", "export_for_training"),
}
"""By the module in which the script finds them."""


def leave_alone(away: Callable[[], AbstractContextManager[None]]) -> None:
    """Call each of them within ``away``."""
    for module, names in _TRACERS.items():
        for name in names:
            if hasattr(module, name):
                setattr(module, name, _within(away, getattr(module, name)))


def _within(away: Callable[[], AbstractContextManager[None]], original: Callable[..., Any]) -> Any:
    @transparent
    @wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        with away():
            return original(*args, **kwargs)

    return call
