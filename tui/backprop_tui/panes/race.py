"""The panes of a race: the curves of all futures, and a table of them with a cursor."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any

from textual.binding import Binding
from textual.message import Message

from backprop_tui.panes.curves import CurvesPane
from backprop_tui.panes.drawing.canvas import Line, fitted
from backprop_tui.panes.drawing.curve import Series
from backprop_tui.panes.drawing.history import History
from backprop_tui.panes.drawing.plot import Curve
from backprop_tui.panes.drawing.race import (
    LETTERS,
    detail_lines,
    foot,
    marker_of,
    style_of,
    table_lines,
)
from backprop_tui.panes.drawing.text import Pieces, wrapped
from backprop_tui.panes.picture import PicturePane

if TYPE_CHECKING:
    from textual import events

    from backprop_tui.debugger.race import Lane

_FAR_APART = 1000.0


class RaceCurves(CurvesPane):
    """One curve for each future: in dots as it is, the others in their letters."""

    EMPTY = ("Nothing has been reached yet.", "")

    def __init__(
        self,
        title: str,
        points: Callable[[Lane], Sequence[Any]],
        split: Callable[[Any], Sequence[tuple[Hashable, float, float]]],
        holds: bool = False,
        **options: Any,
    ) -> None:
        """``points``: those of one future. ``split``: as `History` takes it. ``holds``: as for every plot."""
        super().__init__(**options)
        self.holds = holds
        self.entitle(title)
        self._points = points
        self._split = split
        self._histories: list[History[Any]] = []
        self._scale_chosen = False

    def show_lanes(self, lanes: Sequence[Lane]) -> None:
        """Take over the points of the futures; draw only if there are other ones."""
        while len(self._histories) < len(lanes):
            self._histories.append(History(self._split))
        changed = [
            history.update(self._points(lane)) for history, lane in zip(self._histories, lanes, strict=True)
        ]
        if any(changed) and not self._scale_chosen:
            self.log_scale = far_apart(self._series())
        self.redraw(any(changed))

    def action_toggle_log(self) -> None:
        """From here on the scale is what was chosen."""
        self._scale_chosen = True
        super().action_toggle_log()

    def _series(self) -> list[Series]:
        return [series for history in self._histories for series in history.series.values()]

    def curves(self, columns: int) -> list[Curve]:
        """Drawn so that “as it is” lies above the others."""
        return [
            Curve(series.segments(columns, self.log_scale), marker_of(number), style_of(number))
            for number, history in reversed(list(enumerate(self._histories)))
            for series in history.series.values()
        ]

    def legend(self, width: int) -> list[Line]:
        """What the scale leaves out; which curve is which is said by the table."""
        every = self._series()
        lines: list[Line] = []
        gaps = sum(len(series.gaps) for series in every)
        below = sum(len(series.below) for series in every)
        if self.log_scale and every:
            lines.append(fitted([("logarithmic scale", "dim")], width))
        if gaps:
            lines.append(fitted([(f"{gaps} not finite, not shown", "warn")], width))
        if self.log_scale and below:
            lines.append(fitted([(f"{below} not positive, not shown", "warn")], width))
        return lines


def far_apart(every: Sequence[Series]) -> bool:
    """Whether the greatest values of the curves differ so much that only a logarithmic scale shows all."""
    greatest = (series.greatest() for series in every)
    positive = [value for value in greatest if value is not None and value > 0]
    return bool(positive) and max(positive) >= _FAR_APART * min(positive)


class RaceTable(PicturePane):
    """A row for each future, and the one under the cursor in whole sentences below."""

    BINDINGS = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("enter", "choose", "Becomes the run", show=False),
    ]

    HELP = """\
Several futures run side by side from where the script stands, each in a copy of it; the run itself is not
touched. As many run at a time as there are cores, the others wait.

- The **curves** of a future are drawn in its letter, those of “as it is” in dots. `y` switches both plots to
  a logarithmic scale and back; they are logarithmic by themselves where one future leaves the others far
  behind.
- **loss** is the last one that was reached; `*` marks the lowest, of those that measure the same loss.
- **time** is from the cursor to the end of this future; waiting for a core does not count.
- **parts in** is the first iteration in which a number differs from “as it is”, and beside it stands which
  one: losses are compared one by one; buffers, gradients and parameters bit for bit at the ends of
  iterations. It is looked for when all have come to their end.
- `enter` makes the future under the cursor the run: its changes are made here, as if by hand, and the run
  stands where it stood.
- `Esc` cancels what still runs; when nothing does, it closes.
"""

    class Chosen(Message):
        """A future is to become the run."""

        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

    def __init__(self, **options: Any) -> None:
        """Takes the options of a widget."""
        super().__init__(**options)
        self.cursor = 0
        self._lanes: Sequence[Lane] = ()
        self._iterations = 0
        self._note = ""
        self._text: list[Line | Pieces] = []

    def show_lanes(self, lanes: Sequence[Lane], iterations: int, note: str) -> None:
        """Take over what is known of the futures, and a sentence about the race as a whole."""
        self._lanes, self._iterations, self._note = lanes, iterations, note
        self._draw()

    def _draw(self) -> None:
        size = self.scrollable_content_region.size
        if not self._lanes or not size.width:
            return
        table = table_lines(self._lanes, self._iterations, size.width, self.cursor)
        detail = detail_lines(self._lanes[self.cursor], LETTERS[self.cursor], size.width)
        below: list[Pieces] = [((line, "dim"),) for line in foot(self._lanes)]
        self._text = [*table, *below, *wrapped(self._note, size.width, "warn"), *detail]
        self.hold(len(self._text))
        self.repaint()

    def on_resize(self) -> None:
        """Draw again for the new size."""
        self._draw()

    def action_move(self, by: int) -> None:
        """Another row."""
        self.cursor = max(0, min(len(self._lanes) - 1, self.cursor + by))
        self._draw()

    def action_choose(self) -> None:
        """The future of this row is to become the run."""
        self.post_message(self.Chosen(self.cursor))

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on a row."""
        row = event.get_content_offset(self)
        if row is not None and 1 <= row.y + self.scroll_offset.y <= len(self._lanes):
            self.cursor = row.y + self.scroll_offset.y - 1
            self._draw()

    def pieces_at(self, y: int, width: int) -> Pieces:
        """Line `y` of the table or of what stands below it."""
        return tuple(fitted(self._text[y], width)) if y < len(self._text) else ()
