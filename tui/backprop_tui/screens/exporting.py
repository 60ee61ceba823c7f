"""What can be exported, and the questions on the way: what, of which iterations, into which file."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from backprop_tui.debugger.failure import Refused
from backprop_tui.debugger.view import Choice
from backprop_tui.debugger.whole_file import write_whole
from backprop_tui.screens.lessons import LessonActions

CURVES = "curves: loss and learning rate (CSV)"
VALUES = "values: every parameter and its gradient, here (CSV)"
ELEMENT = "element: the chosen number after each iteration (CSV)"
OPERATIONS = "operations: of some iterations, as trace prints them (JSON lines)"
PICTURE = "picture: the screen (SVG)"
SUFFIXES = {
    CURVES: ".curves.csv",
    VALUES: ".values.csv",
    ELEMENT: ".element.csv",
    OPERATIONS: ".trace.jsonl",
    PICTURE: ".svg",
}

Make = Callable[[], Awaitable[str]]
"""Makes the text of the file."""


class ExportActions(LessonActions):
    """Actions of the main screen that write what is seen into a file."""

    def action_export(self) -> None:
        """Ask what to export."""

        async def chosen(kind: str) -> None:
            self.call_after_refresh(self._export, kind, self.chosen_element())

        self._ask("Export", chosen, choices=tuple(SUFFIXES), editable=False)

    def _export(self, kind: str, chosen: Choice | None) -> None:
        if kind == OPERATIONS:
            self._ask_stretch(kind, lambda first, last: partial(self._operations, first, last))
        elif kind == ELEMENT:
            if chosen is None or chosen.index is None:
                self.say("choose a number in the network or the parameters pane first")
                return
            self._ask_stretch(kind, lambda first, last: partial(self._watched, chosen, first, last))
        elif kind == PICTURE:
            # Now: later the question for the file is on the screen.
            self._ask_file(kind, partial(_already, self.app.export_screenshot(title="backprop-tui")))
        else:
            self._ask_file(kind, self._curves if kind == CURVES else self._values)

    def _ask_stretch(self, kind: str, make: Callable[[int, int], Make]) -> None:
        from backprop_tui.debugger.stretch import read_stretch

        async def stretch(text: str) -> None:
            first, last = read_stretch(text)
            self.call_after_refresh(self._ask_file, kind, make(first, last))

        here = max(1, self.view.iteration)
        self._ask("Of which iterations?", stretch, value=f"1..{here}", hint="for example 3..7 · Esc closes")

    def _ask_file(self, kind: str, make: Make) -> None:
        async def write(name: str) -> None:
            path = file_named(name)
            put(path, await make())
            self.say(f"written: {path}")

        default = Path(self.session.view.script).stem + SUFFIXES[kind]
        self._ask("Into which file?", write, value=default, hint="Enter writes it, Esc closes")

    # the texts
    async def _curves(self) -> str:
        from backprop_tui.debugger.exporting import curves_csv

        return curves_csv(self.session.view)

    async def _values(self) -> str:
        from backprop_tui.debugger.exporting import values_csv

        return values_csv(self.session.view.parameters)

    async def _watched(self, chosen: Choice, first: int, last: int) -> str:
        from backprop_tui.debugger.exporting import element_csv
        from backprop_tui.panes.drawing.exact import place_in_matrix

        assert chosen.index is not None
        rows = (row["value"]["shape"] for row in self.view.parameters if row["name"] == chosen.name)
        place = place_in_matrix(next(rows), chosen.index)
        found = await self.session.element_over(chosen.name, chosen.attribute, place, first, last)
        return element_csv(str(chosen), found)

    async def _operations(self, first: int, last: int) -> str:
        from backprop_tui.debugger.exporting import operations_jsonl

        return operations_jsonl(await self.session.operations_of(first, last))


async def _already(text: str) -> str:
    return text


def put(path: Path, text: str) -> None:
    """Write a file that was asked for. Raises Refused."""
    try:
        write_whole(path, text)
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}") from None


def file_named(name: str) -> Path:
    """The path that was typed. Raises Refused."""
    if not name:
        raise Refused("a name is needed")
    path = Path(os.path.expanduser(name))
    if path.is_dir():
        raise Refused(f"{path} is a directory: name a file in it")
    if not path.absolute().parent.is_dir():
        raise Refused(f"there is no directory {path.parent}")
    return path
