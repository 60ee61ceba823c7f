"""What is tried in side copies of the script: nudged elements, watched gradients, moved parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from backprop_tui.debuggee.changes.value import set_value
from backprop_tui.debuggee.describe import ALL
from backprop_tui.debuggee.engine import Engine
from backprop_tui.debuggee.inspection import Inspection
from backprop_tui.debuggee.passes import Passes
from backprop_tui.debuggee.tracing import Trace
from backprop_tui.protocol import Record, plain

Message = dict[str, Any]
_save = torch.save
"""The script's own saves are dropped in a side copy."""


class Probe:
    """Commands that make sense in a copy that is thrown away."""

    def __init__(self, inspection: Inspection, engine: Engine, send: Callable[[Message], None]) -> None:
        self.inspection = inspection
        self.engine = engine
        self.send = send
        self._passes: Passes | None = None
        self._kept: list[torch.Tensor] = []
        self._trace: Trace | None = None

    def commands(self) -> dict[str, Any]:
        """Name to function, for the server."""
        return {
            "nudge": self.nudge,
            "watch": self.watch,
            "watched": self.watched,
            "losses": self.losses,
            "loss": self.loss,
            "keep": self.keep,
            "moved": self.moved,
            "move": self.move,
            "testify": self.testify,
            "trace": self.trace,
            "traced": self.traced,
        }

    def testify(self, message: Message) -> None:
        """Send every autograd node with all its numbers from now on."""

        def send(record: Record, evidence: Any) -> None:
            if record["kind"] == "node":
                self.send({"type": "record", "record": record, "evidence": evidence})

        self.engine.sink = send
        self.engine.recorder.most = ALL

    # one element
    def nudge(self, message: Message) -> Message:
        """Add to one element; answers its value before and after, as the dtype holds them."""
        tensor = self._tensor(message)
        if tensor.is_complex():
            raise LookupError(f"{message['name']} holds complex numbers: only real ones can be verified")
        before = tensor.detach()[tuple(message["index"])].item()
        after = set_value(tensor, message["index"], before + message["by"])
        return {"before": plain(before), "after": plain(after), "dtype": str(tensor.dtype)[6:]}

    def watch(self, message: Message) -> None:
        """Add up what backward passes contribute to one element of a leaf's gradient from now on."""
        tensor = self._tensor(message)
        if not (tensor.is_leaf and tensor.requires_grad):
            raise LookupError(f"{message['name']} gets no gradient: it requires none, or is no leaf")
        self._passes = Passes(self.engine, [tensor])

    def trace(self, message: Message) -> None:
        """Follow one element of a leaf through every backward pass from now on."""
        name = message["name"]
        self._trace = Trace(self.engine, lambda: self.inspection.find(name), message["index"])
        self.engine.on_backward = self._trace.begins

    def traced(self, message: Message) -> Message:
        """What every operation on the way has given to the element's gradient."""
        assert self._trace is not None
        return self._trace.told()

    def watched(self, message: Message) -> Message:
        """What the passes have given to the element; 0 if nothing."""
        assert self._passes is not None
        given = self._passes.gradient(0)
        return {"gradient": 0.0 if given is None else plain(given[tuple(message["index"])].item())}

    # the loss
    def losses(self, message: Message) -> None:
        """Add up the losses that backward is called on from now on."""
        self._passes = Passes(self.engine)

    def loss(self, message: Message) -> Message:
        """Their sum, of how many passes it is, and why there is none."""
        assert self._passes is not None
        return self._passes.told()

    def _tensor(self, message: Message) -> torch.Tensor:
        tensor = self.inspection.find(message["name"])
        assert tensor is not None
        return tensor

    # all parameters
    def keep(self, message: Message) -> None:
        """Remember every parameter of every optimizer as it is now, and add up what passes give to each."""
        leaves = self._leaves()
        self._kept = [leaf.detach().clone() for leaf in leaves]
        self._passes = Passes(self.engine, leaves)

    def moved(self, message: Message) -> Message:
        """How far each has moved since `keep`, into a file; answers ∇L·Δw, and the length of Δw."""
        leaves = self._leaves()
        steps = [leaf.detach() - kept for leaf, kept in zip(leaves, self._kept, strict=True)]
        _save(steps, message["path"])
        assert self._passes is not None
        slope = sum(_dot(self._passes.gradient(number), step) for number, step in enumerate(steps))
        length = sum(float((step.double() ** 2).sum()) for step in steps) ** 0.5
        return {"slope": plain(slope), "length": plain(length)}

    def move(self, message: Message) -> None:
        """Go so many times the way that a file holds."""
        steps = torch.load(message["path"], weights_only=True)
        with torch.no_grad():
            for leaf, step in zip(self._leaves(), steps, strict=True):
                leaf.data.add_(step, alpha=message["times"])

    def _leaves(self) -> list[torch.Tensor]:
        return [
            leaf
            for optimizer in self.inspection.optimizers()
            for group in optimizer.param_groups
            for leaf in group["params"]
        ]


def _dot(gradient: torch.Tensor | None, step: torch.Tensor) -> float:
    return 0.0 if gradient is None else float((gradient.conj() * step).real.sum())
