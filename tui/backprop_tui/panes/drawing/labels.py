"""Labels on lines: each on its own line, none over another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from backprop_tui.panes.drawing.canvas import Line, line_dots
from backprop_tui.panes.drawing.spots import Element, Spot
from backprop_tui.panes.drawing.text import Piece, width_of

Cell = tuple[int, int]
Slot = tuple[int, int, int]
"""Left cell, row, and width of the room kept for a label."""


@dataclass(frozen=True)
class Way:
    """Where the line of a weight runs, and how much room its label needs."""

    start: Cell
    end: Cell
    """In dots."""
    room: tuple[int, int]
    """Cells to keep for the weight and for the gradient, so that nothing moves when it or a mark comes."""

    @property
    def cells(self) -> frozenset[Cell]:
        return frozenset((x // 2, y // 4) for x, y in line_dots(self.start, self.end))


@dataclass
class Edge:
    """One weight: its line and what is written on it."""

    way: Way
    weight: Piece
    gradient: Piece | None
    style: str
    element: Element | None = None
    """Which number of which parameter it is, if the parameter has a name."""
    layer: int = 0


@dataclass(frozen=True)
class Label:
    """The text of a weight or of its gradient, in its place."""

    x: int
    y: int
    line: Line
    """The text, and a blank if the other one follows."""
    edge: Edge
    attribute: str
    """value or grad"""

    @property
    def spot(self) -> Spot | None:
        """What can be chosen there."""
        edge = self.edge
        if edge.element is None:
            return None
        element = replace(edge.element, attribute=self.attribute)
        return Spot(element, 2 * edge.layer, self.x, self.y, self.line[0][0], edge.way.cells)


def place_labels(edges: Sequence[Edge], taken: frozenset[Cell]) -> tuple[list[Label], bool] | None:
    """Places for all labels, and whether the gradients have one too; None if they cannot all be placed.

    Three forms are tried: weight and gradient side by side, one above the other, the weight alone.
    """
    ways = tuple(edge.way for edge in edges)
    for form in ("beside", "above", "alone"):
        slots = _slots(ways, taken, form)
        if slots is not None:
            pairs = zip(edges, slots, strict=True)
            return [label for edge, slot in pairs for label in _label(edge, slot, form)], form != "alone"
    return None


def _label(edge: Edge, slot: Slot, form: str) -> list[Label]:
    x, y, width = slot
    gradient = edge.gradient if form != "alone" else None
    if gradient is None or form == "above":
        rows = [(edge.weight, "value"), *([(gradient, "grad")] if gradient else [])]
        return [
            Label(x + (width - width_of([piece])) // 2, y + number, [piece], edge, attribute)
            for number, (piece, attribute) in enumerate(rows)
        ]
    line: Line = [edge.weight, (" ", "")]
    left = x + (width - width_of([*line, gradient])) // 2
    return [
        Label(left, y, line, edge, "value"),
        Label(left + width_of(line), y, [gradient], edge, "grad"),
    ]


def _size(way: Way, form: str) -> tuple[int, int]:
    weight, gradient = way.room
    return {"beside": (weight + 1 + gradient, 1), "above": (max(way.room), 2), "alone": (weight, 1)}[form]


# A step changes numbers, not places: the search is done once for a network at a size.
@lru_cache(maxsize=256)
def _slots(ways: tuple[Way, ...], taken: frozenset[Cell], form: str) -> list[Slot] | None:
    used = set(taken)
    cells = [way.cells for way in ways]
    slots: list[Slot] = []
    for number, way in enumerate(ways):
        others = cells[:number] + cells[number + 1 :]
        width, height = _size(way, form)
        place = _best_place(way, (width, height), others, used)
        if place is None:
            return None
        x, y = place
        used |= {(x + dx, y + dy) for dx in range(-1, width + 1) for dy in range(height)}
        slots.append((x, y, width))
    return slots


def _best_place(
    way: Way, size: tuple[int, int], others: list[frozenset[Cell]], used: set[Cell]
) -> Cell | None:
    """Top left cell of a free place, over as few other lines as possible, near a third of its line."""
    width, height = size
    best: tuple[float, Cell] | None = None
    for step in range(8, 57):
        along = step / 64
        x = round((way.start[0] + (way.end[0] - way.start[0]) * along) / 2 - width / 2)
        y = round((way.start[1] + (way.end[1] - way.start[1]) * along - 2) / 4)
        box = {(x + dx, y + dy) for dx in range(width) for dy in range(height)}
        if not box.isdisjoint(used):
            continue
        cost = sum(not box.isdisjoint(other) for other in others) + 2 * abs(along - 0.36)
        if best is None or cost < best[0]:
            best = (cost, (x, y))
    return best[1] if best else None
