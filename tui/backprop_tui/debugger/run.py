"""One run of the script as a timeline that can be travelled in both directions.

Knows the live process, the checkpoints, what was seen, and which changes were made when. Turns
"go to this time" into "wake that checkpoint and run it so far".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from backprop_tui.debugger.conversation import Conversation
from backprop_tui.debugger.failure import Refused, ended_how
from backprop_tui.debugger.history import History, first_lengths
from backprop_tui.debugger.launch import Program
from backprop_tui.debugger.log import ChangeLog, Entry
from backprop_tui.debugger.processes import Checkpoint, Processes
from backprop_tui.debugger.stops import stop_from
from backprop_tui.debugger.tables import Tables
from backprop_tui.debugger.timeline import START, Trail, observed_from
from backprop_tui.debugger.view import Stop
from backprop_tui.debugger.wire import Message
from backprop_tui.protocol import KERNEL, Record, Time

EVERYTHING: list[list[int | None]] = [[0, None]]
"""Iterations to observe: all."""
NEVER: Time = (10**9, 0)
BEFORE_ALL: Time = (-1, 0)
_NUDGE_EVERY = 0.1
"""Seconds."""

_CLOSE = 5_000
"""Landmarks."""


@dataclass(frozen=True)
class Target:
    """Where to go: a time, or the n-th operation of an iteration."""

    iteration: int
    time: Time | None = None
    number: int | None = None
    interrupted: bool = False
    """No operation comes at that time: a pause had to stop the script where it was."""
    breaks: tuple[Message, ...] = ()
    """Instead of the time: the first hit of these from that time on."""

    def comes_after(self, entry: Entry) -> bool:
        """Whether a change was made before we are there, or right there."""
        if self.time is not None:
            return entry.time <= self.time
        return (entry.iteration, entry.number) <= (self.iteration, self.number or 1)

    def condition(self) -> Message:
        """As the debuggee wants it."""
        if self.breaks and self.time is not None:
            return {"breaks": list(self.breaks), "after": [self.time[0], self.time[1] - 1]}
        if self.time is not None:
            return {"time": list(self.time), "interrupted": self.interrupted}
        return {"position": [self.iteration, self.number]}


def goal_of(stop: Stop) -> Target:
    """A stop as something to run to again."""
    time = NEVER if stop.over else stop.time
    return Target(0, time=time, interrupted=not stop.over and stop.next is None)


class Run:
    """The timeline of one script."""

    def __init__(self, program: Program, details: bool) -> None:
        self.program = program
        self.with_details = details
        """Ask for parameters and settings with every stop."""
        self.details: Message | None = None
        """Those of the last stop."""
        self.tables = Tables()
        self.trail = Trail()
        self.history = History()
        self.log = ChangeLog(program.changes)
        self.processes = Processes(program, self._message, self._died)
        self.conversation = Conversation(self.processes.send)
        self.stop: Stop | None = None
        """The last stop; the script stands there unless it runs."""
        self.on_note: Callable[[str], None] = lambda sentence: None
        self.on_progress: Callable[[Message], None] = lambda message: None
        self.on_death: Callable[[], None] = lambda: None
        """Called if the process dies while nothing runs."""
        self.on_undone: Callable[[list[Entry]], None] = lambda entries: None
        self.processes.cursor = self.cursor
        self._arrival: asyncio.Future[Stop] | None = None
        self.hits: list[Message] = []
        """What the last stop was for, if breakpoints were met."""
        self.on_records: Callable[[list[Record], list[Record]], None] = lambda records, warnings: None
        """Takes completed operations and warnings as they come."""
        self._told: set[str] = set()
        self._told_different = False
        """That a replay differs from what it replays was said, on the present way."""
        self._gap: Callable[[Stop], Time] | None = None
        """After a run that was not observed all along: from when on it was, given its stop."""

    def cursor(self) -> Time:
        """The time at which the script stands."""
        return self.stop.time if self.stop is not None else START

    @property
    def under_way(self) -> asyncio.Future[Stop] | None:
        """The stop that is being waited for, if the script runs."""
        return None if self._arrival is None or self._arrival.done() else self._arrival

    # forwards
    async def begin(self) -> Stop:
        """From the beginning of the script to the first operation of its training loop."""
        return await self.travel(self.processes.nearest(BEFORE_ALL), Target(1, number=1), 0)

    async def go(self, message: Message) -> Stop:
        """Let the live process go on and wait for its stop."""
        message = {"do": "go", "record": True, "observe": EVERYTHING, "automatic": True, **message}
        message["details"] = message["explain"] = self.with_details
        self._gap = self._gap_of(message["observe"], message["record"])
        arrival = self._expect()
        self.processes.send(message)
        return await arrival

    def _expect(self) -> asyncio.Future[Stop]:
        self._arrival = asyncio.get_running_loop().create_future()
        return self._arrival

    def _gap_of(self, observe: list[list[int | None]], record: bool) -> Callable[[Stop], Time] | None:
        starts = self.history.starts
        first = observe[0][0] if observe else None
        if not record or first is None:
            return lambda stop: stop.time
        return None if observe == EVERYTHING else lambda stop: starts.of(first)

    # backwards
    async def go_back(self, target: Target, observe_from: int | None = None, undo: bool = True) -> Stop:
        """Reach a time in the past from the nearest checkpoint before it.

        ``observe_from``: the iteration from which on operations are to be known; by default the
        one before the target's. ``undo``: changes made after the target are undone.
        """
        first = observed_from(target.iteration - 1 if observe_from is None else observe_from)
        limit = target.time if target.time is not None else self.history.starts.of(target.iteration)
        if undo:
            self.undo(target.comes_after)
        begin = self.history.starts.of(first)
        near = self.processes.nearest(limit)
        known = self.trail.since <= begin and self.trail.since <= near.time <= self.cursor() and near.counted
        base = near if known and near.time > begin else self.processes.nearest(begin)
        return await self.travel(base, target, first)

    async def travel(self, base: Checkpoint, target: Target, observe_from: int) -> Stop:
        """Wake a checkpoint and run it to the target."""
        begin = self.history.starts.of(observe_from)
        if base.time > begin:
            self.trail.cut(base.time)
        else:
            self.trail.reset(begin)
        pending = self.log.after(base.changes)
        observe = [[observe_from, None], *self.around(pending)]
        go = {
            **target.condition(),
            "record": True,
            "observe": observe,
            "automatic": True,
            "details": self.with_details,
            "explain": self.with_details,
            "checkpoint_at": [*filter(self._lacks_checkpoint, (observe_from, max(target.iteration, 1)))],
        }
        return await self._wake(base, go, pending)

    def _lacks_checkpoint(self, iteration: int) -> bool:
        """Whether no checkpoint is known at the beginning of an iteration."""
        starts = self.history.starts
        return not starts.known(iteration) or not self.processes.has(starts.of(iteration))

    def around(self, pending: list[Entry]) -> list[list[int | None]]:
        """The iterations to observe in order to make changes again when their time comes."""
        return [[entry.iteration - 1, entry.iteration] for entry in pending]

    async def _wake(self, base: Checkpoint, go: Message, pending: list[Entry]) -> Stop:
        self._gap = None
        self._told_different = False
        self.conversation.abandon()
        arrival = self._expect()
        changes = [entry.message() for entry in pending]
        table = base.table if self.tables.has(base.table) else None
        files = self.history.appended.leave(base.appended)
        try:
            message = {"go": go, "changes": changes, "table": table, "files": first_lengths(files)}
            await self.processes.wake(base, message)
        except ConnectionError:
            self.history.appended.take(base.appended, files)
            arrival.cancel()
            raise Refused("the checkpoint to start from is gone: try again") from None
        while go.get("interrupted") and not arrival.done():
            self.processes.signal_live()
            await asyncio.wait([arrival], timeout=_NUDGE_EVERY)
        return await arrival

    def shortcut(self, iteration: int) -> bool:
        """Whether a checkpoint is nearer to an iteration ahead than where the script stands.

        There is one after going back: the future that was left is known.
        """
        starts = self.history.starts
        begin = starts.of(iteration - 1)
        return starts.known(iteration) and self.processes.nearest(begin).time > self.cursor()

    async def repeat(self, entries: tuple[Entry, ...], target: Target) -> Stop:
        """From the beginning, with changes made again at their times, to where a saved session stood."""
        self.processes.drop_after(BEFORE_ALL, 0)
        self.log.entries = list(entries)
        first = observed_from(target.iteration - 1)
        stop = await self.travel(self.processes.nearest(BEFORE_ALL), target, first)
        self.trail.reset_to(self.history.starts.of(first))
        return stop

    def close_behind(self, stop: Stop) -> bool:
        """Whether the iteration before a stop can be run again quickly."""
        begin = self.history.starts.of(max(stop.iteration - 1, 0))
        return begin[0] - self.processes.nearest(begin).time[0] < _CLOSE

    async def look_further_back(self) -> Stop:
        """Come here again, observing from earlier on: then it is known what was before."""
        stop = self.stop
        assert stop is not None
        first = min(self.history.starts.of_landmark(self.trail.since[0]), stop.iteration) - 1
        target = replace(goal_of(stop), iteration=stop.iteration)
        return await self.go_back(target, max(first, 0), undo=not stop.over)

    async def revive(self) -> Stop:
        """The live process is gone: go back to where it stood last."""
        assert self.stop is not None
        base = self.processes.nearest(self.stop.time)
        if base.time == START and self.stop.time != START:
            return await self.go_back(Target(self.stop.iteration, time=self.stop.time))
        target = Target(base.iteration, time=base.time)
        return await self.travel(base, target, max(base.iteration - 1, 0))

    # changes
    def undo(self, stays: Callable[[Entry], bool]) -> None:
        """The other changes are undone, and with them every state that knows of them."""
        was = self.log.told()
        undone = self.log.cut(stays)
        if undone:
            first = undone[0].time
            self.processes.drop_after(first, len(self.log.entries))
            self.history.cut(first, was)
            self.on_undone(undone)

    def changed(self, kind: str, value: Any, chip: str) -> None:
        """A change was made where the script stands: the future is another one now."""
        stop = self.stop
        assert stop is not None
        self.processes.drop_after(stop.time, len(self.log.entries))
        self.history.cut(stop.time, self.log.told())
        # A kernel has the number of the operation that holds it, which began before the change.
        inside = stop.next is not None and stop.next["level"] == KERNEL
        self.log.add(kind, value, chip, stop.time, (stop.iteration, stop.number + inside))

    def open(self, program: Program) -> None:
        """Be the timeline of another program."""
        self.forget()
        self.program = self.processes.program = program
        self.history, self.log = History(), ChangeLog(program.changes)
        self._told.clear()

    def forget(self) -> None:
        """Start over: no change, no ghost, no checkpoint but the root."""
        self.undo(lambda entry: False)
        self.history.ghosts = ()
        self.processes.drop_after(BEFORE_ALL, 0)

    # what the debuggee says
    def _message(self, message: Message) -> None:
        if message["type"] == "reply":
            self.conversation.take(message)
            return
        different = self.history.take(message)
        records, warnings = message.get("records", []), message.get("warnings", [])
        self.trail.add(records)
        self.trail.warn(warnings)
        self.trail.thin()
        self.on_records(records, warnings)
        for note in message.get("notes", ()):
            if note not in self._told:
                self._told.add(note)
                self.on_note(note)
        if different is not None and not self._told_different:
            self._told_different = True
            iteration = self.history.starts.of_landmark(different - 1)
            self.on_note(f"this script is not deterministic from here (iteration {iteration})")
        if message["type"] == "progress":
            self.on_progress(message)
        elif message["type"] == "stop":
            self._stopped(message)

    def _stopped(self, message: Message) -> None:
        stop = stop_from(message)
        self.details = self.detailed(message["details"]) if "details" in message else None
        self.hits = message.get("hits", [])
        if self._gap is not None:
            self.trail.reset_to(self._gap(stop))
            self._gap = None
        self.trail.set_open(message["open"])
        self._arrive(stop)

    def detailed(self, details: Message) -> Message:
        """What came with a stop or as an answer, the table of parameters whole."""
        asleep = (place.table for place in self.processes.checkpoints)
        return {**details, "parameters": self.tables.take(details["parameters"], asleep)}

    def _arrive(self, stop: Stop) -> None:
        self.stop = stop
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(stop)

    def _died(self, pid: int, status: int | None) -> None:
        """The live process ended without saying so. What it had printed is in its files."""
        self.conversation.abandon()
        self.history.printed.read_rest(pid, self.cursor())
        self.on_note(f"the script's process ended {ended_how(status)}: backspace goes back")
        waited_for = self.under_way is not None
        stop = self.stop or Stop(START, 0, 1, "died")
        self._arrive(replace(stop, reason="died", exit_status=status))
        if not waited_for:
            self.on_death()
