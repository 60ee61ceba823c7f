"""Finds the operations that make NaN or infinity out of finite numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import torch

from backprop_tui.debuggee import finite, private
from backprop_tui.debuggee.describe import tensors_in

if TYPE_CHECKING:
    from backprop_tui.debuggee.op import Op

_FORWARD = frozenset({"op", "loss", "module", "forward"})
_WITHOUT_RESULTS = frozenset({"backward", "step", "zero_grad", "schedule", "clear"})
"""What they do is told of what happens inside them."""
_UNINITIALISED = frozenset({"empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided"})
"""Functions whose results are whatever was in the memory."""
Found = Callable[["Op", str, dict[str, Any]], None]
"""Takes an operation that was found, what it did in words, and what else is known of it."""


class NonFinite:
    """Looks at every operation's tensors, before it runs and after.

    An operation is found if a result holds NaN and nothing that it read did, or if a result is infinite
    and everything that it read was finite: ``inf − inf`` and the softmax of a row of −inf are found, what
    hands infinities on is not. Infinity that was asked for, as in ``masked_fill(mask, -inf)``, is not
    found. Of operations within each other the innermost is.
    """

    def __init__(
        self, quietly: Callable[[], AbstractContextManager[None]], what: str, here: Iterable[Op], found: Found
    ) -> None:
        """``here``: the operations that are open, and the one before which we stand."""
        self._quietly = quietly
        self._found = found
        self._forward_only = what == "forward"
        self._all = what == "operation"
        """Also tell, in each iteration, of the first operation that hands on NaN."""
        self._told = False
        self._before: dict[tuple[int, int], str | None] = {}
        """By time of an open operation: the badness of what it was to read."""
        self._last: list[int] = [-1, 0]
        """Time of the last operation found."""
        self._occurrences: Counter[tuple[Any, ...]] = Counter()
        self._iteration = -1
        for op in here:
            self.begins(op)

    def begins(self, op: Op) -> None:
        """An operation is about to run: an in-place one will overwrite what it reads."""
        if op.iteration != self._iteration:
            self._iteration = op.iteration
            self._told = False
            self._occurrences.clear()
            self._before.clear()
        if op.level == "kernel":
            return
        with self._quietly(), private.DisableTorchFunction(), torch.no_grad():
            self._before[op.landmark, op.index] = self._worst(_read, op)

    def ends(self, op: Op, results: Any) -> None:
        """An operation has run: tell what is wrong with its results, if it is this one's doing."""
        if op.level == "kernel" or op.kind in _WITHOUT_RESULTS:
            return
        key = (op.file, op.line, op.kind, op.name)
        self._occurrences[key] += 1
        if self._forward_only and op.kind not in _FORWARD:
            return
        with self._quietly(), private.DisableTorchFunction(), torch.no_grad():
            before = self._before.pop((op.landmark, op.index), None)
            after = self._worst(_written, op, results)
        more = {"key": [*key, self._occurrences[key]], "iteration": op.iteration}
        if after is not None and self._makes(op, before, after):
            self._last = op.time
            self._found(op, f"{op.name} makes {_word(after)}", more | {"made": True})
        elif self._all and before == after == finite.NAN and not self._told:
            self._told = True
            self._found(op, f"{op.name} reads NaN", more | {"made": False})

    def altered(self, op: Op, chip: str) -> None:
        """The user has changed something before an operation."""
        self.begins(op)

    def report(self) -> None:
        """What was found was told."""

    @staticmethod
    def _worst(tensors: Callable[..., Iterator[torch.Tensor]], *arguments: Any) -> str | None:
        try:
            return finite.worst(tensors(*arguments))
        except (RuntimeError, NotImplementedError, TypeError):
            return None  # a tensor without elements of its own: a fake one, a functional transform's

    def _makes(self, op: Op, before: str | None, after: str) -> bool:
        if before == finite.NAN or (before is not None and after != finite.NAN):
            return False
        if op.name in _UNINITIALISED or self._last > op.time:
            return False
        return (after == finite.NAN and before is not None) or finite.numbers_finite(_arguments(op))


def _word(bad: str) -> str:
    return "NaN" if bad == finite.NAN else "infinity"


def _arguments(op: Op) -> Any:
    """A call's arguments; nodes and updates have none of the script's own."""
    if op.kind in ("node", "accumulate", "update"):
        return ()
    return getattr(op.inputs, "arguments", op.inputs)


def _read(op: Op) -> Iterator[torch.Tensor]:
    """The tensors that an operation reads."""
    if op.kind in ("node", "accumulate"):
        yield from tensors_in(op.inputs[2])
        if op.kind == "accumulate" and op.inputs[1].grad is not None:
            yield op.inputs[1].grad
    elif op.kind == "update":
        leaf, optimizer = op.inputs
        yield leaf
        if leaf.grad is not None:
            yield leaf.grad
        if optimizer is not None:
            yield from tensors_in(optimizer.state.get(leaf, {}))
        elif op.call is not None:
            yield from tensors_in(op.call)
    elif op.kind not in _WITHOUT_RESULTS:
        yield from tensors_in(getattr(op.inputs, "arguments", op.inputs))


def _written(op: Op, results: Any) -> Iterator[torch.Tensor]:
    """The tensors that an operation has made or changed."""
    if op.kind == "accumulate":
        leaf = op.inputs[1]
        yield from (() if leaf.grad is None else (leaf.grad,))
    elif op.kind == "update":
        yield op.inputs[0]
    else:
        yield from tensors_in(results)
