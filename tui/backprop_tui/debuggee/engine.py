"""The heart of the debuggee: operations begin and end here, landmarks pass here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import get_ident
from time import perf_counter
from types import FrameType
from typing import Any, Protocol

import torch

from backprop_tui.debuggee import private
from backprop_tui.debuggee.clock import Clock, Trend
from backprop_tui.debuggee.conditions import Conditions
from backprop_tui.debuggee.describe import ALL, BESIDE, in_words, scalar_of, tensors_in
from backprop_tui.debuggee.frames import in_constructor, user_frame, written_by_user
from backprop_tui.debuggee.gate import Gate
from backprop_tui.debuggee.graph import standing
from backprop_tui.debuggee.names import Names
from backprop_tui.debuggee.op import Op
from backprop_tui.debuggee.optable import changes_in_place
from backprop_tui.debuggee.recorder import Recorder
from backprop_tui.debuggee.threads import MAIN, in_thread_of_autograd
from backprop_tui.debuggee.witness import Witness
from backprop_tui.protocol import KERNEL, OPERATION, PHASE, Record

_OF_TORCH = frozenset({"node", "accumulate", "kernel"})
"""Kinds of operations that begin inside another one, without a line of the script's between."""
REPORT_EVERY = 0.1
"""Seconds between two progress messages."""
MOST_UNSENT = 10_000
"""Completed operations that wait for the next message."""


@dataclass
class Curves:
    """Points of the loss and learning-rate curves since the last report."""

    losses: list[list[Any]] = field(default_factory=list)
    rates: list[list[Any]] = field(default_factory=list)

    def take(self) -> dict[str, Any]:
        """Hand the points over and start afresh."""
        taken = {"losses": self.losses, "rates": self.rates}
        self.losses, self.rates = [], []
        return taken


