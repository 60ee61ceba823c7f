"""Questions that only another run can answer: finite differences, and whether a step goes downhill.

Every answer comes from copies of a checkpoint before the present iteration, which is run again in
them with something changed. The run itself is not touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backprop_tui.debugger.failure import Refused
from backprop_tui.debugger.run import Run
from backprop_tui.debugger.side import Side, side_copy
from backprop_tui.debugger.timeline import START, observed_from
from backprop_tui.debugger.wire import Message
from backprop_tui.protocol import number

if TYPE_CHECKING:
    from backprop_tui.explain.chain import Chain
    from backprop_tui.explain.layered import Layered

EPSILON = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
TIMES = (0.1, 0.5, 1.0, 2.0, 10.0, 100.0)
"""How many times the step that was taken."""


@dataclass(frozen=True)
class Difference:
    """A numeric derivative of the iteration's loss by one element, beside autograd's."""

    name: str
    index: tuple[int, ...]
    iteration: int
    value: float
    """The element, w."""
    h: float
    """Half the distance between the two values that were tried, as the dtype holds them."""
    low: float
    """The loss at w − h."""
    middle: float
    """The loss at w."""
    high: float
    """The loss at w + h."""
    autograd: float
    """What the iteration's backward passes add to the element's gradient."""
    dtype: str
    passes: int = 1
    """Of how many backward passes: their losses, and their gradients, are added up."""

    @property
    def numeric(self) -> float:
        """(L(w + h) − L(w − h)) / 2h"""
        return (self.high - self.low) / (2 * self.h)

    @property
    def error(self) -> float:
        """Relative: |numeric − autograd| / max(|numeric|, |autograd|); 0 if both are 0."""
        largest = max(abs(self.numeric), abs(self.autograd))
        return abs(self.numeric - self.autograd) / largest if largest else 0.0

    @property
    def rounding(self) -> float:
        """How large the relative error may be by the rounding of the two losses alone."""
        largest = max(abs(self.numeric), abs(self.autograd))
        lost = EPSILON.get(self.dtype, EPSILON["float32"]) * max(abs(self.low), abs(self.high)) / self.h
        return lost / largest if largest else 0.0

    @property
    def kink(self) -> bool:
        """The slopes to the left and to the right differ: the loss has a kink in between, or bends much."""
        left, right = (self.middle - self.low) / self.h, (self.high - self.middle) / self.h
        return abs(left - right) > max(0.05, 4 * self.rounding) * max(abs(left), abs(right), 1e-12)

    @property
    def verdict(self) -> str:
        """The thresholds of CS231n, "Gradient checks" (cs231n.github.io/neural-networks-3)."""
        if self.error <= 1e-7:
            return "agrees: as good as it gets"
        if self.error <= 1e-4:
            return "agrees"
        if self.error <= 2 * self.rounding:
            return f"agrees as far as {self.dtype} can tell: the two losses differ by little"
        if self.kink:
            return "the loss has a kink or bends between w − h and w + h: no verdict"
        if self.error <= 1e-2:
            return "uncomfortable: the two should be closer"
        return "differs: the gradient is probably not the derivative of this loss"


@dataclass(frozen=True)
class Downhill:
    """What a step was predicted to do to the loss, and what it does: on the same batch."""

    iteration: int
    loss: float
    """Before the step."""
    slope: float
    """∇L·Δw, the first-order prediction of the change of the loss."""
    length: float
    """|Δw|"""
    lr: Any
    rows: tuple[tuple[float, float, float], ...]
    """(times the step, predicted ΔL, measured ΔL)"""
    passes: int = 1
    """How many backward passes the step follows: their losses, and their gradients, are added up."""


class Probes:
    """Asks copies of one run."""

    def __init__(self, run: Run) -> None:
        self.run = run

    async def difference(self, name: str, index: Sequence[int]) -> Difference:
        """The numeric derivative by one element. Raises Refused."""
        iteration = self._iteration()
        where = {"name": name, "index": list(index)}
        async with self._copy(iteration) as side:
            await side.ask("watch", **where)
            held = await side.ask("nudge", **where, by=0.0)
            middle, passes = await self._to_the_end(side, iteration)
            watched = await side.ask("watched", **where)
        w, dtype = number(held["before"]), held["dtype"]
        step = EPSILON.get(dtype, EPSILON["float32"]) ** (1 / 3) * max(1.0, abs(w))
        low, below = await self._nudged(iteration, where, -step)
        high, above = await self._nudged(iteration, where, step)
        return Difference(
            name, tuple(index), iteration, w, (above - below) / 2, low, middle, high,
            number(watched["gradient"]), dtype, passes,
        )  # fmt: skip

    async def _nudged(self, iteration: int, where: dict[str, Any], by: float) -> tuple[float, float]:
        async with self._copy(iteration) as side:
            await side.ask("losses")
            held = await side.ask("nudge", **where, by=by)
            loss, _ = await self._to_the_end(side, iteration)
            return loss, number(held["after"])

    async def chain(self, name: str, index: Sequence[int]) -> Chain | Layered:
        """All ways from the iteration's loss to one element of a leaf; of a wide net, or one with operations
        for which there is no rule, their sums at every operation. Raises Refused."""
        from backprop_tui.explain.layered import MOST_ELEMENTS, layered

        iteration = self._iteration()
        async with self._copy(iteration) as side:
            await side.ask("trace", name=name, index=list(index))
            await self._run_through(side, iteration)
            traced = await side.ask("traced")
        if not traced["passes"] and not traced["trouble"]:
            raise Refused(f"no gradient came to {name} in this iteration's backward pass")
        if traced["widest"] <= MOST_ELEMENTS:
            try:
                return await self._paths(iteration, name, index)
            except Refused:
                if traced["trouble"]:
                    raise
        if traced["trouble"]:
            raise Refused(traced["trouble"])
        return layered(name, tuple(index), traced["passes"])

    async def _paths(self, iteration: int, name: str, index: Sequence[int]) -> Chain:
        async with self._copy(iteration) as side:
            await side.ask("testify")
            await side.go(position=[iteration + 1, 1], observe=[[0, None]], record=True, explain=True)
            records = side.records
        return await asyncio.to_thread(_chain, records, name, tuple(index))

    async def downhill(self) -> Downhill:
        """What the step of the present iteration was to do, and what it does. Raises Refused."""
        iteration = self._iteration()
        path = os.path.join(self.run.processes.hub.folder, "step.pt")
        async with self._copy(iteration) as side:
            await side.ask("keep")
            loss, passes = await self._to_the_end(side, iteration)
            moved = await side.ask("moved", path=path)
            toggles = await side.ask("toggles")
        slope = number(moved["slope"])
        rows = []
        for times in TIMES:
            async with self._copy(iteration) as side:
                await side.ask("losses")
                await side.ask("move", path=path, times=times)
                there, _ = await self._to_the_end(side, iteration)
                rows.append((times, times * slope, there - loss))
        return Downhill(iteration, loss, slope, number(moved["length"]), toggles["lr"], tuple(rows), passes)

    # copies
    def _iteration(self) -> int:
        stop = self.run.stop
        if stop is None or stop.iteration < 1:
            raise Refused("the training loop has not begun yet")
        return stop.iteration

    @contextlib.asynccontextmanager
    async def _copy(self, iteration: int) -> AsyncIterator[Side]:
        """A copy that stands before the first operation of an iteration."""
        run = self.run
        begin = run.history.starts.of(iteration) if iteration > 1 else START
        go = {"position": [iteration, 1], "observe": [[observed_from(iteration), None]]}
        async with side_copy(run, run.processes.nearest(begin), go) as side:
            yield side

    async def _to_the_end(self, side: Side, iteration: int) -> tuple[float, int]:
        """Run the iteration in a copy that adds up its losses: their sum, and of how many passes it is."""
        await self._run_through(side, iteration)
        told = await side.ask("loss")
        if told["trouble"] or not told["passes"]:
            raise Refused(told["trouble"] or f"no backward pass was called in iteration {iteration}")
        return number(told["loss"]), told["passes"]

    async def _run_through(self, side: Side, iteration: int) -> None:
        """Run the iteration in a copy."""
        await side.go(position=[iteration + 1, 1], observe=[[0, None]])


def _chain(records: Sequence[Message], name: str, index: tuple[int, ...]) -> Chain:
    from backprop_tui.explain.chain import Broken, chain, nodes_of
    from backprop_tui.explain.evidence import Omitted, decode

    try:
        found = [(message["record"], decode(_evidence(message))) for message in records]
        return chain(nodes_of(found), name, index)
    except (Broken, Omitted) as reason:
        raise Refused(str(reason)) from None


def _evidence(message: Message) -> Message:
    """What an operation read and made. Raises Broken where that is not known: of functions of the script's
    own, and of what activation checkpointing keeps."""
    from backprop_tui.explain.chain import Broken

    evidence: Message | None = message["evidence"]
    if evidence is None or "trouble" in evidence:
        why = evidence["trouble"] if evidence else "what it computes with is not known"
        raise Broken(f"{message['record']['name']} cannot be written out: {why}")
    return evidence
