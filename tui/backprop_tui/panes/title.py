"""The top line with its chips, and the message line above the keys."""

from __future__ import annotations

from textual.geometry import Size

from backprop_tui.debugger.view import View
from backprop_tui.panes.drawing.text import Pieces, clean, cut
from backprop_tui.panes.drawing.title import hint, title
from backprop_tui.panes.pieces import BarLine


class Title(BarLine):
    """Where the run is and what is switched how; as many rows as its height."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._view: View | None = None

    def show(self, view: View) -> None:
        """Show this view."""
        self._view = view
        self.repaint()

    def on_resize(self) -> None:
        """Nothing scrolls."""
        self.virtual_size = Size(self.size.width, self.size.height)

    def pieces_at(self, y: int, width: int) -> Pieces:
        """One of its one or two rows."""
        lines = title(self._view, width, self.size.height) if self._view else []
        return lines[y] if y < len(lines) else ()


class MessageLine(BarLine):
    """The last refusal or warning; without one, the state in a sentence."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._pieces: Pieces = ()

    def show(self, view: View, message: str = "", tell_next: bool = False) -> None:
        """Show a message of the app, else the view's, else what state the run is in."""
        text = clean(" ".join((message or view.message).split()))
        piece = (f"! {text}", "warn") if text else hint(view, tell_next)
        self._pieces = ((" ", ""), piece)
        self.repaint()

    def pieces_at(self, y: int, width: int) -> Pieces:
        """The line, cut to the width."""
        return cut(self._pieces, width) if y == 0 else ()
