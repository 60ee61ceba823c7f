"""The program: source lines, the operations nested under them, breakpoints, the line about to run."""

from __future__ import annotations

from pathlib import Path

from textual import events
from textual.binding import Binding
from textual.message import Message
from textual.worker import get_current_worker

from backprop_tui.debugger.lines import has_code
from backprop_tui.debugger.view import View
from backprop_tui.panes.drawing.calls import Called, called_bodies
from backprop_tui.panes.drawing.colour import coloured_lines
from backprop_tui.panes.drawing.notices import marked_lines
from backprop_tui.panes.drawing.program import USED, Gutter, Layout, Row, draw, lay_out, place_of
from backprop_tui.panes.drawing.stops import line_mark
from backprop_tui.panes.drawing.text import Pieces, width_of
from backprop_tui.panes.pieces import TextPane
from backprop_tui.panes.source import SourceFile, read

SHIFT = 8
"""Columns by which a key scrolls long lines."""

MARGIN = 2
"""Rows kept visible around the line about to run."""


class ProgramPane(TextPane):
    """Shows the file of the innermost frame of the script and follows it from file to file."""

    COMPONENT_CLASSES = {"piece--used"}

    DEFAULT_CSS = """
    ProgramPane {
        & > .piece--used { color: $text-warning; }
    }
    """

    HELP = """\
The script, with the operations of this iteration under the line that runs them.

- `>` marks the line and the operation that run next; `›` marks lines that are waiting for a call to return.
- `=` marks where what stands in the formula that explains the last operation was made, or last read.
- Results stand at the right: of a line, of an operation, and for an operation of the backward
  pass the gradient that arrives `→` the gradient that it passes on. `2 grad` stands for two gradients that
  were stored, `2 updated` for two parameters that a step changed, `┊ 4 more` for operations left out.
- `!` marks a line that a notice is about: the key `!` lists what looks like a mistake.
- `●` is a breakpoint, `○` one that is switched off. Click left of a line, or press `b`; `B` lists all,
  also those on conditions, and switches them off and on.
- Up and down move the line cursor; `t` runs to that line, `T` runs back to it.
- Left and right scroll lines that are too long; `‹` and `…` mark where they go on.
"""

    BINDINGS = [
        Binding("up", "move(-1)", "Line up", show=False),
        Binding("down", "move(1)", "Line down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("left", "shift(-1)", "Scroll left", show=False),
        Binding("right", "shift(1)", "Scroll right", show=False),
        Binding("home", "edge(False)", "First line", show=False),
        Binding("end", "edge(True)", "Last line", show=False),
    ]

    class BreakpointClicked(Message):
        """A click left of a source line."""

        def __init__(self, file: str, line: int) -> None:
            super().__init__()
            self.file = file
            self.line = line

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._files: dict[str, SourceFile] = {}
        self._source = SourceFile("", "", [])
        self._layout = Layout(0)
        self._view: View | None = None
        self.cursor = 1
        """The line that `b` and `t` mean."""
        self._shift = 0
        """Columns of the source that are scrolled out at the left."""

    @property
    def file(self) -> str:
        """Path of the file on the screen."""
        return self._source.path

    def has_code(self, line: int) -> bool:
        """Whether an operation could belong to a line of the file on the screen."""
        return has_code(self._source.text, line)

    def show(self, view: View) -> None:
        """Show this view; the line cursor goes to the line about to run if that has moved."""
        before = place_of(self._view) if self._view else None
        self._view = view
        file, line = place_of(view)
        self._open(file)
        if (file, line) != before and line:
            self.cursor = line
        self._lay_out()
        self._follow()

    def _open(self, file: str) -> None:
        if file == self._source.path:
            return
        if file not in self._files:
            self._files[file] = read(file)
            # A thread that imports a lexer would delay the frame with the plain text.
            self.call_after_refresh(self._colour_soon, file)
        self._source = self._files[file]
        self._shift = 0
        self.entitle(f"program · {Path(file).name}")

    def _colour_soon(self, file: str) -> None:
        self.run_worker(lambda: self._colour(file), thread=True, group=f"colour {file}", exclusive=True)

    def _colour(self, file: str) -> None:
        """Colour and parse a file in a worker thread: a lexer needs a second for 10,000 lines."""
        source = self._files[file]
        lines, called = coloured_lines(source.text), called_bodies(source.text)
        if not get_current_worker().is_cancelled:
            coloured = lines if len(lines) == len(source.lines) else source.lines
            self.app.call_from_thread(self._known, source, coloured, called)

    def _known(self, source: SourceFile, lines: list[Pieces], called: Called) -> None:
        source.lines, source.called = lines, called
        self._lay_out()

    def _lay_out(self) -> None:
        if self._view is None:
            return
        size = self.scrollable_content_region.size
        source = self._source
        self._layout = lay_out(
            self._view, self.file, len(source.lines), size.width, size.height, source.called
        )
        self.hold(self._layout.height)
        self.repaint()

    def on_resize(self) -> None:
        """Lay out again: how many operations are listed depends on the height."""
        self._lay_out()
        self._follow()

    def _follow(self) -> None:
        """Scroll as little as possible so that the next operation and its line are on the screen."""
        row = self._layout.row_of_next()
        if row is None:
            row = self._layout.row_of_line(self.cursor) + 1
        line_row = self._layout.row_of_line(self._layout.here or self.cursor)
        self._reveal(min(line_row, row), row)

    def _reveal(self, first: int, last: int) -> None:
        height, top = self.scrollable_content_region.height, self.scroll_offset.y
        if not height or (first - 1 >= top and last + MARGIN < top + height):
            return
        if last - first >= height - 1:
            first = last - height + MARGIN
        elif last + MARGIN >= top + height and first - top < height * 2:
            first = max(first - height // 3, last + MARGIN + 1 - height)
        else:
            first -= height // 3
        self.scroll_to(y=max(0, first), animate=False)

    def pieces_at(self, y: int, width: int) -> Pieces:
        """Row `y`: a source line with its gutter, or one of the rows nested under it."""
        row = self._layout.find(y)
        if row is None:
            return ((self._source.note, "bad"),) if y == 0 and self._source.note else ()
        source = self._source.lines[row.line - 1] if row.kind == "source" else ()
        return draw(row, source, self._gutter(row), self._layout.results, width, self._shift)

    def _gutter(self, row: Row) -> Gutter:
        digits = max(2, len(str(len(self._source.lines))))
        if row.kind != "source":
            return Gutter(digits)
        line = row.line
        mark = self._mark(line)
        breakpoint = line_mark(self._view, self.file, line) if self._view is not None else ""
        on_cursor = line == self.cursor and self.has_focus
        notice = self._view is not None and line in marked_lines(self._view, self.file)
        return Gutter(digits, breakpoint, mark, line, on_cursor, notice)

    def _mark(self, line: int) -> str:
        """What runs next counts more than what a formula has used, and that more than what waits."""
        if line == self._layout.here:
            return ">"
        if line in self._layout.used:
            return USED
        return "›" if line in self._layout.callers else " "

    def action_move(self, by: int) -> None:
        """Move the line cursor."""
        self.cursor = max(1, min(len(self._source.lines), self.cursor + by))
        row = self._layout.row_of_line(self.cursor)
        top, height = self.scroll_offset.y, self.scrollable_content_region.height
        if row < top:
            self.scroll_to(y=row, animate=False)
        elif row >= top + height:
            self.scroll_to(y=row - height + 1, animate=False)
        self.repaint()

    def action_shift(self, by: int) -> None:
        """Scroll the source to the side."""
        longest = max((width_of(line) for line in self._source.lines), default=0)
        self._shift = max(0, min(longest - SHIFT, self._shift + by * SHIFT))
        self.repaint()

    def action_page(self, by: int) -> None:
        """Move the line cursor by a screenful."""
        self.action_move(by * max(1, self.scrollable_content_region.height - 1))

    def action_edge(self, end: bool) -> None:
        """Move the line cursor to the last or the first line."""
        self.action_move(len(self._source.lines) if end else -len(self._source.lines))

    def on_click(self, event: events.Click) -> None:
        """Left of the text a breakpoint, in the text the line cursor."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        row = self._layout.find(offset.y + self.scroll_offset.y)
        if row is None or row.kind != "source":
            return
        self.cursor = row.line
        self.repaint()
        if offset.x < self._gutter(row).width:
            self.post_message(self.BreakpointClicked(self.file, row.line))
