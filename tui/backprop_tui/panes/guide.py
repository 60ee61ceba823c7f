"""The guide of a lesson: what to read, a question, a line for the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input

from backprop_tui.debugger.view import View
from backprop_tui.panes.drawing import guide as drawing
from backprop_tui.panes.drawing.text import Pieces
from backprop_tui.panes.pieces import TextPane

if TYPE_CHECKING:
    from backprop_tui.guide.guide import Page

_OF_NUMBERS = frozenset("0123456789.,-−+/*()eE")


class GuideText(TextPane):
    """The words of a page."""

    def __init__(self) -> None:
        super().__init__(id="guide-text")
        self._page: Page | None = None
        self._lines: list[Pieces] = []

    def tell(self, page: Page) -> None:
        """Show a page, from its top."""
        self._page = page
        self.scroll_to(y=0, animate=False)
        self._draw()

    def on_resize(self) -> None:
        """Break the lines anew."""
        self._draw()

    def _draw(self) -> None:
        if self._page is not None:
            self._lines = drawing.draw(self._page, max(8, self.scrollable_content_region.width))
            self.hold(len(self._lines))
            self.repaint()

    def pieces_at(self, y: int, width: int) -> Pieces:
        """Line `y` of the page."""
        return self._lines[y] if y < len(self._lines) else ()

    def on_key(self, event: events.Key) -> None:
        """The number of a choice answers while a choice is asked for."""
        page = self._page
        if page is None or not page.asks or not page.choices or page.away:
            return
        if event.character and event.character.isdigit() and 1 <= int(event.character) <= len(page.choices):
            event.stop()
            event.prevent_default()
            self.post_message(GuidePane.Answered(event.character))


class AnswerLine(Input):
    """Takes a number; every other key does what it does elsewhere."""

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Whether a key is typed; if not, its binding holds."""
        return character is not None and character in _OF_NUMBERS

    async def on_key(self, event: events.Key) -> None:
        """Textual also calls the handler of `Input`, which swallows every printable key, unless that is
        prevented; and a key that is prevented does not reach the bindings by itself."""
        if not event.is_printable or event.character in _OF_NUMBERS:
            return
        event.stop()
        event.prevent_default()
        bound = self.screen.active_bindings.get(event.key)
        if bound is not None and bound.enabled:
            await self.app.run_action(bound.binding.action, default_namespace=bound.node)


class GuidePane(Vertical):
    """The page, and below it the line for a number if one is asked for."""

    class Answered(Message):
        """An answer was given."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Passed(Message):
        """Nothing was typed: go on."""

    HELP = """\
The guide of the lesson: what to look at, and questions about what will happen.

- Enter goes on to the next point of the story, `,` goes back one; the run is brought along.
- A question: type the number, or press the digit of a choice. Enter without an answer skips it. The number
  that is asked for is a `?` on the whole screen until then, and digits are typed: tab goes to other panes.
- Everything else works as always: step, change, look around. The guide follows, both ways; enter leads back.
- `^o` opens another lesson.
"""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.name_frame: Callable[[str], str] = str
        self._page: Page | None = None
        self._focused = "guide"

    def compose(self) -> ComposeResult:
        """Text and line."""
        yield GuideText()
        yield AnswerLine(placeholder="a number", id="guide-answer", compact=True, select_on_focus=False)

    def show(self, view: View) -> None:
        """Views say nothing new to it: see `tell`."""

    def tell(self, page: Page) -> None:
        """Show a page. The line is emptied for a new question."""
        before, self._page = self._page, page
        line = self.query_one(AnswerLine)
        if before is None or (before.number, before.asks) != (page.number, page.asks):
            line.value = ""
        had_focus = self.has_focus_within
        line.display = page.asks and not page.choices and not page.away
        self.query_one(GuideText).tell(page)
        self.frame_again()
        if had_focus:
            self.focus()

    def focus(self, scroll_visible: bool = True, **options: Any) -> GuidePane:
        """Typing goes to the line if there is one."""
        line = self.query_one(AnswerLine)
        (line if line.display else self.query_one(GuideText)).focus(scroll_visible)
        return self

    def keys_go_to(self, pane: str) -> None:
        """Another pane has the focus: say what the keys do then."""
        if pane != self._focused:
            self._focused = pane
            self.frame_again()

    def frame_again(self) -> None:
        """Write the border."""
        if self._page is not None:
            text = f"{drawing.title(self._page)} · {drawing.keys(self._page, self._focused)}"
            self.border_title = Content(self.name_frame(text))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        typed = event.value.strip()
        self.post_message(self.Answered(typed) if typed else self.Passed())

    def text_lines(self) -> list[str]:
        """What is on the screen, without colours."""
        return self.query_one(GuideText).text_lines()
