"""Keeps the view of a session up to date: what is published when, and what is worked out a moment later."""

from __future__ import annotations

import asyncio
import time as clock
from collections.abc import Callable, Coroutine
from dataclasses import fields, replace
from typing import Any

from backprop_tui.debugger.explaining import Index, explained, noticed
from backprop_tui.debugger.failure import Abandoned, Refused
from backprop_tui.debugger.launch import Program
from backprop_tui.debugger.log import Entry
from backprop_tui.debugger.run import Run
from backprop_tui.debugger.timeline import START
from backprop_tui.debugger.view import Plan, Status, Stop, Toggles, View
from backprop_tui.debugger.wire import Message

_RUNNING_AFTER = 0.1
"""Seconds after which a step that has not come back is shown as running."""
_CHECKPOINT_EVERY = 0.25
"""Seconds at least between two checkpoints made while stepping."""
_EXPLAIN_AFTER = 0.02
"""Seconds of rest after which an operation is explained: not while a key is held down."""
_PLAN_STEPS = 100
ENDS: dict[str, tuple[Status, str]] = {
    "finished": ("finished", "the script has finished"),
    "crashed": ("crashed", "the script has crashed"),
    "died": ("died", "the script's process is gone"),
}
NO_OPERATION = "no operation of torch was seen in this script"


