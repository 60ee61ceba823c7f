"""Runs to the next hit of a breakpoint, and finds the last one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from backprop_tui.debugger.breakpoints import RECORDED, Breakpoint
from backprop_tui.debugger.noticing import Noticing
from backprop_tui.debugger.processes import Checkpoint
from backprop_tui.debugger.run import EVERYTHING, NEVER, Run, Target, goal_of
from backprop_tui.debugger.scout import Scout
from backprop_tui.debugger.timeline import START, observed_from
from backprop_tui.debugger.view import Stop
from backprop_tui.debugger.wire import Message
from backprop_tui.protocol import Time

Observe = list[list[int | None]]


@dataclass(frozen=True)
class Hit:
    """A breakpoint was met."""

    point: Breakpoint
    text: str
    """What was found, in a few words."""
    time: Time
    """Where to stand."""
    exact: bool = True
    """False: at the operation before which the breakpoint, met for the `ordinal`-th time from then on, would
    stop."""
    ordinal: int = 1

    @property
    def sentence(self) -> str:
        """For the message line."""
        if self.point.kind == "line":
            return ""
        return f"{self.point.text}: {self.text}" if self.text else self.point.text

    def target(self, run: Run) -> Target:
        """Where that is."""
        # A scheduler's step comes after a landmark and still belongs to the iteration before it.
        iteration = run.history.starts.of_landmark(max(self.time[0] - 1, 0))
        breaks = () if self.exact else (self.point.wire(0, self.ordinal),)
        return Target(iteration, time=self.time, breaks=breaks)


def hits_of(message: Sequence[Message], points: Sequence[Breakpoint]) -> list[Hit]:
    """What the debuggee says it has met, in the order in which it did."""
    return [
        Hit(
            points[hit["id"]],
            hit["text"],
            tuple(hit["time"] or hit["since"]),
            hit["time"] is not None,
            hit["ordinal"],
        )
        for hit in message
    ]


def observed(points: Sequence[Breakpoint]) -> Observe:
    """The iterations that must be observed to meet any of these."""
    if any(point.observed for point in points):
        return [*EVERYTHING]
    begins = [int(point.threshold) for point in points if point.kind == "iteration"]
    return [[number - 1, number] for number in begins]


class Stopping:
    """The breakpoints of one continue, forwards or backwards."""

    def __init__(self, run: Run, points: Sequence[Breakpoint]) -> None:
        self.run = run
        self.points = list(points)
        self._wire = [
            point.wire(number) for number, point in enumerate(self.points) if point.kind != "notice"
        ]
        self._noticing = Noticing([point for point in self.points if point.cost == RECORDED])
        self.running = False
        """On the way forwards: nothing has been met."""

    # forwards
    async def forwards(self) -> tuple[Stop, Hit | None]:
        """Run until one is met, the script ends or is paused. Answers what was met."""
        run = self.run
        start = run.cursor()
        if self._noticing.points:
            await self._know_the_iteration_before()
        message = {"breaks": self._wire, "observe": observed(self.points), "record": False}
        if run.stop is not None and run.stop.next is not None:
            message["after"] = list(start)
        self.running = True
        if self._noticing.points:
            stop, noticed = await self._go_noticing(message, start)
        else:
            stop, noticed = await run.go(message), None
        self.running = False
        hits = hits_of(run.hits, self.points) if stop.reason == "breakpoint" else []
        hits += [noticed] if noticed is not None else []
        if not hits:
            return stop, None
        hit = min(hits, key=lambda hit: hit.time)
        return await self._stand_at(hit, stop), hit

    async def _stand_at(self, hit: Hit, stop: Stop) -> Stop:
        """Go back to the very place, observing from the iteration before: then it is known what was."""
        run = self.run
        if hit.exact and hit.time == stop.time and stop.next is not None and not run.close_behind(stop):
            return stop
        there = await run.go_back(hit.target(run), undo=False)
        return replace(there, reason="breakpoint") if there.next is not None else there

    async def _know_the_iteration_before(self) -> None:
        """A notice is about an iteration and the one before."""
        run = self.run
        assert run.stop is not None
        before = run.history.starts.of(max(run.stop.iteration - 1, 0))
        if run.trail.since > before:
            await run.look_further_back()

    async def _go_noticing(self, message: Message, start: Time) -> tuple[Stop, Hit | None]:
        run, noticing = self.run, self._noticing
        assert run.stop is not None
        known = [*run.trail.recent(run.stop.iteration)]
        noticing.begin(known, run.trail.recent_warnings(run.stop.iteration), start)
        noticing.on_hit = run.processes.signal_live
        run.on_records = noticing.take
        try:
            stop = await run.go({**message, "record": True})
        finally:
            run.on_records = lambda records, warnings: None
        if noticing.hit() is None:
            noticing.end()
        found = noticing.hit()
        if found is None:
            return stop, None
        return stop, Hit(found.point, found.notice.text, found.notice.time)

    # backwards
    async def backwards(self, scout: Scout) -> Hit | None:
        """The last hit before the cursor; with a count the n-th before it."""
        stop = self.run.stop
        assert stop is not None
        met: dict[int, list[Hit]] = {number: [] for number in range(len(self.points))}
        for base, goal in stretches(self.run, stop) if self.points else ():
            assert goal.time is not None
            for hit in await self._between(scout, base, goal, goal.time):
                known = met[self.points.index(hit.point)]
                if hit not in known:
                    known.append(hit)
            found = await self._latest(scout, met)
            if found is not None:
                return found
        return None

    async def _between(self, scout: Scout, base: Checkpoint, goal: Target, limit: Time) -> list[Hit]:
        """Everything that is met from a checkpoint up to a goal, the latest first."""
        hits: list[Hit] = []
        if self._wire:
            observe = [*observed(self.points), *near(self.run, goal)]
            go = {**goal.condition(), "breaks": self._wire, "collect": True, "observe": observe}
            hits = hits_of((await scout.send(base, go))["hits"], self.points)
        if self._noticing.points:
            hits += await self._noticed_between(scout, base, limit)
        return [hit for hit in reversed(hits) if hit.time < limit]

    async def _noticed_between(self, scout: Scout, base: Checkpoint, limit: Time) -> list[Hit]:
        """The notices of that stretch: its first iteration is run with the one before, its last whole."""
        starts, noticing = self.run.history.starts, self._noticing
        first = max(starts.of_landmark(max(base.time[0] - 1, 0)) - 1, 0)
        last = starts.of_landmark(limit[0])
        noticing.begin([], [], just_before(base.time))
        go = {"position": [last + 1, 1], "record": True, "observe": [[first, None]]}
        earlier = self.run.processes.nearest(starts.of(first))
        await scout.send(earlier, go, noticing.take)
        noticing.end()
        return [Hit(found.point, found.notice.text, found.notice.time) for found in noticing.found]

    async def _latest(self, scout: Scout, met: dict[int, list[Hit]]) -> Hit | None:
        """Of the breakpoints that were met often enough, the latest; where it is not known at which
        operation of its landmark, that is found out."""
        enough = [hits[point.count - 1] for point, hits in self._counted(met) if len(hits) >= point.count]
        exact = [hit if hit.exact else await self._exactly(scout, hit) for hit in enough]
        return max(exact, key=lambda hit: hit.time, default=None)

    def _counted(self, met: dict[int, list[Hit]]) -> list[tuple[Breakpoint, list[Hit]]]:
        return [(self.points[number], hits) for number, hits in met.items()]

    async def _exactly(self, scout: Scout, hit: Hit) -> Hit:
        """The operation before which a hit is met that was met at full speed."""
        starts = self.run.history.starts
        first = observed_from(starts.of_landmark(max(hit.time[0] - 1, 0)))
        base = self.run.processes.nearest(starts.of(first))
        # Recorded, for then every operation is looked at and none is counted as one of many.
        go = {**hit.target(self.run).condition(), "observe": [[first, None]], "record": True}
        stop = await scout.send(base, go)
        landmark, operation = stop["time"]
        return replace(hit, time=(landmark, operation), exact=True)


def stretches(run: Run, stop: Stop) -> Iterator[tuple[Checkpoint, Target]]:
    """The past of a stop from one checkpoint to the next, the latest stretch first."""
    goal = goal_of(stop)
    before = stop.time if stop.over else just_before(stop.time)
    while before >= START:
        base = run.processes.nearest(before)
        yield base, goal
        # A copy that stands before an operation does not see it begin: the stretch before it does.
        goal = Target(0, time=(base.time[0], base.time[1] + 1))
        before = just_before(base.time)


def just_before(time: Time) -> Time:
    """The last time that is earlier; before the start if there is none."""
    landmark, operation = time
    return (landmark, operation - 1) if operation else (landmark - 1, NEVER[0])


def near(run: Run, goal: Target) -> Observe:
    """The iterations that must be observed to stop at a goal; nothing has to be to meet the end."""
    if goal.time is None or goal.time == NEVER:
        return []
    return [[max(run.history.starts.of_landmark(max(goal.time[0] - 1, 0)) - 1, 0), None]]
