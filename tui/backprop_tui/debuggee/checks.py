"""What each kind of breakpoint looks for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import torch

from backprop_tui.debuggee import finite, graph
from backprop_tui.debuggee.describe import dense

if TYPE_CHECKING:
    from backprop_tui.debuggee.names import Names
    from backprop_tui.debuggee.op import Op


matches = lru_cache(maxsize=4096)(fnmatchcase)
"""Whether a name is of a pattern: asked at every operation."""


@dataclass(frozen=True)
class Wanted:
    """One breakpoint, as the debugger sent it."""

    id: int
    kind: str
    what: Any = None
    """Its kind says what: a pattern of names, ``>`` or ``<``, a line."""
    threshold: float = 0.0
    count: int = 1


@dataclass
class Pass:
    """An outermost backward pass that is complete."""

    roots: Any
    loss: float
    rises: int
    """How often in a row the loss of this line of the script has risen."""
    optimizers: list[Any]
    added_to: list[torch.Tensor] = field(default_factory=list)
    """Leaves that had a gradient, not all 0, when the pass began."""

    @property
    def loss_known(self) -> bool:
        """Whether there is one number that the pass began from."""
        return any(isinstance(root, torch.Tensor) and root.numel() == 1 for root in self.roots)

    @cached_property
    def reached(self) -> list[torch.Tensor]:
        """The leaves that the pass could reach, by a walk through the graph."""
        return graph.leaves(self.roots)

    @cached_property
    def leaves(self) -> list[torch.Tensor]:
        """The parameters of the optimizers; in a script without one the leaves that the pass reached."""
        return leaves_of(self.optimizers) if self.optimizers else self.reached

    @cached_property
    def gradients(self) -> list[torch.Tensor]:
        """Those that are there."""
        return [leaf.grad for leaf in self.leaves if leaf.grad is not None]


@dataclass
class Stepped:
    """A step of an optimizer that is complete."""

    optimizer: Any
    copies: list[tuple[torch.Tensor, torch.Tensor]]
    """(parameter, what it was before the step), if any condition compares."""
    buffers: Callable[[], list[torch.Tensor]] = list
    """The buffers of the script's modules, if they are asked for."""

    @cached_property
    def leaves(self) -> list[torch.Tensor]:
        """The optimizer's parameters."""
        return leaves_of([self.optimizer])

    @property
    def state(self) -> list[torch.Tensor]:
        """The tensors of the optimizer's state."""
        entries = (self.optimizer.state.get(leaf, {}) for leaf in self.leaves)
        return [value for entry in entries for value in entry.values() if isinstance(value, torch.Tensor)]


@dataclass(frozen=True)
class Scheduled:
    """A scheduler's step that is complete, or rates that were set without one."""

    before: list[Any]
    after: list[Any]
    by: str
    """Class of the scheduler, or ``hand``: the script or the user has set it."""
    early: bool = False
    """The optimizer has taken no step since the scheduler's last one, or none at all."""


def leaves_of(optimizers: Iterable[Any]) -> list[torch.Tensor]:
    """The parameters of optimizers."""
    return [leaf for optimizer in optimizers for group in optimizer.param_groups for leaf in group["params"]]


def not_cleared(leaves: Iterable[torch.Tensor]) -> list[torch.Tensor]:
    """Leaves whose gradient is there and not all 0."""
    return [leaf for leaf in leaves if leaf.grad is not None and not finite.all_zero(leaf.grad)]


# operations: (wanted, op, names) to a text, or None
def _named(wanted: Wanted, op: Op, names: Names) -> str | None:
    if op.level == "kernel" and wanted.what != op.name:
        return None
    return "" if matches(op.name, wanted.what) or op.kind == wanted.what else None


def may_be_within(wanted: Wanted, kind: str) -> bool:
    """Whether it may be an operation of torch's own within a call of that kind (zero_grad, step) that is
    looked for."""
    if wanted.kind == "op" and kind == "zero_grad":
        return matches("grad = None", wanted.what) or wanted.what == "clear"
    return wanted.kind in ("op", "update") and kind == "step"


def is_node(wanted: Wanted, name: str) -> bool:
    """Whether it is an autograd node of this name that is looked for."""
    kind = "accumulate" if name == "AccumulateGrad" else "node"
    return wanted.kind == "op" and (matches(name, wanted.what) or wanted.what == kind)


def _updated(wanted: Wanted, op: Op, names: Names) -> str | None:
    if op.kind != "update":
        return None
    name = names.tensor(op.inputs[0])
    return name if name is not None and matches(name, wanted.what) else None


def _begins(wanted: Wanted, op: Op, names: Names) -> str | None:
    return "" if op.number == 1 and op.iteration == wanted.threshold and op.level != "kernel" else None


# the end of a backward pass
def _loss(wanted: Wanted, done: Pass, names: Names) -> str | None:
    if wanted.what == "rising":
        return f"the loss is {_short(done.loss)}" if done.rises >= wanted.threshold else None
    return f"the loss is {_short(done.loss)}" if _compare(wanted, done.loss) else None


def _norm(wanted: Wanted, done: Pass, names: Names) -> str | None:
    if not done.gradients:
        return None
    norm = finite.norm(done.gradients)
    return f"the norm of the gradient is {_short(norm)}" if _compare(wanted, norm) else None


def _compare(wanted: Wanted, number: float) -> bool:
    return number > wanted.threshold if wanted.what == ">" else number < wanted.threshold


def _bad_pass(wanted: Wanted, done: Pass, names: Names) -> str | None:
    if wanted.what != "gradient" and done.loss_known and not math.isfinite(done.loss):
        return f"the loss is {done.loss}"
    if wanted.what == "loss":
        return None
    found = finite.first_bad(done.gradients)
    if found is None:
        return None
    (leaf,) = (leaf for leaf in done.leaves if leaf.grad is found[0])
    return f"the gradient of {_name(leaf, names)} is {found[1]}"


