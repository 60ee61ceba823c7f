"""Runs an update's lines: over whole tensors for the verdict, for one element for text and split."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from backprop_tui.explain.check import EPSILON, LARGEST, TINY, Verdict, compare
from backprop_tui.explain.evidence import Array, Evidence, Tensor
from backprop_tui.explain.formula import Option, value_of
from backprop_tui.explain.numbers import rounded
from backprop_tui.explain.optimizers.update import SCALARS, Assign, Update
from backprop_tui.explain.optimizers.values import Bounded, Parted, Precision
from backprop_tui.explain.rule import Index, broadcast_element

TUPLES = {
    "betas": ("beta1", "beta2"),
    "etas": ("etaminus", "etaplus"),
    "step_sizes": ("step_min", "step_max"),
    "eps": ("eps1", "eps2"),
}
"""Hyperparameters that are tuples, and what formulas call their parts."""

DEFAULTS: Mapping[str, Any] = {
    "maximize": False,
    "nesterov": False,
    "capturable": False,
    "differentiable": False,
}


@dataclass(frozen=True, eq=False)
class Inputs:
    """What one update starts from. Complex numbers are pairs of real ones, as torch takes them."""

    update: Update
    options: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    """``w``, ``g``, the entries of the state that there are, and further operands, by their names."""
    after: Mapping[str, Tensor]
    """The same after the step, as torch has them."""
    extra: Mapping[str, Any]
    given: tuple[str, ...] = ()
    """Dtypes of hyperparameters that are tensors: torch computes with them in their precision."""
    mask: Array | None = None

    @property
    def dtype(self) -> str:
        return self.tensors["w"].dtype

    @property
    def tensor_arithmetic(self) -> bool:
        """Whether torch computes bias corrections as tensors, in the precision of the step count."""
        return bool(self.options["capturable"] or self.options["differentiable"])

    @property
    def precision(self) -> str:
        """The dtype whose roundings are forgiven: a float64 parameter may be updated with float32 numbers."""
        dtypes = [self.dtype, *self.given]
        if self.tensor_arithmetic:
            dtypes.append(_dtype_of(self, "t"))
        if self.update.coarse is not None:
            dtypes.append(_dtype_of(self, self.update.coarse))
        return max(dtypes, key=lambda dtype: EPSILON[dtype])


def _dtype_of(inputs: Inputs, name: str) -> str:
    known = inputs.after.get(name) or inputs.tensors.get(name)
    return known.dtype if known is not None and known.dtype in EPSILON else inputs.dtype


def inputs_of(update: Update, evidence: Evidence) -> Inputs:
    """The numbers of one update, ready for its formulas. Raises Unknown."""
    saved = {"w": evidence.saved["before"], "g": evidence.saved["grad"]}
    extra = {} if update.operands is None else update.operands(evidence)
    further = {name: value for name, value in extra.items() if isinstance(value, Tensor)}
    tensors = {**saved, **_entries(update, evidence.state_before), **further}
    after = {"w": evidence.saved.get("after"), **_entries(update, evidence.state_after)}
    return Inputs(
        update=update,
        options={**DEFAULTS, **update.defaults, **options_of(evidence.group)},
        tensors={name: real(tensor) for name, tensor in tensors.items() if tensor is not None},
        after={name: real(tensor) for name, tensor in after.items() if tensor is not None},
        extra={name: value for name, value in extra.items() if name not in further},
        given=tuple(item.dtype for item in _tensors(evidence.group) if item.dtype in EPSILON),
        mask=_mask(update, evidence),
    )


def _tensors(group: Mapping[str, Any]) -> Iterator[Tensor]:
    for value in group.values():
        yield from (
            item for item in (value if isinstance(value, tuple) else (value,)) if isinstance(item, Tensor)
        )


def options_of(group: Mapping[str, Any]) -> dict[str, Any]:
    """Hyperparameters as plain numbers, tuples by their parts."""
    found: dict[str, Any] = {}
    for name, value in group.items():
        if isinstance(value, (tuple, list)) and name in TUPLES:
            found.update(zip(TUPLES[name], map(_option, value), strict=False))
        else:
            found[name] = _option(value)
    return found


def _option(value: Any) -> Any:
    if isinstance(value, Tensor):
        return Option(value.values.reshape(-1)[0])
    return Option(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _entries(update: Update, state: Mapping[str, Any]) -> dict[str, Tensor]:
    found = {}
    for name, entry in update.state.items():
        value = state.get(entry)
        if isinstance(value, Tensor):
            found[name] = value
        elif isinstance(value, (int, float)):
            found[name] = Tensor(np.asarray(value), "int64" if isinstance(value, int) else "float64")
    return found


def real(tensor: Tensor) -> Tensor:
    """A complex tensor as real and imaginary parts, one dimension more."""
    if tensor.values.dtype.kind != "c":
        return tensor
    pairs = np.ascontiguousarray(tensor.values).view(np.float64).reshape((*tensor.shape, 2))
    return Tensor(pairs, {"complex64": "float32"}.get(tensor.dtype, "float64"), tensor.name)


def _mask(update: Update, evidence: Evidence) -> Array | None:
    """Where a sparse gradient has values, also if they are 0."""
    touched = evidence.saved.get("touched")
    if not update.masked or touched is None:
        return None
    mask = np.zeros(evidence.saved["before"].shape, bool)
    mask[tuple(touched.values)] = True
    return mask


Watch = Callable[[Assign, Mapping[str, Any]], None]
"""Called after each line, with the values before it and what it gave under the empty name."""


def run(inputs: Inputs, values: dict[str, Any], mask: Any, watch: Watch | None = None) -> dict[str, Any]:
    """Every line in its order; the values of all names in the end."""
    for line in inputs.update.lines:
        if not value_of(line.when, values):
            continue
        result = _stored(inputs, line.name, value_of(line.formula, values))
        if line.name in ("w", "g", *inputs.update.held, *inputs.update.state) and line.name not in SCALARS:
            result = _held(result, inputs.dtype)
        if mask is not None and isinstance(values.get(line.name), Bounded):
            result = Bounded.where(mask, result, values[line.name])
        if watch is not None:
            watch(line, {**values, "": result})
        values[line.name] = result
    return values


def _held(value: Any, dtype: str) -> Any:
    """What is left of numbers in a dtype: 0 of those that are too small for it, infinity of the largest."""
    size = np.abs(_plain(value))
    if not np.any(size > LARGEST.get(dtype, np.inf)) and not np.any(size < TINY[dtype]):
        return value
    kept = np.where(size <= TINY[dtype] * EPSILON[dtype] / 2, 0.0, 1.0)
    return value * np.where(size > LARGEST.get(dtype, np.inf), np.inf, kept)


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, (Bounded, Parted)) else value


def _stored(inputs: Inputs, name: str, value: Any) -> Any:
    """A plain number as it comes back from the state, where torch keeps it as a tensor of one element."""
    known = inputs.after.get(name)
    if known is None or name not in SCALARS or isinstance(value, Bounded):
        return value
    return np.float64(rounded(float(value), known.dtype))


# over whole tensors
def bounded(inputs: Inputs, watch: Watch | None = None) -> dict[str, Any]:
    """The whole update in float64, with bounds on torch's rounding errors."""
    precision = Precision.of(inputs.precision)
    values: dict[str, Any] = {**inputs.options, **inputs.extra, **_situation(inputs)}
    for name, tensor in inputs.tensors.items():
        values[name] = np.float64(tensor.values) if name in SCALARS else Bounded(tensor.values, precision)
    _start(inputs, values, lambda name, value: Bounded(value, precision))
    if inputs.tensor_arithmetic and "t" in values:
        values["t"] = Bounded(values["t"], precision)
    return run(inputs, values, inputs.mask, watch)


