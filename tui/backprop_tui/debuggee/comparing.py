"""How two copies of the script differ: everything that lasts beyond an operation, compared bit for bit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import torch

from backprop_tui.debuggee.describe import scalar_of
from backprop_tui.debuggee.inspection import Inspection
from backprop_tui.debuggee.memory import bytes_of, on_cpu

Message = dict[str, Any]
Key = tuple[str, str]
"""(name, part): part is buffer, grad or value."""
_PARTS = ("buffer", "grad", "value")
"""In the order in which an iteration writes them: forward, backward, step."""
_save = torch.save
"""The script's own saves are dropped in a side copy."""


class Comparison:
    """Commands with which the debugger finds the first number in which two copies differ."""

    def __init__(self, inspection: Inspection) -> None:
        self.inspection = inspection

    def commands(self) -> dict[str, Any]:
        """Name to function, for the server."""
        return {
            "fingerprint": self.fingerprint,
            "keep_state": self.keep_state,
            "first_difference": self.first_difference,
        }

    def fingerprint(self, message: Message) -> str:
        """A digest of all buffers, gradients and parameters: equal if and only if their bits are."""
        found = hashlib.blake2b(digest_size=16)
        for key, tensor in self._state():
            found.update(f"{key} {'None' if tensor is None else (tensor.dtype, tensor.shape)}".encode())
            if tensor is not None:
                found.update(bytes_of(tensor))
        return found.hexdigest()

    def keep_state(self, message: Message) -> None:
        """Write all of it into a file, for `first_difference` in another copy."""
        _save(dict(self._state()), message["path"])

    def first_difference(self, message: Message) -> Message | None:
        """The first element that differs from what a file holds, None if none does."""
        kept = torch.load(message["path"], weights_only=True)
        for (name, part), mine in self._state():
            found = _difference(mine, kept.get((name, part)))
            if found is not None:
                return {"name": name, "part": part, **found}
        return None

    def _state(self) -> Iterator[tuple[Key, torch.Tensor | None]]:
        """Everything that lasts, each with a name of its own, dense and on the CPU."""
        lasting = list(self.inspection.lasting())
        for part in _PARTS:
            for number, (name, tensor) in enumerate(lasting):
                trained = tensor.requires_grad or isinstance(tensor, torch.nn.Parameter)
                if (part == "buffer") == trained:
                    continue
                value = tensor.grad if part == "grad" else tensor
                key = (name or f"tensor {number + 1} without a name", part)
                yield key, None if value is None else on_cpu(value)


def _difference(mine: torch.Tensor | None, other: torch.Tensor | None) -> Message | None:
    """Index and both values; the whole is named if one of the two is None or of another shape."""
    if mine is None or other is None:
        if mine is other:
            return None
        return {"index": None, "dtype": "", "mine": _told(mine), "other": _told(other)}
    if mine.shape != other.shape or mine.dtype != other.dtype:
        return {"index": None, "dtype": "", "mine": _told(mine), "other": _told(other)}
    differs = _rows(mine).ne(_rows(other)).any(1)
    if not differs.any():
        return None
    index = tuple(int(at) for at in torch.unravel_index(differs.nonzero()[0], mine.shape))
    values = {"mine": scalar_of(mine[index]), "other": scalar_of(other[index])}
    return {"index": list(index), "dtype": str(mine.dtype)[6:], **values}


def _rows(tensor: torch.Tensor) -> torch.Tensor:
    """The bytes of each element: NaN equals itself, and −0 is not 0."""
    return tensor.reshape(-1).view(torch.uint8).view(tensor.numel(), tensor.element_size())


def _told(tensor: torch.Tensor | None) -> str:
    if tensor is None:
        return "None"
    if tensor.numel() == 1:
        return str(scalar_of(tensor))
    return f"{str(tensor.dtype)[6:]} {list(tensor.shape)}"
