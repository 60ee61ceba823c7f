"""A table of weights as shades: how large by the block, which sign by the glyph."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from backprop_tui.explain.numbers import flat, real_values, significant
from backprop_tui.panes.drawing.canvas import Line, cut, fitted, pad_left
from backprop_tui.protocol import TensorInfo

SHADES = "░▒▓█"
LEGEND = "░▒▓█ share of the largest · + − sign · 0 exactly zero · ! not finite"


@dataclass(frozen=True)
class Patch:
    """A window of a tensor seen as 2-D (leading dimensions flattened to rows)."""

    values: list[list[Any]]
    shape: tuple[int, int]
    """Rows and columns of the whole."""
    row: int = 0
    column: int = 0
    """Where the window begins."""


def patch_of(info: TensorInfo) -> Patch | None:
    """The whole of a small tensor; None if its values are not known."""
    values, shape = real_values(info), info.get("shape", [])
    if values is None:
        return None
    across = shape[-1] if shape else 1
    numbers = flat(values)
    rows = [numbers[start : start + across] for start in range(0, len(numbers), max(1, across))]
    return Patch(rows, (len(rows), across))


def heat_lines(patch: Patch, title: str, width: int, most_rows: int) -> list[Line]:
    """One pair of cells per number (sign, shade), under a line that says the scale and what is not shown."""
    label = len(str(patch.row + len(patch.values))) + 1
    across = max(1, (width - label - 1) // 2)
    shown = [row[:across] for row in patch.values[:most_rows]]
    sizes = [abs(float(number)) for row in shown for number in row]
    largest = max((size for size in sizes if math.isfinite(size)), default=0.0)
    lines = [_title(patch, title, largest, shown, width)]
    for number, row in enumerate(shown):
        cells = [_cell(float(value), largest) for value in row]
        lines.append(fitted([(pad_left(str(patch.row + number), label) + " ", "dim"), *cells], width))
    return lines


def _title(patch: Patch, title: str, largest: float, shown: list[list[Any]], width: int) -> Line:
    across = len(shown[0]) if shown else 0
    text = f"  █ = {significant(largest, 'float64', 3)}"
    if (len(shown), across) != patch.shape:
        last_row, last_column = patch.row + len(shown) - 1, patch.column + across - 1
        rows = f"rows {patch.row}–{last_row} of {patch.shape[0]}"
        text += f" · {rows}, columns {patch.column}–{last_column} of {patch.shape[1]}"
    return fitted([(cut(title, max(8, width // 2)), "name"), (text, "dim")], width)


def _cell(number: float, largest: float) -> tuple[str, str]:
    if not math.isfinite(number):
        return "!!", "warn"
    if number == 0:
        return " 0", "dim"
    shade = SHADES[min(len(SHADES) - 1, int(abs(number) / largest * len(SHADES)))]
    return ("+" + shade, "positive") if number > 0 else ("−" + shade, "negative")
