"""Time: landmarks, operations, iterations."""

from __future__ import annotations

import zlib
from struct import Struct

_DOUBLE = Struct("<d")


class Clock:
    """Counts what has happened.

    A landmark is a completed outermost backward pass or optimizer step: counted always, at almost
    no cost. Operations are counted from the last landmark, only while observing.

    Iteration 0 is what the script does before it trains. An iteration ends with a step of an
    optimizer, or with a backward pass while the script has no optimizer; the next begins with the
    next operation, so that a scheduler's step still belongs to the one that ended.
    """

    __slots__ = (
        "digest", "digests", "iteration", "landmark", "number", "operation", "over", "starts", "unsure",
        "wholes",
    )  # fmt: skip

    def __init__(self) -> None:
        self.landmark = 0
        self.operation = 0
        self.iteration = 0
        self.number = 0
        self.over = False
        """The iteration has ended, the next has not begun."""
        self.wholes = 0
        """Above zero inside what is counted as a whole when it has ended."""
        self.unsure: int | None = None
        """The operation from which on their count since the landmark is not known."""
        self.digest = 0
        self.digests: list[tuple[int, int]] = []
        """(landmark, digest of everything up to it) since the last report."""
        self.starts: list[tuple[int, int]] = []
        """(iteration, landmark at which it began) since the last report."""

    def begin_iteration(self) -> None:
        """The first operation of an iteration is about to begin."""
        self.iteration += 1
        self.number = 0
        self.over = False
        self.starts.append((self.iteration, self.landmark))

    def begin_whole(self) -> tuple[int, int | None]:
        """Operations begin that are counted when they have ended. Returns what `end_whole` is to be given."""
        before = self.landmark, self.unsure
        self.wholes += 1
        if self.unsure is None:
            self.unsure = self.operation
        return before

    def end_whole(self, before: tuple[int, int | None], operations: int | None) -> None:
        """So many they were; None if it is not known how many of them ran."""
        self.wholes -= 1
        if operations is not None:
            self.operation += operations
            self.number += operations
            if self.landmark == before[0]:
                self.unsure = before[1]

    def pass_landmark(self, value: float, ends_iteration: bool) -> None:
        """A backward pass or a step completed; ``value`` is what the digest is made of."""
        if self.iteration == 0 or self.over:
            self.begin_iteration()
        self.landmark += 1
        self.operation = 0
        self.unsure = 0 if self.wholes else None
        self.digest = zlib.crc32(_DOUBLE.pack(value), self.digest)
        self.digests.append((self.landmark, self.digest))
        if ends_iteration:
            self.over = True


class Trend:
    """How often in a row each loss has risen: counted always, so that it is known in every copy."""

    __slots__ = ("_sites",)

    def __init__(self) -> None:
        self._sites: dict[str, tuple[float, int]] = {}
        """The script's line to the last loss there and how often in a row it has risen."""

    def add(self, site: str, loss: float) -> int:
        """A backward pass was made from a loss. Returns how often in a row it has risen by now."""
        last, rises = self._sites.get(site, (loss, 0))
        rises = rises + 1 if loss > last else 0
        self._sites[site] = loss, rises
        return rises
