"""Which panes are on the screen at which size."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Arrangement = Literal["tiny", "compact", "normal", "wide"]

SMALLEST = (60, 16)
NORMAL = (100, 30)
WIDE = (170, 44)


@dataclass(frozen=True)
class PaneSpec:
    """A pane's name, number key and title."""

    name: str
    number: int
    title: str
    short: str


PANES = (
    PaneSpec("program", 1, "program", "program"),
    PaneSpec("network", 2, "network", "network"),
    PaneSpec("parameters", 3, "parameters", "parameters"),
    PaneSpec("operation", 4, "this operation", "operation"),
    PaneSpec("loss", 5, "loss", "loss"),
    PaneSpec("rate", 6, "learning rate", "rate"),
    PaneSpec("output", 7, "output", "output"),
    PaneSpec("guide", 0, "guide", "guide"),
)

CURVES = ("loss", "rate")
ALONE = ("network", "program")
"""What a compact screen may show above a guide alone: the picture of a network needs the whole width, and
then the program takes its place."""


def spec(name: str) -> PaneSpec:
    """The pane of this name."""
    return next(pane for pane in PANES if pane.name == name)


def arrangement(width: int, height: int) -> Arrangement:
    """The arrangement for a terminal of so many columns and rows."""
    for name, (columns, rows) in (("wide", WIDE), ("normal", NORMAL), ("compact", SMALLEST)):
        if width >= columns and height >= rows:
            return name  # type: ignore[return-value]
    return "tiny"


def always(guided: bool) -> tuple[str, str]:
    """The panes of every arrangement; the compact one adds a third. A guide needs the room of one."""
    return ("program", "guide") if guided else ("program", "operation")


def visible(how: Arrangement, third: str, maximised: str | None, guided: bool = False) -> frozenset[str]:
    """Names of the panes on the screen. `third` is the one that was asked for last."""
    if how == "tiny":
        return frozenset()
    if maximised:
        return frozenset({maximised})
    if how == "compact" and guided and third in ALONE:
        return frozenset({third, "guide"})
    if how == "compact":
        return frozenset({*always(guided), "parameters" if third in always(guided) else third})
    if how == "normal" and guided:
        return frozenset({"program", "operation", "parameters", "guide", *_chosen(third)})
    return frozenset(pane.name for pane in PANES if guided or pane.name != "guide")


def third_for(name: str, third: str, how: Arrangement, guided: bool = False) -> str:
    """The third pane after `name` was asked for, so that `name` is on the screen."""
    if how == "compact" and guided and name == "program" and third in ALONE:
        return "program"
    return third if how == "wide" or name in always(guided) else name


def _chosen(third: str) -> tuple[str, ...]:
    """What stands beside a guide in the place of the network, which is there by default."""
    if third in CURVES:
        return CURVES
    return (third,) if third == "output" else ("network",)


def too_small(width: int, height: int) -> str:
    """The one line of a terminal that is too small."""
    columns, rows = SMALLEST
    return f"{width}×{height} is too small: {columns}×{rows} is the least"


def strip(third: str, title: str = "", width: int = 200, guided: bool = False) -> str:
    """The panes to choose the third one from, the present one between ‹ and ›, with its title if it fits.

    In little room the others are there as their numbers.
    """
    there = ("guide",) if guided and third in ALONE else (*always(guided), "guide")
    choices = [pane for pane in PANES if pane.name not in there]
    short, text = spec(third).short, ""
    for own, named in ((title or short, True), (short, True), (short, False)):
        shown = f"‹{spec(third).number} {own}›"
        others = {pane.name: f"{pane.number} {pane.short}" if named else str(pane.number) for pane in choices}
        text = "  ".join(shown if name == third else other for name, other in others.items())
        if len(text) <= width:
            break
    return text


def named_at(text: str, column: int) -> str:
    """The pane whose number and name stand at a column of a `strip`; empty between two of them."""
    for match in re.finditer(r"‹(\d) [^‹›]+›|(\d)(?: \w+)?", text):
        if match.start() <= column < match.end():
            number = int(match[1] or match[2])
            return next(pane.name for pane in PANES if pane.number == number)
    return ""
