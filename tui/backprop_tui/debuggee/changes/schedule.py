"""The learning rates ahead, by stepping the schedulers: in a forked copy, or else copies of themselves."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from backprop_tui.debuggee.changes.errors import ChangeError
from backprop_tui.debuggee.changes.history import History, history_of
from backprop_tui.debuggee.changes.registry import Registry
from backprop_tui.debuggee.private import inner_schedulers, of_torch
from backprop_tui.protocol import plain


def preview(registry: Registry, n: int, of_copies: bool = False) -> list[dict[str, Any]]:
    """Step the schedulers of each optimizer n times and tell the learning rates, one per group.

    Per optimizer that has a scheduler: ``optimizer`` (its position among the living ones),
    ``scheduler`` (class names), ``lrs`` (one list per coming step, after that step) and ``note``
    (why it ends early, or what was assumed). JSON-able. To be called in a forked copy, with
    observation off: see `in_fork`. With ``of_copies`` copies are stepped, for a process that cannot be
    forked; raises ChangeError where that would call a function of the script's own.
    """
    plans = []
    with registry.paused(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, optimizer in enumerate(registry.optimizers()):
            chosen = stepping(optimizer, registry)
            arguments = [_arguments(optimizer, scheduler) for scheduler in chosen]
            if chosen and of_copies:
                optimizer, chosen = _copies(optimizer, chosen)
            if chosen:
                plans.append({"optimizer": number, **_plan(optimizer, chosen, arguments, n)})
    return plans


def stepping(optimizer: Optimizer, registry: Registry) -> list[LRScheduler]:
    """The outermost schedulers that the script steps at present; all of them if none has stepped."""
    outermost = registry.outermost(optimizer)
    history = history_of(optimizer)
    lately = history.log.lately()
    chosen = [scheduler for scheduler in outermost if history.number(scheduler) in lately]
    return chosen or outermost


def _copies(optimizer: Optimizer, schedulers: list[LRScheduler]) -> tuple[Optimizer, list[LRScheduler]]:
    """Copies that share nothing with an optimizer and its schedulers but what no scheduler writes."""
    for scheduler in _with_inner(schedulers):
        if not of_torch(type(scheduler)) or any(map(_calls_script, vars(scheduler).values())):
            raise ChangeError(
                f"what {type(scheduler).__name__} does next is only asked in a copy of the process,"
                " because it may be code of the script's own"
            )
    shared: dict[int, Any] = {id(group["params"]): group["params"] for group in optimizer.param_groups}
    shared[id(optimizer.state)] = optimizer.state
    return copy.deepcopy((optimizer, schedulers), shared)


def _with_inner(schedulers: list[Any]) -> Iterator[LRScheduler]:
    for scheduler in schedulers:
        yield scheduler
        yield from _with_inner(inner_schedulers(scheduler))


def _calls_script(value: Any) -> bool:
    """Whether an attribute of a scheduler is a function of the script's, or holds one."""
    return any(
        callable(item) and not (getattr(item, "__module__", None) or "").startswith("torch.")
        for item in (value if isinstance(value, list) else [value])
    )


def _plan(
    optimizer: Optimizer, schedulers: list[LRScheduler], arguments: list[Any], n: int
) -> dict[str, Any]:
    lrs: list[Any] = []
    notes = []
    for scheduler, (args, _) in zip(schedulers, arguments, strict=True):
        if isinstance(scheduler, ReduceLROnPlateau):
            notes.append(f"assuming that the metric stays at {float(args[0]):.6g}")
    try:
        for _ in range(n):
            for scheduler, (args, kwargs) in zip(schedulers, arguments, strict=True):
                scheduler.step(*args, **kwargs)
            lrs.append(plain(History.rates(optimizer)))
    except Exception as error:
        notes.append(f"ends here: {error}")
    names = ", ".join(type(scheduler).__name__ for scheduler in schedulers)
    return {"scheduler": names, "lrs": lrs, "note": "; ".join(notes)}


def _arguments(optimizer: Optimizer, scheduler: LRScheduler) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What to step a scheduler with: nothing, or the latest metric where one is needed."""
    history = history_of(optimizer)
    latest = history.log.last_arguments(history.number(scheduler))
    if not isinstance(scheduler, ReduceLROnPlateau):
        return (), {}
    if latest is None:
        return (1.0,), {}
    args, kwargs = latest
    return (args[0] if args else kwargs["metrics"],), {}
