"""Sees every torch function and tensor method that the script calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from backprop_tui.debuggee import private
from backprop_tui.debuggee.changes import ChangeError, Changes
from backprop_tui.debuggee.changes.loss import NAMES as SWAPPABLE
from backprop_tui.debuggee.changes.wrapping import transparent
from backprop_tui.debuggee.engine import Engine
from backprop_tui.debuggee.memory import address_of
from backprop_tui.debuggee.op import Op
from backprop_tui.debuggee.optable import COMPOSITES, LOSSES, NAMES, changes_in_place
from backprop_tui.protocol import KERNEL, OPERATION, PHASE

Call = tuple[Any, Any, Any]
"""(function, args, kwargs)"""


class Observer(private.FunctionMode):
    """The torch-function mode. Inside one of its calls torch has taken it off the stack, so a
    composite function appears once, as the user wrote it."""

    def __init__(self, engine: Engine, changes: Changes) -> None:
        self.engine = engine
        self.changes = changes
        self.updates: Any = None
        """Takes the operations inside `optimizer.step` (see `steps`)."""
        self.reached: list[torch.Tensor] = []
        """The leaves that the last backward pass reached."""
        self._addresses: dict[int, torch.Tensor] | None = None
        self.stacked = False
        self._inside = 0
        """Above zero inside a composite function."""
        self.last_loss: tuple[Any, Any, Any] | None = None
        """The last call of a loss function: (function, args, kwargs), without its graph."""
        self.loss_name: str | None = None
        self.note: Callable[[str], None] = lambda sentence: None
        """Takes a sentence for the user."""
        self.swapped = False
        """A loss function was called in the place of the script's."""
        self._announced: Call | None = None
        """The script's own call of a loss, while its operation is about to run."""

    @property
    def leaves(self) -> dict[int, torch.Tensor]:
        """Storage address to leaf, for the leaves that the last backward pass reached."""
        if self._addresses is None:
            self._addresses = {address_of(leaf): leaf for leaf in self.reached}
        return self._addresses

    def reach(self, leaves: list[torch.Tensor]) -> None:
        """A backward pass is about to reach these leaves."""
        self.reached, self._addresses = leaves, None

    def overlooks(self, kind: str) -> bool:
        """Whether the operations within the call of that kind that has just been announced need not be
        seen."""
        inside = self.updates is not None or self._inside or self.engine.in_function
        return self.stacked and not inside and self.engine.overlooks(kind)

    @transparent
    def call_counted(
        self, count: Callable[[Any], int], function: Callable[..., Any], args: Any, kwargs: Any
    ) -> Any:
        """Call a function with the mode off the stack. ``count`` tells from its first argument how many
        operations that is; if it fails, it is not known how far it came."""
        clock = self.engine.clock
        before, operations = clock.begin_whole(), None
        private.remove(self)
        try:
            expected = count(args[0])
            result = function(*args, **kwargs)
            operations = expected
        finally:
            private.push_below(self)
            clock.end_whole(before, operations)
        return result

    @contextmanager
    def away(self) -> Iterator[None]:
        """Nothing is seen, and the mode is off the stack."""
        stacked = private.stacked(self)
        if stacked:
            private.remove(self)
        try:
            with self.engine.quietly():
                yield
        finally:
            if stacked:
                private.push_below(self)

    def sync(self) -> None:
        """Put the mode on the stack or take it off, as observation and changes now want it.

        Must not be called inside a torch function.
        """
        want = self.engine.observing or self.changes.needs_mode
        if want == self.stacked:
            return
        self.stacked = want
        if want:
            private.push_below(self)
        else:
            private.remove(self)

    @transparent
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = NAMES[func]
        changes = self.changes
        if name is None and not changes.needs_mode:
            return func(*args, **kwargs) if kwargs else func(*args)
        kwargs = kwargs or {}
        engine = self.engine
        if engine.quiet:
            return func(*args, **kwargs)
        loss = func in LOSSES
        own = (func, args, kwargs)
        if changes.needs_mode:
            instead, args, kwargs = self._changed(func, loss, args, kwargs)
            if instead is not func and not loss:
                return instead(*args, **kwargs)
            if instead is not func:
                func, name = instead, NAMES[instead]
        if name is None or not engine.observing:
            return func(*args, **kwargs)
        if self.updates is not None:
            return self.updates.kernel(name, func, args, kwargs)
        if self._inside:
            return self._part(name, func, args, kwargs)
        if loss:
            return self._run_loss(own, name, func, args, kwargs)
        op = self._begin(name, False, args, kwargs)
        if op.kind == "clear" and changes.needs_mode:  # since the stop before it
            func, args, kwargs = self._changed(func, False, args, kwargs)
        return self.run(op, func, args, kwargs)

    @transparent
    def _run_loss(self, own: Call, name: str, func: Any, args: Any, kwargs: Any) -> Any:
        """A loss may still be swapped when the run stops before it. ``own``: the script's call."""
        swap, self._announced = self.changes.loss, own
        try:
            op = self._begin(name, True, args, kwargs)
        finally:
            self._announced = None
        if self.changes.loss is not swap:
            func, args, kwargs = self._changed(own[0], True, *own[1:])
        self._remember_loss(op.name, func, args, kwargs)
        return self.run(op, func, args, kwargs)

    def revise(self, op: Op) -> None:
        """A change was made before an operation that has been announced: it is another one then."""
        if self._announced is not None and op.kind in ("loss", "op"):
            func, *call = self._changed(self._announced[0], True, *self._announced[1:])
            op.name, op.inputs = NAMES[func] or op.name, tuple(call)

    def _changed(self, func: Any, loss: bool, args: Any, kwargs: Any) -> Any:
        """What to call instead, where a change is in force."""
        if self.changes.zero_grad.concerns(func):
            return self.changes.zero_grad.replacement(func, args, kwargs)
        if loss and self.changes.loss is not None:
            return self._swapped_loss(func, args, kwargs)
        return func, args, kwargs

    def _swapped_loss(self, func: Any, args: Any, kwargs: Any) -> Any:
        """The loss that was asked for; a script with several may have one that cannot be swapped."""
        swap = self.changes.loss
        assert swap is not None
        self.swapped = True
        try:
            return swap.replacement(func, args, kwargs)
        except ChangeError as error:
            if self.engine.sink is not None:
                raise
            self.note(f"this loss stays as the script has it: {error}")
            return func, args, kwargs

    def _remember_loss(self, name: str, func: Any, args: Any, kwargs: Any) -> None:
        self.loss_name = name
        if func in SWAPPABLE:
            self.engine.quiet += 1
            self.last_loss = (func, _detached(args), {key: _detached([kwargs[key]])[0] for key in kwargs})
            self.engine.quiet -= 1

    @transparent
    def run(self, op: Op, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Call the function between `begin` and `end`."""
        engine = self.engine
        engine.in_function += 1
        try:
            result = func(*args, **kwargs) if func not in COMPOSITES else self._expand(func, args, kwargs)
        except BaseException as error:
            engine.in_function -= 1
            engine.fail(op, error)
            raise
        engine.in_function -= 1
        if engine.recording:
            engine.recorder.made_nodes(op, private.sequence_number())
        written = args[0] if result is None and args else result
        engine.end(op, written)
        return result

    @transparent
    def _expand(self, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Call a composite function so that what it calls is seen."""
        self._inside += 1
        try:
            with private.expanded(func, self):
                return func(*args, **kwargs)
        finally:
            self._inside -= 1

    @transparent
    def _part(self, name: str, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """One function called inside a composite one."""
        engine = self.engine
        op = engine.begin(KERNEL, "kernel", name, (args, kwargs))
        try:
            result = func(*args, **kwargs)
        except BaseException as error:
            engine.fail(op, error)
            raise
        engine.end(op, args[0] if result is None and args else result)
        return result

    def _begin(self, name: str, loss: bool, args: Any, kwargs: Any) -> Op:
        engine = self.engine
        if name == "grad":
            cleared = len(args) < 2 or args[1] is None
            return engine.begin(
                OPERATION, "clear", "grad = None" if cleared else "grad = ...", (args[0], None)
            )
        if loss and not engine.in_loss:
            return engine.begin(PHASE, "loss", name, (args, kwargs))
        if changes_in_place(name):
            changed = self._in_place(name, args, kwargs)
            if changed is not None:
                return changed
        return engine.begin(OPERATION, "op", name, (args, kwargs))

    def _in_place(self, name: str, args: Any, kwargs: Any) -> Op | None:
        """An in-place operation on a parameter is an update, on a gradient (zeroing) a clear."""
        target = args[0] if args else None
        if not isinstance(target, torch.Tensor) or not self.reached:
            return None
        address = address_of(target)
        leaf = self.leaves.get(address)
        if leaf is not None:
            return self.engine.begin(OPERATION, "update", name, (leaf, None), (args, kwargs))
        if name in ("zero_", "fill_"):
            for leaf in self.leaves.values():
                if leaf.grad is not None and address_of(leaf.grad) == address:
                    return self.engine.begin(OPERATION, "clear", name, (leaf, None))
        return None


def _detached(values: Any) -> tuple[Any, ...]:
    return tuple(value.detach() if isinstance(value, torch.Tensor) else value for value in values)
