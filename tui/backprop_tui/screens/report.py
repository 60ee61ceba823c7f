"""A page of text over the screen: what was found out in copies of the script."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from backprop_tui.panes.drawing.paths import PathLine

WIDEST = 84
"""Columns of a line of text; longer ones, and those that the terminal has no room for, are wrapped."""
FRAME = 6
"""Columns of the border and of what is kept free inside it."""


class Report(ModalScreen[None]):
    """Scrolls; Esc, enter or q closes."""

    BINDINGS = [Binding("escape,enter,q", "dismiss", "Close", show=False)]

    def __init__(self, title: str, lines: Sequence[str]) -> None:
        super().__init__()
        self._heading = title
        self._lines = lines

    def compose(self) -> ComposeResult:
        """One scrolling page."""
        with VerticalScroll(id="report") as page:
            page.border_title = self._heading
            page.border_subtitle = "↑ ↓ scroll · Esc closes"
            longest = max((cell_len(line) for line in self._lines), default=0)
            page.styles.width = min(longest, WIDEST) + FRAME
            yield Static("\n".join(self._lines), markup=False)

    def on_mount(self) -> None:
        """The arrow keys scroll at once."""
        self.query_one(VerticalScroll).focus()


class Route(ModalScreen[tuple[int, int] | None]):
    """Lines of which some lead to an operation: enter goes there."""

    BINDINGS = [Binding("escape,q", "dismiss(None)", "Close", show=False)]

    def __init__(self, title: str, lines: Sequence[PathLine]) -> None:
        super().__init__()
        self._heading = title
        self._lines = lines

    def compose(self) -> ComposeResult:
        """One list."""
        options = [Option(line.text, disabled=line.goto is None) for line in self._lines]
        page = OptionList(*options, id="report", markup=False)
        page.border_title = self._heading
        page.border_subtitle = "↑ ↓ choose · enter goes there · Esc closes"
        yield page

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Go to the operation behind a line."""
        self.dismiss(self._lines[event.option_index].goto)
