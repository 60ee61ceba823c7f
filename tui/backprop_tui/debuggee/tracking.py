"""Follows one element of one tensor, and knows which operation changed it last."""

from __future__ import annotations

import ast
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import torch

from backprop_tui.debuggee import private
from backprop_tui.debuggee.describe import dense, tensors_in
from backprop_tui.debuggee.frames import user_frames
from backprop_tui.protocol import KERNEL

if TYPE_CHECKING:
    from backprop_tui.debuggee.engine import Engine
    from backprop_tui.debuggee.op import Op

ABSENT, NONE = "absent", "None"
"""There is no such tensor at the moment; there is one, and it is None (a gradient)."""
_MOST_MAKERS = 50_000


def track(engine: Engine, optimizers: Callable[[], Iterable[Any]], message: dict[str, Any]) -> None:
    """Follow an element from here on: ``name``, ``attr`` (value, grad, state.NAME) and ``index``."""
    with engine.quietly():
        engine.watch = Tracker(engine, Element(optimizers, **message))


class Element:
    """One element, found anew by its name each time: a variable may be given another tensor."""

    def __init__(
        self, optimizers: Callable[[], Iterable[Any]], name: str, attr: str, index: Iterable[int]
    ) -> None:
        self._optimizers = optimizers
        self._root, self._path = steps_of(name)
        self._attribute = attr
        self._index = tuple(index)
        self.tensor: torch.Tensor | None = None
        """What the name leads to at present."""
        self.dtype = "float64"
        """Of the element when it was last there."""

    def look(self) -> str:
        """The element's value in words that are equal only if the values are, `NONE` or `ABSENT`."""
        self.tensor = self._find()
        part = None if self.tensor is None else self._part(self.tensor)
        if part is None:
            absent = self.tensor is None or self._attribute != "grad"
            return ABSENT if absent else NONE
        try:
            if not isinstance(part, torch.Tensor):
                return repr(part)
            self.dtype = str(part.dtype)[6:]
            return repr(dense(part)[self._index].tolist())
        except (IndexError, RuntimeError, NotImplementedError, TypeError):
            return ABSENT

    def _find(self) -> torch.Tensor | None:
        for variables in _scopes():
            if self._root in variables:
                found = _follow(variables[self._root], self._path)
                if isinstance(found, torch.Tensor):
                    return found
        return None

    def _part(self, tensor: torch.Tensor) -> Any:
        if self._attribute == "value":
            return tensor
        if self._attribute == "grad":
            return tensor.grad if tensor.is_leaf else None
        key = self._attribute.removeprefix("state.")
        for optimizer in self._optimizers():
            if key in optimizer.state.get(tensor, {}):
                return optimizer.state[tensor][key]
        return None


def steps_of(name: str) -> tuple[str, list[Any]]:
    """``net`` and the steps from there of ``net.layers[0].weight``: an attribute's name, an item's key in
    a list of one. Raises LookupError."""
    try:
        node: ast.expr = ast.parse(name, mode="eval").body
    except (SyntaxError, ValueError):
        raise LookupError(f"{name!r} is no name that leads to a tensor") from None
    steps: list[Any] = []
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Attribute):
            steps.append(node.attr)
        elif isinstance(node, ast.Subscript):
            steps.append([ast.literal_eval(node.slice)])
        else:
            raise LookupError(f"{name!r} is no name that leads to a tensor")
        node = node.value
    return node.id, steps[::-1]


def _follow(value: Any, steps: list[Any]) -> Any:
    try:
        for step in steps:
            if isinstance(step, str):
                value = getattr(value, step)
            elif isinstance(value, torch.nn.Module) and isinstance(step[0], int):
                value = value.get_submodule(str(step[0]))
            else:
                value = value[step[0]]
    except (AttributeError, LookupError, TypeError):
        return None
    return value


def _scopes() -> Iterator[dict[str, Any]]:
    """The variables of the script's frames, outermost first, as parameters are named."""
    frames = list(user_frames())
    for frame in reversed(frames):
        yield frame.f_globals
        if frame.f_locals is not frame.f_globals:
            yield frame.f_locals
    if not frames:
        yield vars(sys.modules["__main__"])


class Tracker:
    """Looks at an element at every beginning and end of an operation.

    A change is that of the innermost operation during which it came about, or of the one before, if it
    came about between two; kernels count as the operation around them. A tensor that took the place of
    another was made by the operation that returned it.
    """

    def __init__(self, engine: Engine, element: Element) -> None:
        self.engine = engine
        self.element = element
        self._now = element.look()
        self._tensor = id(element.tensor)
        self._latest: Op | None = None
        """The operation that began or ended last."""
        self._updates: dict[int, Op] = {}
        """By id of a parameter: its update in the step under way."""
        self._makers: dict[int, tuple[weakref.ref[torch.Tensor], Op]] = {}
        self._last: dict[str, Any] | None = None

    def report(self) -> dict[str, Any] | None:
        """The last change, None if there was none."""
        return self._last

    def begins(self, op: Op) -> None:
        """An operation is about to run."""
        self._compare(self._latest)
        if op.kind == "step":
            self._updates.clear()
        elif op.kind == "update":
            self._updates[id(op.inputs[0])] = op
        if op.level != KERNEL:
            self._latest = op

    def ends(self, op: Op, results: Any) -> None:
        """An operation has run."""
        if op.level != KERNEL:
            self._remember(op, results)
        outer = self._outer(op)
        self._compare(outer)
        if outer is not None:
            self._latest = outer

    def altered(self, op: Op, chip: str) -> None:
        """The user has made a change before an operation."""
        self._compare(op, chip)

    def _remember(self, op: Op, results: Any) -> None:
        if len(self._makers) > _MOST_MAKERS:
            self._makers = {key: entry for key, entry in self._makers.items() if entry[0]() is not None}
        for tensor in tensors_in(results):
            known = self._makers.get(id(tensor))
            inside = known is not None and known[0]() is tensor and known[1].time > op.time
            if not inside:  # what is around an operation hands on what that one made
                self._makers[id(tensor)] = weakref.ref(tensor), op

    def _outer(self, op: Op) -> Op | None:
        if op.level != KERNEL:
            return op
        tensor = self.element.tensor
        update = self._updates.get(id(tensor)) if tensor is not None else None
        if update is not None and any(around.kind == "step" for around in self.engine.open):
            return update
        return next((around for around in reversed(self.engine.open) if around.level != KERNEL), None)

    def _compare(self, op: Op | None, change: str = "") -> None:
        with self.engine.quietly(), private.DisableTorchFunction(), torch.no_grad():
            value = self.element.look()
        before, self._now = self._now, value
        other, self._tensor = self._tensor != id(self.element.tensor), id(self.element.tensor)
        if value == before:
            return
        if other and not change:
            op = self._maker() or op
        if op is not None:
            self._last = {
                "time": op.time,
                "iteration": op.iteration,
                "number": op.number,
                "name": op.name,
                "kind": op.kind,
                "before": before,
                "after": value,
                "change": change,
                "dtype": self.element.dtype,
            }

    def _maker(self) -> Op | None:
        made = self._makers.get(id(self.element.tensor))
        return made[1] if made is not None and made[0]() is self.element.tensor else None
