"""What can be looked at while the script stands still."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from backprop_tui.debuggee import finite
from backprop_tui.debuggee.describe import values_of
from backprop_tui.debuggee.names import Names, tensor_variables


class Inspection:
    """Answers questions about tensors by their names."""

    def __init__(self, names: Names, optimizers: Any) -> None:
        self.names = names
        self.optimizers = optimizers
        """Function that returns the live optimizers."""

    def lasting(self) -> Iterator[tuple[str | None, torch.Tensor]]:
        """Parameters, other leaves that require a gradient, and buffers, each once; None: it has no name."""
        seen: set[int] = set()
        for name, tensor in self.names.lasting_tensors():
            seen.add(id(tensor))
            yield name, tensor
        for optimizer in self.optimizers():
            for group in optimizer.param_groups:
                for tensor in group["params"]:
                    if id(tensor) not in seen:
                        seen.add(id(tensor))
                        yield self.names.tensor(tensor), tensor

    def window(self, message: dict[str, Any]) -> dict[str, Any]:
        """Rows and columns of a tensor seen as a matrix: its leading dimensions make the rows."""
        tensor = self.find(message["name"], message["attr"])
        if tensor is None:
            return {"values": None, "shape": [], "dtype": ""}
        flat = tensor.detach()
        flat = flat.reshape(1, -1) if flat.dim() < 2 else flat.reshape(-1, flat.shape[-1])
        (top, bottom), (left, right) = message["rows"], message["cols"]
        return {
            "values": values_of(flat[top:bottom, left:right]),
            "shape": list(flat.shape),
            "dtype": str(tensor.dtype)[6:],
        }

    def nonfinite(self, message: dict[str, Any]) -> list[str]:
        """Parameters, gradients and optimizer state with an element that is NaN or infinite, and buffers
        with one that is NaN: infinite ones, as in a mask, are meant."""
        return [what for name, tensor in self.lasting() for what in self._bad_parts(name or "?", tensor)]

    def _bad_parts(self, name: str, tensor: torch.Tensor) -> Iterator[str]:
        bad = finite.badness(tensor)
        if bad == finite.NAN or (bad is not None and tensor.requires_grad):
            yield name
        if tensor.is_leaf and tensor.grad is not None and finite.badness(tensor.grad) is not None:
            yield f"{name}.grad"
        for optimizer in self.optimizers():
            for key, value in optimizer.state.get(tensor, {}).items():
                if isinstance(value, torch.Tensor) and finite.badness(value) is not None:
                    yield f"{key} of {name}"

    def find(self, name: str, attribute: str = "value") -> torch.Tensor | None:
        """A tensor by name; ``attribute`` is value, grad or state.NAME. Raises LookupError."""
        tensor = self._named(name)
        if attribute == "value":
            return tensor
        if attribute == "grad":
            return tensor.grad
        for optimizer in self.optimizers():
            value = optimizer.state.get(tensor, {}).get(attribute.removeprefix("state."))
            if isinstance(value, torch.Tensor):
                return value
        return None

    def _named(self, name: str) -> torch.Tensor:
        for known, tensor in self.names.lasting_tensors():
            if known == name:
                return tensor
        for known, tensor in tensor_variables():
            if known == name:
                return tensor
        raise LookupError(f"no tensor of the script is called {name!r} here")
