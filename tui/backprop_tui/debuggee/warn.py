"""The script's warnings name the script's lines, although our frames lie between."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any

from backprop_tui.debuggee.changes.wrapping import FILENAME
from backprop_tui.debuggee.frames import PACKAGE, user_frame

_show: Callable[[Any], None] = warnings._showwarnmsg  # type: ignore[attr-defined]


def install() -> None:
    """Correct the place of warnings that C code blames on the function that called it: ours."""
    warnings._showwarnmsg = _show_at_script  # type: ignore[attr-defined]


def _show_at_script(message: Any) -> None:
    if message.filename != FILENAME and not message.filename.startswith(PACKAGE):
        _show(message)
        return
    frame = user_frame()
    if frame is not None:
        if _shown_before(message, frame):
            return
        message.filename, message.lineno = frame.f_code.co_filename, frame.f_lineno
        message.line = None
    _show(message)


def _shown_before(message: Any, frame: Any) -> bool:
    """Python shows a warning once for each line; what it has remembered is a line of ours."""
    text = str(message.message)
    for module in list(sys.modules.values()):
        registry = getattr(module, "__warningregistry__", None)
        if registry and str(getattr(module, "__name__", "")).startswith("backprop_tui."):
            registry.clear()
    registry = frame.f_globals.setdefault("__warningregistry__", {})
    key = (text, message.category, frame.f_lineno)
    if key in registry:
        return True
    registry[key] = True
    return False
