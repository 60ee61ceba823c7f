"""What happened in some iterations, found out by running them again in a copy of the script."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

from backprop_tui.debugger.failure import Refused
from backprop_tui.debugger.run import Run
from backprop_tui.debugger.side import Side, side_copy, until
from backprop_tui.debugger.timeline import START
from backprop_tui.protocol import Record

MOST_ITERATIONS = 100_000


async def operations_of(run: Run, first: int, last: int) -> list[Record]:
    """The operations of some iterations, both ends included. Raises Refused."""
    async with _copy(run, first, last) as side:
        await side.go(record=True, position=[last + 1, 1], observe=[[first, last]])
        return [record for record in side.operations if first <= record["iteration"] <= last]


async def element_over(
    run: Run, name: str, attribute: str, place: tuple[int, int], first: int, last: int
) -> list[tuple[int, Any]]:
    """(iteration, value) of one element after each iteration; None where there is no such tensor.

    ``place``: row and column in the tensor seen as a matrix.
    """
    row, column = place
    found: list[tuple[int, Any]] = []
    async with _copy(run, first, last) as side:
        for iteration in range(first, last + 1):
            stop = await side.go(**until(iteration + 1))
            window = await side.ask(
                "window", name=name, attr=attribute, rows=(row, row + 1), cols=(column, column + 1)
            )
            values = window["values"]
            found.append((iteration, None if values is None else values[0][0]))
            if stop["reason"] != "goto":
                break
    return found


def _copy(run: Run, first: int, last: int) -> AbstractAsyncContextManager[Side]:
    """A copy before the first operation of an iteration that has been."""
    reached = run.stop.iteration if run.stop is not None else 0
    if not 1 <= first <= last <= reached:
        raise Refused(f"iterations are counted from 1 to {reached}, as in 1..{max(reached, 1)}")
    if last - first >= MOST_ITERATIONS:
        raise Refused(f"at most {MOST_ITERATIONS:,} iterations at a time")
    begin = run.history.starts.of(first) if first > 1 else START
    return side_copy(run, run.processes.nearest(begin), until(first))


def read_stretch(text: str) -> tuple[int, int]:
    """``3..7`` or ``3``. Raises Refused."""
    begin, _, end = text.replace("…", "..").replace("-", "..").partition("..")
    try:
        return int(begin), int(end or begin)
    except ValueError:
        raise Refused(f"“{text}” are no iterations: write them as 3..7") from None
