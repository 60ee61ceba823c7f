"""The numbers in the neuron picture that can be chosen: weights, their gradients and biases."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from backprop_tui.debugger.view import View
from backprop_tui.panes.drawing.canvas import Line

Cell = tuple[int, int]

OPENS, CLOSES = "▸", "◂"
"""They stand around the chosen number, where a label has a free cell on each side."""


@dataclass(frozen=True)
class Element:
    """One number of a parameter."""

    name: str
    place: int
    """Which element, counted in row order."""
    attribute: str = "value"
    """value or grad"""


@dataclass(frozen=True)
class Spot:
    """Where an element stands in the picture."""

    element: Element
    column: int
    """Weights of layer n are in column 2n, its biases in 2n + 1."""
    x: int
    y: int
    text: str
    way: frozenset[Cell] = frozenset()
    """The cells of its line."""

    def near(self, x: int, y: int) -> bool:
        """Whether a cell is on the label or right beside it."""
        return y == self.y and self.x - 1 <= x <= self.x + len(self.text)


@dataclass(frozen=True)
class Drawing:
    """A picture and what can be chosen in it."""

    lines: list[Line]
    spots: tuple[Spot, ...]

    def shown(self, element: Element | None) -> Spot | None:
        """Where an element stands; the weight itself for a gradient that there is not (now)."""
        return shown(self.spots, element)

    def hit(self, x: int, y: int) -> Element | None:
        """What a click on a cell means: the label there, else the line with the nearest label."""
        for spot in self.spots:
            if spot.near(x, y):
                return spot.element
        crossing = [spot for spot in _values(self.spots) if (x, y) in spot.way]
        return min(crossing, key=lambda spot: _distance(spot, x, y)).element if crossing else None

    def moved(self, element: Element | None, down: int, right: int) -> Element | None:
        """The number below or above in its column, or the nearest in the next column; the first to begin."""
        current = shown(self.spots, element and replace(element, attribute="value"))
        spots = sorted(_values(self.spots), key=lambda spot: (spot.column, spot.y, spot.x))
        if current is None or element is None:
            return spots[0].element if spots else None
        found = _beside(spots, current, right) if right else _below(spots, current, down)
        wanted = shown(self.spots, replace(found.element, attribute=element.attribute))
        return wanted.element if wanted is not None else found.element

    def turned(self, element: Element) -> Element:
        """From a weight to its gradient, if there is one, and back."""
        other = replace(element, attribute="grad" if element.attribute == "value" else "value")
        spot = shown(self.spots, other)
        return element if spot is None else spot.element


def pointed_element(view: View) -> Element | None:
    """The element that the guide of a lesson points at."""
    pointer = view.pointer
    if pointer is None or pointer.index is None:
        return None
    rows = (row["value"].get("shape", []) for row in view.parameters if row.get("name") == pointer.name)
    shape = next(rows, None)
    if shape is None or len(shape) != len(pointer.index):
        return None
    place = 0
    for size, number in zip(shape, pointer.index, strict=True):
        place = place * size + number
    return Element(pointer.name, place, pointer.attribute)


def shown(spots: Iterable[Spot], element: Element | None) -> Spot | None:
    """See `Drawing.shown`."""
    if element is None:
        return None
    own = [spot for spot in spots if (spot.element.name, spot.element.place) == (element.name, element.place)]
    exact = [spot for spot in own if spot.element.attribute == element.attribute]
    return next(iter([*exact, *own]), None)


def _values(spots: Iterable[Spot]) -> list[Spot]:
    return [spot for spot in spots if spot.element.attribute == "value"]


def _distance(spot: Spot, x: int, y: int) -> int:
    """A cell is about twice as high as it is wide."""
    return abs(spot.x + len(spot.text) // 2 - x) + 2 * abs(spot.y - y)


def _below(spots: list[Spot], current: Spot, down: int) -> Spot:
    column = [spot for spot in spots if spot.column == current.column]
    return column[max(0, min(len(column) - 1, column.index(current) + down))]


def _beside(spots: list[Spot], current: Spot, right: int) -> Spot:
    columns = sorted({spot.column for spot in spots})
    at = columns[max(0, min(len(columns) - 1, columns.index(current.column) + right))]
    if at == current.column:
        return current
    return min((spot for spot in spots if spot.column == at), key=lambda spot: abs(spot.y - current.y))
