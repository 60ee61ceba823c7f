"""A race as text: a table with a row for each future, and the curves of all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len

from backprop_tui.explain.numbers import display, shortest, significant
from backprop_tui.panes.drawing.canvas import Line, fitted, pad
from backprop_tui.panes.drawing.text import wrapped

if TYPE_CHECKING:
    from backprop_tui.debugger.parting import Parting
    from backprop_tui.debugger.race import Lane
    from backprop_tui.panes.drawing.text import Pieces

LETTERS = "abcdefghi"
"""One a future; its curve is drawn with it, but for the first, which is drawn in dots."""
STYLES = ("read", "positive", "negative", "wrote", "warn", "planned", "used", "gradient", "mark")
DOTS = "braille"
LOWEST = "*"
_HEADS = ("future", "iterations", "loss", "time", "parts in", "first number that differs")
_LEAST_FUTURE, _MOST_FUTURE = 10, 44
_DIGITS = 5
_MOST_DIGITS = 17


def style_of(number: int) -> str:
    """Of the curve and the letter of a future."""
    return STYLES[number % len(STYLES)]


def marker_of(number: int) -> str:
    """What a curve is drawn with."""
    return LETTERS[number] if number else DOTS


def table_lines(lanes: Sequence[Lane], iterations: int, width: int | None, cursor: int = -1) -> list[Line]:
    """A heading and one line for each future, cut to the width if one is given.

    ``cursor``: the row that is marked.
    """
    best = lowest(lanes)
    rows = [_cells(lane, iterations, number == best) for number, lane in enumerate(lanes)]
    widths = _widths(rows, width)
    lines: list[Line] = [[("     " + _row(_HEADS, widths), "dim")]]
    for number, row in enumerate(rows):
        here = number == cursor
        sign = f"{LETTERS[number]} {'⠒' if not number else ' '} "
        text = _row(row, widths)
        lines.append([(">" if here else " ", "mark"), (sign, style_of(number)), (text, "title" * here)])
    return [fitted(line, width) if width is not None else _bare(line) for line in lines]


def _bare(line: Line) -> Line:
    return [*line[:-1], (line[-1][0].rstrip(), line[-1][1])]


def _cells(lane: Lane, iterations: int, best: bool) -> tuple[str, ...]:
    loss = f"{final_loss(lane)}{LOWEST if best else ' '}"
    seconds = "" if lane.seconds is None else time_text(lane.seconds)
    parts = "" if lane.parting is None else str(lane.parting.iteration)
    words = [lane.note] if lane.note else []
    if lane.parting is not None:
        words.insert(0, parting_text(lane.parting, bool(lane.rates)))
    elif lane.compared:
        words.insert(0, "none: all numbers are equal")
    return lane.future.text, _progress(lane, iterations), loss, seconds, parts, " · ".join(words)


def _progress(lane: Lane, iterations: int) -> str:
    if lane.state in ("running", "done"):
        return f"{min(lane.iterations, iterations)}/{iterations}"
    return "waits" if lane.state == "waiting" else lane.state


def _widths(rows: list[tuple[str, ...]], width: int | None) -> list[int]:
    """Of each column; the first gives way to the last one if the room is small."""
    found = [max(cell_len(cell) for cell in column) for column in zip(_HEADS, *rows, strict=True)]
    if width is not None:
        room = width - 5 - sum(found[1:5]) - 2 * 5
        found[0] = min(found[0], max(_LEAST_FUTURE, min(_MOST_FUTURE, room // 2)))
    return found


def _row(cells: Sequence[str], widths: list[int]) -> str:
    """Words flush left, numbers flush right."""
    parts = [pad(cells[0], widths[0])]
    parts += [
        " " * (size - cell_len(cell)) + cell for cell, size in zip(cells[1:5], widths[1:5], strict=True)
    ]
    return "  ".join([*parts, cells[5]])


def lowest(lanes: Sequence[Lane]) -> int | None:
    """The future with the lowest last loss, of those that measure the same one and are at their end."""
    ends = {
        number: float(lane.losses[-1]["value"])
        for number, lane in enumerate(lanes)
        if lane.losses and lane.state == "done" and not _measures_otherwise(lane)
    }
    finite = {number: value for number, value in ends.items() if math.isfinite(value)}
    return min(finite, key=finite.__getitem__) if len(finite) > 1 else None


def final_loss(lane: Lane) -> str:
    """The last loss, five digits of it."""
    return number_text(lane.losses[-1]["value"], _DIGITS) if lane.losses else ""


def number_text(value: Any, digits: int, dtype: str = "float64") -> str:
    """A number on the screen; the three words that are no numbers as they are."""
    return display(value if isinstance(value, str) else significant(value, dtype, digits))


def time_text(seconds: float) -> str:
    """``0.87 s``"""
    return f"{seconds:.{2 if seconds < 10 else 1}f} s"


def parting_text(parting: Parting, steps: bool) -> str:
    """``model.weight[0,0] after the step of iteration 1: 0.1825 against 0.1744``.

    ``steps``: an optimizer steps at the end of an iteration.
    """
    index = f"[{','.join(map(str, parting.index))}]" if parting.index else ""
    where = f"of iteration {parting.iteration}"
    if parting.part == "value":
        where = f"after {'the step ' + where if steps else f'iteration {parting.iteration}'}"
    name = f"{parting.name}.grad" if parting.part == "grad" else parting.name
    mine, other = apart(parting.mine, parting.other, parting.dtype)
    return f"{name}{index} {where}: {mine} against {other}"


def apart(mine: Any, other: Any, dtype: str) -> tuple[str, str]:
    """Two numbers with as many digits as it takes to see that they differ, four at least."""
    for digits in range(4, _MOST_DIGITS):
        both = _short(mine, dtype, digits), _short(other, dtype, digits)
        if both[0] != both[1]:
            return both
    return _short(mine, dtype, None), _short(other, dtype, None)


def _short(value: Any, dtype: str, digits: int | None) -> str:
    if value is None:
        return "none"
    if not isinstance(value, float):
        return display(str(value))
    return display(shortest(value, dtype) if digits is None else significant(value, dtype, digits))


def detail_lines(lane: Lane, letter: str, width: int) -> list[Pieces]:
    """One future in whole sentences."""
    words = [f"{letter} {lane.future.text}"]
    if lane.parting is not None:
        text = parting_text(lane.parting, bool(lane.rates))
        words.append(f"the first number that differs is {text} as it is")
    elif lane.compared:
        words.append("no loss, gradient, buffer or parameter differs from those as it is")
    lines = wrapped(": ".join(words), width)
    return [*lines, *wrapped(lane.note, width, "warn")] if lane.note else lines


def foot(lanes: Sequence[Lane]) -> list[str]:
    """What is to be known of the table as a whole."""
    lines = []
    if lowest(lanes) is not None:
        lines.append(f"{LOWEST} the lowest last loss")
    swapped = {LETTERS[number]: lane for number, lane in enumerate(lanes) if lane.future.other_loss}
    others = [letter for letter, lane in swapped.items() if _measures_otherwise(lane)]
    if others:
        lines.append(f"{' '.join(others)}: another loss is measured, which does not compare with the others")
    same = [letter for letter in swapped if letter not in others]
    if same:
        lines.append(f"{' '.join(same)}: no number differs; a loss worked out by hand cannot be swapped")
    return lines


def _measures_otherwise(lane: Lane) -> bool:
    """Whether its loss is another one: not if no number came out differently, as nothing was swapped."""
    return lane.future.other_loss and not (lane.compared and lane.parting is None)
