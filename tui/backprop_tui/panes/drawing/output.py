"""What the script printed, as lines that say which stream they came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backprop_tui.debugger.view import OutputChunk
from backprop_tui.panes.drawing.text import Pieces, clean, cut

KEPT_LINES = 10_000
"""Lines kept for the screen."""

LONGEST_LINE = 2_000
"""Characters of one line that are kept for the screen."""


@dataclass(frozen=True)
class Line:
    """One line of output."""

    stream: str
    """out or err"""
    text: str


@dataclass(frozen=True)
class Tail:
    """The last lines of the output."""

    lines: tuple[Line, ...]
    above: int
    """How many lines stand above them and are not kept."""


def tail(chunks: Sequence[OutputChunk], keep: int = KEPT_LINES) -> Tail:
    """The last `keep` lines; of the text before them only the line ends are counted."""
    first, ends = len(chunks), 0
    while first and ends <= keep:
        first -= 1
        ends += chunks[first].text.count("\n")
    lines = _lines(chunks[first:])
    extra = max(0, len(lines) - keep)
    above = sum(chunk.text.count("\n") for chunk in chunks[:first])
    return Tail(tuple(lines[extra:]), above + extra)


def _lines(chunks: Sequence[OutputChunk]) -> list[Line]:
    """Lines of both streams as a terminal would show them: a line goes on until its stream ends it."""
    lines: list[Line] = []
    stream, unfinished = "", ""
    for chunk in chunks:
        if unfinished and chunk.stream != stream:
            lines.append(Line(stream, _shown(unfinished)))
            unfinished = ""
        stream = chunk.stream
        *whole, unfinished = (unfinished + chunk.text).split("\n")
        lines += [Line(stream, _shown(text)) for text in whole]
    return [*lines, Line(stream, _shown(unfinished))] if unfinished else lines


def _shown(text: str) -> str:
    """What a carriage return leaves visible, as after a progress bar."""
    return text.rstrip("\r").rpartition("\r")[2][:LONGEST_LINE]


def draw(line: Line, width: int) -> Pieces:
    """A line with a mark for its stream: ``!`` is standard error."""
    mark = ("! ", "warn") if line.stream == "err" else ("  ", "")
    return cut((mark, (clean(line.text, 8), "")), width)
