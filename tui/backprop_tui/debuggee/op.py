"""One operation, from its beginning to its end."""

from __future__ import annotations

from typing import Any

from backprop_tui.protocol import Record


class OwnFunction(tuple[Any, ...]):
    """(args, kwargs) of a function of the script's own: what it does runs inside it."""


class Op:
    """An operation that has begun. ``record`` is made when the operation is recorded or stopped at.

    Defaults are attributes of the class: one is made for every operation that is observed.
    """

    record: Record | None = None
    module: str | None = None
    file: str | None = None
    line: int | None = None
    call: Any = None
    """(args, kwargs) of a call whose ``inputs`` are something else."""
    witnessed: bool = False
    """It was to be taken down; there may be nothing to take down of its kind."""
    evidence: dict[str, Any] | None = None
    """Every number that it reads and writes, if it is to be explained."""
    leaves: Any = None
    """backward: the leaves that it reaches. step: the parameters without a gradient when it began."""
    sealed: bool = False
    """No code of the script's runs in it but what it calls by operations of their own: those that it begins
    itself are of its line."""
    sequence: int = 0
    """Sequence number of autograd's next node when the operation began."""

    def __init__(
        self,
        level: str,
        kind: str,
        name: str,
        inputs: Any,
        landmark: int,
        index: int,
        iteration: int,
        number: int,
        depth: int,
    ) -> None:
        self.level = level
        self.kind = kind
        self.name = name
        self.inputs = inputs
        """What it will read; its kind says how to describe that."""
        self.landmark = landmark
        self.index = index
        self.iteration = iteration
        self.number = number
        self.depth = depth

    @property
    def time(self) -> list[int]:
        return [self.landmark, self.index]

    def forget_description(self) -> None:
        """It has not run yet, and will read something else: describe it anew."""
        self.record = self.evidence = None
        self.witnessed = False
