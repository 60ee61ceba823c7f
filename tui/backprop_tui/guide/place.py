"""Finds the operation of a `Place` among those of a run."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from backprop_tui.debugger.timeline import time_of
from backprop_tui.guide.lesson import Place
from backprop_tui.protocol import Record


def matches(place: Place, record: Record) -> bool:
    """Whether an operation is one of those that a place describes."""
    if record["iteration"] != place.iteration:
        return False
    wanted = (
        (place.kind, record["kind"]),
        (place.name, record["name"]),
        (place.module, record.get("module")),
        (place.tensor, record.get("tensor") or record.get("parameter")),
    )
    if any(want is not None and want != found for want, found in wanted):
        return False
    return place.line is None or place.line in line_text(record.get("file"), record.get("line"))


def found_in(place: Place, records: Iterable[Record]) -> Record | None:
    """The operation among those of an iteration, all of them in any order; None if it is not there."""
    fitting = sorted((record for record in records if matches(place, record)), key=time_of)
    return fitting[place.nth - 1] if len(fitting) >= place.nth else None


def line_text(file: str | None, number: int | None) -> str:
    """A line of the script; nothing if it cannot be read."""
    lines = _lines(file) if file is not None and number else ()
    return lines[number - 1] if number and number <= len(lines) else ""


@lru_cache(maxsize=32)
def _lines(file: str) -> tuple[str, ...]:
    try:
        return tuple(Path(file).read_text(encoding="utf-8", errors="replace").splitlines())
    except OSError:
        return ()


def described(place: Place) -> str:
    """A place in words: ``after update of model.weight in iteration 2``."""
    if place.when in ("start", "end"):
        return {"start": "the start", "end": "the end of the script"}[place.when]
    what = " ".join(word for word in (place.kind, place.name) if word) or "operation"
    of = f" of {place.tensor}" if place.tensor else ""
    inside = f" in {place.module}" if place.module else ""
    line = f" at “{place.line}”" if place.line else ""
    nth = f" number {place.nth}" if place.nth > 1 else ""
    return f"{place.when} {what}{of}{inside}{line}{nth} in iteration {place.iteration}"
