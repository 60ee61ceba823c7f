"""The list of breakpoints, and of what can be typed, as lines of text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backprop_tui.debugger.breakpoints import COSTS, FORMS, Breakpoint

ON, OFF = "●", "○"
_WIDTH = 30
"""Columns of what can be typed."""


def stop_lines(stops: Sequence[Breakpoint]) -> list[str]:
    """One line for each: whether it is on, what it is, what looking for it costs."""
    return [f"{ON if point.enabled else OFF} {_short(point):<{_WIDTH}} {point.cost}" for point in stops]


def _short(point: Breakpoint) -> str:
    """As typed, without the folders of a file."""
    if point.kind != "line":
        return point.text
    return point.text.replace(point.what[0], Path(point.what[0]).name, 1)


def form_lines() -> list[tuple[str, str]]:
    """(what to type, the line that shows it with its meaning and cost)"""
    return [(form.written, f"{form.written:<{_WIDTH}} {form.meaning} · {form.cost}") for form in FORMS]


def cost_lines() -> list[str]:
    """What the words for costs mean."""
    return [f"{cost}: {meaning}" for cost, meaning in COSTS.items()]