def _situation(inputs: Inputs) -> dict[str, bool]:
    """Whether there is no state yet, and whether this step was counted before the update began."""
    before, after = inputs.tensors.get("t"), inputs.after.get("t")
    counted = before is not None and after is not None and bool(before.values == after.values)
    return {"first": not any(name in inputs.tensors for name in inputs.update.state), "counted": counted}


def _start(inputs: Inputs, values: dict[str, Any], tensor: Callable[[str, Array], Any]) -> None:
    """What entries of the state are before the first step."""
    for name in inputs.update.state:
        if name not in values:
            value = np.float64(value_of(inputs.update.start.get(name, "0"), values))
            like = inputs.after.get(name) or inputs.tensors["w"]
            full = np.full(like.shape, value)
            values[name] = _stored(inputs, name, value) if name in SCALARS else tensor(name, full)


def verdicts(inputs: Inputs, values: Mapping[str, Any]) -> dict[str, Verdict]:
    """How the parameter and every entry of the state compare with torch's own."""
    found = {}
    for name, torchs in inputs.after.items():
        ours = values[name]
        value, error = (ours.value, ours.error) if isinstance(ours, Bounded) else (ours, 0.0)
        value = np.broadcast_to(value, torchs.shape) if np.ndim(value) <= torchs.values.ndim else value
        # `compare` forgives 16 roundings of the scale; twice the bound shall be forgiven.
        unit = EPSILON.get(torchs.dtype, 1.0)
        known = np.where(np.isfinite(error), error, 0.0)
        scale = np.broadcast_to(known / (8 * unit), np.shape(value))
        found[name] = compare(torchs, value, scale)
    return found


# one element
def parted(inputs: Inputs, index: Index, watch: Watch) -> dict[str, Any]:
    """The update of one element, with the parts of its step; of the whole tensor if elements mix."""

    def picked(array: Array) -> Any:
        return np.asarray(array if inputs.update.whole else element(array, index), np.float64)[()]

    given = {**inputs.options, **inputs.extra}
    values = {
        name: picked(value) if isinstance(value, np.ndarray) else value for name, value in given.items()
    }
    values |= _situation(inputs)
    for name, tensor in inputs.tensors.items():
        values[name] = _with_parts(inputs.update, name, picked(tensor.values))
    for name in ("weight_decay", "lambd"):
        if name in values and inputs.update.separable:
            values[name] = Parted(values[name], decay=values[name])
    _start(inputs, values, lambda name, value: _with_parts(inputs.update, name, picked(value)))
    if inputs.mask is not None and not inputs.mask[index]:
        return values
    return run(inputs, values, None, watch)


def _with_parts(update: Update, name: str, value: Any) -> Any:
    if name == "g" and update.separable:
        return Parted(value, gradient=value)
    return Parted(value, momentum=value) if name in update.memory else value


def element(value: Any, index: Index) -> Any:
    """One element of an array that broadcasts to the parameter's shape; a plain number as it is."""
    value = _plain(value)
    return broadcast_element(value, index) if isinstance(value, np.ndarray) else value
