"""One question with one answer: a line to type, and a list to choose from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label, OptionList
from textual.widgets.input import Selection
from textual.widgets.option_list import Option

from backprop_tui.debugger.failure import Refused
from backprop_tui.panes.drawing.canvas import cut

Accept = Callable[[str], Awaitable[None]]
"""Does what was answered. Raises Refused with one sentence, and the question stays open."""


def options(entries: Sequence[str], typed: str = "", width: int | None = None) -> list[Option]:
    """The entries that contain what was typed, up to its bracket; drawn at most ``width`` cells wide."""
    head = typed.partition("(")[0].strip().lower()
    shown = [entry for entry in entries if head in entry.lower()]
    return [Option(entry if width is None else cut(entry, width), id=entry) for entry in shown]


def put_into(line: Input, text: str) -> None:
    """Let a text be edited."""
    line.value = text
    line.cursor_position = len(text)
    line.focus()


class Ask(ModalScreen[None]):
    """A question. Enter takes the typed text (or the marked entry of the list), Esc closes."""

    BINDINGS = [
        Binding("escape", "dismiss", "Close", show=False),
        Binding("down", "to_list", "To the list", show=False),
    ]

    def __init__(
        self,
        title: str,
        accept: Accept,
        value: str = "",
        choices: Sequence[str] = (),
        editable: bool = True,
        hint: str = "",
    ) -> None:
        """Ask. With `editable` an entry of the list is copied to the line, else it is the answer."""
        super().__init__()
        self._title = title
        self._accept = accept
        self._value = value
        self._choices = list(choices)
        self._editable = editable
        self._hint = hint

    def compose(self) -> ComposeResult:
        """Title, line, list, the place for an error, and what the keys do."""
        with Vertical(id="ask"):
            yield Label(self._title, id="ask-title", markup=False)
            yield Input(self._value, id="ask-line", select_on_focus=False)
            if self._choices:
                yield OptionList(*options(self._choices), id="ask-list", markup=False)
            yield Label("", id="ask-error", markup=False)
            yield Label(self._hint or self._keys(), id="ask-hint", markup=False)

    def _keys(self) -> str:
        keys = ["typing replaces it", "← → edit it"] if self._value else []
        if self._choices:
            keys.append("↓ list" if self._editable else "type to filter")
        return " · ".join([*keys, "Enter takes it · Esc closes"])

    def on_mount(self) -> None:
        """Typing goes to the line, in place of the text that the question came with."""
        line = self.query_one(Input)
        line.focus()
        # Not at every focus: an entry of the list is copied to the line to be edited there.
        # Selected backwards, so that the name in front of a long text is seen.
        line.selection = Selection(len(line.value), 0)
        if self._choices and not self._editable:
            self.query_one(OptionList).highlighted = 0

    @on(Input.Changed)
    def _filter(self, event: Input.Changed) -> None:
        self._say("")
        # The text that the question came with is an answer, not a search.
        if not self._choices or event.value == self._value:
            return
        entries = self.query_one(OptionList)
        entries.clear_options()
        entries.add_options(options(self._choices, event.value))
        if not self._editable and entries.option_count:
            entries.highlighted = 0

    @on(Input.Submitted)
    async def _typed(self, event: Input.Submitted) -> None:
        event.stop()
        if self._editable or not self._choices:
            await self._take(event.value.strip())
            return
        entries = self.query_one(OptionList)
        if entries.highlighted is None or not entries.option_count:
            self._say(f"“{event.value}” is none of: {', '.join(self._choices)}")
        else:
            await self._take(str(entries.get_option_at_index(entries.highlighted).id))

    @on(OptionList.OptionSelected)
    async def _chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        choice = str(event.option.id)
        if not self._editable:
            await self._take(choice)
            return
        put_into(self.query_one(Input), choice)

    async def _take(self, answer: str) -> None:
        try:
            await self._accept(answer)
        except Refused as refusal:
            self._say(str(refusal))
        else:
            self.dismiss()

    def _say(self, sentence: str) -> None:
        """An error, in the place of the hint: it says what can be typed; or the hint again."""
        self.query_one("#ask-error", Label).update(f"✗ {sentence}" if sentence else "")
        self.query_one("#ask-hint", Label).update(self._keys() if sentence else self._hint or self._keys())

    def action_to_list(self) -> None:
        """From the line to the list."""
        if self._choices:
            self.query_one(OptionList).focus()


class Confirm(ModalScreen[bool]):
    """A yes-or-no question; only where something would be lost."""

    BINDINGS = [
        Binding("y,enter", "answer(True)", "Yes", show=False),
        Binding("n,escape,q", "answer(False)", "No", show=False),
    ]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        """The question and its two answers."""
        with Vertical(id="ask"):
            yield Label(self._question, id="ask-title", markup=False)
            yield Label("y yes · n no", id="ask-hint", markup=False)

    def action_answer(self, answer: bool) -> None:
        """Close with an answer."""
        self.dismiss(answer)
