"""What the debuggee saw of one operation, with every number, as numpy arrays."""

from __future__ import annotations

import base64
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_WIDE = {
    "float16": "<f2", "float32": "<f4", "float64": "<f8", "bool": "?", "uint8": "u1", "int8": "i1",
    "int16": "<i2", "int32": "<i4", "int64": "<i8", "complex64": "<c8", "complex128": "<c16",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Tensor:
    """One tensor of the debuggee: float64 (or integer, bool, complex) values, and the dtype it has there."""

    values: Array
    dtype: str
    name: str | None = None
    source: tuple[int, int] | None = None
    """Time of the operation that made a temporary."""
    label: str | None = None
    """What the script would call a temporary, if it has a name by now."""

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape


class Omitted(Exception):
    """A tensor was too large to be sent, or is of a kind that numpy does not have."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """One operation. Which fields are filled depends on its kind.

    ``op``: ``args``, ``kwargs``, ``outputs``. ``node``: ``saved`` (the node's ``_saved_*`` without the
    prefix), ``grad_outputs`` (what comes in), ``grad_inputs`` (what torch sends on), ``next_shapes``.
    ``accumulate``: ``saved`` with before, added, after. ``update``: ``saved`` with before, grad, after,
    ``group`` (hyperparameters), ``state_before``, ``state_after``. ``schedule``: ``group`` (the
    scheduler's own attributes), ``saved`` with lr_before, lr_after.
    """

    kind: str
    name: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[Any, ...] = ()
    saved: Mapping[str, Any] = field(default_factory=dict)
    grad_outputs: tuple[Tensor | None, ...] = ()
    grad_inputs: tuple[Tensor | None, ...] = ()
    next_shapes: tuple[tuple[int, ...] | None, ...] = ()
    """The shape that each gradient of ``grad_inputs`` has where it goes; autograd sums what is larger."""
    drawn: tuple[Tensor, ...] = ()
    """Masks of dropout inside a function, whose results do not show them, in the order of drawing."""
    autocast: str | None = None
    """The dtype to which autocast casts what a call reads, if it is on."""
    sequence: int = 0
    """A node's number; a later one was made later."""
    edges: tuple[Any, ...] = ()
    """Where each gradient of ``grad_inputs`` goes: (sequence number of a node, which of its
    ``grad_outputs``), the name of a leaf, or None."""
    group: Mapping[str, Any] = field(default_factory=dict)
    state_before: Mapping[str, Any] = field(default_factory=dict)
    state_after: Mapping[str, Any] = field(default_factory=dict)

    def bind(self, signature: str) -> dict[str, Any]:
        """Arguments by name. ``signature`` is written as Python would: ``input, dim=None, *, keepdim=False``.

        Of several, with `` | `` between them, the first that fits is taken. numpy's names for arguments
        are understood as torch understands them. Raises TypeError if the arguments do not fit.
        """
        for one in signature.split(" | "):
            form = _signature(one)
            named = {_torchs(name, form): value for name, value in self.kwargs.items()}
            try:
                bound = form.bind(*self.args, **named)
            except TypeError:
                continue
            bound.apply_defaults()
            return dict(bound.arguments)
        raise TypeError(f"{self.name} was not called as {signature}")

    def tensors(self) -> Iterator[Tensor]:
        """Every tensor in it."""
        parts = (self.args, self.kwargs, self.saved, self.grad_outputs, self.state_before)
        for part in parts:
            yield from _tensors(part)


_NUMPYS = {"axis": "dim", "keepdims": "keepdim", "x": "input", "a": "input", "x1": "input", "x2": "other"}
"""torch/csrc/utils/python_arg_parser.cpp: numpy_compatibility_arg_names."""


def _torchs(name: str, form: inspect.Signature) -> str:
    return name if name in form.parameters else _NUMPYS.get(name, name)


@lru_cache(maxsize=1024)
def _signature(text: str) -> inspect.Signature:
    scope: dict[str, Any] = {}
    exec(f"def function({text}): ...", scope)  # text is a literal of the rules, never the user's
    return inspect.signature(scope["function"])


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _tensors(item)


def decode(message: Mapping[str, Any]) -> Evidence:
    """Evidence from the debuggee's message. Raises Omitted if a tensor in it was not sent."""
    known = {name: _decode(value) for name, value in message.items()}
    for name in ("args", "outputs", "grad_outputs", "grad_inputs", "next_shapes", "edges", "drawn"):
        if name in known:
            known[name] = tuple(tuple(item) if isinstance(item, list) and name == "next_shapes" else item
                                for item in known[name])  # fmt: skip
    return Evidence(**known)


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    if "$tensor" in value:
        return _tensor(value)
    if "$float" in value:
        return float(value["$float"])
    if "$tuple" in value:
        return tuple(_decode(item) for item in value["$tuple"])
    if "$other" in value:
        return str(value["$other"])
    return {key: _decode(item) for key, item in value.items()}


def _tensor(value: Mapping[str, Any]) -> Tensor:
    data, dtype = value["data"], value["dtype"]
    if data is None:
        raise Omitted(value.get("why") or "a tensor is too large")
    raw = base64.b64decode(data)
    source = value.get("source")
    return Tensor(
        _array(raw, dtype).reshape(value["$tensor"]), dtype, value.get("name"),
        (source[0], source[1]) if source else None, value.get("label"),
    )  # fmt: skip


def _array(raw: bytes, dtype: str) -> Array:
    if dtype == "bfloat16":
        return (np.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4").astype(np.float64)
    if dtype not in _WIDE:
        raise Omitted(f"a tensor is of dtype {dtype}")
    array = np.frombuffer(raw, _WIDE[dtype])
    if array.dtype.kind == "f":
        with np.errstate(invalid="ignore"):  # fresh memory may hold what looks like a signalling NaN
            return array.astype(np.float64)
    if array.dtype.kind == "c":
        return array.astype(np.complex128)
    return array if array.dtype.kind == "b" else array.astype(np.int64)
