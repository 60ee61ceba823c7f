"""Sees zero_grad, optimizer steps parameter by parameter, and scheduler steps."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any

import torch
from torch.optim import Optimizer, lr_scheduler

from backprop_tui.debuggee import counting, private
from backprop_tui.debuggee.changes import Changes
from backprop_tui.debuggee.changes.history import history_of
from backprop_tui.debuggee.changes.wrapping import transparent
from backprop_tui.debuggee.checks import Scheduled
from backprop_tui.debuggee.describe import tensors_in
from backprop_tui.debuggee.engine import Engine
from backprop_tui.debuggee.frames import called_from
from backprop_tui.debuggee.memory import address_of
from backprop_tui.debuggee.observer import Observer
from backprop_tui.debuggee.op import Op
from backprop_tui.debuggee.recorder import rates_of
from backprop_tui.protocol import KERNEL, OPERATION, PHASE

_INITIALISERS = frozenset({"_init_group", "_cuda_graph_capture_health_check"})


class Steps:
    """The patches around optimizers and schedulers. To be installed before any optimizer is made."""

    def __init__(self, engine: Engine, observer: Observer, changes: Changes) -> None:
        self.engine = engine
        self.observer = observer
        self.changes = changes
        self._stepping = 0
        self._scheduling = 0
        self._numbers: dict[int, int] = {}
        self._rates: dict[int, list[Any]] = {}
        """By id of an optimizer: its learning rates as last seen."""
        self._steps: dict[int, int] = {}
        """By id of an optimizer: how many steps it has begun."""
        self._scheduled: dict[int, int] = {}
        """By id of a scheduler: how many steps its optimizer had begun at its own last step."""

    def install(self) -> None:
        """Patch the classes."""
        private.wrap_step(self._wrap_step)
        Optimizer.zero_grad = self._wrap_zero_grad(Optimizer.zero_grad)  # type: ignore[method-assign]
        torch.nn.Module.zero_grad = self._wrap_zero_grad(torch.nn.Module.zero_grad)  # type: ignore[method-assign]
        for kind in vars(lr_scheduler).values():
            if isinstance(kind, type) and "step" in vars(kind):
                kind.step = self._wrap_schedule(kind.step)  # type: ignore[attr-defined]

    # optimizer.step
    def _wrap_step(self, original: Callable[..., Any]) -> Callable[..., Any]:
        engine = self.engine

        @transparent
        @wraps(original)
        def step(*args: Any, **kwargs: Any) -> Any:
            if not engine.ours():
                return original(*args, **kwargs)
            if self._stepping:
                return self._within(original, args, kwargs)
            self._stepping += 1
            try:
                rates = self._begins(args[0])
                if engine.observing:
                    result, rates = self._observed(original, args, kwargs)
                else:
                    result = self._unobserved(original, args, kwargs)
                self._rates[id(args[0])] = rates
            finally:
                self._stepping -= 1
            engine.step_done(args[0], self._number(args[0]), rates)
            self.observer.sync()
            return result

        return step

    @transparent
    def _within(self, original: Any, args: Any, kwargs: Any) -> Any:
        """A step inside a step: of its own base class, or of another optimizer that makes the updates (as in
        one that looks for flat minima)."""
        updates = self.observer.updates
        if updates is None or updates.optimizer is args[0]:
            return original(*args, **kwargs)
        updates.close()
        return self._watched(original, args, kwargs)

    def _begins(self, optimizer: Any) -> list[Any]:
        """The rates that the step will use. Looks whether the script has set them."""
        conditions, rates = self.engine.conditions, rates_of(optimizer)
        known = self._rates.get(id(optimizer), rates)
        self._steps[id(optimizer)] = self._steps.get(id(optimizer), 0) + 1
        if known != rates and conditions.armed:
            conditions.scheduled(Scheduled(known, rates, "hand"))
        return rates

    def _number(self, optimizer: Any) -> int:
        return self._numbers.setdefault(id(optimizer), len(self._numbers))

    @transparent
    def _unobserved(self, original: Any, args: Any, kwargs: Any) -> Any:
        if self.engine.conditions.armed:
            self.engine.conditions.step_begins(args[0])
        args, kwargs = self._outside_step(args, kwargs)
        return original(*args, **kwargs)

    @transparent
    def _observed(self, original: Any, args: Any, kwargs: Any) -> tuple[Any, list[Any]]:
        """The result of a step, and the learning rates that it used: a stop before it may change them."""
        optimizer = args[0]
        before = type(optimizer)
        op = self.engine.begin(PHASE, "step", before.__name__, optimizer)
        if type(optimizer) is not before:
            original = _step_of(type(optimizer))
            op.name = type(optimizer).__name__
        rates = rates_of(optimizer)
        if self.engine.conditions.armed:
            self.engine.conditions.step_begins(optimizer)
        overlooked = self.observer.overlooks("step") and counting.steps_alone(*args, **kwargs)
        run = partial(self.observer.call_counted, counting.gradients) if overlooked else self._watched
        try:
            result = run(original, args, kwargs)
        except BaseException as error:
            self.engine.fail(op, error)
            raise
        self.engine.end(op, result)
        return result, rates

    @transparent
    def _watched(self, original: Any, args: Any, kwargs: Any) -> Any:
        """Run a step and see the update of each parameter."""
        updates = Updates(self.engine, args[0])
        args, kwargs = self._outside_step(args, kwargs)
        outer, self.observer.updates = self.observer.updates, updates
        try:
            result = original(*args, **kwargs)
        finally:
            self.observer.updates = outer
        updates.finish()
        return result

    def _outside_step(self, args: Any, kwargs: Any) -> Any:
        """A closure's operations are the script's, not the optimizer's: wrap it."""
        if "closure" in kwargs and kwargs["closure"] is not None:
            return args, {**kwargs, "closure": self._wrap_closure(kwargs["closure"])}
        if len(args) > 1 and callable(args[1]):
            return (args[0], self._wrap_closure(args[1]), *args[2:]), kwargs
        return args, kwargs

    def _wrap_closure(self, closure: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(closure)
        def call(*args: Any, **kwargs: Any) -> Any:
            stepping, self._stepping = self._stepping, 0
            try:
                with self._aside():
                    return closure(*args, **kwargs)
            finally:
                self._stepping = stepping

        return call

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """What happens is no part of an update, though a step is under way."""
        observer = self.observer
        updates, observer.updates = observer.updates, None
        if updates is not None:
            updates.close()
        try:
            yield
        finally:
            observer.updates = updates

    # zero_grad
    def _wrap_zero_grad(self, original: Callable[..., Any]) -> Callable[..., Any]:
        engine, changes = self.engine, self.changes

        @transparent
        @wraps(original)
        def zero_grad(target: Any, *args: Any, **kwargs: Any) -> Any:
            if not engine.ours():
                return original(target, *args, **kwargs)
            if not engine.observing:
                return changes.zero_grad.wrap(original)(target, *args, **kwargs)
            if self.observer.updates is None:
                return self._clear(original, target, args, kwargs)
            with self._aside():
                return self._clear(original, target, args, kwargs)

        return zero_grad

    @transparent
    def _clear(self, original: Callable[..., Any], target: Any, args: Any, kwargs: Any) -> Any:
        engine, changes = self.engine, self.changes
        op = engine.begin(PHASE, "zero_grad", "zero_grad", target)
        clear = changes.zero_grad.wrap(original)  # which a stop before it may have decided
        plain = changes.zero_grad.mode == "on" and counting.sets_none(args, kwargs)
        try:
            if plain and self.observer.overlooks("zero_grad"):
                everything = (target, *args)
                result = self.observer.call_counted(counting.gradients, original, everything, kwargs)
            else:
                result = clear(target, *args, **kwargs)
        except BaseException as error:
            engine.fail(op, error)
            raise
        engine.end(op, result)
        return result

    # scheduler.step
    def _wrap_schedule(self, original: Callable[..., Any]) -> Callable[..., Any]:
        engine, changes = self.engine, self.changes

        @transparent
        @wraps(original)
        def step(scheduler: Any, *args: Any, **kwargs: Any) -> Any:
            initial = getattr(scheduler, "_is_initial", False) or not hasattr(scheduler, "_last_lr")
            if self._scheduling or initial or not engine.ours():
                return original(scheduler, *args, **kwargs)
            if changes.scheduler_off:
                changes.held_scheduler = True
                return None
            optimizer = getattr(scheduler, "optimizer", None)
            before = [] if optimizer is None else rates_of(optimizer)
            self._scheduling += 1
            try:
                result = self._schedule(original, scheduler, args, kwargs)
            finally:
                self._scheduling -= 1
            if optimizer is not None:
                self._stepped(scheduler, optimizer, before)
            return result

        return step

    def _stepped(self, scheduler: Any, optimizer: Any, before: list[Any]) -> None:
        """A scheduler's step is complete."""
        conditions = self.engine.conditions
        rates = self._rates[id(optimizer)] = rates_of(optimizer)
        steps = self._steps.get(id(optimizer), 0)
        clock = self.engine.clock
        history_of(optimizer).pace.stepped(clock.iteration, clock.over)
        early = self._scheduled.get(id(scheduler), 0) == steps
        self._scheduled[id(scheduler)] = steps
        if conditions.armed:
            conditions.scheduled(Scheduled(before, rates, type(scheduler).__name__, early))

    @transparent
    def _schedule(self, original: Any, scheduler: Any, args: Any, kwargs: Any) -> Any:
        engine = self.engine
        if not engine.observing:
            return original(scheduler, *args, **kwargs)
        op = engine.begin(PHASE, "schedule", type(scheduler).__name__, scheduler, (args, kwargs))
        try:
            result = original(scheduler, *args, **kwargs)
        except BaseException as error:
            engine.fail(op, error)
            raise
        engine.end(op, result)
        return result


def _step_of(kind: Any) -> Any:
    """The plain `step` of an optimizer class: its class was changed while we stood before it."""
    return kind.step


class Updates:
    """Groups what an optimizer computes by the parameter it is computed for.

    torch's optimizers on a CPU go through the parameters one by one, so an update begins with the
    first function that touches another parameter, its gradient or its state. The `foreach` and
    `fused` variants touch many at once: then every parameter's update spans the whole step.
    """

    def __init__(self, engine: Engine, optimizer: Any) -> None:
        self.engine = engine
        self.optimizer = optimizer
        self.current: Op | None = None
        self._leaf: torch.Tensor | None = None
        self._grouped: list[Op] = []
        self._owners: dict[int, tuple[weakref.ref[torch.Tensor], torch.Tensor]] = {}
        """By id: a tensor, which must still be that one, and the parameter that it belongs to."""
        self._addresses: dict[int, torch.Tensor] | None = None
        for group in optimizer.param_groups:
            for leaf in group["params"]:
                self._own(leaf)

    def _own(self, leaf: torch.Tensor) -> None:
        """Remember that a parameter, its gradient and its state belong together."""
        for tensor in (leaf, leaf.grad, *self.optimizer.state.get(leaf, {}).values()):
            if isinstance(tensor, torch.Tensor):
                self._owners[id(tensor)] = (weakref.ref(tensor), leaf)

    def _owner(self, tensor: torch.Tensor) -> torch.Tensor | None:
        known = self._owners.get(id(tensor))
        owner = known[1] if known is not None and known[0]() is tensor else None
        if owner is None and self._leaf is None:
            owner = self._by_address().get(address_of(tensor))
        return owner

    def _by_address(self) -> dict[int, torch.Tensor]:
        """For optimizers that write through aliases such as ``p.data``."""
        if self._addresses is None:
            leaves = {id(leaf): leaf for _, leaf in self._owners.values()}.values()
            self._addresses = {address_of(leaf): leaf for leaf in leaves}
        return self._addresses

    def _touched(self, args: Any, kwargs: Any) -> list[torch.Tensor]:
        """The parameters that a call's arguments belong to, each once."""
        found: list[torch.Tensor] = []
        for tensor in tensors_in(args) + (tensors_in(kwargs) if kwargs else []):
            owner = self._owner(tensor)
            if owner is not None and not any(owner is leaf for leaf in found):
                found.append(owner)
        return found

    def _continues(self, args: Any) -> bool:
        """Whether a call obviously belongs to the present update: that is nearly every call."""
        known = self._owners.get(id(args[0])) if args else None
        return known is not None and known[1] is self._leaf and known[0]() is args[0]

    @transparent
    def kernel(self, name: str, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """One function called inside `optimizer.step`."""
        if not self._grouped and not self._continues(args):
            touched = self._touched(args, kwargs)
            new = len(touched) > 1 or (len(touched) == 1 and touched[0] is not self._leaf)
            if new and not called_from(_INITIALISERS):
                if len(touched) > 1:
                    self._begin_grouped()
                else:
                    self._begin(touched[0])
        op = self.engine.begin(KERNEL, "kernel", name, (args, kwargs))
        engine = self.engine
        engine.in_function += 1
        try:
            result = func(*args, **kwargs)
        except BaseException as error:
            engine.fail(op, error)
            raise
        finally:
            engine.in_function -= 1
        engine.end(op, args[0] if result is None and args else result)
        return result

    def _begin(self, leaf: torch.Tensor) -> None:
        self.close()
        self._leaf = leaf
        self._own(leaf)
        name = type(self.optimizer).__name__
        self.current = self.engine.begin(OPERATION, "update", name, (leaf, self.optimizer))

    def close(self) -> None:
        """The update of the present parameter is complete."""
        if self.current is not None:
            self.engine.end(self.current)
            self.current = None
            self._leaf = None

    def _begin_grouped(self) -> None:
        """All parameters are updated together: remember them as they are now."""
        self.close()
        name = type(self.optimizer).__name__
        for group in self.optimizer.param_groups:
            for leaf in group["params"]:
                if leaf.grad is not None:
                    op = self.engine.begin(OPERATION, "update", name, (leaf, self.optimizer))
                    self._leave_open(op)

    def _leave_open(self, op: Op) -> None:
        """Updates of one group are neighbours, not nested: none of them is around the next."""
        self.engine.open.remove(op)
        self._grouped.append(op)

    def finish(self) -> None:
        """`step` is done."""
        self.close()
        for op in self._grouped:
            self.engine.open.append(op)
            self.engine.end(op)
        self._grouped = []
