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


def told(notices: Sequence[Notice], width: int, in_full: bool = True) -> list[Pieces]:
    """The notices about an operation: what; ``in_full``: also why, and where to look."""
    lines: list[Pieces] = []
    for notice in notices:
        lines += wrapped(f"{MARK} {notice.text}", width, "warn")
        if in_full:
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
    seen, missed = _coverage(view)
    if not view.notices:
        lines = [PathLine(f"Nothing that looks like a mistake was seen {_names(seen)}.")] if seen else []
    if missed:
        lines.append(PathLine(f"What ran {_names(missed)} was not observed: at full speed no operation is."))
        lines.append(PathLine("Stepping back (backspace) observes it."))
    elif view.notices:
        lines.pop()
    return lines or [PathLine("No operation has run.")]


def _coverage(view: View) -> tuple[list[int], list[int]]:
    """The iterations whose mistakes are listed: those that were observed from their first operation on,
    and the others. Iteration 0 is what ran before the first."""
    stop = view.stop
    if stop is None or (stop.time == (0, 0) and not view.records):
        return [], []
    listed = [stop.iteration - 1] if stop.iteration else []
    if stop.over or stop.number > 1:
        listed.append(stop.iteration)
    begun = (*view.records, *stop.open)
    observed = {record["iteration"] for record in begun if record.get("number") == 1}
    if 1 in observed:  # then also what came before it, if anything did
        observed.add(0)
    seen = [number for number in listed if number in observed]
    return seen, [number for number in listed if number not in observed]


def _names(iterations: list[int]) -> str:
    """``in iterations 4 and 5``"""
    first, last = iterations[0], iterations[-1]
    if first == last:
        return f"in iteration {first:,}" if first else "before iteration 1"
    return f"in iterations {first:,} and {last:,}" if first else "in iteration 1 and before it"
