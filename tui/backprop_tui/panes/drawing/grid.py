"""A large tensor as a grid of numbers of which only a window is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from backprop_tui.explain.numbers import COMPLEX, fit
from backprop_tui.panes.drawing.canvas import Line, cut_left, fitted, pad_left

CELL, CELL_COMPLEX = 10, 20
TILE_ROWS, TILE_COLUMNS = 32, 16
HEADER = 2
"""Rows above the numbers: what is shown, and the numbers of the columns."""

Range = tuple[int, int]


def two_dimensions(shape: list[int]) -> tuple[int, int]:
    """Rows and columns of a tensor whose leading dimensions are flattened to rows."""
    down = 1
    for size in shape[:-1]:
        down *= size
    return down, shape[-1] if shape else 1


@dataclass
class Grid:
    """Where the cursor is, and the tiles that have arrived."""

    name: str
    shape: tuple[int, int]
    dtype: str
    attributes: tuple[str, ...]
    """What can be shown: value, grad, state.exp_avg ..."""
    attribute: str = "value"
    row: int = 0
    column: int = 0
    left: int = 0
    """First column shown."""
    note: str = ""
    """Why nothing comes, if so."""
    tiles: dict[tuple[str, int, int], list[list[Any]]] = field(default_factory=dict)
    old: set[tuple[str, int, int]] = field(default_factory=set)
    """Tiles from before the last stop: shown dimmed until they are read again."""

    @property
    def cell(self) -> int:
        """Cells of one number."""
        return CELL_COMPLEX if self.dtype in COMPLEX else CELL

    @property
    def label(self) -> int:
        """Cells of the row numbers."""
        return len(str(self.shape[0] - 1)) + 1

    def across(self, width: int) -> int:
        """Columns that fit."""
        return max(1, (width - self.label) // self.cell)

    def move(self, down: int, right: int, width: int) -> None:
        """Move the cursor, and the window along with it."""
        self.row = max(0, min(self.shape[0] - 1, self.row + down))
        self.column = max(0, min(self.shape[1] - 1, self.column + right))
        across = self.across(width)
        self.left = max(min(self.left, self.column), self.column - across + 1)

    def next_attribute(self) -> None:
        """Show the value, the gradient and the entries of the state in turn."""
        at = self.attributes.index(self.attribute) if self.attribute in self.attributes else -1
        self.attribute = self.attributes[(at + 1) % len(self.attributes)]

    def outdate(self) -> None:
        """A new stop: what is known may have changed."""
        self.old = set(self.tiles)

    def missing(self, top: int, height: int, width: int) -> tuple[Range, Range] | None:
        """Rows and columns to ask for, whole tiles, so that the window can be drawn; None if all is known."""
        last_row = min(top + height, self.shape[0]) - 1
        last_column = min(self.left + self.across(width) + 1, self.shape[1]) - 1
        wanted = [
            (down, right)
            for down in range(top // TILE_ROWS, last_row // TILE_ROWS + 1)
            for right in range(self.left // TILE_COLUMNS, last_column // TILE_COLUMNS + 1)
            if not self._fresh(down, right)
        ]
        if not wanted:
            return None
        first, last = min(wanted), max(wanted)
        left, right = min(tile[1] for tile in wanted), max(tile[1] for tile in wanted)
        return (
            (first[0] * TILE_ROWS, min(self.shape[0], (last[0] + 1) * TILE_ROWS)),
            (left * TILE_COLUMNS, min(self.shape[1], (right + 1) * TILE_COLUMNS)),
        )

    def _fresh(self, down: int, right: int) -> bool:
        key = (self.attribute, down, right)
        return key in self.tiles and key not in self.old

    def take(self, attribute: str, rows: Range, columns: Range, values: list[list[Any]], dtype: str) -> None:
        """Keep a window that begins at whole tiles."""
        self.dtype = dtype or self.dtype
        for down in range(rows[0], rows[1], TILE_ROWS):
            for right in range(columns[0], columns[1], TILE_COLUMNS):
                part = values[down - rows[0] : down - rows[0] + TILE_ROWS]
                start = right - columns[0]
                key = (attribute, down // TILE_ROWS, right // TILE_COLUMNS)
                self.tiles[key] = [row[start : start + TILE_COLUMNS] for row in part]
                self.old.discard(key)

    def number(self, row: int, column: int) -> tuple[Any, bool]:
        """(value or None, whether it is from before the last stop) of one element."""
        key = (self.attribute, row // TILE_ROWS, column // TILE_COLUMNS)
        tile = self.tiles.get(key)
        if tile is None:
            return None, False
        return tile[row % TILE_ROWS][column % TILE_COLUMNS], key in self.old

    def title(self, width: int) -> Line:
        """What is shown."""
        last = min(self.shape[1], self.left + self.across(width))
        columns = f"columns {self.left}–{last - 1} of {self.shape[1]}"
        where = f" {self.attribute} · row {self.row} of {self.shape[0]} · {columns}"
        if self.note:
            where = f" {self.attribute}: {self.note}"
        return fitted([(cut_left(self.name, max(8, width - len(where))), "name"), (where, "dim")], width)

    def columns_line(self, width: int) -> Line:
        """Numbers of the columns."""
        last = min(self.shape[1], self.left + self.across(width))
        text = "".join(pad_left(str(column), self.cell) for column in range(self.left, last))
        return [(" " * self.label, ""), (text, "dim")]

    def line(self, row: int, width: int) -> Line:
        """One row of numbers; dots for those that have not arrived."""
        if row >= self.shape[0]:
            return []
        line: Line = [(pad_left(str(row), self.label), "dim")]
        for column in range(self.left, min(self.shape[1], self.left + self.across(width))):
            number, old = self.number(row, column)
            text = "···" if number is None else fit(number, self.dtype, self.cell - 2)
            chosen = (row, column) == (self.row, self.column)
            room = self.cell - 1 if chosen else self.cell
            if chosen:
                line.append((" ", ""))
            style = "dim" if old or number is None else ""
            line.append((pad_left(text, room), "cursor" if chosen else style))
        return line
