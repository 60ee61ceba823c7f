"""What the panes show: one frozen value, put together by the session at every stop.

A pane reads a `View` and nothing else. It holds plain values only, so that a pane can be tested
from a recorded one without a debuggee and without torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from backprop_tui.protocol import LossPoint, ParameterRow, RatePoint, Record

if TYPE_CHECKING:  # numpy comes with some, and the first frame does without
    from backprop_tui.debugger.breakpoints import Breakpoint
    from backprop_tui.explain.explanation import Explanation
    from backprop_tui.explain.notices.notice import Notice

Status = Literal["starting", "stopped", "running", "finished", "crashed", "died"]


OVER = ("finished", "crashed")
"""Reasons of a stop after which no operation comes."""


@dataclass(frozen=True)
class Frame:
    """One line of the script's call stack."""

    file: str
    line: int
    function: str


@dataclass(frozen=True)
class Stop:
    """What the debuggee said when it stopped before an operation (or at the end)."""

    time: tuple[int, int]
    iteration: int
    number: int
    """Position of the next operation in its iteration, from 1."""
    reason: str
    """start, step, pause, interrupt, breakpoint, goto, finished, crashed"""
    next: Record | None = None
    """The operation about to run, with its inputs; None at the end of the script."""
    last: Record | None = None
    """The operation that completed last, with its results."""
    open: tuple[Record, ...] = ()
    """Operations begun and not completed, outermost first (``backward`` around a node)."""
    frames: tuple[Frame, ...] = ()
    """The script's own frames, innermost first."""
    observing: bool = True
    exit_status: int | None = None
    error: str | None = None
    """The script's traceback, if it crashed."""

    @property
    def has_past(self) -> bool:
        """Whether an operation has run, so that there is something to go back to."""
        return self.time > (0, 0)

    @property
    def over(self) -> bool:
        """Whether the script has come to its end."""
        return self.reason in OVER


@dataclass(frozen=True)
class Change:
    """A change in force: what the toggles did."""

    kind: str
    """zero_grad, loss, optimizer, lr, scheduler, backward_gradient, set, seed"""
    chip: str
    """As shown at the top: ``zero_grad off``, ``loss half_mse``, ``Adam(lr=0.1)``."""
    time: tuple[int, int]
    value: Any = None


@dataclass(frozen=True)
class Plan:
    """The learning rate ahead, as the scheduler would set it if stepped in a copy."""

    lrs: tuple[tuple[Any, ...], ...] = ()
    """One entry per coming scheduler step, each with one rate per parameter group."""
    scheduler: str = ""
    note: str = ""
    """Why the plan ends early, or what was assumed."""
    now: tuple[Any, ...] = ()
    """The rates in force, one per parameter group."""
    first: int = 1
    """The iteration whose step will be the first to use the first entry."""
    every: int = 1
    """Iterations for which each entry holds."""


@dataclass(frozen=True)
class Window:
    """Some rows and columns of a tensor seen as a matrix (leading dimensions make the rows)."""

    rows: tuple[int, int]
    cols: tuple[int, int]
    values: Any
    """Nested lists, row by row; None where there is no tensor (a gradient that is None)."""
    dtype: str
    shape: tuple[int, ...]
    """Of the whole matrix: (rows, columns)."""


@dataclass(frozen=True)
class OutputChunk:
    """What the script printed between two stops."""

    time: tuple[int, int]
    stream: Literal["out", "err"]
    text: str


@dataclass(frozen=True)
class Ghost:
    """The curves of a future that was left: it was known, and then something was changed before it."""

    was: str
    """The changes that were in force in it: ``zero_grad off, lr 0.1``; empty if there were none."""
    left_in: int
    """The iteration in which another future begins."""
    losses: tuple[LossPoint, ...] = ()
    """Of each curve the last point before it was left, and all that came after."""
    rates: tuple[RatePoint, ...] = ()


@dataclass(frozen=True)
class Toggles:
    """The present settings, for the title line: the script's own unless changed."""

    zero_grad: str = "on"
    """on, off, zero"""
    loss: str | None = None
    """The loss function in use: ``l1_loss``; None if the script calls none."""
    optimizer: str | None = None
    """``SGD``"""
    lr: Any = None
    scheduler: str | None = None
    """Class of the scheduler, ``off``, or None if the script has none."""
    backward_gradient: bool = False


@dataclass(frozen=True)
class Choice:
    """A number of a tensor: the one that the cursor is on, that a guide points at, or that is edited."""

    name: str
    attribute: str = "value"
    """value, grad, or state.exp_avg and the like"""
    index: tuple[int, ...] | None = None
    """None: the whole tensor."""

    def __str__(self) -> str:
        """As the script would write it: ``linear1.weight.grad[1, 0]``."""
        name = self.name if self.attribute == "value" else f"{self.name}.{self.attribute}"
        return f"{name}[{', '.join(map(str, self.index))}]" if self.index else name


@dataclass(frozen=True)
class View:
    """All that is on the screen."""

    status: Status
    script: str
    """Path of the script, or name of the module."""
    stop: Stop | None = None
    records: tuple[Record, ...] = ()
    """Completed operations of this iteration and the one before, in the order of completion.
    Empty after a run at full speed, where no operation was observed."""
    parameters: tuple[ParameterRow, ...] = ()
    losses: tuple[LossPoint, ...] = ()
    rates: tuple[RatePoint, ...] = ()
    ghosts: tuple[Ghost, ...] = ()
    """Futures that were left, the last one first."""
    plan: Plan | None = None
    output: tuple[OutputChunk, ...] = ()
    changes: tuple[Change, ...] = ()
    toggles: Toggles = field(default_factory=Toggles)
    breakpoints: frozenset[tuple[str, int]] = frozenset()
    """(file, line) of those on lines that are enabled."""
    stops: tuple[Breakpoint, ...] = ()
    """All breakpoints, in the order in which they were made."""
    iteration: int = 0
    """While running: the iteration last heard of; else that of the stop."""
    iteration_length: int | None = None
    """Operations in the last complete iteration that was observed."""
    future: int | None = None
    """The last iteration that is known, if more is known than where the run stands: a change forgets it."""
    message: str = ""
    """One sentence for the user: a refusal, a warning, what was undone."""
    explanations: tuple[Explanation, ...] = ()
    """Why the results of `stop.last` are what they are; they come shortly after the stop."""
    notices: tuple[Notice, ...] = ()
    """What seems to be wrong in this iteration and the one before; they too come shortly after the stop."""
    pointer: Choice | None = None
    """Where to look."""
    module_file: str = ""
    """Path of the module's file, where a module is run and its file is known."""

    @property
    def file(self) -> str:
        """Path of the file that is run; the name of a module whose file is not known."""
        return self.module_file or self.script
