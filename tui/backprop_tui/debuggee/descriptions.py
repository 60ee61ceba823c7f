"""Descriptions of tensors, made anew only where a tensor has changed."""

from __future__ import annotations

import weakref
from typing import Any

import torch

from backprop_tui.debuggee.describe import describe, has_shape
from backprop_tui.debuggee.graph import standing
from backprop_tui.debuggee.memory import bytes_of, is_plain
from backprop_tui.protocol import TensorInfo

_BITS = {
    torch.float64: torch.int64,
    torch.float32: torch.int32,
    torch.float16: torch.int16,
    torch.bfloat16: torch.int16,
}
"""A NaN is equal to itself, and 0 is not -0, when they are compared as bits."""


class Descriptions:
    """Compares a tensor's elements with those that were described.

    Its version would not do: writing through ``.data`` or from numpy leaves that as it is.
    """

    def __init__(self) -> None:
        self._known: dict[int, _Described] = {}
        self._used: dict[int, _Described] = {}

    def info(self, tensor: torch.Tensor, name: str | None, limit: int, most: int) -> TensorInfo:
        """As `describe`: the very same dictionary as last time if nothing is different."""
        if not has_shape(tensor):
            return describe(tensor, name, limit, most)
        key = (name, limit, most, tensor.shape, tensor.dtype, *standing(tensor))
        known = self._known.get(id(tensor))
        if known is None or known.key != key or not known.still(tensor):
            known = _Described(tensor, key, describe(tensor, name, limit, most))
        self._used[id(tensor)] = known
        return known.info

    def forget_unused(self) -> None:
        """What was not asked for since the last call is gone, or of no interest."""
        self._known, self._used = self._used, {}


class _Described:
    """A tensor as it was described, with a copy of its elements if they were looked at."""

    __slots__ = ("_address", "_bits", "_bytes", "_looked_at", "_reference", "info", "key")

    def __init__(self, tensor: torch.Tensor, key: tuple[Any, ...], info: TensorInfo) -> None:
        self.key = key
        self.info = info
        self._reference = weakref.ref(tensor)
        _, limit, most, *_ = key
        self._looked_at = tensor.numel() <= max(limit, most)
        self._address = 0
        self._bytes: bytes | None = None
        self._bits: torch.Tensor | None = None
        if info.get("values") is not None or "norm" in info:
            self._copy(tensor)

    def _copy(self, tensor: torch.Tensor) -> None:
        if is_plain(tensor):
            self._address, self._bytes = tensor.data_ptr(), bytes_of(tensor)
        else:
            self._bits = _bits(tensor, copied=True)

    def still(self, tensor: torch.Tensor) -> bool:
        """Whether the tensor is the one that was described, and as it was."""
        if self._reference() is not tensor:
            return False
        if not self._looked_at:
            return True
        if self._bytes is not None:
            here = tensor.data_ptr() == self._address and tensor.is_contiguous()
            return here and bytes_of(tensor) == self._bytes
        bits = _bits(tensor)
        return bits is not None and self._bits is not None and torch.equal(bits, self._bits)


def _bits(tensor: torch.Tensor, copied: bool = False) -> torch.Tensor | None:
    """The elements of a dense tensor that is elsewhere, to be compared; None for tensors that cannot be."""
    if tensor.layout is not torch.strided or tensor.is_complex() or tensor.is_quantized:
        return None
    try:
        bits = tensor.detach()
        if tensor.dtype in _BITS:
            bits = bits.view(_BITS[tensor.dtype])
        return bits.clone() if copied else bits
    except (RuntimeError, NotImplementedError, TypeError):
        return None