def _unowned(wanted: Wanted, done: Pass, names: Names) -> str | None:
    if not done.optimizers:
        return None
    owned = {id(leaf) for leaf in leaves_of(done.optimizers)}
    for leaf in done.reached:
        if id(leaf) not in owned and leaf.grad is not None and _concerns(wanted, leaf, names):
            return f"{_name(leaf, names)} got a gradient and is in no optimizer"
    return None


def _twice(wanted: Wanted, done: Pass, names: Names) -> str | None:
    if not done.added_to:
        return None
    return f"added to the gradient of {_name(done.added_to[0], names)}, which was not cleared"


# the end of a step
def _gradient(wanted: Wanted, done: Stepped, names: Names) -> str | None:
    name, part = wanted.what
    for leaf in done.leaves:
        if not _fits(name, leaf, names):
            continue
        if part == "None" and leaf.grad is None:
            return f"the gradient of {_name(leaf, names)} is None"
        if part == "zero" and leaf.grad is not None and finite.all_zero(leaf.grad):
            return f"the gradient of {_name(leaf, names)} is 0 everywhere"
    return None


def _bad_step(wanted: Wanted, done: Stepped, names: Names) -> str | None:
    if (found := finite.first_bad(done.leaves)) is not None:
        return f"{_name(found[0], names)} is {found[1]}"
    if wanted.what != "lasting":
        return None
    if (found := finite.first_bad(done.state)) is not None:
        return f"the state of {type(done.optimizer).__name__} is {found[1]}"
    found = finite.first_bad(done.buffers())
    return None if found is None else f"{_name(found[0], names)} is {found[1]}"


def _unchanged(wanted: Wanted, done: Stepped, names: Names) -> str | None:
    for leaf, before in done.copies:
        if _same(leaf, before) and _concerns(wanted, leaf, names):
            return f"the step left {_name(leaf, names)} as it was"
    return None


def _changed(wanted: Wanted, done: Stepped, names: Names) -> str | None:
    for leaf, before in done.copies:
        if not _same(leaf, before) and _concerns(wanted, leaf, names):
            return f"the step changed {_name(leaf, names)}"
    return None


def _frozen(wanted: Wanted, done: Stepped, names: Names) -> str | None:
    for leaf, before in done.copies:
        if not leaf.requires_grad and not _same(leaf, before) and _concerns(wanted, leaf, names):
            return f"the step changed {_name(leaf, names)}, which requires no gradient"
    return None


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Bit for bit, but for NaN, which equals itself here."""
    one, other = dense(one), dense(other)
    return torch.equal(one, other) or (
        one.shape == other.shape and bool(((one == other) | (one.isnan() & other.isnan())).all())
    )


# the learning rate
def _rate(wanted: Wanted, done: Scheduled, names: Names) -> str | None:
    if done.before == done.after:
        return None
    for before, after in zip(done.before, done.after, strict=False):
        if before != after:
            return f"the learning rate went from {_short(before)} to {_short(after)} by {done.by}"
    return f"the learning rate was changed by {done.by}"


def _early(wanted: Wanted, done: Scheduled, names: Names) -> str | None:
    return f"{done.by}.step() came before the optimizer's step" if done.early else None


def _short(number: Any) -> str:
    """``0.001``, ``1e-5``"""
    text = f"{number:.6g}" if isinstance(number, float) else str(number)
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if e and exponent[-1].isdigit() else text


# names
def _concerns(wanted: Wanted, leaf: torch.Tensor, names: Names) -> bool:
    return _fits(wanted.what, leaf, names)


def _fits(pattern: str, leaf: torch.Tensor, names: Names) -> bool:
    if pattern == "*":
        return True
    name = names.parameter(leaf)
    return name is not None and matches(name, pattern)


def _name(leaf: torch.Tensor, names: Names) -> str:
    return names.parameter(leaf) or f"a parameter of shape {list(leaf.shape)}"


Check = Callable[[Wanted, Any, "Names"], "str | None"]
"""What was found, in words; None if the condition does not hold."""
Table = dict[str, Check]
OPERATION: Table = {"op": _named, "update": _updated, "iteration": _begins}
BACKWARD: Table = {
    "loss": _loss,
    "grad-norm": _norm,
    "no-optimizer": _unowned,
    "backward-twice": _twice,
    "non-finite": _bad_pass,
}
STEP: Table = {
    "gradient": _gradient,
    "unchanged": _unchanged,
    "changed": _changed,
    "frozen": _frozen,
    "non-finite": _bad_step,
}
SCHEDULE: Table = {"lr": _rate, "scheduler-first": _early}
COMPARING = frozenset({"unchanged", "changed", "frozen"})
"""Kinds that need the parameters as they were before the step."""
PLAIN = frozenset({"loss", "lr", "scheduler-first"})
"""Kinds that look at plain numbers only."""
_NON_FINITE = {
    "any": ("backward", "step"),
    "lasting": ("backward", "step"),
    "loss": ("backward",),
    "gradient": ("backward",),
    "parameter": ("step",),
    "forward": ("result",),
    "operation": ("result",),
}


def places(wanted: Wanted) -> tuple[str, ...]:
    """Where a breakpoint is looked at: line, operation, result, backward, step or schedule."""
    if wanted.kind == "line":
        return ("line",)
    if wanted.kind == "non-finite":
        return _NON_FINITE[wanted.what]
    tables = {"operation": OPERATION, "backward": BACKWARD, "step": STEP, "schedule": SCHEDULE}
    return tuple(place for place, table in tables.items() if wanted.kind in table)
