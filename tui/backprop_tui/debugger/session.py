"""One debugging session: what the user asks for, in terms of processes and times.

All coroutines run in one asyncio loop. A command waits until the debuggee has stopped again, except
`run`, which only starts it. Commands that make no sense in the present state raise `Refused`.
"""

from __future__ import annotations

import asyncio
import time as clock
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from backprop_tui.debugger.failure import Refused
from backprop_tui.debugger.history import History
from backprop_tui.debugger.launch import Program
from backprop_tui.debugger.log import ChangeLog
from backprop_tui.debugger.processes import Checkpoint, Processes
from backprop_tui.debugger.stops import stop_from, window_from
from backprop_tui.debugger.timeline import START, Time, Trail, back_target, time_of
from backprop_tui.debugger.view import Plan, Stop, Toggles, View, Window
from backprop_tui.protocol import KERNEL, ParameterRow

How = Literal["walk", "into", "over", "out"]
Message = dict[str, Any]

EVERYTHING = [[0, None]]
_FAR = 10**9
_RUNNING_AFTER = 0.1
"""Seconds after which a step that has not come back is shown as running."""
_INTERRUPT_AFTER = 0.5
"""Seconds until a debuggee that met no operation is stopped where it is."""
_PLAN_STEPS = 100


@dataclass(frozen=True)
class Target:
    """Where to go: a time, or the n-th operation of an iteration."""

    iteration: int
    time: Time | None = None
    number: int | None = None

    def condition(self) -> Message:
        """As the debuggee wants it."""
        if self.time is not None:
            return {"time": list(self.time)}
        return {"position": [self.iteration, self.number]}


