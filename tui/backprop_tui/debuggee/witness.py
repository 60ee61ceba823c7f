"""Takes down every number of the operations that are to be explained."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch.utils.weak import WeakTensorKeyDictionary

from backprop_tui.debuggee import checkpoint, evidence, evidence_steps, private
from backprop_tui.debuggee.changes import ChangeError
from backprop_tui.debuggee.changes.fork import in_fork
from backprop_tui.debuggee.graph import gathers_gradient
from backprop_tui.debuggee.memory import start_of
from backprop_tui.debuggee.op import Op
from backprop_tui.debuggee.recorder import Recorder

_CALLS = ("op", "loss")


class Witness:
    """Evidence of operations, in the form that `explain.evidence.decode` reads."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.wanted = False
        """Somebody will want to know why the numbers are what they are."""
        self.latest: dict[str, Any] | None = None
        """Evidence of the last operation; None if it has none, or raised."""
        self._result: weakref.ref[torch.Tensor] | None = None
        """What that operation made."""
        self._accumulated: Any = WeakTensorKeyDictionary()
        """In which iteration a leaf's gradient was last added to."""
        self._labels: dict[tuple[int, int], _Label] = {}
        """What the memory of a temporary was last called: autograd keeps it under a new object."""

    def begins(self, op: Op) -> None:
        """Take down what an operation is about to read."""
        op.witnessed = True
        try:
            op.evidence = self._before(op)
        except Exception as error:  # ours, not the script's: it must not see it
            op.evidence = {"kind": op.kind, "name": op.name, "trouble": str(error)}

    def ends(self, op: Op, results: Any) -> None:
        """Take down what it has computed."""
        self.latest = op.evidence
        self._result = weakref.ref(results) if isinstance(results, torch.Tensor) else None
        if op.evidence is None or "trouble" in op.evidence:
            return
        try:
            self._after(op, op.evidence, results)
        except Exception as error:  # ours, not the script's: it must not see it
            op.evidence["trouble"] = str(error)

    def raised(self, op: Op, error: BaseException) -> None:
        """It raised: what it read explains nothing, and what completed before is not the last any more."""
        self.forget()
        if op.evidence is not None:
            op.evidence = {"kind": op.kind, "name": op.name, "raised": type(error).__name__}

    def passes(self, op: Op, results: Any) -> None:
        """An operation completed of which nothing was taken down.

        A module whose result is that of its last operation is explained by that operation. One that
        nobody looked at may have used memory again.
        """
        if self._result is not None and self._result() is results and results is not None:
            return
        self.forget()
        if not op.witnessed:
            self._labels.clear()

    def forget(self) -> None:
        """Nothing is known of what completed last."""
        self.latest = self._result = None

    def forget_names(self) -> None:
        """What temporaries were called is of no use any more."""
        self._labels.clear()

    def _before(self, op: Op) -> dict[str, Any] | None:
        if op.kind in _CALLS and type(op.inputs) is tuple:
            args, kwargs = op.inputs
            return evidence.of_call(op.name, args, kwargs, self._known)
        if op.kind == "node":
            node = private.running_node()
            own = isinstance(node, private.OwnNode)
            return None if own else evidence.of_node(node, op.inputs[2], self._known)
        if op.kind == "accumulate":
            return self._accumulating(op, op.inputs[1])
        if op.kind == "update" and op.call is not None:
            args, kwargs = op.call
            return evidence.of_call(op.name, args, kwargs, self._known)
        if op.kind == "update":
            return evidence_steps.of_update(op.inputs[1], op.inputs[0], self._known)
        if op.kind == "schedule":
            args, kwargs = op.call or ((), {})
            return evidence_steps.of_schedule(op.inputs, _in_copy, args, kwargs)
        return None

    def _accumulating(self, op: Op, leaf: torch.Tensor) -> dict[str, Any]:
        message = evidence_steps.of_accumulate(leaf, op.inputs[2][0], (), self._known)
        earlier = self._accumulated.get(leaf)
        left = earlier is not None and earlier < op.iteration
        message["saved"]["stale"] = left and leaf.grad is not None and bool(leaf.grad.any())
        return message

    def _after(self, op: Op, message: dict[str, Any], results: Any) -> None:
        if message["kind"] == "op":
            message["outputs"] = evidence.of_outputs(op.inputs[0] if op.call is not None else results)
            message["drawn"] = evidence.drawn(op.name, results, op.sequence)
            self._label(results, f"{op.module or op.name}(…)", op.time)
        elif message["kind"] == "node":
            message["grad_inputs"] = [evidence.pack(item) for item in results]
        elif message["kind"] == "accumulate":
            evidence_steps.after_accumulate(message, op.inputs[1])
            self._accumulated[op.inputs[1]] = op.iteration
        elif message["kind"] == "update":
            evidence_steps.after_update(message, op.inputs[1], op.inputs[0], self._known)
        elif message["kind"] == "schedule":
            evidence_steps.after_schedule(message, op.inputs)
            message["saved"].update(_rates_as_asked(op.inputs))

    # names
    def _known(self, tensor: torch.Tensor) -> dict[str, Any]:
        """The name of a tensor or of the memory that it shares, and which operation made it."""
        name = self.recorder.names.tensor(tensor)
        key = _memory(tensor)
        label = self._labels.get(key)
        source = self._source(tensor, label)
        found = {"name": name, "source": source}
        if name is not None:
            self._labels[key] = _Label(name, tuple(tensor.shape), _strides(tensor), source)
        elif label is not None:
            found["label"] = label.of(tensor)
        return {key: value for key, value in found.items() if value is not None}

    def _source(self, tensor: torch.Tensor, label: _Label | None) -> list[int] | None:
        """Which operation made a tensor; none makes a parameter, though some write into it."""
        if gathers_gradient(tensor):
            return None
        source = self.recorder.source(tensor)
        return label.source if source is None and label is not None else source

    def _label(self, results: Any, text: str, source: list[int]) -> None:
        for result in results if isinstance(results, (list, tuple)) else [results]:
            if isinstance(result, torch.Tensor):
                self._labels[_memory(result)] = _Label(text, tuple(result.shape), _strides(result), source)


