"""Where two futures part: the first number that differs, found with copies of both.

Gradients, buffers and parameters are compared bit for bit at the ends of iterations, by their digests:
first at those that the race stopped at anyway, then by halves between them. Losses are compared one by
one. Learning rates are not: a rate that was changed is no result.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from backprop_tui.debugger.side import Side, until
from backprop_tui.protocol import LossPoint

Starter = Callable[[int], AbstractAsyncContextManager[Side]]
"""Given the number of a future: a copy at the cursor in which its changes have been made."""


@dataclass(frozen=True)
class Parting:
    """The first number in which a future differs from what happens as it is."""

    iteration: int
    name: str
    """Of the tensor; ``loss``, or ``loss at train.py:16`` where several places call backward."""
    part: str
    """loss, grad, value or buffer"""
    index: tuple[int, ...] | None
    """None: a number, or the tensors differ as wholes."""
    mine: Any
    """In this future: a number, nan, inf and -inf as words; a word if the tensor differs as a whole."""
    other: Any
    """As it is."""
    dtype: str


@dataclass
class Marks:
    """What one future was like at the ends of iterations, counted from the cursor."""

    fingerprints: dict[int, str] = field(default_factory=dict)
    losses: Sequence[LossPoint] = ()


def first_other_loss(mine: Sequence[LossPoint], other: Sequence[LossPoint]) -> tuple[LossPoint, Any] | None:
    """The first loss that differs from the one in its place, and that one's value (None: there is none)."""
    for number, point in enumerate(mine):
        twin = other[number] if number < len(other) else None
        if twin is None or (point["iteration"], point["site"], point["value"]) != (
            twin["iteration"], twin["site"], twin["value"],
        ):  # fmt: skip
            return point, None if twin is None else twin["value"]
    return None


class Search:
    """Compares one future after another with the one in which nothing is changed, number 0."""

    def __init__(self, start: Starter, first: int, folder: str | os.PathLike[str]) -> None:
        """``first``: the iteration of the cursor. ``folder``: where to keep states for a while."""
        self.start = start
        self.first = first
        self.folder = folder
        self._kept: dict[int, str] = {}
        """By count of iterations: the file with the state as it is."""
        self._keeping = asyncio.Lock()

    async def parting(self, number: int, mine: Marks, other: Marks) -> Parting | None:
        """Where a future parts from number 0, None if it does not. Raises Refused."""
        loss = first_other_loss(mine.losses, other.losses)
        both = sorted(mine.fingerprints.keys() & other.fingerprints.keys())
        parted = [end for end in both if mine.fingerprints[end] != other.fingerprints[end]]
        ends = parted[:1] + ([loss[0]["iteration"] - self.first + 1] if loss is not None else [])
        if not ends:
            return None
        last = min(ends)
        same = max((end for end in both if end < last and end not in parted), default=0)
        end = await self._narrow(number, same, last, mine, other)
        if loss is not None and loss[0]["iteration"] == self.first + end - 1:
            return _of_loss(*loss, mine.losses)
        return await self._of_state(number, end)

    async def _narrow(self, number: int, same: int, parted: int, mine: Marks, other: Marks) -> int:
        """The first end at which the two differ, given one before at which they do not."""
        while parted - same > 1:
            middle = (same + parted) // 2
            for who, marks in ((0, other), (number, mine)):
                if middle not in marks.fingerprints:
                    async with self._at(who, middle) as side:
                        marks.fingerprints[middle] = await side.ask("fingerprint")
            if mine.fingerprints[middle] == other.fingerprints[middle]:
                same = middle
            else:
                parted = middle
        return parted

    async def _of_state(self, number: int, end: int) -> Parting | None:
        path = await self._as_it_is(end)
        async with self._at(number, end) as side:
            found = await side.ask("first_difference", path=path)
        if found is None:
            return None
        index = None if found["index"] is None else tuple(found["index"])
        return Parting(
            self.first + end - 1, found["name"], found["part"], index,
            found["mine"], found["other"], found["dtype"],
        )  # fmt: skip

    async def _as_it_is(self, end: int) -> str:
        """A file with the state of number 0: several futures may part from it in the same iteration."""
        async with self._keeping:
            if end not in self._kept:
                path = os.path.join(self.folder, f"state-{id(self)}-{end}.pt")
                async with self._at(0, end) as side:
                    await side.ask("keep_state", path=path)
                self._kept[end] = path
        return self._kept[end]

    @contextlib.asynccontextmanager
    async def _at(self, number: int, end: int) -> AsyncIterator[Side]:
        async with self.start(number) as side:
            await side.go(**until(self.first + end))
            yield side

    def forget(self) -> None:
        """Remove what was kept."""
        while self._kept:
            os.unlink(self._kept.popitem()[1])


def _of_loss(point: LossPoint, other: Any, losses: Sequence[LossPoint]) -> Parting:
    several = len({loss["site"] for loss in losses}) > 1
    name = f"loss at {point['site']}" if several else "loss"
    return Parting(point["iteration"], name, "loss", None, point["value"], other, "float64")
