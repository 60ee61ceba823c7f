"""The messages between the debugger and a debuggee: plain values, standard library only.

A message is a dictionary of plain values, sent as a 4-byte big-endian length and that many bytes in the
format of Python's `marshal`, which takes a tenth of the time of JSON. Floats that JSON could not carry
travel as the strings ``"nan"``, ``"inf"`` and ``"-inf"``: records are printed as JSON.

This module is imported inside the user's process too, under whatever Python (3.10 or later) that
process runs, so it must not import anything outside the standard library.
"""

from __future__ import annotations

import json
import marshal
import math
import struct
from collections.abc import Iterable
from itertools import groupby
from typing import Any, TypedDict

VERSION = 1
"""Version of the `trace` records. Fields may be added under the same number, never changed."""

HEADER = struct.Struct(">I")

PHASE, OPERATION, KERNEL = "phase", "operation", "kernel"
LEVELS = (PHASE, OPERATION, KERNEL)

Time = tuple[int, int]
"""(landmark, operation): completed landmarks so far, operations begun since the last of them."""

Values = Any
"""A number or nested lists of numbers; non-finite ones as "nan", "inf", "-inf"."""


class TensorInfo(TypedDict, total=False):
    """A tensor as the debuggee describes it: whole when small, summarised when large."""

    name: str | None
    """As the script would write it, or None for a temporary."""
    shape: list[int]
    dtype: str
    """Without the ``torch.`` prefix: ``float32``."""
    values: Values
    """None when the tensor has more elements than were asked for."""
    requires_grad: bool
    leaf: bool
    norm: Any
    min: Any
    max: Any
    nonfinite: int
    """How many elements are NaN or infinite. The four summaries are present only if values is None."""
    source: list[int]
    """Time of the operation that made a temporary (key ``from`` in `trace`)."""


class StateChange(TypedDict):
    """One entry of the optimizer's state of one parameter, around its update."""

    before: Any
    after: Any


class LeftOut(TypedDict):
    """A parameter that was passed over. It may have no name: perhaps no variable leads to it."""

    name: str | None
    shape: list[int]


RECOMPUTED = "_StopRecomputationError"
"""What torch raises, and catches, when activation checkpointing has recomputed all that backward needs."""


class Record(TypedDict, total=False):
    """One operation. A completed one has its results; the next one only what it will read."""

    time: list[int]
    iteration: int
    number: int
    """Position in the iteration, 1 for its first operation. Kernels share their update's number."""
    depth: int
    level: str
    kind: str
    """phase: zero_grad forward loss backward step schedule. operation: module op node accumulate
    update clear. kernel: kernel."""
    name: str
    file: str | None
    line: int | None
    module: str | None
    inputs: list[TensorInfo]
    outputs: list[TensorInfo]
    error: str
    """The exception, if the operation raised one: `RECOMPUTED` is no failure."""
    undescribed: str
    """Why the tensors of this operation could not be described."""
    grad_outputs: list[TensorInfo | None]
    grad_inputs: list[TensorInfo | None]
    origin: list[int] | None
    """node: time of the forward operation that created it, if that was observed."""
    tensor: str | None
    before: TensorInfo | None
    added: TensorInfo | None
    after: TensorInfo | None
    parameter: str | None
    grad: TensorInfo | None
    lr: Any
    optimizer: str
    state: dict[str, StateChange]
    scheduler: str
    last_epoch: int | None
    """None for a ChainedScheduler, which has none."""
    lr_before: list[Any]
    lr_after: list[Any]
    value: Any
    """loss, backward: the value of the loss."""
    training: bool
    """forward, module: whether the module is in training mode."""
    no_grad: bool
    """True where gradients are disabled; absent where they are not."""
    settings: dict[str, Any]
    """op, loss: what was asked for by keyword (training, p, reduction, max_norm, clip_value), if anything.
    step: weight_decay and the like, one value per parameter group. schedule: T_max, total_steps."""
    skipped: list[LeftOut]
    """step: its parameters that require a gradient and have none (``.grad`` is None)."""
    unowned: list[LeftOut]
    """backward: parameters that got a gradient and are in no optimizer, if the script has any."""
    callers: list[int]
    """backward: the script's lines that lead to the call, innermost first."""
    text: str
    """warning: its message. A record of a warning (kind ``warning``, name: its category) is no operation:
    its time is that of the operation during which, or before which, it was given."""


class ParameterRow(TypedDict, total=False):
    """One row of the parameter table."""

    name: str | None
    role: str
    """parameter, buffer or tensor"""
    value: TensorInfo
    grad: TensorInfo | None
    """None: the script's ``.grad`` is None."""
    optimizer: str | None
    """Class of the optimizer that holds it, or None if no optimizer does."""
    group: int
    lr: Any
    state: dict[str, Any]
    """Name to number or TensorInfo."""


class TableNews(TypedDict):
    """A table of parameters, as what is different from one that was sent before."""

    id: str | None
    """None if no later table refers to this one."""
    since: str | None
    """The id of the former table, None if all rows are here."""
    rows: list[ParameterRow | list[int]]
    """In the order of the table: rows, and for a stretch of rows like those in the same places of the
    former table the places, as [first, end]."""


class LossPoint(TypedDict):
    """The value of one loss at the moment ``backward`` was called on it."""

    landmark: int
    iteration: int
    site: str
    """Call site of ``backward``: ``train.py:16``."""
    value: Any


class RatePoint(TypedDict):
    """The learning rates that one ``optimizer.step()`` used."""

    landmark: int
    iteration: int
    optimizer: int
    """Optimizers are numbered in the order in which they first took a step."""
    lrs: list[Any]
    """One per parameter group."""


_FORMAT = 4
"""Of `marshal`: every Python from 3.4 on reads it, so both ends need not be of one version."""


def encode(message: Any) -> bytes:
    """Frame a message. Raises TypeError if it holds anything but plain values."""
    try:
        body = marshal.dumps(message, _FORMAT)
    except ValueError:  # a subclass of a plain type, such as a float64 of numpy's as a learning rate
        body = marshal.dumps(json.loads(json.dumps(message)), _FORMAT)
    return HEADER.pack(len(body)) + body


def decode(body: bytes | bytearray) -> Any:
    """A message, from what follows the length."""
    return marshal.loads(body)


def plain(value: Any) -> Any:
    """Replace numbers that JSON cannot carry, in nested lists too, by words: non-finite floats by those that
    stand for them, complex numbers by what Python writes."""
    if isinstance(value, float):
        return value if math.isfinite(value) else nonfinite_word(value)
    if isinstance(value, complex):
        return str(value).strip("()")
    if isinstance(value, (list, tuple)):
        return list(value) if _finite(value) else [plain(item) for item in value]
    return value


def _finite(values: list[Any] | tuple[Any, ...]) -> bool:
    """Whether these are numbers, and surely finite ones: their sum tells sooner than to look at each."""
    try:
        return math.isfinite(sum(values))
    except TypeError:
        return False


def nonfinite_word(value: float) -> str:
    """``"nan"``, ``"inf"`` or ``"-inf"``."""
    if math.isnan(value):
        return "nan"
    return "inf" if value > 0 else "-inf"


def number(value: Any) -> float:
    """The float behind a number or one of the three words."""
    return float(value)


def counted(names: Iterable[str]) -> list[str]:
    """Names one after the other; of more than two that are alike the number: ``12 Adam``, ``SGD``. Some
    scripts make an optimizer for each parameter."""
    found = []
    for name, alike in groupby(names):
        many = len(list(alike))
        found += [f"{many} {name}"] if many > 2 else [name] * many
    return found
