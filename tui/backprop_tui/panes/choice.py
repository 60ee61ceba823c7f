"""The number that questions and changes are about: chosen in the network pane or in the parameters pane."""

from __future__ import annotations

from dataclasses import dataclass

from textual.message import Message


@dataclass(frozen=True)
class Choice:
    """A number that the cursor is on."""

    name: str
    attribute: str
    """value, grad, or state.exp_avg and the like"""
    index: tuple[int, ...] | None
    """None: the row stands for the whole tensor."""

    def __str__(self) -> str:
        """As the script would write it: ``linear1.weight.grad[1, 0]``."""
        name = self.name if self.attribute == "value" else f"{self.name}.{self.attribute}"
        return f"{name}[{', '.join(map(str, self.index))}]" if self.index else name


class Chosen(Message):
    """The cursor of a pane is on another number."""

    def __init__(self, choice: Choice, pane: str) -> None:
        super().__init__()
        self.choice = choice
        self.pane = pane
        """Its name: ``network`` or ``parameters``."""
