"""The number that questions and changes are about: chosen in the network pane or in the parameters pane."""

from __future__ import annotations

from textual.message import Message

from backprop_tui.debugger.view import Choice


class Chosen(Message):
    """The cursor of a pane is on another number."""

    def __init__(self, choice: Choice, pane: str) -> None:
        super().__init__()
        self.choice = choice
        self.pane = pane
        """Its name: ``network`` or ``parameters``."""
