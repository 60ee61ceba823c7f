"""The changes that were made, with their times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from backprop_tui.debugger.view import Change
from backprop_tui.protocol import Time


@dataclass(frozen=True)
class Entry:
    """One change, made at a stop."""

    kind: str
    value: Any
    chip: str
    time: Time
    iteration: int
    number: int
    """Of the first operation, in its iteration, that begins after it."""

    def message(self) -> dict[str, Any]:
        """As a replay wants it."""
        return {"kind": self.kind, "value": self.value, "time": list(self.time)}


class ChangeLog:
    """In the order of their times; going back before a change undoes it."""

    def __init__(self, first: tuple[tuple[str, Any], ...] = ()) -> None:
        """``first``: (kind, value) of changes in force from the beginning, which nothing undoes."""
        self._first = [Entry(kind, value, chip_of(kind, value), (0, 0), 0, 0) for kind, value in first]
        self.entries: list[Entry] = []

    def add(self, kind: str, value: Any, chip: str, time: Time, place: tuple[int, int]) -> None:
        """A change was made; ``place``: iteration and number of the operation that comes next."""
        self.entries.append(Entry(kind, value, chip, time, *place))

    def after(self, count: int) -> list[Entry]:
        """The changes that a state which has taken in ``count`` of them lacks."""
        return self.entries[count:]

    def cut(self, stays: Callable[[Entry], bool]) -> list[Entry]:
        """Undo the changes that do not stay; returns them."""
        undone = [entry for entry in self.entries if not stays(entry)]
        self.entries = [entry for entry in self.entries if stays(entry)]
        return undone

    def told(self) -> str:
        """What is in force, in words; empty if nothing is."""
        return ", ".join(change.chip for change in self.chips())

    def chips(self) -> tuple[Change, ...]:
        """What is in force, for the title line: of each kind the last, unless it is as the script has it."""
        last: dict[str, Entry] = {}
        for entry in self._first + self.entries:
            key = entry.kind if entry.kind != "set" else entry.chip
            last.pop(key, None)
            last[key] = entry
        return tuple(
            Change(entry.kind, entry.chip, entry.time, entry.value) for entry in last.values() if entry.chip
        )


def chip_of(kind: str, value: Any) -> str:
    """A change in a few words; nothing if it leaves all as the script has it."""
    if kind == "loss":
        return " ".join(["loss", *(word for word in (value["name"], value["reduction"]) if word)])
    if kind == "set":
        part = ".grad" if value.get("attr") == "grad" else ""
        where = f"[{','.join(map(str, value['index']))}]" if value["index"] else ""
        return f"{value['name']}{part}{where} = {value['to']}"
    if kind == "backward_gradient":
        return "backward(gradient=loss)" if value else ""
    if kind == "optimizer":
        return str(value)
    return "" if value == "on" else f"{kind} {value}"
