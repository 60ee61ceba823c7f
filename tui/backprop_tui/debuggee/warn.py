"""The script's warnings name the script's lines, although our frames lie between."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any

import torch.overrides

from backprop_tui.debuggee.changes.wrapping import FILENAME
from backprop_tui.debuggee.frames import PACKAGE, user_frame

_show: Callable[[Any], None] = warnings._showwarnmsg  # type: ignore[attr-defined]


def install() -> None:
    """Correct the place of warnings that C code blames on the function that called it: ours."""
    warnings._showwarnmsg = _show_at_script  # type: ignore[attr-defined]


def _show_at_script(message: Any) -> None:
    if message.filename == torch.overrides.__file__:
        frame = _caller_of_function()
    elif message.filename == FILENAME or message.filename.startswith(PACKAGE):
        frame = user_frame()
    else:
        _show(message)
        return
    if frame is not None:
        if _shown_before(message, frame):
            return
        message.filename, message.lineno = frame.f_code.co_filename, frame.f_lineno
        message.line = None
    _show(message)


def _caller_of_function() -> FrameType | None:
    """Who called the torch function that has handed its call to our mode and warns inside of it."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code is not torch.overrides.handle_torch_function.__code__:
        frame = frame.f_back
    function = None if frame is None else frame.f_back
    return None if function is None else function.f_back


def _shown_before(message: Any, frame: Any) -> bool:
    """Python shows a warning once for each line; what it has remembered is a line of ours."""
    text = str(message.message)
    for module in list(sys.modules.values()):
        registry = getattr(module, "__warningregistry__", None)
        name = str(getattr(module, "__name__", ""))
        if registry and name.startswith(("backprop_tui.", "torch.overrides")):
            registry.clear()
    registry = frame.f_globals.setdefault("__warningregistry__", {})
    key = (text, message.category, frame.f_lineno)
    if key in registry:
        return True
    registry[key] = True
    return False
