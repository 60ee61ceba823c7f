"""Every optimizer and scheduler of the script, known from the moment it is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any
from weakref import ref

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.optimizer import register_optimizer_step_pre_hook

from backprop_tui.debuggee import private
from backprop_tui.debuggee.changes.history import history_of, share_history
from backprop_tui.debuggee.changes.wrapping import transparent

Wrapped = Callable[..., Any]


class Registry:
    """The living optimizers and schedulers, in the order in which they were made."""

    def __init__(self) -> None:
        self._optimizers: list[ref[Optimizer]] = []
        self._constructing: list[int] = []
        self._inside = 0
        self._paused = 0
        self.scheduler_off = False
        """While true, a scheduler's ``step`` does nothing."""
        self.on_made: Callable[[Optimizer], None] | None = None
        """Called at the end of an optimizer's construction, before the script sees it."""

    def optimizers(self) -> list[Optimizer]:
        """The living optimizers."""
        living = (reference() for reference in self._optimizers)
        return [optimizer for optimizer in living if optimizer is not None]

    def schedulers(self, optimizer: Optimizer) -> list[LRScheduler]:
        """The living schedulers of one optimizer, inner ones too."""
        return history_of(optimizer).schedulers()

    def outermost(self, optimizer: Optimizer) -> list[LRScheduler]:
        """The living schedulers of one optimizer that no other of its schedulers steps."""
        living = self.schedulers(optimizer)
        inner = {id(part) for scheduler in living for part in private.inner_schedulers(scheduler)}
        return [scheduler for scheduler in living if id(scheduler) not in inner]

    def add(self, optimizer: Optimizer) -> None:
        """Register an optimizer, once; a copy of another one is not constructed and comes late.

        One with the very groups of another passes calls on to it (as accelerate's does): it is none of its
        own, and what happens to it happens to the other.
        """
        if self._paused:
            return
        for known in self.optimizers():
            if known is optimizer:
                return
            if known.param_groups is optimizer.param_groups:
                share_history(optimizer, known)
                return
        self._optimizers = [reference for reference in self._optimizers if reference() is not None]
        self._optimizers.append(ref(optimizer))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take no note of what is made or stepped: we do it, not the script."""
        self._paused += 1
        try:
            yield
        finally:
            self._paused -= 1

    # called by the patches
    def constructs_optimizer(self, original: Wrapped, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """One ``__init__`` of an optimizer class; base classes' run inside it."""
        if self._paused or id(optimizer) in self._constructing:
            original(optimizer, *args, **kwargs)
            return
        self._constructing.append(id(optimizer))
        try:
            original(optimizer, *args, **kwargs)
        finally:
            self._constructing.pop()
        self.add(optimizer)
        if self.on_made is not None:
            self.on_made(optimizer)

    def adds_group(self, original: Wrapped, optimizer: Optimizer, args: Any, kwargs: Any) -> Any:
        """`add_param_group`: what the dict holds now, the script wrote; defaults come later."""
        given = _given(args[0] if args else kwargs.get("param_group"))
        result = original(optimizer, *args, **kwargs)
        if not self._paused:
            history_of(optimizer).own.append(given)
        return result

    def begins_step(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """A ``step`` of an optimizer begins; `args` has the optimizer first, then perhaps a closure."""
        if self._paused:
            return
        history = history_of(optimizer)
        if history.closure is None:
            self.add(optimizer)
        closure = args[1] if len(args) > 1 else kwargs.get("closure")
        history.closure = closure is not None

    def constructs_scheduler(self, original: Wrapped, scheduler: Any, args: Any, kwargs: Any) -> None:
        """One ``__init__`` of a scheduler class; those inside another's call belong to that."""
        if self._paused or self._inside:
            original(scheduler, *args, **kwargs)
            return
        optimizer = _first_optimizer(args, kwargs)
        if optimizer is not None:
            history_of(optimizer).check_rates(optimizer)
        self._inside += 1
        try:
            original(scheduler, *args, **kwargs)
        finally:
            self._inside -= 1
        optimizer = getattr(scheduler, "optimizer", None)
        if isinstance(optimizer, Optimizer):
            history = history_of(optimizer)
            history.made_one(scheduler, args, kwargs)
            history.note_rates(optimizer)

    def steps_scheduler(self, original: Wrapped, scheduler: Any, args: Any, kwargs: Any) -> Any:
        """One ``step`` of a scheduler; those that it makes itself, inside, are not counted."""
        if self._paused or self._inside:
            return original(scheduler, *args, **kwargs)
        if self.scheduler_off:
            return None
        optimizer = getattr(scheduler, "optimizer", None)
        if not isinstance(optimizer, Optimizer):
            return original(scheduler, *args, **kwargs)
        history = history_of(optimizer)
        number = history.number(scheduler)
        if number < 0:
            history.complete = False
        history.check_rates(optimizer)
        self._inside += 1
        try:
            result = original(scheduler, *args, **kwargs)
        except BaseException:
            history.complete = False
            raise
        finally:
            self._inside -= 1
        if number >= 0:
            history.log.add(number, args, kwargs)
        history.note_rates(optimizer)
        return result

    def loads(self, original: Wrapped, owner: Any, args: Any, kwargs: Any) -> Any:
        """`load_state_dict`: from here on the past explains nothing."""
        result = original(owner, *args, **kwargs)
        optimizer = owner if isinstance(owner, Optimizer) else getattr(owner, "optimizer", None)
        if isinstance(optimizer, Optimizer):
            history = history_of(optimizer)
            history.complete = history.complete and not history.made and owner is optimizer
        return result


def _given(group: Any) -> dict[str, Any]:
    """The hyperparameters in a group dict. Tensors are copied: schedulers write into them."""
    if not isinstance(group, dict):
        return {}
    with private.DisableTorchFunction():
        return {name: _copied(value) for name, value in group.items() if name != "params"}


def _copied(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, torch.Tensor) else value


def _first_optimizer(args: Any, kwargs: Any) -> Optimizer | None:
    first = args[0] if args else kwargs.get("optimizer")
    return first if isinstance(first, Optimizer) else None


def step_of(optimizer: Optimizer, before: type, wrapped: Wrapped) -> Wrapped:
    """What an optimizer's patched ``step`` has to run after a place where a change could be made.

    `before` is the optimizer's class when ``step`` was entered, `wrapped` that class's function. If the
    optimizer was converted meanwhile, the old function would fail on the new groups, so it is the new
    class's; hooks run once, since only one of the two functions is called.
    """
    return wrapped if type(optimizer) is before else type(optimizer).step


class Patches:
    """Replaced attributes of classes, and the way back."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def replace(self, owner: type, name: str, value: Any) -> None:
        """Set an attribute of a class."""
        own = vars(owner)
        if name in own:
            self._undo.append(lambda old=own[name]: setattr(owner, name, old))  # type: ignore[misc]
        else:
            self._undo.append(lambda: delattr(owner, name))
        setattr(owner, name, value)

    def wrap(self, owner: type, name: str, around: Wrapped) -> None:
        """Put `around(original, self, args, kwargs)` in the place of a method that the class defines."""
        if name not in vars(owner):
            return
        original = vars(owner)[name]

        @wraps(original)
        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            return around(original, self, args, kwargs)

        self.replace(owner, name, transparent(method))

    def on_removal(self, undo: Callable[[], None]) -> None:
        """Undo this too."""
        self._undo.append(undo)

    def remove(self) -> None:
        """Undo everything, last first."""
        while self._undo:
            self._undo.pop()()


for _name in ("constructs_optimizer", "adds_group", "constructs_scheduler", "steps_scheduler", "loads"):
    transparent(vars(Registry)[_name])


def install(registry: Registry) -> Patches:
    """Patch torch's optimizer and scheduler classes, and those that the script will derive from them.

    To be called before any optimizer is made. The answer's `remove` undoes it.
    """
    patches = Patches()

    def patch_optimizer(kind: type) -> None:
        patches.wrap(kind, "__init__", registry.constructs_optimizer)
        patches.wrap(kind, "add_param_group", registry.adds_group)

    def patch_scheduler(kind: type) -> None:
        patches.wrap(kind, "__init__", registry.constructs_scheduler)
        patches.wrap(kind, "step", registry.steps_scheduler)
        patches.wrap(kind, "load_state_dict", registry.loads)

    patches.wrap(Optimizer, "load_state_dict", registry.loads)
    patches.on_removal(register_optimizer_step_pre_hook(registry.begins_step).remove)
    for base, patch in ((Optimizer, patch_optimizer), (LRScheduler, patch_scheduler)):
        for kind in _family(base):
            patch(kind)
        patches.replace(base, "__init_subclass__", _derived(base, patch))
    return patches


def _family(base: type[Any]) -> list[type[Any]]:
    """A class and all classes derived from it, each once."""
    found = [base]
    for kind in found:
        derived: list[type[Any]] = kind.__subclasses__()
        found.extend(item for item in derived if item not in found)
    return found


def _derived(base: Any, patch: Callable[[type], None]) -> Any:
    def __init_subclass__(cls: type[Any], **kwargs: Any) -> None:
        super(base, cls).__init_subclass__(**kwargs)
        patch(cls)

    return classmethod(__init_subclass__)  # type: ignore[arg-type]
