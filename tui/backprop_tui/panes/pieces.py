"""From pieces of text to strips: what the panes that show text have in common."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
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

    def pieces_at(self, y: int, width: int) -> Pieces:
        """Line `y` from the top of the content, in at most `width` columns."""
        raise NotImplementedError

    def render_line(self, y: int) -> Strip:
        """Line `y` of the screen region of the pane."""
        width = self.scrollable_content_region.width
        return self.strip(self.pieces_at(y + self.scroll_offset.y, width), width)

    def strip(self, pieces: Pieces, width: int) -> Strip:
        """Pieces as a strip of exactly `width` columns."""
        base = self.rich_style
        segments = [Segment(text, self._style_of(name, base)) for text, name in pieces if text]
        return Strip(segments).adjust_cell_length(width, base)

    def _style_of(self, name: str, base: Style) -> Style:
        # A segment without a background would keep the terminal's own, so styles are never partial.
        return self.get_component_rich_style(f"piece--{name}") if name else base

    def text_lines(self) -> list[str]:
        """What is on the screen, without colours."""
        width, top = self.scrollable_content_region.width, self.scroll_offset.y
        return [plain(self.pieces_at(top + y, width)) for y in range(self.scrollable_content_region.height)]


class TextPane(PieceLines, can_focus=True):
    """A pane that can use every style."""

    COMPONENT_CLASSES = {f"piece--{name}" for name in STYLES}


class BarLine(PieceLines, can_focus=False):
    """A bar at the edge of the screen."""

    COMPONENT_CLASSES = {f"piece--{name}" for name in BAR_STYLES}
