"""What an optimizer's update is: its lines, in the order in which torch computes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from backprop_tui.explain.evidence import Evidence


@dataclass(frozen=True)
class Assign:
    """One line: a name, the formula of what it becomes (`explain.formula`), and when the line applies."""

    name: str
    formula: str
    when: str = "True"


@dataclass(frozen=True)
class Remark:
    """A sentence for a learner, and a condition on the numbers of the chosen element."""

    when: str
    text: str


class Unknown(Exception):
    """What an update depends on was not kept by torch; the message says what."""


@dataclass(frozen=True)
class Update:
    """The arithmetic of one optimizer for one parameter.

    Formulas know ``w`` (the parameter), ``g`` (its gradient), the names of ``state``, every
    hyperparameter by the name of its argument, ``first``: whether there is no state yet, and ``counted``:
    whether torch had counted this step before the parameter's own update began.
    """

    lines: tuple[Assign, ...]
    state: Mapping[str, str] = field(default_factory=dict)
    """Names in the formulas, and what torch calls that entry of the optimizer's state."""
    start: Mapping[str, str] = field(default_factory=dict)
    """What an entry is before the first step; 0 if it is not said."""
    memory: tuple[str, ...] = ()
    """Entries that remember gradients of earlier steps: what they add to a step is its momentum."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Hyperparameters that a group of an older torch does not name."""
    operands: Callable[[Evidence], Mapping[str, Any]] | None = None
    """Further numbers and functions for the formulas. Raises Unknown."""
    masked: bool = False
    """Only the elements at which a sparse gradient has a value are touched."""
    whole: bool = False
    """An element depends on others: the formulas use functions of whole tensors."""
    separable: bool = True
    """Whether a step is a sum of parts of gradient, momentum and decay."""
    coarse: str | None = None
    """An entry in a lower precision than float64 that the step is computed from."""
    held: tuple[str, ...] = ()
    """Names that torch puts into a tensor on the way: what its dtype cannot hold is 0 or infinite."""
    remarks: tuple[Remark, ...] = ()


SCALARS = frozenset({"t", "eta", "mu", "product"})
"""Names that are one number, whatever the parameter's shape."""

NEGATED = Assign("g", "-g", "maximize")
DECAYED = Assign("g", "g + weight_decay*w", "weight_decay != 0")
SHRUNK = Assign("w", "w*(1 - lr*weight_decay)", "weight_decay != 0")
COUNTED = Assign("t", "t + 1", "not counted")

DECAY_IN_GRADIENT = Remark(
    "weight_decay != 0", "weight_decay·w joins the gradient inside step(): .grad does not show it."
)
DECAY_APART = Remark(
    "weight_decay != 0", "Decay is decoupled: it shrinks w itself, and neither .grad nor m and v see it."
)