class Engine:
    """Counts and, while observing, announces what the script does.

    The patches (observer, modules, backward, steps) call `begin`, `end`, `fail` and `landmark`.
    What happens at a stop, a report and an iteration's end is decided by the three callbacks.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.names = Names()
        self.conditions = Conditions(self)
        self.gate = Gate(self.conditions)
        self.trend = Trend()
        self.recorder = Recorder(self.names)
        self.witness = Witness(self.recorder)
        self.curves = Curves()
        self.open: list[Op] = []
        self.passes = 0
        """How many backward passes run, one within the other."""
        self.observing = False
        """Operations are announced (the mode is on the stack)."""
        self.recording = False
        """Completed operations are described."""
        self.locating = False
        """The script's line is looked up for each operation."""
        self.quiet = 0
        """Above zero while our own code handles tensors."""
        self.in_loss = 0
        self.in_module = 0
        """Above zero inside the call of a loss, of a module."""
        self.in_function = 0
        """Above zero inside a torch function, where the stack of modes must not be touched."""
        self.has_optimizer: Callable[[], bool] = lambda: False
        self.at_training: list[Callable[[], Any]] = []
        """What to do when the training loop begins."""
        self.next_report = 0.0
        self.caller: FrameType | None = None
        """The frame of the script that called `backward`, while a pass runs that it called directly."""
        self._sites: dict[Any, str] = {}
        self.sink: Callable[[Record, Any], None] | None = None
        """Takes completed records and their evidence one by one (`trace`); else the recorder keeps them."""
        self.on_stop: Callable[[Op | None, str], None] = lambda op, reason: None
        self.on_report: Callable[[], None] = lambda: None
        self.on_iteration_end: Callable[[], None] = lambda: None
        self.on_backward: Callable[[Any, Any], None] | None = None
        """Called before an outermost backward pass with its roots and the gradients given for them."""
        self.on_begin: Callable[[Op], None] | None = None
        """Called before the gate, while changes wait to be applied again."""
        self.watch: Watching | None = None
        """Told of every operation's beginning and end, if anything is watched."""

    def ours(self) -> bool:
        """Whether this is the script's main thread, or what autograd runs for it, and not our own code."""
        return not self.quiet and (get_ident() == MAIN or (self.passes > 0 and in_thread_of_autograd()))

    @contextmanager
    def quietly(self) -> Iterator[None]:
        """Our own handling of tensors is none of the script's."""
        self.quiet += 1
        try:
            yield
        finally:
            self.quiet -= 1

    # operations
    def begin(self, level: str, kind: str, name: str, inputs: Any = None, call: Any = None) -> Op:
        """An operation is about to run. Stops here if the gate says so."""
        clock = self.clock
        if clock.over:
            if kind != "schedule":
                self._begin_iteration()
        elif clock.iteration == 0 and _trains(level, name, inputs):
            self._begin_iteration()
        index = clock.operation
        clock.operation = index + 1
        if level is not KERNEL:
            clock.number += 1
        op = Op(
            level, kind, name, inputs, clock.landmark, index, clock.iteration, clock.number, len(self.open)
        )
        if call is not None:
            op.call = call
        if self.recording:
            op.sequence = private.sequence_number()
        if self.locating:
            self._locate(op)
            if self.recording:
                self._name_module(op, self.open[-1] if self.open else None)
        if self.watch is not None:
            self.watch.begins(op)
        if self.on_begin is not None:
            self.on_begin(op)
        if self.gate.armed:
            reason = self.gate.wants(op)
            if reason is not None and (clock.unsure is None or reason != "pause"):
                self._stop(op, reason)
        self.open.append(op)
        if self.recording:
            self._describe(op)
        return op

    def overlooks(self, kind: str) -> bool:
        """Whether nothing can stop at, record or look at what torch does by itself within the call of that
        kind that has just been announced: then it is enough to count it."""
        watched = (self.watch, self.on_begin, self.on_backward) != (None, None, None)
        return not (self.recording or watched) and self.gate.is_far(self.clock, kind)

    def _describe(self, op: Op) -> None:
        """Describe an operation that is about to run, unless that was done at a stop before it."""
        self.quiet += 1
        most = self._most(op)
        with private.DisableTorchFunction():
            if op.record is None:
                op.record = self.recorder.begun(op, most)
            if most == ALL:
                self.foresee(op)
        self.quiet -= 1

    def foresee(self, op: Op) -> None:
        """Take down what an operation is about to read, if that is wanted and was not done at a stop."""
        if self.recording and self.witness.wanted and not op.witnessed:
            self.witness.begins(op)

    def _begin_iteration(self) -> None:
        self.clock.begin_iteration()
        self.recorder.begin_iteration()
        self.witness.forget_names()
        while self.at_training:
            self.quiet += 1
            try:
                self.at_training.pop(0)()
            finally:
                self.quiet -= 1

    def _most(self, op: Op) -> int:
        """Up to how many elements its tensors are summarised: all of those that the screen may explain."""
        recorder, gate = self.recorder, self.gate
        if recorder.most == ALL or op.depth <= recorder.full_depth or gate.approaches(op):
            return ALL
        return BESIDE if gate.shows(op) else 0

    def _locate(self, op: Op) -> None:
        """Find the script's line. What torch does by itself belongs to the line that made it do so."""
        around = self.open[-1] if self.open else None
        if around is not None and around.file is not None and (around.sealed or op.kind in _OF_TORCH):
            op.file, op.line = around.file, around.line
            return
        frame = user_frame(3)  # beyond this function and what announces an operation
        if frame is not None:
            op.file, op.line = frame.f_code.co_filename, frame.f_lineno

    def _name_module(self, op: Op, around: Op | None) -> None:
        if op.kind in ("forward", "module", "loss") and isinstance(op.inputs, ModuleCall):
            op.module = self.names.module(op.inputs.module)
        elif around is not None:
            op.module = around.module

    def _stop(self, op: Op, reason: str) -> None:
        if op.file is None:
            self._locate(op)
        self.quiet += 1
        try:
            with private.DisableTorchFunction():  # quiet is enough, and takes longer
                if not self.recording:
                    self._name_modules(op)
                self.on_stop(op, reason)
        finally:
            self.quiet -= 1

    def _name_modules(self, op: Op) -> None:
        """Nobody needed the names of modules so far, which costs a look at all the script's variables."""
        around = None
        for item in [*self.open, op]:
            self._name_module(item, around)
            around = item

    def end(self, op: Op, results: Any = None) -> None:
        """An operation has run."""
        if self.open.pop() is not op:
            self._close(op)
        if self.watch is not None:
            self.watch.ends(op, results)
        if self.recording:
            self._record(op, results, None)

    def fail(self, op: Op, error: BaseException) -> None:
        """An operation raised an exception."""
        self._close(op)
        if self.recording:
            self._record(op, None, error)

    def _close(self, op: Op) -> None:
        while self.open and self.open.pop() is not op:
            pass

    def _record(self, op: Op, results: Any, error: BaseException | None) -> None:
        self.quiet += 1
        try:
            recorder = self.recorder
            with private.DisableTorchFunction():
                if error is None:
                    record = recorder.completed_record(op, results, self._most(op))
                    recorder.made(results, op)
                    self._testify(op, results)
                else:
                    record = op.record or recorder.begun(op)
                    record["error"] = in_words(error)
                    self.witness.raised(op, error)
            if self.sink is not None:
                self.sink(record, op.evidence)
            else:
                recorder.completed.append(record)
                recorder.last = record
                if len(recorder.completed) >= MOST_UNSENT:
                    self.on_report()
        finally:
            self.quiet -= 1

    def _testify(self, op: Op, results: Any) -> None:
        if op.evidence is not None:
            self.witness.ends(op, results)
        elif self.witness.wanted:
            self.witness.passes(op, results)

    def warned(self, category: str, text: str, file: str, line: int) -> None:
        """The script was shown a warning: during the innermost operation, or before the next one."""
        if not self.recording or not self.ours():
            return
        clock, around = self.clock, self.open[-1] if self.open else None
        if not written_by_user(file) and (frame := user_frame()) is not None:
            file, line = frame.f_code.co_filename, frame.f_lineno
        record: Record = {
            "time": around.time if around is not None else [clock.landmark, clock.operation],
            "iteration": around.iteration if around is not None else clock.iteration,
            "number": around.number if around is not None else clock.number + 1,
            "depth": len(self.open),
            "level": OPERATION,
            "kind": "warning",
            "name": category,
            "file": file,
            "line": line,
            "module": around.module if around is not None else None,
            "text": text,
        }
        if self.sink is not None:
            self.sink(record, None)
        else:
            self.recorder.warnings.append(record)

    # landmarks
    def backward_done(self, roots: Any) -> None:
        """An outermost backward pass completed."""
        value = _loss_value(roots)
        site = self._site()
        ends = not self.has_optimizer()
        number = math.nan if value is None else value
        self.clock.pass_landmark(number, ends)
        rises = self.trend.add(site, number)
        if value is not None:
            self.curves.losses.append([self.clock.landmark, self.clock.iteration, site, scalar_of(value)])
        if self.conditions.armed:
            self.conditions.backward_done(roots, number, rises)
        self._landmark_passed(ends)

    def _site(self) -> str:
        """The script's line, as ``file:line``."""
        frame = self.caller or user_frame()
        if frame is None:
            return ""
        code = frame.f_code
        key = (code.co_filename, code.co_name, code.co_firstlineno, frame.f_lasti)
        known = self._sites.get(key)
        if known is None:
            known = self._sites[key] = f"{code.co_filename}:{frame.f_lineno}"
        return known

    def step_done(self, optimizer: Any, number: int, rates: list[Any]) -> None:
        """A step of an optimizer completed; ``rates`` are the learning rates that it used."""
        rate = rates[0] if rates and isinstance(rates[0], (int, float)) else 0.0
        self.clock.pass_landmark(float(rate), True)
        self.curves.rates.append([self.clock.landmark, self.clock.iteration, number, rates])
        if self.conditions.armed:
            self.conditions.step_done(optimizer)
        self._landmark_passed(True)

    def _landmark_passed(self, ends_iteration: bool) -> None:
        if ends_iteration and not self.in_function:
            self.on_iteration_end()
            if self.conditions.armed and not self.observing:
                self.conditions.observed_no_more()
        now = perf_counter()
        if now >= self.next_report:
            self.next_report = now + REPORT_EVERY
            self.on_report()


class Watching(Protocol):
    """Looks at something at every operation."""

    def begins(self, op: Op) -> None: ...
    def ends(self, op: Op, results: Any) -> None: ...
    def altered(self, op: Op, chip: str) -> None: ...
    def report(self) -> Any: ...


@dataclass
class ModuleCall:
    """What a module was called with."""

    module: torch.nn.Module
    arguments: Any


_NO_TRAINING = frozenset(
    {"data", "detach", "clone", "cpu", "to"}
    | {"__bool__", "__float__", "__int__", "__index__", "__complex__", "__array__"}
)


def _trains(level: str, name: str, inputs: Any) -> bool:
    """Whether an operation belongs to the training loop rather than to what prepares it."""
    if level is PHASE:
        return not in_constructor()
    if changes_in_place(name) or name in _NO_TRAINING or not torch.is_grad_enabled():
        return False
    return any(standing(tensor)[0] for tensor in tensors_in(inputs)) and not in_constructor()


def _loss_value(roots: Any) -> float | None:
    """The first root that is a single number; None if a pass began from none."""
    for root in roots:
        if isinstance(root, torch.Tensor) and root.numel() == 1:
            try:
                return float(root.item())
            except (RuntimeError, TypeError):
                return math.nan
    return None
