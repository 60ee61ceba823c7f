"""Breakpoints: what the script is to stop for, besides a time or a step.

Most conditions about the training loop are looked at where a backward pass, a step or a scheduler's
step is complete, also at full speed. Those about single operations are looked at only while observing.
The debugger says which are wanted and sees to it that what they need is observed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from backprop_tui.debuggee import checks, finite, graph, private
from backprop_tui.debuggee.checks import Pass, Scheduled, Stepped, Wanted
from backprop_tui.debuggee.nonfinite import NonFinite

if TYPE_CHECKING:
    from backprop_tui.debuggee.engine import Engine
    from backprop_tui.debuggee.op import Op

Message = dict[str, Any]
Line = tuple[str | None, int | None]
"""(file, line)"""


class Place(NamedTuple):
    """Where an operation is."""

    depth: int
    line: Line
    iteration: int


@dataclass
class Hit:
    """A breakpoint was met."""

    id: int
    text: str
    """What was found, in a few words."""
    landmark: int
    time: list[int] | None = None
    """Where to stand; None: at an operation that was not observed, or whose place is not known."""
    since: tuple[int, int] = (-1, 0)
    ordinal: int = 0
    """Which hit of this breakpoint since that time it is, from 1."""
    more: Message = field(default_factory=dict)

    def message(self) -> Message:
        """For the debugger."""
        found = {"id": self.id, "text": self.text, "landmark": self.landmark, "time": self.time}
        return found | {"since": self.since, "ordinal": self.ordinal} | self.more


class Visits:
    """Tells when control comes to a line.

    Operations of one line in a row are one visit, also when it calls others in between
    (``loss_fn(model(x))``) or when an operation inside belongs to the same line. In the next iteration
    it is another one, so that a loop of one line is visited each time.
    """

    def __init__(self, lines: Iterable[Line] = (), here: Iterable[Op] = ()) -> None:
        """``here``: the operations that are open, and the one before which we stand."""
        self._lines = frozenset(lines)
        self._places: list[Place] = []
        """Those of the last operation at each depth that are at one of the lines."""
        for op in here:
            self.comes(op)

    def comes(self, op: Op) -> bool:
        """Whether ``op`` begins a visit of one of the lines."""
        line, places = (op.file, op.line), self._places
        wanted = line in self._lines
        if not places and not wanted:
            return False
        while places and places[-1].depth > op.depth:
            places.pop()
        known = any(place.line == line and place.iteration == op.iteration for place in places)
        if places and places[-1].depth == op.depth:
            places.pop()
        if wanted:
            places.append(Place(op.depth, line, op.iteration))
        return wanted and not known


class Conditions:
    """The breakpoints of one run, and what it has met of them."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.optimizers: Callable[[], Iterable[Any]] = tuple
        """The living optimizers of the script."""
        self.note: Callable[[str], None] = lambda sentence: None
        """Takes a sentence for the user."""
        self.halt: Callable[[], None] = lambda: None
        """Stops the script where it is: no operation is observed before which it could stop."""
        self.hits: list[Hit] = []
        self.armed = False
        """Whether any breakpoint is wanted."""
        self._wanted: dict[str, list[Wanted]] = {}
        self._counts: dict[int, int] = {}
        self._collect = False
        self._after: tuple[int, int] = (-1, 0)
        self._pending: list[Hit] = []
        self._visits = Visits()
        self._copies: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._added_to: list[torch.Tensor] = []
        self._buffers: list[torch.Tensor] | None = None
        self._ordinals: dict[int, tuple[tuple[int, int], int]] = {}

    # arming
    def arm(self, message: Message, here: Iterable[Op] = ()) -> None:
        """Start a run with the breakpoints of a ``go`` message.

        With ``collect`` none of them stops the run: what would have done so is remembered. Hits at or
        before the time ``after`` do not count.
        """
        found = [Wanted(**wanted) for wanted in message.get("breaks", ())]
        self._wanted = {}
        for wanted in found:
            for place in checks.places(wanted):
                self._wanted.setdefault(place, []).append(wanted)
        self.armed = bool(found)
        self._counts = dict.fromkeys((wanted.id for wanted in found), 0)
        self._collect = bool(message.get("collect"))
        self._after = tuple(message.get("after", (-1, 0)))
        self.hits, self._pending, self._ordinals = [], [], {}
        self._copies, self._added_to, self._buffers = [], [], None
        here = list(here)
        self._visits = Visits((wanted.what for wanted in self._wanted.get("line", ())), here)
        if results := self._wanted.get("result"):
            self.engine.watch = NonFinite(self.engine.quietly, results[0].what, here, self._result)
        elif isinstance(self.engine.watch, NonFinite):
            self.engine.watch = None

    @property
    def locates(self) -> bool:
        """Whether the line of each operation must be known."""
        return "line" in self._wanted or "result" in self._wanted

    def look_into(self, kind: str) -> bool:
        """Whether an operation of torch's own within a zero_grad or a step may be the one that is looked
        for, or within a backward pass one that is no node."""
        operations = self._wanted.get("operation", ())
        return "result" in self._wanted or any(checks.may_be_within(wanted, kind) for wanted in operations)

    def seek_node(self, name: str) -> bool:
        """Whether a node of this name is looked for."""
        return any(checks.is_node(wanted, name) for wanted in self._wanted.get("operation", ()))

    # operations
    def begins(self, op: Op) -> bool:
        """An operation is about to run. Whether to stop before it."""
        if self._pending:
            self._settle(op)
        if "operation" in self._wanted:
            self._look_at(op)
        if "line" in self._wanted and self._visits.comes(op):
            for wanted in self._wanted["line"]:
                if (op.file, op.line) == wanted.what:
                    self._hit(wanted, "", op.time)
        return bool(self.hits) and self._due

    def _look_at(self, op: Op) -> None:
        self.engine.quiet += 1  # `quietly` would take longer than what is done here
        try:
            for wanted in self._wanted["operation"]:
                text = checks.OPERATION[wanted.kind](wanted, op, self.engine.names)
                if text is not None:
                    self._hit(wanted, text, op.time)
        finally:
            self.engine.quiet -= 1

    def _result(self, op: Op, text: str, more: Message) -> None:
        """An operation has run, and its results are what a breakpoint is about."""
        for wanted in self._wanted["result"]:
            self._hit(wanted, text, op.time, more)

    def _settle(self, op: Op) -> None:
        """What was met since the last operation is to be looked at from before this one."""
        for hit in self._pending:
            if tuple(op.time) > self._after:
                hit.time = op.time
                self._enter(hit)
        self._pending = []

    def observed_no_more(self) -> None:
        """An iteration has ended, and the operations that come are not observed: what was met at its last
        landmark cannot wait for one."""
        pending, self._pending = self._pending, []
        for hit in pending:
            hit.time = [hit.landmark, 0]
            self._enter(hit)
        if pending and self._due:
            self.halt()

    # landmarks
    def backward_begins(self, roots: Any) -> None:
        """An outermost backward pass is about to run: some conditions ask what it adds to."""
        if any(wanted.kind == "backward-twice" for wanted in self._wanted.get("backward", ())):
            with self._apart():
                self._added_to = checks.not_cleared(graph.leaves(roots))

    def backward_done(self, roots: Any, value: float, rises: int) -> None:
        """An outermost backward pass is complete, and its landmark has passed."""
        if "backward" in self._wanted:
            done = Pass(roots, value, rises, list(self.optimizers()), self._added_to)
            self._check("backward", done, checks.BACKWARD)

    def step_begins(self, optimizer: Any) -> None:
        """A step of an optimizer is about to run: some conditions ask what it changes."""
        if any(wanted.kind in checks.COMPARING for wanted in self._wanted.get("step", ())):
            with self._apart():
                leaves = checks.leaves_of([optimizer])
                self._copies = [(leaf, leaf.detach().clone()) for leaf in leaves]

    def step_done(self, optimizer: Any) -> None:
        """A step of an optimizer is complete, and its landmark has passed."""
        if "step" in self._wanted:
            self._check("step", Stepped(optimizer, self._copies, self._watched_buffers), checks.STEP)
            self._copies = []

    def scheduled(self, facts: Scheduled) -> None:
        """A scheduler's step is complete, or a rate that the script set is about to be used."""
        if "schedule" in self._wanted:
            self._check("schedule", facts, checks.SCHEDULE)

    def _check(self, where: str, facts: Any, table: checks.Table) -> None:
        group = self._wanted[where]
        if all(wanted.kind in checks.PLAIN for wanted in group):
            found = [(wanted, self._text(table, wanted, facts)) for wanted in group]
        else:
            with self._apart():
                found = [(wanted, self._text(table, wanted, facts)) for wanted in group]
        for wanted, text in found:
            if text is not None:
                self._meet(wanted, text, at_landmark=where != "schedule")
        if self._due:
            self.halt()

    def _text(self, table: checks.Table, wanted: Wanted, facts: Any) -> str | None:
        """What a check finds. A fault in it must not end the script."""
        try:
            return table[wanted.kind](wanted, facts, self.engine.names)
        except Exception as error:
            self.note(f"a breakpoint ({wanted.kind}) could not be looked at: {type(error).__name__}: {error}")
            return None

    def _watched_buffers(self) -> list[torch.Tensor]:
        """The buffers that were finite when first looked at: a mask of infinities is meant."""
        if self._buffers is None:
            found = (tensor for _, tensor in self.engine.names.lasting_tensors() if not tensor.requires_grad)
            self._buffers = [tensor for tensor in found if finite.badness(tensor) is None]
        return self._buffers

    @contextmanager
    def _apart(self) -> Iterator[None]:
        """What we compute is not the script's."""
        with self.engine.quietly(), private.DisableTorchFunction(), torch.no_grad():
            yield

    # hits
    def _meet(self, wanted: Wanted, text: str, at_landmark: bool) -> None:
        """A condition has come true: the next operation is the one to look at it from."""
        landmark = self.engine.clock.landmark
        hit = Hit(wanted.id, text, landmark)
        if self.engine.observing:
            self._pending.append(hit)
        elif (landmark, 0) > self._after:
            hit.time = [landmark, 0] if at_landmark else None
            self._enter(hit)

    def _hit(self, wanted: Wanted, text: str, time: list[int], more: Message | None = None) -> None:
        if tuple(time) > self._after:
            exactly = time if self.engine.clock.unsure is None else None
            self._enter(Hit(wanted.id, text, time[0], exactly, more=more or {}))

    def _enter(self, hit: Hit) -> None:
        since, count = self._ordinals.get(hit.id, (hit.since, 0))
        hit.since = hit.landmark, (self.engine.clock.unsure or 0) if hit.time is None else 0
        hit.ordinal = count + 1 if since == hit.since else 1
        self._ordinals[hit.id] = hit.since, hit.ordinal
        self._counts[hit.id] += 1
        if self._collect or self._is_nth(hit):
            self.hits.append(hit)

    def _is_nth(self, hit: Hit) -> bool:
        wanted = (item for group in self._wanted.values() for item in group if item.id == hit.id)
        return self._counts[hit.id] >= next(wanted).count

    @property
    def _due(self) -> bool:
        """Whether to stop for what was met."""
        return bool(self.hits) and not self._collect
