"""Turns operations into the records of the protocol."""

from __future__ import annotations

import weakref
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import torch

from backprop_tui.debuggee import facts
from backprop_tui.debuggee.describe import SMALL, describe, in_words, scalar_of, tensors_in
from backprop_tui.debuggee.graph import gathers_gradient
from backprop_tui.debuggee.names import Names
from backprop_tui.debuggee.op import Op
from backprop_tui.debuggee.optable import changes_in_place
from backprop_tui.protocol import Record, TensorInfo

_KEPT_RECORDS = 20_000
_KEPT_ORIGINS = 100_000


class Recorder:
    """Describes operations; knows the names of tensors and which operation made which temporary."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.limit = SMALL
        """Tensors of up to so many elements are recorded with their values."""
        self.most = 0
        """Larger ones of up to so many elements are summarised, which reads all of their elements."""
        self.full_depth = -1
        """Operations up to this depth are summarised in any case."""
        self.completed: deque[Record] = deque(maxlen=_KEPT_RECORDS)
        self.last: Record | None = None
        """The operation that completed last."""
        self.warnings: list[Record] = []
        """Warnings since the last message, in the form of records."""
        self.optimizers: Callable[[], Iterable[Any]] = tuple
        """The living optimizers of the script."""
        self._made: dict[int, tuple[weakref.ref[torch.Tensor], list[int]]] = {}
        self._origin_starts: list[int] = []
        self._origin_ops: list[tuple[int, list[int], str]] = []

    def begin_iteration(self) -> None:
        """Forget temporaries that are gone, and look again for names that were not found."""
        self.names.forget()
        self._made = {key: entry for key, entry in self._made.items() if entry[0]() is not None}

    # describing
    def tensor(self, tensor: torch.Tensor | None, most: int | None = None) -> TensorInfo | None:
        """A tensor with its name, or with the time of the operation that made it."""
        if tensor is None:
            return None
        name = self.names.tensor(tensor)
        info = describe(tensor, name, self.limit, self.most if most is None else most)
        source = self.source(tensor)
        if source is not None:
            info["source"] = source
        return info

    def source(self, tensor: torch.Tensor) -> list[int] | None:
        """Time of the operation that made a temporary, if it is known."""
        made = self._made.get(id(tensor))
        return made[1] if made is not None and made[0]() is tensor else None

    def tensors(self, value: Any, most: int | None = None) -> list[TensorInfo]:
        """The tensors in an argument or a result."""
        described = (self.tensor(tensor, most) for tensor in tensors_in(value))
        return [info for info in described if info is not None]

    def gradients(self, gradients: Iterable[Any], most: int | None = None) -> list[TensorInfo | None]:
        """Gradients of a node, None where autograd has none."""
        info = self._described(most)
        return [info(gradient) if isinstance(gradient, torch.Tensor) else None for gradient in gradients]

    def _described(self, most: int | None) -> Callable[[torch.Tensor], TensorInfo]:
        wanted = self.most if most is None else most
        return lambda tensor: describe(tensor, None, self.limit, wanted)

    # records
    def begun(self, op: Op, most: int | None = None) -> Record:
        """The record of an operation about to run: what it is and what it will read."""
        record: Record = {
            "time": op.time,
            "iteration": op.iteration,
            "number": op.number,
            "depth": op.depth,
            "level": op.level,
            "kind": op.kind,
            "name": op.name,
            "file": op.file,
            "line": op.line,
            "module": op.module,
        }
        try:
            self._add_inputs(op, record, most)
        except Exception as error:  # ours, not the script's: it must not see it
            record["undescribed"] = _sentence(error)
        return record

    def _add_inputs(self, op: Op, record: Record, most: int | None) -> None:
        if op.kind in ("node", "accumulate"):
            self._begun_node(op, record, most)
        elif op.kind in ("update", "clear"):
            self._begun_leaf(op, record, most)
        elif op.kind == "schedule":
            record["scheduler"] = op.name
            record["lr_before"] = rates_of(op.inputs.optimizer)
        elif op.kind in ("step", "zero_grad"):
            record["optimizer"] = op.name if op.kind == "step" else ""
        else:
            record["inputs"] = self.tensors(getattr(op.inputs, "arguments", op.inputs), most)
        self._add_facts(op, record)

    def _add_facts(self, op: Op, record: Record) -> None:
        """What is known of it besides tensors."""
        if op.kind in ("op", "loss", "module", "forward"):
            module = getattr(op.inputs, "module", None)
            record.update(facts.of_call(op.inputs[1]) if module is None else facts.of_module(module))
        elif op.kind == "step":
            record.update(facts.of_step(op.inputs))
            op.leaves = facts.without_gradient(op.inputs)
        elif op.kind == "schedule":
            record.update(facts.of_schedule(op.inputs))
        elif op.kind == "backward":
            record.update(facts.of_backward())

    def _begun_node(self, op: Op, record: Record, most: int | None) -> None:
        sequence, leaf, gradients = op.inputs
        record["grad_outputs"] = self.gradients(gradients, most)
        if leaf is None:
            record["origin"] = self.origin(sequence)
        else:
            record["tensor"] = self.names.tensor(leaf)
            record["before"] = self.tensor(leaf.grad, most)
            record["added"] = record["grad_outputs"][0]

    def _begun_leaf(self, op: Op, record: Record, most: int | None) -> None:
        leaf, optimizer = op.inputs
        if op.kind == "clear":
            record["tensor"] = self.names.tensor(leaf)
            record["before"] = self.tensor(leaf.grad, most)
            return
        record["parameter"] = self.names.tensor(leaf)
        record["before"] = self.tensor(leaf, most)
        record["grad"] = self.tensor(leaf.grad, most)
        record["optimizer"] = "manual" if optimizer is None else type(optimizer).__name__
        record["lr"] = None if optimizer is None else rate_of(optimizer, leaf)
        record["state"] = {
            name: {"before": value, "after": None}
            for name, value in self.state(optimizer, leaf, self._described(most)).items()
        }

    def completed_record(self, op: Op, results: Any, most: int | None = None) -> Record:
        """The record of an operation that has run: ``begun`` and its results."""
        record = op.record if op.record is not None else self.begun(op, most)
        try:
            self._add_results(op, results, record, most)
        except Exception as error:  # ours, not the script's: it must not see it
            record["undescribed"] = _sentence(error)
        return record

    def _add_results(self, op: Op, results: Any, record: Record, most: int | None) -> None:
        if op.kind == "node":
            record["grad_inputs"] = self.gradients(results, most)
        elif op.kind in ("accumulate", "clear"):
            leaf = op.inputs[1] if op.kind == "accumulate" else op.inputs[0]
            record["after"] = self.tensor(leaf.grad, most)
        elif op.kind == "update":
            self._completed_update(op, record, most)
        elif op.kind == "schedule":
            record["last_epoch"] = getattr(op.inputs, "last_epoch", None)
            record["lr_after"] = rates_of(op.inputs.optimizer)
        elif op.kind in ("step", "backward"):
            self._add_left_out(op, record)
        elif op.kind != "zero_grad":
            record["outputs"] = self.tensors(results, most)
        if op.kind in ("loss", "backward"):
            record["value"] = _scalar_result(op.inputs if op.kind == "backward" else results)

    def _add_left_out(self, op: Op, record: Record) -> None:
        """Parameters that a step or a backward pass did nothing for."""
        name = self.names.parameter
        if op.kind == "step":
            record["skipped"] = facts.skipped(op.leaves, name)
        elif op.name == "backward" and (optimizers := list(self.optimizers())):
            record["unowned"] = facts.unowned(op.leaves or (), optimizers, name)
        op.leaves = None

    def _completed_update(self, op: Op, record: Record, most: int | None) -> None:
        leaf, optimizer = op.inputs
        record["after"] = self.tensor(leaf, most)
        state = record.setdefault("state", {})
        for name, value in self.state(optimizer, leaf, self._described(most)).items():
            state.setdefault(name, {"before": None, "after": None})["after"] = value

    def state(
        self, optimizer: Any, leaf: torch.Tensor, info: Callable[[torch.Tensor], TensorInfo]
    ) -> dict[str, Any]:
        """The optimizer's state of one parameter: numbers, and tensors described by ``info``."""
        if optimizer is None:
            return {}
        found: dict[str, Any] = {}
        for name, value in optimizer.state.get(leaf, {}).items():
            if isinstance(value, torch.Tensor):
                found[name] = scalar_of(value) if value.dim() == 0 else info(value)
            elif isinstance(value, (int, float, bool)) or value is None:
                found[name] = scalar_of(value)
        return found

    # which operation made a tensor, which operation made a node
    def made(self, results: Any, op: Op) -> None:
        """Remember that ``op`` made these tensors. A leaf that it only hands back (``w.flatten(1)`` of a
        matrix) it has not."""
        for tensor in tensors_in(results):
            handed_back = gathers_gradient(tensor) and _is_given(tensor, op)
            if not handed_back or changes_in_place(op.name):
                self._made[id(tensor)] = (weakref.ref(tensor), op.time)

    def made_nodes(self, op: Op, after: int) -> None:
        """Remember that the autograd nodes from op.sequence up to ``after`` are of ``op``."""
        if after <= op.sequence or (self._origin_ops and op.sequence < self._origin_ops[-1][0]):
            return
        if len(self._origin_starts) > _KEPT_ORIGINS:
            del self._origin_starts[: _KEPT_ORIGINS // 2], self._origin_ops[: _KEPT_ORIGINS // 2]
        self._origin_starts.append(op.sequence)
        self._origin_ops.append((after, op.time, op.name))

    def origin(self, sequence: int) -> list[int] | None:
        """Time of the forward operation that made the node of a sequence number."""
        place = bisect_right(self._origin_starts, sequence) - 1
        if place < 0 or sequence >= self._origin_ops[place][0]:
            return None
        return self._origin_ops[place][1]


def _is_given(tensor: torch.Tensor, op: Op) -> bool:
    return op.kind == "op" and any(given is tensor for given in tensors_in(op.inputs))


def _sentence(error: Exception) -> str:
    return in_words(error).splitlines()[0]


def _scalar_result(value: Any) -> Any:
    found = tensors_in(value)
    return scalar_of(found[0]) if found and found[0].numel() == 1 else None


def rates_of(optimizer: Any) -> list[Any]:
    """The learning rate of each parameter group."""
    return [scalar_of(group.get("lr")) for group in optimizer.param_groups]


def rate_of(optimizer: Any, leaf: torch.Tensor) -> Any:
    """The learning rate of the group that holds a parameter, None if no group does."""
    for group in optimizer.param_groups:
        if any(item is leaf for item in group["params"]):
            return scalar_of(group.get("lr"))
    return None
