"""Output: what the script printed up to the present time."""

from __future__ import annotations

from backprop_tui.debugger.view import OutputChunk, View
from backprop_tui.panes.drawing.output import Tail, draw, tail
from backprop_tui.panes.drawing.text import Pieces
from backprop_tui.panes.pieces import TextPane


class OutputPane(TextPane):
    """The last lines of the script's standard output and standard error."""

    HELP = """\
What the script printed, up to the present time: stepping back takes lines away again.

- `!` marks what went to standard error (warnings, for one).
- The last 10,000 lines are shown; how many stand above them is said in the first line.
"""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.entitle("output")
        self._chunks: tuple[OutputChunk, ...] = ()
        self._tail = Tail((), 0)

    def show(self, view: View) -> None:
        """Show this view's output, scrolled to its end if it has changed."""
        if view.output is self._chunks or view.output == self._chunks:
            return
        self._chunks = view.output
        self._tail = tail(view.output)
        self._measure()
        self.scroll_end(animate=False, immediate=True)

    def on_resize(self) -> None:
        """The height of the content does not depend on the width."""
        self._measure()
        self.scroll_end(animate=False)

    def _measure(self) -> None:
        lines = len(self._tail.lines) + bool(self._tail.above)
        self.hold(lines)
        self.repaint()

    def pieces_at(self, y: int, width: int) -> Pieces:
        """Line `y`; the first one says how many are not kept."""
        if self._tail.above:
            if y == 0:
                return ((f"… {self._tail.above:,} lines above", "dim"),)
            y -= 1
        if not self._tail.lines and y == 0:
            return (("nothing printed yet", "dim"),)
        return draw(self._tail.lines[y], width) if y < len(self._tail.lines) else ()
