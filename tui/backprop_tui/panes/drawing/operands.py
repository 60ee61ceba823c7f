"""Where the operands of the formula that explains the last operation come from."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from backprop_tui.debugger.view import View
from backprop_tui.panes.drawing.observed import reads, time_of, used_by_last
from backprop_tui.protocol import Record, Time


def operand_times(view: View) -> frozenset[Time]:
    """Times of the operations that made the operands; where that is not known, of the last that read them.

    A parameter is read by its layer's operation. The gradient in an update is the one added up last.
    """
    last = view.stop.last if view.stop else None
    if last is None or not view.explanations:
        return frozenset()
    oldest = time_of(view.records[0]) if view.records else time_of(last)
    made = [(name, time) for item in view.explanations for name, time in item.made if time >= oldest]
    times = {time for _, time in made}
    times |= _read(view, last, used_by_last(view) - {name for name, _ in made})
    if last["kind"] == "update":
        added = (time_of(record) for record in _before(view, last) if _adds_to(record, last.get("parameter")))
        times |= set(itertools.islice(added, 1))
    return frozenset(times)


def _adds_to(record: Record, name: str | None) -> bool:
    return record["kind"] == "accumulate" and record.get("tensor") == name


def lines_of(view: View, times: frozenset[Time], file: str) -> frozenset[int]:
    """The lines of a file that ran operations; the search ends when all are found."""
    left, lines = set(times), set()
    for record in reversed(view.records):
        if not left:
            break
        if time_of(record) in left:
            left.discard(time_of(record))
            if record.get("file") == file:
                lines.add(record.get("line") or 0)
    return frozenset(lines)


def _before(view: View, last: Record) -> Iterator[Record]:
    """The operations of an iteration before one of them, the nearest first."""
    for record in reversed(view.records):
        if record["iteration"] < last["iteration"]:
            return
        if time_of(record) != time_of(last):
            yield record


def _read(view: View, last: Record, names: frozenset[str]) -> set[Time]:
    found: dict[str, Time] = {}
    for record in _before(view, last):
        if len(found) == len(names):
            break
        if record["kind"] == "op":
            found |= {name: time_of(record) for name in (reads(record) & names) - found.keys()}
    found |= {name: time_of(last) for name in (reads(last) & names) - found.keys() if last["kind"] == "op"}
    return set(found.values())
