"""Lines of styled text, and a canvas to draw them on: text in cells, lines in braille dots.

What is said by a style is also said by a glyph or a word: a picture must be complete as plain text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.cells import cell_len, set_cell_size

from backprop_tui.panes.drawing import text
from backprop_tui.panes.drawing.text import Piece, plain

Line = list[Piece]

DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Braille dot bits of one cell: 4 rows of 2."""

STYLES = ("gradient", "positive", "negative", "read", "wrote", "used", "planned", "glow")
"""Styles of pictures, beside those of text."""


def plain_text(lines: Iterable[Sequence[Piece]]) -> str:
    """The lines without styles, right-hand blanks removed."""
    return "\n".join(plain(line).rstrip() for line in lines)


def cut(words: str, width: int) -> str:
    """At most `width` cells of `words`, its end replaced by an ellipsis if it is longer."""
    if cell_len(words) <= width:
        return words
    return set_cell_size(words, width - 1) + "…" if width > 0 else ""


def cut_left(words: str, width: int) -> str:
    """At most `width` cells of `words`, its beginning replaced by an ellipsis if it is longer."""
    return words if cell_len(words) <= width else cut(words[::-1], width)[::-1]


def pad(words: str, width: int) -> str:
    """Exactly `width` cells: cut, or filled with blanks at the right."""
    return set_cell_size(cut(words, width), max(0, width))


def pad_left(words: str, width: int) -> str:
    """Exactly `width` cells: cut, or filled with blanks at the left."""
    words = cut(words, width)
    return " " * (width - cell_len(words)) + words


def fitted(line: Sequence[Piece], width: int) -> Line:
    """A line cut to `width` cells; an ellipsis says that something is missing."""
    kept = list(line)
    while kept and not kept[-1][0].strip():
        kept.pop()
    if kept:
        kept[-1] = (kept[-1][0].rstrip(), kept[-1][1])
    return list(text.cut(kept, width))


class Canvas:
    """A grid of cells. Text covers lines."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self._text: dict[tuple[int, int], Piece] = {}
        self._dots: dict[tuple[int, int], tuple[int, str]] = {}

    def put(self, x: int, y: int, words: str, style: str = "") -> None:
        """Write words from cell (x, y) to the right; what lies outside is left out."""
        for char in words:
            wide = cell_len(char)
            if 0 <= y < self.height and x >= 0 and x + wide <= self.width and wide:
                self._text[x, y] = (char, style)
                if wide == 2:
                    self._text[x + 1, y] = ("", style)
            x += wide

    def line(self, start: tuple[int, int], end: tuple[int, int], style: str = "") -> None:
        """Draw a straight line between two points given in dots (2 a cell across, 4 down)."""
        for x, y in line_dots(start, end):
            cell = (x // 2, y // 4)
            if 0 <= cell[0] < self.width and 0 <= cell[1] < self.height:
                bits = self._dots.get(cell, (0, ""))[0]
                self._dots[cell] = (bits | DOTS[y % 4][x % 2], style)

    def lines(self) -> list[Line]:
        """The picture, row by row."""
        rows: list[dict[int, Piece]] = [{} for _ in range(self.height)]
        for (x, y), (bits, style) in self._dots.items():
            rows[y][x] = chr(0x2800 + bits), style
        for (x, y), piece in self._text.items():
            rows[y][x] = piece
        return [_joined(cells, self.width) for cells in rows]


def _joined(cells: dict[int, Piece], width: int) -> Line:
    """The cells of a row from left to right, blanks between them, neighbours of one style together."""
    row: Line = []
    end = 0
    for x in (*sorted(cells), width):
        if x > end:
            _append(row, " " * (x - end), "")
        if x < width:
            _append(row, *cells[x])
        end = x + 1
    return row


def _append(row: Line, words: str, style: str) -> None:
    if row and row[-1][1] == style:
        row[-1] = (row[-1][0] + words, style)
    else:
        row.append((words, style))


def line_dots(start: tuple[int, int], end: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """The dots of a straight line, both ends included."""
    steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
    for step in range(steps + 1):
        yield (
            round(start[0] + (end[0] - start[0]) * step / steps),
            round(start[1] + (end[1] - start[1]) * step / steps),
        )
