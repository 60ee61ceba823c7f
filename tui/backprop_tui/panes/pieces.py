"""From pieces of text to strips: what the panes that show text have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from backprop_tui.panes.drawing.text import STYLES, Pieces, plain

BAR_STYLES = ("dim", "title", "mark", "good", "bad", "warn", "changed")


class PieceLines(ScrollView):
    """Lines in pieces; the subclass says which line is where in `pieces_at`.

    Each component class costs time whenever a widget is styled, so a subclass names those that it uses.
    """

    DEFAULT_CSS = """
    PieceLines {
        overflow-x: hidden;
        & > .piece--dim { color: $text-muted; }
        & > .piece--title { color: $text; text-style: bold; }
        & > .piece--name { color: $text-secondary; }
        & > .piece--value { color: $text-primary; text-style: bold; }
        & > .piece--mark { color: $text-accent; text-style: bold; }
        & > .piece--good { color: $text-success; }
        & > .piece--bad { color: $text-error; text-style: bold; }
        & > .piece--warn { color: $text-warning; }
        & > .piece--cursor { text-style: reverse; }
        & > .piece--changed { color: $text-accent; text-style: bold; }
        & > .piece--keyword { color: $text-accent; }
        & > .piece--string { color: $text-success; }
        & > .piece--comment { color: $text-muted; text-style: italic; }
        & > .piece--number { color: $text-warning; }
        & > .piece--function { color: $text-warning; text-style: bold; }
    }
    """

    def __init__(self, **options: Any) -> None:
        """Takes the options of a widget."""
        super().__init__(**options)
        self._painted: dict[int, Pieces] = {}
        """What each line of the screen region was last drawn from."""
        self._styles: dict[str, Style] = {}
        """By name; Textual's own are forgotten at each refresh."""

    def pieces_at(self, y: int, width: int) -> Pieces:
        """Line `y` from the top of the content, in at most `width` columns."""
        raise NotImplementedError

    def repaint(self) -> None:
        """Draw again the lines that have changed: most steps change few of them."""
        width, height = self.scrollable_content_region.size
        top = self.scroll_offset.y
        changed = [
            Region(0, y, width, 1)
            for y in range(height)
            if self._painted.get(y) != self.pieces_at(top + y, width)
        ]
        if changed:
            self.refresh(*changed)

    def hold(self, lines: int) -> None:
        """Say how many lines there are. Scrolls up if there are fewer than are scrolled to."""
        width, height = self.scrollable_content_region.size
        size = Size(width, lines if lines > height else 1)
        if size == self.virtual_size:
            return
        if self.show_vertical_scrollbar != (lines > height):
            self.virtual_size = size
            return
        # Textual would lay out the whole screen, which takes as long as to draw it.
        self.set_reactive(PieceLines.virtual_size, size)
        if self.show_vertical_scrollbar:
            self.vertical_scrollbar.window_virtual_size = lines
        self.scroll_to(y=min(self.scroll_offset.y, self.max_scroll_y), animate=False)

    def notify_style_update(self) -> None:
        """The style sheet or the theme has changed."""
        super().notify_style_update()
        self._styles.clear()

    def render_line(self, y: int) -> Strip:
        """Line `y` of the screen region of the pane."""
        width = self.scrollable_content_region.width
        pieces = self.pieces_at(y + self.scroll_offset.y, width)
        self._painted[y] = pieces
        return self.strip(pieces, width)

    def strip(self, pieces: Pieces, width: int) -> Strip:
        """Pieces as a strip of exactly `width` columns."""
        base = self._style_of("")
        segments = [Segment(text, self._style_of(name)) for text, name in pieces if text]
        return Strip(segments).adjust_cell_length(width, base)

    def _style_of(self, name: str) -> Style:
        # A segment without a background would keep the terminal's own, so styles are never partial.
        style = self._styles.get(name)
        if style is None:
            style = self.get_component_rich_style(f"piece--{name}") if name else self.rich_style
            self._styles[name] = style
        return style

    def text_lines(self) -> list[str]:
        """What is on the screen, without colours."""
        width, top = self.scrollable_content_region.width, self.scroll_offset.y
        return [plain(self.pieces_at(top + y, width)) for y in range(self.scrollable_content_region.height)]


PART = " · "
BESIDE_TITLE = 6
"""Cells of a border that its title cannot take."""


class TextPane(PieceLines, can_focus=True):
    """A pane that can use every style, with a title in its border."""

    COMPONENT_CLASSES = {f"piece--{name}" for name in STYLES}

    def __init__(self, **options: Any) -> None:
        """Takes the options of a widget."""
        super().__init__(**options)
        self.name_frame: Callable[[str], str] = str
        """Makes the text of the border out of the pane's own title: puts its number before it."""
        self._title = ""
        self._framed: tuple[str, str] = ("", "")

    def entitle(self, title: str, note: str | None = None) -> None:
        """Set the title, and the note in the lower border. Markup is not interpreted.

        A border that says the same as before is not drawn again: that would draw the whole pane.
        """
        self._title = title
        framed = (self._fitting(title), self._framed[1] if note is None else note)
        if framed == self._framed:
            return
        if framed[0] != self._framed[0]:
            self.border_title = Content(framed[0])
        if framed[1] != self._framed[1]:
            self.border_subtitle = Content(framed[1])
        self._framed = framed

    def _fitting(self, title: str) -> str:
        """The border's text. A title that does not fit is left its first parts whole: ``loss 2.3`` of
        ``loss 2.3 · iteration 1``."""
        room = self.outer_size.width - BESIDE_TITLE
        while room > 0 and len(self.name_frame(title)) > room and PART in title:
            title = title.rpartition(PART)[0]
        return self.name_frame(title)

    def on_resize(self) -> None:
        """Another part of the title may fit."""
        self.frame_again()

    def frame_again(self) -> None:
        """Make the border's text anew: the arrangement of the panes has changed."""
        self.entitle(self._title)

    @property
    def title(self) -> str:
        """Its own title, without what the arrangement adds."""
        return self._title


class BarLine(PieceLines, can_focus=False):
    """A bar at the edge of the screen."""

    COMPONENT_CLASSES = {f"piece--{name}" for name in BAR_STYLES}
