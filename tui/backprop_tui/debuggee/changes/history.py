"""What is known about an optimizer's past: its groups as the script gave them, and its schedulers.

A history hangs on the optimizer itself and not in a table of ours: schedulers are often made with
a bound method of an object that holds the optimizer, and such a ring is freed only if every link
of it can be seen by the garbage collector. Neither `state_dict` nor a copy of an optimizer has it.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from typing import Any
from weakref import ref

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from backprop_tui.debuggee import private
from backprop_tui.debuggee.changes.pace import Pace

KEY = "_backprop_tui"
REPLAYED = 100_000
"""Longer pasts are not replayed: the learning rates are scaled instead."""


class _This:
    """Stands for the optimizer in the recorded arguments of its schedulers."""


class _Inner:
    """Stands for an earlier scheduler in the recorded arguments of a later one."""

    def __init__(self, number: int) -> None:
        self.number = number


THIS = _This()


class Made:
    """One scheduler of an optimizer and the arguments that it was made with."""

    def __init__(self, scheduler: LRScheduler, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.scheduler = ref(scheduler)
        self.args = args
        self.kwargs = kwargs


class Log:
    """The steps of an optimizer's schedulers, in order; equal neighbours are counted, not repeated.

    A run of 100,000 steps of one scheduler without arguments is one entry; of a ReduceLROnPlateau, whose
    metric is another each time, it takes 6 MB.
    """

    def __init__(self) -> None:
        self._who = array("H")
        self._calls: list[Any] = []
        self._times = array("q")
        self.length = 0

    def add(self, who: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Note that scheduler number `who` stepped with these arguments."""
        call = _compact(args, kwargs)
        self.length += 1
        if self._who and self._who[-1] == who and _same(self._calls[-1], call):
            self._times[-1] += 1
            return
        self._who.append(who)
        self._calls.append(call)
        self._times.append(1)

    def __iter__(self) -> Iterator[tuple[int, tuple[Any, ...], dict[str, Any]]]:
        """Each step: scheduler number, positional and named arguments."""
        for who, call, times in zip(self._who, self._calls, self._times, strict=True):
            args, kwargs = _expanded(call)
            for _ in range(times):
                yield who, args, kwargs

    def last_arguments(self, who: int) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """The arguments of a scheduler's latest step, None if it has not stepped."""
        for other, call in zip(reversed(self._who), reversed(self._calls), strict=True):
            if other == who:
                return _expanded(call)
        return None

    def lately(self) -> set[int]:
        """The schedulers that step now: those seen since the step before last of the latest one.

        A script may hold several schedulers and step one after the other has done its part.
        """
        seen: set[int] = set()
        latest = self._who[-1] if self._who else None
        for position in range(len(self._who) - 1, -1, -1):
            who = self._who[position]
            if who == latest and (seen or self._times[position] > 1):
                return seen | {who}
            seen.add(who)
        return seen


def _compact(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if not args and not kwargs:
        return None
    values = tuple(_plain(value) for value in args)
    if len(values) == 1 and not kwargs and isinstance(values[0], (int, float)):
        return values[0]
    return values, {name: _plain(value) for name, value in kwargs.items()}


def _plain(value: Any) -> Any:
    """A number in place of a tensor, which would keep its whole graph alive."""
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        with private.DisableTorchFunction():
            return value.detach().item()
    return value


def _same(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    return type(one) is type(other) and isinstance(one, (int, float)) and one == other


def _expanded(call: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if call is None:
        return (), {}
    return call if isinstance(call, tuple) else ((call,), {})


class History:
    """The past of one optimizer."""

    def __init__(self) -> None:
        self.own: list[dict[str, Any]] = []
        """Per parameter group: the hyperparameters that the script gave to this group itself."""
        self.made: list[Made] = []
        self.log = Log()
        self.complete = True
        """Whether `made` and `log` alone explain the schedulers and the learning rates."""
        self.pace = Pace()
        """When its schedulers step."""
        self.closure: bool | None = None
        """Whether the latest ``step`` was called with a closure; None before the first."""
        self._rates: list[float] = []

    def made_one(self, scheduler: LRScheduler, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """A scheduler of this optimizer was constructed with these arguments."""
        packed = tuple(self._packed(value) for value in args)
        named = {name: self._packed(value) for name, value in kwargs.items()}
        self.made.append(Made(scheduler, packed, named))

    def _packed(self, value: Any) -> Any:
        """Arguments without the optimizer and its schedulers, which they would keep alive."""
        if isinstance(value, Optimizer):
            return THIS
        if isinstance(value, LRScheduler):
            number = self.number(value)
            self.complete = self.complete and number >= 0
            return _Inner(number)
        if type(value) in (list, tuple):
            return type(value)(self._packed(item) for item in value)
        return value

    def unpacked(self, value: Any, optimizer: Optimizer) -> Any:
        """The inverse of packing."""
        if value is THIS:
            return optimizer
        if isinstance(value, _Inner):
            return self.made[value.number].scheduler()
        if type(value) in (list, tuple):
            return type(value)(self.unpacked(item, optimizer) for item in value)
        return value

    def number(self, scheduler: LRScheduler) -> int:
        """Position of a scheduler among those of this optimizer, -1 if it is not known."""
        for number, made in enumerate(self.made):
            if made.scheduler() is scheduler:
                return number
        return -1

    @staticmethod
    def rates(optimizer: Optimizer) -> list[float]:
        """The learning rate of each group as a number; NaN where a group has none."""
        with private.DisableTorchFunction():
            return [float(group.get("lr", math.nan)) for group in optimizer.param_groups]

    def note_rates(self, optimizer: Optimizer) -> None:
        """Remember the learning rates that the schedulers left behind."""
        self._rates = self.rates(optimizer)

    def check_rates(self, optimizer: Optimizer) -> None:
        """The script may have set a learning rate by hand since: then the past does not explain it."""
        if self.made and self._rates != self.rates(optimizer):
            self.complete = False

    def schedulers(self) -> list[LRScheduler]:
        """All living schedulers, in the order in which they were made."""
        living = (made.scheduler() for made in self.made)
        return [scheduler for scheduler in living if scheduler is not None]

    def replayable(self, optimizer: Optimizer) -> bool:
        """Whether making and stepping the schedulers again leads exactly to where they are.

        Classes of the script's own might do more than set learning rates.
        """
        self.check_rates(optimizer)
        living = self.schedulers()
        torchs = all(private.of_torch(type(scheduler)) for scheduler in living)
        whole = len(living) == len(self.made) and len(self.own) == len(optimizer.param_groups)
        return self.complete and torchs and whole and self.log.length <= REPLAYED


def history_of(optimizer: Optimizer) -> History:
    """The history of an optimizer, a new one if it has none (a copy of another, say)."""
    found = optimizer.__dict__.get(KEY)
    if found is None:
        found = optimizer.__dict__[KEY] = History()
    return found


def share_history(optimizer: Optimizer, other: Optimizer) -> None:
    """Let an optimizer that passes everything on to another have the history of that one."""
    optimizer.__dict__[KEY] = history_of(other)