class Showing:
    """The view of one debuggee, and the run that it is a view of."""

    def __init__(self, program: Program, on_view: Callable[[View], None], details: bool) -> None:
        self.run_of_script = Run(program, details)
        self.on_view = on_view
        self.view = View("starting", program.target, module_file=program.module_file())
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None
        self._last_checkpoint = 0.0
        self._planned: Any = None
        self._explaining: asyncio.TimerHandle | None = None
        self._chosen: tuple[str, Index] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self.run_of_script.on_note = lambda sentence: self._publish(message=sentence)
        self.run_of_script.on_progress = self._progressed
        self.run_of_script.on_undone = self._undone
        self.run_of_script.on_death = self._died_idle

    async def explain(self) -> None:
        """Say why the last operation's results are what they are, with the numbers of the chosen element
        if it is one of them, else of the largest."""
        stop = self._ready()
        message = await self.run_of_script.conversation.ask("evidence")
        found = await asyncio.to_thread(explained, message, self._index_in(stop))
        warnings = self.run_of_script.trail.recent_warnings(stop.iteration)
        notices = noticed([*self.view.records, *warnings], stop)
        if self.view.stop is stop:
            self._publish(explanations=found, notices=notices)

    def choose(self, name: str, index: Index | None) -> None:
        """The element that the user looks at; None: the tensor as a whole."""
        self._chosen = None if index is None else (name, index)
        stop = self.view.stop
        if stop is not None and not self._busy and name == _target(stop):
            self._explain_soon(stop)

    def _index_in(self, stop: Stop) -> Index | None:
        chosen = self._chosen
        return chosen[1] if chosen is not None and chosen[0] == _target(stop) else None

    # what may be asked when
    def _ready(self) -> Stop:
        if self._busy:
            raise Refused("the script is running: p pauses it")
        return self._stop_of_view()

    def _stop_of_view(self) -> Stop:
        if self.view.stop is None:
            raise Refused("torch is still being loaded")
        return self.view.stop

    def _not_over(self) -> None:
        if self.view.status == "finished" and self.view.stop is not None and self.view.stop.time == START:
            raise Refused(f"{NO_OPERATION}: there is nothing to step through")
        if self.view.status in ENDS:
            back = "backspace steps back, " * (self.view.stop is None or self.view.stop.has_past)
            raise Refused(f"{ENDS[self.view.status][1]}: {back}ctrl+r starts it again")

    def _start(self, journey: Coroutine[Any, Any, Stop]) -> None:
        """Begin something that may take long; `pause` ends it."""
        self._busy = True
        self._task(self._alone(journey))
        self._show_running()

    async def _alone(self, journey: Coroutine[Any, Any, Stop]) -> None:
        """Go somewhere and show where we have come to. Other commands are refused meanwhile."""
        self._busy = True
        if self.view.message:
            self._publish(message="")
        self._cancel_timer()
        self._stop_explaining()
        self._timer = asyncio.get_running_loop().call_later(_RUNNING_AFTER, self._show_running)
        try:
            self._show(await journey)
        except Refused as refusal:
            self._publish(status=self._status_of(self.view.stop), message=str(refusal))
            raise
        finally:
            self._cancel_timer()
            self._busy = False

    # showing
    def _show(self, stop: Stop) -> None:
        self._cancel_timer()
        run = self.run_of_script
        details = details_of(run.details) if run.details is not None and stop.reason != "died" else {}
        length = run.trail.length_of(stop.iteration - 1) if stop.iteration > 1 else None
        furthest = run.history.furthest
        if stop.reason == "finished" and stop.time == START:
            self._publish(message=NO_OPERATION)
        self._publish(
            status=self._status_of(stop),
            stop=stop,
            module_file=self._module_file(stop),
            iteration=stop.iteration,
            iteration_length=length,
            future=furthest[1] if furthest[0] > stop.time and not stop.over else None,
            records=run.trail.recent(stop.iteration),
            losses=run.history.losses,
            rates=run.history.rates,
            ghosts=run.history.ghosts,
            output=run.history.output,
            changes=run.log.chips(),
            explanations=(),
            notices=tuple(notice for notice in self.view.notices if notice.time < stop.time),
            **details,
        )
        self._after_stop(stop)

    def _module_file(self, stop: Stop) -> str:
        """The file of the outermost frame: at the end of a script there is none, but it was seen before."""
        known = self.run_of_script.program.is_module and stop.frames
        return stop.frames[-1].file if known else self.view.module_file

    def _status_of(self, stop: Stop | None) -> Status:
        if stop is None:
            return "starting"
        return ENDS[stop.reason][0] if stop.reason in ENDS else "stopped"

    def _explain_soon(self, stop: Stop) -> None:
        """Explain the last operation, or a crash, once nothing else is to be done."""
        self._stop_explaining()
        known = self.view.records or stop.error
        if self.run_of_script.with_details and known and stop.reason != "died":
            later = asyncio.get_running_loop().call_later
            self._explaining = later(_EXPLAIN_AFTER, lambda: self._task(self.explain()))

    def _after_stop(self, stop: Stop) -> None:
        begins = stop.number == 1 and stop.next is not None and stop.next["depth"] == 0
        if begins and clock.monotonic() - self._last_checkpoint > _CHECKPOINT_EVERY:
            self._checkpoint_here()
        self._plan_soon()
        self._explain_soon(stop)

    def _checkpoint_here(self) -> None:
        self._last_checkpoint = clock.monotonic()
        self.run_of_script.processes.send({"do": "checkpoint"})

    def _plan_soon(self) -> None:
        """Ask for the learning rates ahead, if they may have changed."""
        toggles, run = self.view.toggles, self.run_of_script
        if toggles.scheduler in (None, "off") or self.view.status != "stopped":
            self._planned = None
            if self.view.plan is not None:
                self._publish(plan=None)
            return
        # A scheduler's step moves the plan on even if it leaves the rate as it is.
        kinds = ((record["kind"], record["time"]) for record in reversed(self.view.records))
        stepped = next((time for kind, time in kinds if kind == "schedule"), None)
        key = (toggles.scheduler, toggles.lr, len(run.history.rates), len(run.log.entries), stepped)
        if run.with_details and key != self._planned:
            self._planned = key
            self._task(self._plan())

    async def _plan(self) -> None:
        try:
            answer = await self.run_of_script.conversation.ask("plan", steps=_PLAN_STEPS)
        except Abandoned:
            self._planned = None  # the next stop asks again
            return
        except Refused as refusal:
            self._publish(plan=Plan(note=str(refusal)))
            return
        if answer is not None:
            self._publish(plan=plan_from(answer))

    def _progressed(self, message: Message) -> None:
        if self.view.status == "running":
            history = self.run_of_script.history
            self._publish(
                iteration=message["iteration"],
                losses=history.losses,
                rates=history.rates,
                output=history.output,
            )

    def _undone(self, entries: list[Entry]) -> None:
        chips = ", ".join(entry.chip or entry.kind for entry in entries)
        self._publish(
            changes=self.run_of_script.log.chips(),
            message=f"undone, because we went back to before it: {chips}",
        )

    def _died_idle(self) -> None:
        """The debuggee was killed while it stood still."""
        if self.run_of_script.stop is not None:
            self._show(self.run_of_script.stop)

    def _show_running(self) -> None:
        if self._busy and self.view.status != "running":
            self._publish(status="running")

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_explaining(self) -> None:
        if self._explaining is not None:
            self._explaining.cancel()
            self._explaining = None

    def _publish(self, **changes: Any) -> None:
        self.view = replace(self.view, **changes)
        self.on_view(self.view)

    def _task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, Refused):  # whose sentence is on the screen already
            self._publish(message=f"a fault of backprop-tui: {type(error).__name__}: {error}")


def _target(stop: Stop) -> str | None:
    """The parameter that the last operation changed, or whose gradient it changed."""
    return (stop.last.get("parameter") or stop.last.get("tensor")) if stop.last is not None else None


def details_of(answer: Message) -> Message:
    return {"parameters": answer["parameters"], "toggles": Toggles(**answer["toggles"])}


def plan_from(answer: Message) -> Plan:
    """What the debuggee answers about the learning rates ahead."""
    lrs = tuple(tuple(entry) for entry in answer["lrs"])
    now = tuple(answer["now"])
    return Plan(lrs, answer["scheduler"], answer["note"], now, answer["first"], answer["every"])


def blank(program: Program) -> dict[str, Any]:
    """The fields of the view of a program of which nothing is known."""
    view = View("running", program.target, module_file=program.module_file())
    return {field.name: getattr(view, field.name) for field in fields(view)}
