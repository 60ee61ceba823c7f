"""This operation: what the last one did and what the next one will read, in words and numbers."""

from __future__ import annotations

from textual.message import Message

from backprop_tui.debugger.view import View
from backprop_tui.panes.drawing.operation import draw_and_tell
from backprop_tui.panes.drawing.text import Pieces
from backprop_tui.panes.pieces import TextPane


class OperationPane(TextPane):
    """Two operations, one above the other: the one just done and the next one."""

    HELP = """\
The operation that just ran (`done`) and the one that runs next (`next`): what each read, what it made, its
shapes and dtypes, and one sentence on what such an operation does.

- `→ forward` computes results; `← backward` carries gradients from the loss to the parameters.
- `∂L/∂out` is the gradient that arrives, `∂L/∂in` the one that is passed on.
- An accumulate shows `before + this pass = after`; an update shows the value before and after it.
- `rule = numbers = result ✓`: why the result is what it is. ✓ says that the rule, worked out apart from
  torch in float64, gives torch's number; ✗ that it does not; ? that there is no rule for it.
- A number has the fewest digits that give the same value back in its dtype.
"""

    class Fitted(Message):
        """Drawn for another size: `tells_next` may be another."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.entitle("this operation")
        self.tells_next = True
        """There was room for the sentence on the next operation."""
        self._view: View | None = None
        self._drawn: list[Pieces] = []

    def show(self, view: View) -> None:
        """Show this view, from the top again if the operation has changed."""
        old, self._view = self._view, view
        if old is None or old.stop is not view.stop or old.toggles != view.toggles:
            self.scroll_to(y=0, animate=False)
            self._draw()
        elif old.explanations is not view.explanations or old.notices != view.notices:
            self._draw()

    def on_resize(self) -> None:
        """Draw again: what is told depends on the room."""
        self._draw()
        self.post_message(self.Fitted())

    def _draw(self) -> None:
        if self._view is None:
            return
        size = self.scrollable_content_region.size
        self._drawn, self.tells_next = draw_and_tell(self._view, max(8, size.width), size.height)
        self.hold(len(self._drawn))
        self.repaint()

    def pieces_at(self, y: int, width: int) -> Pieces:
        """Line `y` as drawn for the present size."""
        return self._drawn[y] if y < len(self._drawn) else ()
