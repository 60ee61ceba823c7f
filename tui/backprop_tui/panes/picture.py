"""What the panes that draw pictures and tables have in common: the colours of signs, reads and writes."""

from __future__ import annotations

from typing import Protocol

from backprop_tui.debugger.view import Window
from backprop_tui.panes.drawing.canvas import STYLES
from backprop_tui.panes.pieces import TextPane


class Fetch(Protocol):
    """Asks the debuggee for a window of a tensor: ``attr`` is value, grad, or state.exp_avg and the like."""

    async def __call__(self, name: str, attr: str, rows: tuple[int, int], cols: tuple[int, int]) -> Window:
        """Raises if the tensor cannot be read now; the message is shown."""
        ...


class PicturePane(TextPane):
    """A pane of styled lines with the styles of pictures."""

    COMPONENT_CLASSES = {f"piece--{name}" for name in STYLES}

    DEFAULT_CSS = """
    PicturePane {
        & > .piece--gradient { color: $text-secondary; text-style: italic; }
        & > .piece--positive { color: $text-primary; }
        & > .piece--negative { color: $text-error; }
        & > .piece--read { color: $text-accent; text-style: bold; }
        & > .piece--wrote { color: $text-success; text-style: bold; }
        & > .piece--used { color: $text-warning; }
        & > .piece--glow { color: $text-accent; text-style: bold reverse; }
        & > .piece--planned { color: $text-secondary; }
    }
    """
