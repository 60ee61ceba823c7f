"""Help: the focused pane in words, then every key."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Markdown, Static

from backprop_tui.actions import ACTIONS, GROUPS

MOVING = (
    "`tab` and `shift+tab` go from pane to pane, the number in a pane's title goes to it. "
    "The same key in upper case goes backwards, but for `B`, which lists what `b` sets."
)


def key_lines() -> list[tuple[str, str]]:
    """Every action as (key, what it does), under the headings of the groups; a heading has no key."""
    lines: list[tuple[str, str]] = []
    for group, heading in GROUPS.items():
        lines += [("", ""), ("", heading)]
        actions = (action for action in ACTIONS if action.group == group)
        lines += [(action.key_text, f"{action.label.rstrip('…')}. {action.help}") for action in actions]
    return lines


def key_table() -> Content:
    """The keys in a column, what they do beside them."""
    parts: list[Content | tuple[str, str]] = []
    for key, text in key_lines():
        style = "$text-accent bold" if key else ""
        parts += [(f"{key:>6}  ", style), (f"{text}\n", "" if key else "bold")]
    return Content.assemble(*parts)


class HelpScreen(ModalScreen[None]):
    """Scrolls; Esc closes, and so do the keys that opened it."""

    BINDINGS = [
        Binding("escape,question_mark,f1,q", "dismiss", "Close", show=False),
    ]

    def __init__(self, title: str, about: str) -> None:
        super().__init__()
        self._heading = title
        self._about = about

    def compose(self) -> ComposeResult:
        """One scrolling page."""
        with VerticalScroll(id="help") as page:
            page.border_title = f"help: {self._heading}"
            page.border_subtitle = "↑ ↓ scroll · Esc closes"
            yield Markdown(f"{self._about}\n\n{MOVING}")
            yield Static(key_table(), id="help-keys")

    def on_mount(self) -> None:
        """The arrow keys scroll at once."""
        self.query_one(VerticalScroll).focus()