def _rates_as_asked(scheduler: Any) -> dict[str, Any]:
    """What ``get_last_lr()`` says, and what ``get_lr()`` would: in a copy, because some write in it."""
    found = {"last": evidence.pack(scheduler.get_last_lr())}
    if checkpoint.obstacle() is not None:
        return found
    try:
        found["get_lr"] = in_fork(lambda: [float(rate) for rate in scheduler.get_lr()])
    except ChangeError:  # it has none of its own
        found["get_lr"] = None
    return found


def _in_copy(function: Callable[[], Any]) -> Any:
    """Call a function of the script in a copy of the process. Raises ChangeError if there can be none."""
    obstacle = checkpoint.obstacle()
    if obstacle is not None:
        raise ChangeError(f"it is only asked in a copy of the process, and {obstacle}")
    return in_fork(function)


class _Label(NamedTuple):
    """What a piece of memory was called, and how it was looked at then."""

    text: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    source: list[int] | None
    """Time of the operation that made it."""

    def of(self, tensor: torch.Tensor) -> str:
        """The same memory looked at in another way: a transposed matrix is one."""
        if tensor.dim() == 2 and _strides(tensor) == self.strides[::-1] and tensor.shape == self.shape[::-1]:
            return f"{self.text}ᵀ"
        return self.text


def _memory(tensor: torch.Tensor) -> tuple[int, int]:
    """Where a tensor's elements are and how many: views of the whole of it have the same."""
    return start_of(tensor), tensor.numel()


def _strides(tensor: torch.Tensor) -> tuple[int, ...]:
    return tensor.stride() if tensor.layout is torch.strided else ()
