"""Curves as text by plotext.

plotext keeps one global figure and colours by ANSI codes: both stay in this file. The codes are
only used as numbers that say which curve a cell belongs to.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from backprop_tui.explain.numbers import significant
from backprop_tui.panes.drawing.canvas import Line
from backprop_tui.panes.drawing.curve import Segment

ESCAPE = re.compile(r"\x1b\[([\d;]*)m")
LEAST_WIDTH, LEAST_HEIGHT = 16, 3


@dataclass(frozen=True)
class Curve:
    """One curve: its points, the character it is drawn with (``braille`` for lines of dots), its style."""

    segments: list[Segment]
    marker: str
    style: str
    joined: bool = True


def plot_lines(curves: list[Curve], width: int, height: int, log: bool = False) -> list[Line]:
    """The curves with axes in `width` x `height` cells; nothing if there is no point or no room.

    Values must be finite, and positive for a logarithmic scale.
    """
    points = [point for curve in curves for segment in curve.segments for point in segment]
    if not points or width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return []
    # Imported here: it is the slowest import of the screen and the first frame needs no plot.
    import plotext

    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plotsize(width, height)
    plotext.frame(False)
    for number, curve in enumerate(curves):
        _draw(plotext, curve, 16 + number, log)
    _limits(plotext, points, height, width, log)
    text = plotext.build()
    plotext.clear_figure()
    return [_line(line, curves) for line in text.rstrip("\n").split("\n")]


def _draw(plotext: object, curve: Curve, colour: int, log: bool) -> None:
    for segment in curve.segments:
        draw = plotext.plot if curve.joined and len(segment) > 1 else plotext.scatter  # type: ignore[attr-defined]
        xs = [x for x, _ in segment]
        draw(xs, [_scaled(y, log) for _, y in segment], marker=curve.marker, color=colour)


def _scaled(y: float, log: bool) -> float:
    return math.log10(y) if log else y


def _limits(plotext: object, points: list[tuple[float, float]], height: int, width: int, log: bool) -> None:
    """Ranges that also work for one point or a constant, and labels with honest digits."""
    xs, ys = [x for x, _ in points], [_scaled(y, log) for _, y in points]
    low, high = min(ys), max(ys)
    if low == high:
        margin = abs(low) * 0.1 or 1.0
        low, high = low - margin, high + margin
    left, right = min(xs), max(xs)
    if left == right:
        left, right = left - 1, right + 1
    plotext.xlim(left, right)  # type: ignore[attr-defined]
    plotext.ylim(low, high)  # type: ignore[attr-defined]
    count = max(2, min(5, (height - 1) // 2 + 1))
    marks = [low, *(low + (high - low) * step / (count - 1) for step in range(1, count - 1)), high]
    labels = [_label(10**mark if log else mark, high - low, log) for mark in marks]
    plotext.yticks(marks, labels)  # type: ignore[attr-defined]
    turns = whole_marks(min(xs), max(xs), max(2, min(6, width // 14)))
    plotext.xticks(turns, [str(turn) for turn in turns])  # type: ignore[attr-defined]


def _label(value: float, span: float, log: bool) -> str:
    """Three digits, more where neighbouring labels would be the same."""
    digits = 3
    if not log and value:
        digits = max(3, math.ceil(math.log10(abs(value) / span)) + 2)
    return significant(value, "float64", min(9, digits))


def whole_marks(left: float, right: float, count: int) -> list[int]:
    """About `count` whole numbers at round distances between two ends; the ends, if that leaves only one."""
    first, last = math.ceil(left), math.floor(right)
    if last <= first:
        return [first]
    step = max(1, math.ceil((last - first) / max(1, count - 1)))
    size = 10 ** (len(str(step)) - 1)
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= step)
    marks = list(range(first + (-first) % step, last + 1, step))
    marks = marks if marks and marks[0] - first < step / 2 else [first, *marks]
    return marks if len(marks) > 1 else [first, last]


def _line(text: str, curves: list[Curve]) -> Line:
    """One line of plotext's output: codes to styles."""
    line: Line = []
    style = "dim"
    pieces = ESCAPE.split(text)
    for number, piece in enumerate(pieces):
        if number % 2:
            style = _style(piece, curves)
        elif piece:
            line.append((piece, style))
    return line


def _style(code: str, curves: list[Curve]) -> str:
    parts = code.split(";")
    if parts[:2] == ["38", "5"] and 0 <= int(parts[2]) - 16 < len(curves):
        return curves[int(parts[2]) - 16].style
    return "dim"
