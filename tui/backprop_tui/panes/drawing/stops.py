"""The list of breakpoints, and of what can be typed, as lines of text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from backprop_tui.debugger.view import View

if TYPE_CHECKING:
    from backprop_tui.debugger.breakpoints import Breakpoint

ON, OFF = "●", "○"
_WIDTH = 27
"""Columns of what can be typed."""


def line_mark(view: View, file: str, line: int) -> str:
    """`ON` if a breakpoint on a line stops a run, `OFF` if all on it are off, "" if there is none."""
    if (file, line) in view.breakpoints:
        return ON
    return OFF if any(point.kind == "line" and point.what == (file, line) for point in view.stops) else ""


def stop_lines(stops: Sequence[Breakpoint]) -> list[str]:
    """One line for each: whether it is on, what it is, what looking for it costs."""
    return [f"{ON if point.enabled else OFF} {_short(point):<{_WIDTH}} {point.cost}" for point in stops]


def _short(point: Breakpoint) -> str:
    """As typed, without the folders of a file."""
    if point.kind != "line":
        return point.text
    return point.text.replace(point.what[0], Path(point.what[0]).name, 1)


def form_lines() -> list[tuple[str | None, str]]:
    """(what to type, the line that shows it with its meaning), under headings, which have nothing to type:
    what looking for them costs while running."""
    # The first frame, which has the marks in the program, does without.
    from backprop_tui.debugger.breakpoints import COSTS, FORMS

    lines: list[tuple[str | None, str]] = []
    for cost, meaning in COSTS.items():
        lines.append((None, f"{cost}: {meaning}"))
        forms = (form for form in FORMS if form.cost == cost)
        lines += [(form.written, f"  {form.written:<{_WIDTH - 2}}{form.meaning}") for form in forms]
    return [*lines, (None, "at the end of any: x3, the third time · * in a name: anything")]
