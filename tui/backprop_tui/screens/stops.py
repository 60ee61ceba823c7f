"""The breakpoints: a line to type one, those that there are, everything that can be typed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label, OptionList
from textual.widgets.option_list import Option

from backprop_tui.debugger.breakpoints import Breakpoint
from backprop_tui.debugger.failure import Refused
from backprop_tui.panes.drawing.stops import form_lines, stop_lines
from backprop_tui.screens.ask import put_into


class StopsOf(Protocol):
    """What the screen asks of a session."""

    def set_breakpoint(self, text: str, place: int | None = None, file: str = "") -> None: ...
    def enable_breakpoint(self, place: int, on: bool) -> None: ...
    def remove_breakpoint(self, place: int) -> None: ...


class StopsScreen(ModalScreen[None]):
    """Enter adds what was typed, or puts it in the place of the entry that is being edited. Esc closes."""

    BINDINGS = [
        Binding("escape", "leave", "Close", show=False),
        Binding("down", "to_list", "To the lists", show=False),
        Binding("space", "switch", "On or off", show=False),
        Binding("d,delete", "remove", "Remove", show=False),
    ]

    def __init__(self, session: StopsOf, stops: Callable[[], Sequence[Breakpoint]], file: str) -> None:
        """``stops`` answers the present ones; ``file`` is the one that ``line 16`` means."""
        super().__init__()
        self._session = session
        self._stops = stops
        self._file = file
        self._editing: int | None = None

    def compose(self) -> ComposeResult:
        """The line, the two lists, the place for an error, and what the keys do."""
        with Vertical(id="stops") as page:
            page.border_title = "breakpoints: stop when…"
            page.border_subtitle = "Enter adds · ↓ or tab to the lists · Esc closes"
            yield Input(
                placeholder="stop when… for example loss > 10", id="stops-line", select_on_focus=False
            )
            yield Label("", id="stops-error", markup=False)
            yield OptionList(id="stops-list", markup=False)
            yield Label("Enter edits · space on or off · d removes", id="stops-hint", markup=False)
            forms = (Option(line, id=written, disabled=written is None) for written, line in form_lines())
            yield OptionList(*forms, id="stops-forms", markup=False)

    def on_mount(self) -> None:
        """Typing goes to the line."""
        self._refresh()
        self.query_one(Input).focus()

    def _refresh(self, at: int = 0) -> None:
        entries = self._entries
        entries.clear_options()
        entries.add_options(stop_lines(self._stops()))
        for part in (entries, self.query_one("#stops-hint")):
            part.display = bool(entries.option_count)
        if entries.option_count:
            entries.highlighted = min(at, entries.option_count - 1)
        else:
            self.query_one(Input).focus()

    @property
    def _entries(self) -> OptionList:
        return self.query_one("#stops-list", OptionList)

    def _chosen(self) -> int | None:
        """The entry under the cursor, if the list of breakpoints has the focus."""
        entries = self._entries
        return entries.highlighted if entries.has_focus and entries.option_count else None

    @on(Input.Changed)
    def _no_error(self) -> None:
        self._say("")

    @on(Input.Submitted)
    def _typed(self, event: Input.Submitted) -> None:
        event.stop()
        if not event.value.strip():
            return
        try:
            self._session.set_breakpoint(event.value, self._editing, self._file)
        except Refused as refusal:
            sentence, listed, _ = str(refusal).partition("; there are: loss")
            self._say(f"✗ {sentence}{'; the forms are below' if listed else ''}")
            return
        self._editing = None
        event.input.value = ""
        self._refresh()

    @on(OptionList.OptionSelected)
    def _copied(self, event: OptionList.OptionSelected) -> None:
        """Into the line, to be edited there."""
        event.stop()
        if event.option_list is self._entries:
            self._editing = event.option_index
            text = self._stops()[event.option_index].text
        else:
            text = str(event.option.id)
        put_into(self.query_one(Input), text)

    def action_to_list(self) -> None:
        """From the line to the breakpoints, or to what can be typed where there are none."""
        (self._entries if self._entries.option_count else self.query_one("#stops-forms")).focus()

    def action_switch(self) -> None:
        """On or off."""
        place = self._chosen()
        if place is not None:
            self._session.enable_breakpoint(place, not self._stops()[place].enabled)
            self._refresh(place)

    def action_remove(self) -> None:
        """Remove the chosen one."""
        place = self._chosen()
        if place is not None:
            self._session.remove_breakpoint(place)
            self._editing = None
            self._refresh(place)

    def action_leave(self) -> None:
        """Give up editing an entry, else close."""
        if self._editing is not None:
            self._editing = None
            self.query_one(Input).value = ""
        else:
            self.dismiss()

    def _say(self, sentence: str) -> None:
        self.query_one("#stops-error", Label).update(sentence)
