"""Where a tensor keeps its elements, and what they are byte by byte."""

from __future__ import annotations

import ctypes

import torch

from backprop_tui.debuggee import private

FREED = "the memory of the tensor was given back: it has no numbers now"


def keeps_elsewhere(tensor: torch.Tensor) -> bool:
    """Whether the memory of a tensor does not hold its elements: those of a class that dispatches by itself
    (a fake tensor, a wrapper) are in other tensors, or nowhere; one of the meta device has none."""
    return tensor.is_meta or type(tensor).__torch_dispatch__ is not torch.Tensor.__torch_dispatch__


def is_freed(tensor: torch.Tensor) -> bool:
    """Whether the memory of its elements was given back (``untyped_storage().resize_(0)``, as sharding
    does): reading them through a view would end the process."""
    if tensor.layout is not torch.strided or keeps_elsewhere(tensor):
        return False
    try:
        if tensor.data_ptr() and not tensor.storage_offset():
            return False
        gone = tensor.numel() > 0 and not tensor.untyped_storage().nbytes()
        return gone and not private.is_zero_everywhere(tensor)
    except (RuntimeError, NotImplementedError, ValueError):
        return False


def address_of(tensor: torch.Tensor) -> int:
    """Address of a tensor's storage, which its views have too; its own identity where it has none (a sparse
    one, one without elements, one of the meta device)."""
    if keeps_elsewhere(tensor):
        return id(tensor)
    try:
        return tensor.untyped_storage().data_ptr() or id(tensor)
    except (RuntimeError, NotImplementedError, ValueError):
        return id(tensor)


def start_of(tensor: torch.Tensor) -> int:
    """Address of a tensor's first element; its own identity where it has none, as in `address_of`."""
    if keeps_elsewhere(tensor):
        return id(tensor)
    try:
        return tensor.data_ptr() or id(tensor)
    except RuntimeError:
        return id(tensor)


def on_cpu(tensor: torch.Tensor) -> torch.Tensor:
    """The elements in row-major order, on the CPU, without a history.

    Raises RuntimeError or NotImplementedError where they cannot be read.
    """
    if keeps_elsewhere(tensor):
        kind = "tensor of the meta device" if tensor.is_meta else type(tensor).__name__
        raise RuntimeError(f"a {kind} has no numbers of its own in memory")
    if is_freed(tensor):
        raise RuntimeError(FREED)
    values = tensor.detach()
    if _as_they_are(values):
        return values
    if values.layout is not torch.strided:
        values = values.to_dense()
    values = values.cpu().resolve_conj().resolve_neg()
    return (values.clone() if private.is_zero_everywhere(values) else values).contiguous()


def is_plain(tensor: torch.Tensor) -> bool:
    """Whether the memory of a tensor holds its elements one after the other, for this process to read."""
    elsewhere = keeps_elsewhere(tensor) or private.is_wrapped(tensor) or is_freed(tensor)
    return not elsewhere and _as_they_are(tensor)


def _as_they_are(tensor: torch.Tensor) -> bool:
    return (
        tensor.is_cpu
        and tensor.layout is torch.strided
        and tensor.is_contiguous()
        and not (tensor.is_conj() or tensor.is_neg() or private.is_zero_everywhere(tensor))
    )


def bytes_of(tensor: torch.Tensor) -> bytes:
    """What a tensor of `on_cpu`, or one that `is_plain`, holds, as the machine has it (little-endian wherever
    torch runs)."""
    return (
        ctypes.string_at(tensor.data_ptr(), tensor.numel() * tensor.element_size()) if tensor.numel() else b""
    )
