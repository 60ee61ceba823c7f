"""Labels on lines: each on its own line, none over another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len

from backprop_tui.panes.drawing.canvas import Line, line_dots
from backprop_tui.panes.drawing.text import Piece, width_of

Cell = tuple[int, int]

GRADIENT_ROOM = 7
"""Cells kept free for a gradient, so that the picture does not move when it arrives."""


@dataclass
class Edge:
    """One weight: a line between two points in dots, and what is written on it."""

    start: Cell
    end: Cell
    weight: Piece
    gradient: Piece | None
    style: str
    cells: frozenset[Cell] = field(init=False)

    def __post_init__(self) -> None:
        self.cells = frozenset((x // 2, y // 4) for x, y in line_dots(self.start, self.end))


@dataclass(frozen=True)
class Label:
    """What is written, and the room that is kept for it."""

    rows: list[Line]
    width: int
    height: int


def _beside(edge: Edge) -> Label:
    gradient: Line = [(" ", ""), edge.gradient] if edge.gradient else []
    kept = max(GRADIENT_ROOM, cell_len(edge.gradient[0]) if edge.gradient else 0)
    return Label([[edge.weight, *gradient]], cell_len(edge.weight[0]) + 1 + kept, 1)


def _above(edge: Edge) -> Label:
    rows: list[Line] = [[edge.weight], *([[edge.gradient]] if edge.gradient else [])]
    return Label(rows, max(GRADIENT_ROOM, *(width_of(row) for row in rows)), 2)


def _alone(edge: Edge) -> Label:
    return Label([[edge.weight]], cell_len(edge.weight[0]), 1)


Placed = list[tuple[int, int, Line]]
"""(x, y, text) of every label."""


def place_labels(edges: Sequence[Edge], taken: set[Cell]) -> tuple[Placed, bool] | None:
    """Places for all labels, and whether the gradients have one too; None if they cannot all be placed.

    Three forms are tried: weight and gradient side by side, one above the other, the weight alone.
    """
    for form in (_beside, _above, _alone):
        placed = _place_all([form(edge) for edge in edges], edges, taken)
        if placed is not None:
            return placed, form is not _alone
    return None


def _place_all(labels: list[Label], edges: Sequence[Edge], taken: set[Cell]) -> Placed | None:
    used = set(taken)
    placed: Placed = []
    for edge, label in zip(edges, labels, strict=True):
        place = _best_place(edge, label, edges, used)
        if place is None:
            return None
        x, y = place
        used |= {(x + dx, y + dy) for dx in range(-1, label.width + 1) for dy in range(label.height)}
        for number, row in enumerate(label.rows):
            placed.append((x + (label.width - width_of(row)) // 2, y + number, row))
    return placed


def _best_place(edge: Edge, label: Label, edges: Sequence[Edge], used: set[Cell]) -> Cell | None:
    """Top left cell of a free place, over as few other lines as possible, near a third of its line."""
    best: tuple[float, Cell] | None = None
    for step in range(8, 57):
        along = step / 64
        x = round((edge.start[0] + (edge.end[0] - edge.start[0]) * along) / 2 - label.width / 2)
        y = round((edge.start[1] + (edge.end[1] - edge.start[1]) * along - 2) / 4)
        box = {(x + dx, y + dy) for dx in range(label.width) for dy in range(label.height)}
        if box & used:
            continue
        cost = sum(bool(box & other.cells) for other in edges if other is not edge) + 2 * abs(along - 0.36)
        if best is None or cost < best[0]:
            best = (cost, (x, y))
    return best[1] if best else None