class Session:
    """Drives one debuggee and keeps the `View` of it."""

    def __init__(
        self, program: Program, on_view: Callable[[View], None] = lambda view: None, details: bool = True
    ) -> None:
        self.program = program
        self.on_view = on_view
        self.details = details
        """Ask for parameters and settings at every stop; without them a step is one exchange."""
        self.view = View("starting", program.target)
        self.trail = Trail()
        self.history = History()
        self.log = ChangeLog(program.changes)
        self.processes = Processes(program, self._message, self._died)
        self.processes.cursor = self._cursor
        self.breakpoints: set[tuple[str, int]] = set()
        self._stopped: asyncio.Future[Stop] | None = None
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self._asked = 0
        self._busy = False
        self._hits: list[list[int]] = []
        self._running_timer: asyncio.TimerHandle | None = None
        self._pausing = False
        self._gap: Callable[[Stop], Time] | None = None
        """After a run that was not observed all along: from when on it was, given its stop."""
        self._last_checkpoint = 0.0
        self._planned: tuple[Any, ...] = ()
        self._tasks: set[asyncio.Task[Any]] = set()

    # life
    async def start(self) -> None:
        """Start the interpreter, run the script to the first operation of its training loop."""
        await self.processes.start()
        await self._begin()

    async def _begin(self) -> None:
        root = self.processes.nearest((-1, 0))
        await self._travel(root, Target(1, number=1), observe_from=0)

    async def close(self) -> None:
        """End every process of the debuggee."""
        self._busy = True
        self._cancel_timer()
        for task in self._tasks:
            task.cancel()
        await self.processes.close()

    # commands
    async def step(self, how: How, backwards: bool = False) -> None:
        """Go to the next (previous) operation.

        walk: at phase or operation level. into: kernels too. over: what the next operation
        contains counts as one. out: until what contains the next operation is complete.
        """
        self._ready()
        if backwards:
            await self._alone(self._step_back(how))
            return
        self._not_over()
        stop = self._stop_now()
        following = stop.next
        if following is None:
            await self._alone(self._go({"step": True}))
            return
        depth = following["depth"]
        if how == "out" and depth == 0:
            await self._alone(self._go({"position": [stop.iteration + 1, 1]}))
            return
        limit = {"walk": None, "into": None, "over": depth, "out": depth - 1}[how]
        kernels = how == "into" or following["level"] == KERNEL
        full = _FAR if limit is None else limit
        await self._alone(
            self._go({"step": True, "max_depth": limit, "kernels": kernels, "full_depth": full})
        )

    async def run(self, backwards: bool = False) -> None:
        """Run at full speed until a breakpoint, a pause or the end; backwards: to the last breakpoint."""
        self._ready()
        if backwards:
            await self._alone(self._run_back(frozenset(self.breakpoints)))
            return
        self._not_over()
        if self.breakpoints:
            go = {"lines": [list(place) for place in self.breakpoints], "observe": EVERYTHING}
        else:
            go = {"observe": [], "record": False}
        self._task(self._alone(self._go(go)))
        self._show_running()

    async def run_to_line(self, file: str, line: int, backwards: bool = False) -> None:
        """Run to the next (last) operation of a line."""
        self._ready()
        lines = frozenset({(file, line), *self.breakpoints})
        if backwards:
            await self._alone(self._run_back(lines))
            return
        self._not_over()
        self._task(self._alone(self._go({"lines": [list(place) for place in lines]})))
        await asyncio.sleep(0)

    async def pause(self) -> None:
        """Stop a running debuggee at its next operation, or where it is if none comes."""
        if not self._busy:
            raise Refused("nothing is running")
        if self._pausing:
            return
        self._pausing = True
        waiting = self._stopped
        self.processes.signal_live()
        while waiting is not None and not waiting.done():
            await asyncio.wait([waiting], timeout=_INTERRUPT_AFTER)
            if not waiting.done():
                self.processes.signal_live()
        self._pausing = False

    async def goto(self, iteration: int, number: int) -> None:
        """Go to an operation of an iteration, both counted from 1 (iteration 0: before training)."""
        self._ready()
        if iteration < 0 or number < 1:
            raise Refused("an iteration is 0 or more, an operation 1 or more: 12.7")
        stop = self._stop_now()
        target = Target(iteration, number=number)
        ahead = (iteration, number) > (stop.iteration, stop.number)
        if ahead and self.view.status == "stopped":
            observe = [[iteration - 1, None]] if iteration > stop.iteration + 1 else EVERYTHING
            await self._alone(self._go({**target.condition(), "observe": observe}))
        else:
            await self._alone(self._go_back(target))

    async def restart(self) -> None:
        """Run the script again from its beginning, without the changes."""
        if self.view.status == "starting":
            raise Refused("the script is still starting")
        if self._busy:
            await self.pause()
        self._forget_changes_after((-1, 0))
        self.processes.drop_after((-1, 0), 0)
        self.history.cut(START)
        self._planned = ()
        await self._alone(self._begin())

    async def change(self, kind: str, value: Any) -> None:
        """Change something here; refused with torch's own words if it cannot work."""
        self._ready()
        self._not_over()
        stop = self._stop_now()
        answer = await self._ask("change", kind=kind, value=value)
        landmark = stop.time[0]
        self.processes.drop_after(stop.time, len(self.log.entries))
        self.history.digests.cut(landmark)
        self.log.add(kind, value, answer["chip"], stop.time, stop.iteration)
        self.processes.changes_taken = len(self.log.entries)
        self._planned = ()
        if answer.get("next") is not None:
            stop = replace(stop, next=answer["next"])
        self._publish(stop=stop, changes=self.log.chips(), message=answer.get("message") or "")
        await self._look()
        self._checkpoint_here()

    # questions
    async def choices(self, kind: str) -> list[str]:
        """What `change` accepts here for ``loss`` or ``optimizer``."""
        self._ready()
        found: list[str] = await self._ask("choices", kind=kind)
        return found

    async def window(self, name: str, attr: str, rows: tuple[int, int], cols: tuple[int, int]) -> Window:
        """Rows and columns of a tensor seen as a matrix; attr is value, grad or state.NAME."""
        return window_from(await self._ask("window", name=name, attr=attr, rows=rows, cols=cols), rows, cols)

    async def tensors(self) -> list[ParameterRow]:
        """Every other tensor that a variable of the script leads to."""
        found: list[ParameterRow] = await self._ask("tensors")
        return found

    def toggle_breakpoint(self, file: str, line: int) -> None:
        """Set or clear a breakpoint."""
        self.breakpoints ^= {(file, line)}
        self._publish(breakpoints=frozenset(self.breakpoints))

    # what may be asked when
    def _ready(self) -> None:
        if self.view.status == "starting":
            raise Refused("the script is still starting")
        if self._busy:
            raise Refused("the script is running: p pauses it")

    def _not_over(self) -> None:
        ends = {
            "finished": "the script has finished",
            "crashed": "the script has crashed",
            "died": "the script's process is gone",
        }
        if self.view.status in ends:
            raise Refused(f"{ends[self.view.status]}: backspace steps back, R starts it again")

    def _stop_now(self) -> Stop:
        if self.view.stop is None:
            raise Refused("the script has not stopped yet")
        return self.view.stop

    def _cursor(self) -> Time:
        return self.view.stop.time if self.view.stop is not None else START

    async def _alone(self, command: Any) -> None:
        """Run one command; others are refused meanwhile."""
        self._busy = True
        try:
            await command
        finally:
            self._busy = False

    # forwards
    async def _go(self, message: Message) -> Stop:
        """Let the live process go on, wait for its stop and show it."""
        message = {"do": "go", "record": True, "observe": EVERYTHING, "automatic": True, **message}
        self._gap = self._gap_of(message["observe"])
        future = self._expect_stop()
        self.processes.send(message)
        return await self._arrive(future)

    def _gap_of(self, observe: list[list[int | None]]) -> Callable[[Stop], Time] | None:
        starts = self.history.starts
        if observe == EVERYTHING:
            return None
        if observe and observe[0][0] is not None:
            first = observe[0][0]
            return lambda stop: starts.of(first)
        return lambda stop: starts.of(stop.iteration) if stop.observing else stop.time

    def _expect_stop(self) -> asyncio.Future[Stop]:
        loop = asyncio.get_running_loop()
        self._stopped = loop.create_future()
        self._cancel_timer()
        self._running_timer = loop.call_later(_RUNNING_AFTER, self._show_running)
        return self._stopped

    async def _arrive(self, future: asyncio.Future[Stop]) -> Stop:
        details = self._ask_soon("details") if self.details else None
        stop = await future
        self._cancel_timer()
        if self.view.status == "died":
            return stop
        await self._show_stop(stop, details)
        return stop

    # backwards
    async def _step_back(self, how: How) -> None:
        stop = self._stop_now()
        if self.view.status == "died":
            await self._revive()
            return
        depth = stop.next["depth"] if stop.next is not None else 0
        target = back_target(self.trail, stop.time, depth, how)
        while target is None and self.trail.since > START:
            await self._look_further_back(stop)
            target = back_target(self.trail, stop.time, depth, how)
        if target is None:
            raise Refused("this is the first operation of the script")
        await self._go_back(Target(target["iteration"], time=time_of(target)))

    async def _look_further_back(self, stop: Stop) -> None:
        """Come here again, observing from earlier on: then it is known what was before."""
        first = self.history.starts.of_landmark(self.trail.since[0])
        over = stop.reason in ("finished", "crashed")
        time = (_FAR, 0) if over else stop.time
        first = min(first, stop.iteration) - 1
        await self._go_back(Target(stop.iteration, time=time), max(first, 0), undo=not over)

    async def _go_back(self, target: Target, observe_from: int | None = None, undo: bool = True) -> None:
        """Reach a time in the past from the nearest checkpoint before it."""
        first = max(target.iteration - 1, 0) if observe_from is None else observe_from
        limit = target.time if target.time is not None else self.history.starts.of(target.iteration)
        if undo:
            self._forget_changes_after(limit)
        begin = self.history.starts.of(first) if first else START
        near = self.processes.nearest(limit)
        if self.trail.since <= begin and self.trail.since <= near.time and near.time > begin:
            base = near
        else:
            base = self.processes.nearest(begin)
        await self._travel(base, target, first)

    async def _travel(self, base: Checkpoint, target: Target, observe_from: int) -> None:
        pending = self.log.after(base.changes)
        begin = self.history.starts.of(observe_from) if observe_from else START
        if base.time > begin:
            self.trail.cut(base.time)
        else:
            self.trail.reset(begin)
        self._gap = None
        self.history.cut(base.time)
        observe = [[observe_from, None], *[[entry.iteration - 1, entry.iteration] for entry in pending]]
        go = {
            **target.condition(),
            "record": True,
            "observe": observe,
            "automatic": True,
            "full_depth": -1,
            "checkpoint_at": [observe_from, max(target.iteration, 1)],
        }
        future = self._expect_stop()
        try:
            await self.processes.wake(base, {"go": go, "changes": [entry.message() for entry in pending]})
        except ConnectionError:
            raise Refused("the checkpoint to start from is gone; try again") from None
        self.processes.changes_taken = len(self.log.entries)
        await self._arrive(future)

    async def _run_back(self, lines: frozenset[tuple[str, int]]) -> None:
        """To the last operation before here that begins a visit of one of the lines."""
        cursor, end = self._cursor(), self._cursor()
        while end > START and lines:
            base = self.processes.nearest((end[0], end[1] - 1) if end[1] else (end[0] - 1, _FAR))
            hits = await self._hits_between(base, end, lines)
            hits = [hit for hit in hits if hit < cursor]
            if hits:
                iteration = self.history.starts.of_landmark(hits[-1][0])
                await self._go_back(Target(iteration, time=hits[-1]))
                return
            end = base.time
        await self._go_back(Target(0, time=START))

    async def _hits_between(
        self, base: Checkpoint, end: Time, lines: frozenset[tuple[str, int]]
    ) -> list[Time]:
        pending = self.log.after(base.changes)
        go = {
            "time": list(end),
            "observe": EVERYTHING,
            "record": False,
            "lines": [list(place) for place in lines],
            "collect": True,
        }
        self.trail.reset(end)
        self.history.cut(base.time)
        future = self._expect_stop()
        await self.processes.wake(base, {"go": go, "changes": [entry.message() for entry in pending]})
        await future
        self._cancel_timer()
        return [(hit[0], hit[1]) for hit in self._hits]

    async def _revive(self) -> None:
        """The live process is gone: go back to where it stood last."""
        stop = self._stop_now()
        base = self.processes.nearest(stop.time)
        if base.time == START and stop.time != START:
            await self._go_back(Target(stop.iteration, time=stop.time))
        else:
            await self._travel(base, Target(base.iteration, time=base.time), max(base.iteration - 1, 0))

    def _forget_changes_after(self, time: Time) -> None:
        undone = self.log.cut(time)
        if undone:
            self.processes.drop_after(time, len(self.log.entries))
            self.history.digests.cut(time[0])
            self._publish(
                changes=self.log.chips(),
                message=f"undone, because we went back before it: {', '.join(entry.chip for entry in undone)}",
            )

    # what the debuggee says
    def _message(self, message: Message) -> None:
        if message["type"] == "reply":
            self._take_reply(message)
            return
        different = self.history.take(message)
        self.trail.add(message.get("records", ()))
        self.trail.thin()
        for note in message.get("notes", ()):
            self._publish(message=note)
        if different is not None:
            iteration = self.history.starts.of_landmark(different - 1)
            self._publish(message=f"this script is not deterministic from here (iteration {iteration})")
        if message["type"] == "progress":
            self._progressed(message)
        elif message["type"] == "stop":
            self._hits = message.get("hits", [])
            stop = stop_from(message)
            self._place_trail(message, stop)
            if self._stopped is not None and not self._stopped.done():
                self._stopped.set_result(stop)

    def _place_trail(self, message: Message, stop: Stop) -> None:
        """Make sure that the trail claims to know no more than it does."""
        if self._gap is not None:
            self.trail.reset_to(self._gap(stop))
            self._gap = None
        self.trail.set_open(message["open"])

    def _progressed(self, message: Message) -> None:
        if self.view.status == "running":
            self._publish(
                iteration=message["iteration"],
                losses=tuple(self.history.losses),
                rates=tuple(self.history.rates),
                output=tuple(self.history.output),
            )

    def _died(self, status: int | None) -> None:
        """The live process ended without saying so."""
        for future in self._replies.values():
            future.cancel()
        self._replies.clear()
        how = "for an unknown reason" if status is None else f"with exit status {status}"
        if status is not None and status < 0:
            how = f"by signal {-status}"
        self._publish(status="died", message=f"the script's process ended {how}: backspace goes back")
        stop = self.view.stop or Stop(START, 0, 1, "died")
        self.view = replace(self.view, stop=stop)
        if self._stopped is not None and not self._stopped.done():
            self._stopped.set_result(stop)

    # questions and answers
    async def _ask(self, do: str, **arguments: Any) -> Any:
        """Ask the live process at its stop. Raises Refused with its error."""
        if self.processes.live is None:
            raise Refused("the script's process is gone")
        return await self._ask_soon(do, **arguments)

    def _ask_soon(self, do: str, **arguments: Any) -> asyncio.Future[Any]:
        self._asked += 1
        future = self._replies[self._asked] = asyncio.get_running_loop().create_future()
        self.processes.send({"do": do, "id": self._asked, **arguments})
        return future

    def _take_reply(self, message: Message) -> None:
        future = self._replies.pop(message["id"], None)
        if future is None or future.done():
            return
        if "error" in message:
            future.set_exception(Refused(message["error"]))
        else:
            future.set_result(message["value"])

    # showing
    async def _show_stop(self, stop: Stop, details: asyncio.Future[Any] | None) -> None:
        answer = await details if details is not None else {"parameters": [], "toggles": {}}
        status = {"finished": "finished", "crashed": "crashed"}.get(stop.reason, "stopped")
        self._publish(
            status=status,
            stop=stop,
            iteration=stop.iteration,
            iteration_length=self.trail.length_of(stop.iteration - 1),
            records=self.trail.recent(stop.iteration),
            parameters=tuple(answer["parameters"]),
            toggles=Toggles(**answer["toggles"]),
            losses=tuple(self.history.losses),
            rates=tuple(self.history.rates),
            output=tuple(self.history.output),
            changes=self.log.chips(),
        )
        self._after_stop(stop)

    async def _look(self) -> None:
        """Ask again for what a change may have altered."""
        answer = await self._ask("details")
        self._publish(parameters=tuple(answer["parameters"]), toggles=Toggles(**answer["toggles"]))
        self._plan_soon()

    def _after_stop(self, stop: Stop) -> None:
        if stop.number == 1 and stop.next is not None and stop.next["depth"] == 0:
            now = clock.monotonic()
            if now - self._last_checkpoint > 0.25:
                self._checkpoint_here()
        self._plan_soon()

    def _checkpoint_here(self) -> None:
        self._last_checkpoint = clock.monotonic()
        self.processes.send({"do": "checkpoint"})

    def _plan_soon(self) -> None:
        """Ask for the learning rates ahead, if they may have changed."""
        toggles = self.view.toggles
        key = (toggles.scheduler, len(self.history.rates), len(self.log.entries))
        if not self.details or toggles.scheduler in (None, "off"):
            if self.view.plan is not None:
                self._publish(plan=None)
            return
        if key != self._planned:
            self._planned = key
            self._task(self._plan())

    async def _plan(self) -> None:
        try:
            answer = await self._ask("plan", steps=_PLAN_STEPS)
        except (Refused, asyncio.CancelledError):
            return
        if answer is not None:
            lrs = tuple(tuple(entry) for entry in answer["lrs"])
            self._publish(plan=Plan(lrs, answer["scheduler"], answer["note"]))

    def _show_running(self) -> None:
        if self._stopped is not None and not self._stopped.done():
            self._publish(status="running", message="")

    def _cancel_timer(self) -> None:
        if self._running_timer is not None:
            self._running_timer.cancel()
            self._running_timer = None

    def _publish(self, **changes: Any) -> None:
        self.view = replace(self.view, **changes)
        self.on_view(self.view)

    def _task(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
