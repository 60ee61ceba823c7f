"""The line of keys; a click on an entry is a press of its key."""

from __future__ import annotations

from textual import events
from textual.geometry import Size

from backprop_tui.actions import Action, fitting, key_name
from backprop_tui.panes.drawing.text import Pieces
from backprop_tui.panes.pieces import BarLine


class KeyLine(BarLine):
    """As many actions as fit; help and quit are never cut."""

    def on_resize(self) -> None:
        """Nothing scrolls."""
        self.virtual_size = Size(self.size.width, 1)

    def pieces_at(self, y: int, width: int) -> Pieces:
        """Keys and their words."""
        pieces: list[tuple[str, str]] = []
        for action, text in fitting(width):
            key = f" {key_name(action.keys[0])}"
            pieces += [(key, "mark"), (text[len(key) :], "")]
        return tuple(pieces)

    def action_at(self, x: int) -> Action | None:
        """The action whose entry covers column `x`."""
        left = 0
        for action, text in fitting(self.size.width):
            left += len(text)
            if x < left:
                return action
        return None

    async def on_click(self, event: events.Click) -> None:
        """Do what was clicked."""
        action = self.action_at(event.x)
        if action is not None:
            await self.screen.run_action(action.call)
