"""Answers the debugger while the script stands still."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any

from backprop_tui.debuggee import checkpoint, workers
from backprop_tui.debuggee.describe import ALL, in_words
from backprop_tui.debuggee.engine import Engine
from backprop_tui.debuggee.frames import user_frames
from backprop_tui.debuggee.gate import until_from
from backprop_tui.debuggee.op import Op

Message = dict[str, Any]
_SHOWN_FRAMES = 20
_CHECKPOINT_EVERY = 0.3
"""Seconds, at least: while the script runs at full speed."""


class Server:
    """Stops, reports and checkpoints of one live process."""

    def __init__(self, engine: Engine, checkpoints: checkpoint.Checkpoints, sync: Callable[[], None]) -> None:
        self.engine = engine
        self.checkpoints = checkpoints
        self.sync = sync
        """Makes the patches follow `Engine.observing`; only outside torch functions."""
        self.commands: dict[str, Callable[[Message], Any]] = {}
        """What can be asked at a stop besides going on: name to answer."""
        self.changes_made: Callable[[], int] = lambda: 0
        self.table: Callable[[], str | None] = lambda: None
        """Which table of parameters was sent last."""
        self.on_woken: Callable[[Message], None] = lambda message: None
        self.notes: list[str] = []
        """Sentences for the user since the last message."""
        self._ranges: list[tuple[int, int | None]] = []
        """Iterations to observe: (first, last), without an end if last is None."""
        self._checkpoint_at: frozenset[int] = frozenset()
        self._automatic = False
        self._with_details = False
        self._next_checkpoint = 0.0
        self._interval = _CHECKPOINT_EVERY
        self._counted = False
        """The operations of the last complete iteration were observed: their numbers are right."""
        self._stopped = False
        self._op: Op | None = None
        engine.on_stop = self.stop
        engine.on_report = self.report
        engine.on_iteration_end = self.iteration_ended
        engine.conditions.halt = self.halt
        engine.conditions.note = self.note

    # at a stop
    def stop(self, op: Op | None, reason: str, **more: Any) -> None:
        """Say where we are and what happened since, then obey until told to go on."""
        self._stopped = True
        self._op = op
        workers.come_to_rest(workers.workers())  # or what they write while we stand here would not be told
        if reason == "iterations":
            self.end(0, reason)
        self._send("stop", self._place(op, reason) | more)
        going = None
        while going is None:
            self._foresee()
            self.checkpoints.channel.stay_awake()
            going = self._answer(self.checkpoints.channel.receive())
            if going == "woken" and op is not None and self.engine.gate.reached(op):
                self._send("stop", self._place(op, "goto"))
                going = None
        self._stopped = False

    def _foresee(self) -> None:
        """While the debugger reads: take down what will be wanted when the operation runs."""
        if self._op is not None:
            self.engine.foresee(self._op)

    @property
    def next_op(self) -> Op | None:
        """The operation that is about to run."""
        return self._op

    def halt(self) -> None:
        """Stop where no operation is observed, because of a breakpoint."""
        with self.engine.quietly():
            self.stop(None, "breakpoint")

    def describe_next(self) -> Any:
        """The operation that is about to run, described anew."""
        if self._op is None:
            return None
        self._op.forget_description()
        self._op.record = self.engine.recorder.begun(self._op, ALL)
        return self._op.record

    @property
    def stopped(self) -> bool:
        return self._stopped

    def _place(self, op: Op | None, reason: str) -> Message:
        engine = self.engine
        recorder, clock = engine.recorder, engine.clock
        if op is not None:
            op.record = recorder.begun(op, ALL)
        return {
            "reason": reason,
            "time": op.time if op is not None else [clock.landmark, clock.operation],
            "iteration": clock.iteration,
            "number": op.number if op is not None else clock.number + 1,
            "next": op.record if op is not None else None,
            "last": recorder.last,
            "open": [item.record or recorder.begun(item, 0) for item in engine.open],
            "hits": [hit.message() for hit in engine.conditions.hits],
            "watched": None if engine.watch is None else engine.watch.report(),
            "observing": engine.observing,
            "frames": [
                [frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name]
                for _, frame in zip(range(_SHOWN_FRAMES), user_frames(), strict=False)
            ],
        }

    def _send(self, kind: str, message: Message) -> None:
        engine, clock = self.engine, self.engine.clock
        message["type"] = kind
        if kind == "stop" and self._with_details:
            message.update(self._details())
        message.update(engine.curves.take())
        message["digests"], clock.digests = clock.digests, []
        message["starts"], clock.starts = clock.starts, []
        message["notes"], self.notes = self.notes + self.checkpoints.troubles, []
        self.checkpoints.troubles = []
        message["appended"] = self.checkpoints.appending.news()
        if self.checkpoints.output is not None:
            message["output"] = self.checkpoints.output.marks()
            message["turns"] = self.checkpoints.output.turns()
        message["records"] = list(engine.recorder.completed)
        engine.recorder.completed.clear()
        message["warnings"], engine.recorder.warnings = engine.recorder.warnings, []
        self.checkpoints.channel.send(message)

    def _details(self) -> Message:
        """What is shown beside the operation. No state of the script's may end it because we look at it."""
        try:
            return {"details": self.commands["details"]({})}
        except Exception as error:
            self.note(f"the parameters cannot be shown: {in_words(error)}")
            return {}

    def _answer(self, message: Message) -> str | None:
        """Obey one message. "go" when it is time to go on, "woken" in a copy that just was."""
        do = message["do"]
        if do == "go":
            self.go(message)
            return "go"
        if do == "exit":
            os._exit(0)
        if do == "checkpoint":
            woken = self._checkpoint()
            if woken is None:
                return None
            self.woken(woken)
            return "woken"
        self._reply(message)
        return None

    def _reply(self, message: Message) -> None:
        command = self.commands.get(message["do"])
        try:
            answer = {"value": None if command is None else command(message)}
        except Exception as error:  # the answer is the error: a stop must survive any question
            answer = {"error": str(error) or type(error).__name__}
        self.checkpoints.channel.send({"type": "reply", "id": message.get("id"), **answer})

    def go(self, message: Message) -> None:
        """Take in how to go on."""
        engine = self.engine
        here = [self._op] if self._stopped and self._op is not None else []
        engine.conditions.arm(message, engine.open + here)
        engine.gate.arm(until_from(message), engine.clock.iteration)
        if "track" in message:
            self.commands["track"](message["track"])
        engine.recording = bool(message.get("record"))
        if not engine.recording:
            self._forget_last()
        engine.locating = engine.recording or engine.conditions.locates
        engine.recorder.full_depth = message.get("full_depth", -1)
        self._ranges = [(first, last) for first, last in message.get("observe", [[0, None]])]
        self._checkpoint_at = frozenset(message.get("checkpoint_at", ()))
        self._automatic = bool(message.get("automatic"))
        self._with_details = bool(message.get("details"))
        engine.witness.wanted = bool(message.get("explain"))
        self._next_checkpoint = perf_counter() + self._interval

    def _forget_last(self) -> None:
        """What completed last will not be known."""
        self.engine.recorder.last = None
        self.engine.witness.forget()
        self.engine.witness.forget_names()

    def woken(self, message: Message) -> None:
        """This copy is the live process now: take in its task."""
        self.on_woken(message)
        self.go(message["go"])
        if self._stopped and self._op is not None and self.engine.on_begin is not None:
            # It began before anybody knew of the changes to make again: some may be due right here.
            self.engine.on_begin(self._op)
            self.describe_next()

    # while running
    def report(self) -> None:
        """Tell how far the script is."""
        clock = self.engine.clock
        self._send("progress", {"time": [clock.landmark, clock.operation], "iteration": clock.iteration})

    def iteration_ended(self) -> None:
        """Switch observation for what follows, and make a checkpoint if it is time for one."""
        self._counted = self.engine.observing
        self._switch()

    def _switch(self) -> None:
        engine = self.engine
        coming = engine.clock.iteration + 1
        before, engine.observing = engine.observing, engine.gate.pause or self.observes(coming)
        if before and not engine.observing:
            self._forget_last()
        if coming in self._checkpoint_at or (self._automatic and perf_counter() >= self._next_checkpoint):
            woken = self._checkpoint()
            if woken is not None:
                self.woken(woken)
                self._switch()
        self.sync()

    def observes(self, iteration: int) -> bool:
        """Whether an iteration is to be observed."""
        for first, last in self._ranges:  # noqa: SIM110 (a generator takes longer than its few ranges)
            if first <= iteration and (last is None or iteration <= last):
                return True
        return False

    def _checkpoint(self) -> Message | None:
        """Fork, unless that is not safe now. Returns in a woken copy what it is to do."""
        reason = checkpoint.obstacle()
        if reason is not None:
            self.note(f"no checkpoint from here on: {reason}, so going back runs from an earlier one again")
            self._interval = self._next_checkpoint = float("inf")
            return None
        engine, begun = self.engine, perf_counter()
        clock = engine.clock
        place = {"time": [clock.landmark, clock.operation], "iteration": clock.iteration + clock.over}
        place["changes"], place["table"] = self.changes_made(), self.table()
        place["appended"] = self.checkpoints.appending.count
        place["counted"] = self._counted if clock.over else engine.observing
        if self._stopped and self._op is not None:
            place["time"] = [clock.landmark, max(clock.operation - 1, 0)]
        woken = self.checkpoints.take(place, self.report)
        if woken is None:
            cost = perf_counter() - begun
            self._interval = max(_CHECKPOINT_EVERY, 40 * cost)
            self._next_checkpoint = perf_counter() + self._interval
        return woken

    def note(self, sentence: str) -> None:
        """Something the user should know, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    # the end
    def end(
        self, status: int, reason: str, error: str | None = None, line: tuple[str, int] | None = None
    ) -> None:
        """The script is over: say so, answer questions, never return."""
        self._stopped = True
        self.engine.quiet += 1
        place = self._place(None, reason) | {"exit_status": status, "error": error}
        if line is not None:
            place["frames"] = [[*line, ""]]
        self._send("stop", place)
        if self.engine.sink is None:
            while True:
                message = self.checkpoints.channel.receive()
                if message["do"] in ("exit", "go"):
                    break
                self._reply(message)
        with contextlib.suppress(Exception):  # the script may have closed it
            sys.stdout.flush()
        os._exit(status)
