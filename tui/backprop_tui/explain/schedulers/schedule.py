"""What a scheduler's step is: which formula makes the new rate, and why that one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Values = dict[str, Any]


@dataclass(frozen=True)
class Form:
    """One formula of the new rate (`explain.formula`), when it applies, and the sentence that says so.

    Formulas know ``lr`` (the rate before the step), ``base_lr``, ``epoch`` (the epoch that the step
    goes to) and the scheduler's own attributes. The sentence may name them in braces.
    """

    formula: str
    why: str
    when: str = "True"


@dataclass(frozen=True)
class Schedule:
    """The arithmetic of one scheduler."""

    forms: tuple[Form, ...]
    """The first that applies makes the rate from the one before."""
    closed: str | None = None
    """The rate from the epoch alone, for ``step(epoch)`` and for the milestones of SequentialLR."""
    prepare: Callable[[Values, Mapping[str, Any]], Values] = field(default=lambda values, spec: {})
    """Further numbers, from the values so far and the scheduler's attributes."""
    advance: Callable[[Mapping[str, Any], Any], Mapping[str, Any]] | None = None
    """The attributes after the step, for schedulers that count otherwise than by epochs."""
    again: str | None = None
    """What goes wrong when ``get_lr()`` is called by hand: it makes the next rate from the present one."""
    momentum: tuple[Form, ...] = ()
    """The momentum (or β₁) that goes with the rate."""


class Unknown(Exception):
    """There is no rule for a scheduler, or something that it needs is not known; the message says which."""
