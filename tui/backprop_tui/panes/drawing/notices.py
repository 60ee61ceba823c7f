"""What seems to be wrong, as text: at the operation, in the message line, and as a list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from backprop_tui.debugger.view import View
from backprop_tui.panes.drawing.paths import PathLine
from backprop_tui.panes.drawing.text import Pieces, wrapped
from backprop_tui.protocol import Record

if TYPE_CHECKING:
    from backprop_tui.explain.notices.notice import Notice

MARK = "!"


def at(view: View, record: Record | None) -> list[Notice]:
    """The notices about one operation."""
    if record is None or not view.notices:
        return []
    time = tuple(record["time"])
    return [notice for notice in view.notices if notice.time == time]


def marked_lines(view: View, file: str) -> frozenset[int]:
    """Lines of a file that a notice is about."""
    return frozenset(notice.line for notice in view.notices if notice.file == file and notice.line)


def told(notices: Sequence[Notice], width: int) -> list[Pieces]:
    """The notices about an operation in full: what, why, where to look."""
    lines: list[Pieces] = []
    for notice in notices:
        lines += wrapped(f"{MARK} {notice.text}", width, "warn")
        lines += wrapped(f"{notice.why} {notice.look}".strip(), width, "dim")
    return lines


def chip(view: View) -> str:
    """``! 2 notices``; empty if there is none."""
    count = len(view.notices)
    return f"{MARK} {count} notice{'s' * (count > 1)}" if count else ""


def notice_lines(view: View) -> list[PathLine]:
    """The list to jump through: each notice leads to its operation."""
    known = {tuple(record["time"]): record["number"] for record in view.records}
    lines: list[PathLine] = []
    for notice in view.notices:
        number = known.get(notice.time)
        when = f"{notice.iteration}.{number} " if number is not None else ""
        place = f"{when}line {notice.line}: " if notice.line else when
        goto = (notice.iteration, number) if number is not None else None
        lines += [PathLine(f"{MARK} {place}{notice.text}", goto), PathLine(f"    {notice.why}"), PathLine("")]
    return lines[:-1] or [PathLine("Nothing that looks like a mistake was seen in these two iterations.")]
