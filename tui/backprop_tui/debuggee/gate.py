"""Where to stop next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from backprop_tui.protocol import KERNEL

if TYPE_CHECKING:
    from backprop_tui.debuggee.clock import Clock
    from backprop_tui.debuggee.conditions import Conditions
    from backprop_tui.debuggee.op import Op

_NEAR = 64
"""Operations."""
_TWO_ITERATIONS = 3
"""Landmarks: a pass and a step each, but for the last that is on its way."""
_MOST_IGNORED = 100
"""Requests to stop."""


@dataclass
class Until:
    """The conditions of one run, as the debugger sent them. Any of them stops it."""

    step: bool = False
    """Stop at the next operation that `max_depth` and `kernels` allow."""
    max_depth: int | None = None
    kernels: bool = False
    time: tuple[int, int] | None = None
    position: tuple[int, int] | None = None
    """(iteration, number)"""
    iterations: int | None = None
    """End the run after so many iterations."""
    interrupted: bool = False
    """`time` is where a request to stop had to be obeyed because no operation came."""


@dataclass
class Gate:
    """Asked before each operation whether it is the one to stop at."""

    conditions: Conditions
    until: Until = field(default_factory=Until)
    armed: bool = False
    pause: bool = False
    _limited: bool = False
    """The run ends somewhere, whatever is met."""
    _ignored: int = 0
    _begun_in: int = 0
    """The iteration."""

    def arm(self, until: Until, iteration: int = 0) -> None:
        """Start a run in an iteration. Its breakpoints are armed by now."""
        self.until = until
        self._begun_in = iteration
        self.pause = False
        self._ignored = 0
        self._limited = bool(until.step or until.time or until.position or until.iterations is not None)
        self.armed = self._limited or self.conditions.armed

    def heeds_pause(self, now: tuple[int, int]) -> bool:
        """Whether to obey a request to stop. On the way to where one was obeyed: when we are there,
        or when too many have come."""
        until = self.until
        if until.interrupted and until.time is not None:
            self._ignored += 1
            self.pause = now >= until.time or self._ignored > _MOST_IGNORED
            return self.pause
        return True

    def wants(self, op: Op) -> str | None:
        """The reason to stop before ``op``, or None."""
        if self._limited:
            reason = self._limit(op)
            if reason is not None:
                return reason
        if self.conditions.armed and self.conditions.begins(op):
            return "breakpoint"
        return "pause" if self.pause and op.level != KERNEL else None

    def _limit(self, op: Op) -> str | None:
        """The reason to stop before ``op`` that has nothing to do with what it is."""
        until = self.until
        if self.reached(op):
            return "goto"
        if until.iterations is not None and op.iteration > until.iterations:
            return "iterations"
        return "step" if until.step and self._steps_here(op) else None

    def reached(self, op: Op) -> bool:
        """Whether ``op`` is the one to go to, or already behind it."""
        until = self.until
        if until.time is not None and (op.landmark, op.index) >= until.time:
            return True
        return until.position is not None and (op.iteration, op.number) >= until.position

    def is_far(self, clock: Clock, kind: str) -> bool:
        """Whether it cannot stop at an operation of torch's own within a call of that kind (zero_grad,
        backward, step) that has just begun, unless at a node that is looked for."""
        until = self.until
        return not (
            until.step
            or self.pause
            or (until.time is not None and clock.landmark >= until.time[0])
            or (until.position is not None and clock.iteration >= until.position[0])
            or self.conditions.look_into(kind)
        )

    def approaches(self, op: Op) -> bool:
        """Whether ``op`` may be the last to complete before the one to go to."""
        until = self.until
        if until.time is not None:
            return op.landmark == until.time[0] and op.index >= until.time[1] - _NEAR
        if until.position is None:
            return False
        iteration, number = until.position
        if op.iteration == iteration - 1:  # how many operations it has is not known: its steps are whole ones
            return number <= _NEAR and op.depth == 0
        return op.iteration == iteration and op.number >= number - _NEAR

    def shows(self, op: Op) -> bool:
        """Whether ``op`` may be on the screen when the run stops, which shows two iterations: of a step
        over more than that the first two are known, of a way to a time the last two."""
        until = self.until
        if until.step:
            return op.iteration <= self._begun_in + 1
        if until.time is not None:
            return op.landmark >= until.time[0] - _TWO_ITERATIONS
        return until.position is not None and op.iteration >= until.position[0] - 1

    def _steps_here(self, op: Op) -> bool:
        if op.level == KERNEL and not self.until.kernels:
            return False
        return self.until.max_depth is None or op.depth <= self.until.max_depth


def until_from(message: dict[str, Any]) -> Until:
    """Read the conditions of a ``go`` message."""
    time, position = message.get("time"), message.get("position")
    return Until(
        step=bool(message.get("step")),
        max_depth=message.get("max_depth"),
        kernels=bool(message.get("kernels")),
        time=(time[0], time[1]) if time else None,
        position=(position[0], position[1]) if position else None,
        iterations=message.get("iterations"),
        interrupted=bool(message.get("interrupted")),
    )
