"""What the debuggee says, as the values that the panes know."""

from __future__ import annotations

from typing import Any

from backprop_tui.debugger.view import Frame, Stop, Window


def stop_from(message: dict[str, Any]) -> Stop:
    """Read a ``stop`` message."""
    landmark, operation = message["time"]
    return Stop(
        time=(landmark, operation),
        iteration=message["iteration"],
        number=message["number"],
        reason=message["reason"],
        next=message["next"],
        last=message["last"],
        open=tuple(message["open"]),
        frames=tuple(Frame(*frame) for frame in message["frames"]),
        observing=message["observing"],
        exit_status=message.get("exit_status"),
        error=message.get("error"),
    )


def window_from(answer: dict[str, Any], rows: tuple[int, int], cols: tuple[int, int]) -> Window:
    """Read the answer to a ``window`` question."""
    return Window(rows, cols, answer["values"], answer["dtype"], tuple(answer["shape"]))
