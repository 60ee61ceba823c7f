"""What is to race: one change after another, typed or picked from a list, and for how many iterations."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Input, Label, OptionList

from backprop_tui.debugger.futures import Future, parse_futures, starting_line
from backprop_tui.debugger.race import MOST_ITERATIONS
from backprop_tui.panes.drawing.race import LETTERS
from backprop_tui.screens.ask import options, put_into

Wanted = tuple[list[Future], int]
"""The futures, the first of which is “as it is”, and how many iterations each runs."""

_HINT = (
    "Enter adds a change, on an empty line it starts the race · ⌫ there takes the last one away · ↓ list"
    " · tab iterations · Esc closes"
)
_ENTRY_WIDTH = 74
_EXAMPLE = "optimizer=Adam(lr=0.1), or a grid: lr 1e-4..1, 8 points, log"


class ChangeLine(Input):
    """A line that tells when something is to be taken away where nothing is."""

    class Emptied(Message):
        """Backspace on an empty line."""

    def action_delete_left(self) -> None:
        """Delete a character, or ask for the change before this line to be taken away."""
        if self.value:
            super().action_delete_left()
        else:
            self.post_message(self.Emptied())


class RaceSetup(ModalScreen[Wanted | None]):
    """Collects the futures of a race."""

    BINDINGS = [
        Binding("escape", "dismiss(None)", "Close", show=False),
        Binding("down", "to_list", "To the list", show=False),
    ]

    def __init__(
        self, title: str, suggestions: Sequence[str], futures: Sequence[Future] = (), iterations: int = 100
    ) -> None:
        """``futures``: those to begin with, without “as it is”."""
        super().__init__()
        self._title = title
        self._suggestions = suggestions
        self._futures = list(futures)
        self._iterations = iterations

    def compose(self) -> ComposeResult:
        """What races so far, the line to type in, the list, the number of iterations."""
        with Vertical(id="ask", classes="race"):
            yield Label(self._title, id="ask-title", markup=False)
            yield Label("", id="race-futures", markup=False)
            yield ChangeLine(placeholder=_EXAMPLE, id="ask-line", select_on_focus=False)
            yield OptionList(*options(self._suggestions, width=_ENTRY_WIDTH), id="ask-list", markup=False)
            with Horizontal(id="race-length"):
                yield Label("Iterations of each", id="race-question", markup=False)
                yield Input(str(self._iterations), id="race-iterations")
            yield Label("", id="ask-error", markup=False)
            yield Label(_HINT, id="ask-hint", markup=False)

    def on_mount(self) -> None:
        """Typing goes to the line of changes."""
        self._show_futures()
        self.query_one(ChangeLine).focus()

    def _show_futures(self) -> None:
        lines = [
            f"{LETTERS[number]}  {future.text}" for number, future in enumerate([Future(), *self._futures])
        ]
        self.query_one("#race-futures", Label).update("\n".join(lines))

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        self._say("")
        if event.input.id == "ask-line":
            entries = self.query_one(OptionList)
            entries.clear_options()
            entries.add_options(options(self._suggestions, event.value, _ENTRY_WIDTH))

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        put_into(self.query_one(ChangeLine), str(event.option.id))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        line = self.query_one(ChangeLine)
        try:
            if line.value.strip():
                self._add(line)
            if event.input is not line or not event.value.strip():
                self._begin()
        except ValueError as error:
            self._say(f"✗ {error}")

    def _add(self, line: ChangeLine) -> None:
        found = [*self._futures, *parse_futures(line.value)]
        self._futures = starting_line(found)[1:]
        line.value = ""
        self._show_futures()

    def _begin(self) -> None:
        text = self.query_one("#race-iterations", Input).value.strip()
        if not text.isdecimal() or not 1 <= int(text[:9]) <= MOST_ITERATIONS:
            raise ValueError(f"A race runs 1 to {MOST_ITERATIONS} iterations, not {text!r}.")
        self.dismiss((starting_line(self._futures), int(text)))

    @on(ChangeLine.Emptied)
    def _take_away(self) -> None:
        if self._futures:
            self._futures.pop()
            self._show_futures()

    def _say(self, sentence: str) -> None:
        self.query_one("#ask-error", Label).update(sentence)

    def action_to_list(self) -> None:
        """From the line to the list."""
        entries = self.query_one(OptionList)
        if entries.option_count:
            entries.highlighted = entries.highlighted or 0
            entries.focus()
