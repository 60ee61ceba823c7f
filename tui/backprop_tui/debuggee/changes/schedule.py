"""The learning rates ahead, by stepping the schedulers. For a forked copy: it does step them."""

from __future__ import annotations

import warnings
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from backprop_tui.debuggee.changes.history import history_of
from backprop_tui.debuggee.changes.registry import Registry
from backprop_tui.protocol import plain


def preview(registry: Registry, n: int) -> list[dict[str, Any]]:
    """Step the schedulers of each optimizer n times and tell the learning rates, one per group.

    Per optimizer that has a scheduler: ``optimizer`` (its position among the living ones),
    ``scheduler`` (class names), ``lrs`` (one list per coming step, after that step) and ``note``
    (why it ends early, or what was assumed). JSON-able. To be called in a forked copy, with
    observation off: see `in_fork`.
    """
    plans = []
    with registry.paused(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, optimizer in enumerate(registry.optimizers()):
            chosen = stepping(optimizer, registry)
            if chosen:
                plans.append({"optimizer": number, **_plan(optimizer, chosen, n)})
    return plans


def stepping(optimizer: Optimizer, registry: Registry) -> list[LRScheduler]:
    """The outermost schedulers that the script steps at present; all of them if none has stepped."""
    outermost = registry.outermost(optimizer)
    history = history_of(optimizer)
    lately = history.log.lately()
    chosen = [scheduler for scheduler in outermost if history.number(scheduler) in lately]
    return chosen or outermost


def _plan(optimizer: Optimizer, schedulers: list[LRScheduler], n: int) -> dict[str, Any]:
    history = history_of(optimizer)
    lrs: list[Any] = []
    notes = []
    arguments = [_arguments(optimizer, scheduler) for scheduler in schedulers]
    for scheduler, (args, _) in zip(schedulers, arguments, strict=True):
        if isinstance(scheduler, ReduceLROnPlateau):
            notes.append(f"assuming that the metric stays at {float(args[0]):.6g}")
    try:
        for _ in range(n):
            for scheduler, (args, kwargs) in zip(schedulers, arguments, strict=True):
                scheduler.step(*args, **kwargs)
            lrs.append(plain(history.rates(optimizer)))
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
