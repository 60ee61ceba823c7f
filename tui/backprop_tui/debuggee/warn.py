"""The script's warnings name the script's lines, although our frames lie between."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any

import torch.overrides

from backprop_tui.debuggee.changes.wrapping import FILENAME
from backprop_tui.debuggee.frames import is_ours, user_frame

_show: Callable[[Any], None] = warnings._showwarnmsg  # type: ignore[attr-defined]


Heard = Callable[[str, str, str, int], None]


def install(heard: Heard) -> None:
    """Correct the place of warnings that C code blames on the function that called it: ours.

    ``heard`` is told of each that is shown: category, text, file and line.
    """

    def show(message: Any) -> None:
        if _at_script(message):
            heard(message.category.__name__, str(message.message), message.filename, message.lineno)
            _show(message)

    warnings._showwarnmsg = show  # type: ignore[attr-defined]


def _at_script(message: Any) -> bool:
    """Let a message name the script's line. False if it was shown for that line before."""
    if message.filename == torch.overrides.__file__:
        frame = _caller_of_function()
    elif message.filename == FILENAME or is_ours(message.filename):
        frame = user_frame()
    else:
        return True
    if frame is not None:
        if _shown_before(message, frame):
            return False
        message.filename, message.lineno = frame.f_code.co_filename, frame.f_lineno
        message.line = None
    return True


def _caller_of_function() -> FrameType | None:
    """Who called the torch function that has handed its call to our mode and warns inside of it."""
    frame: FrameType | None = sys._getframe(3)
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
