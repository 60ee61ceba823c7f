"""Another loss function, or another reduction, in the place of the one that the script calls.

Works on the call of a function of `torch.nn.functional`, which every way of writing a loss ends in:
the function, its module, a module derived from that.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F

from backprop_tui.debuggee import private
from backprop_tui.debuggee.changes.errors import ChangeError
from backprop_tui.debuggee.changes.wrapping import quiet

Function = Callable[..., torch.Tensor]
Replacement = tuple[Function, tuple[Any, ...], dict[str, Any]]

REDUCTIONS = ("mean", "sum")


def half_mse_loss(
    input: torch.Tensor, target: torch.Tensor, reduction: str = "mean", weight: torch.Tensor | None = None
) -> torch.Tensor:
    """Half the squared error: its derivative is the error itself."""
    weighted: dict[str, Any] = {} if weight is None else {"weight": weight}
    return 0.5 * F.mse_loss(input, target, reduction=reduction, **weighted)


FUNCTIONS: dict[str, Function] = {
    "l1": F.l1_loss,
    "mse": F.mse_loss,
    "half_mse": half_mse_loss,
    "smooth_l1": F.smooth_l1_loss,
    "huber": F.huber_loss,
    "cross_entropy": F.cross_entropy,
    "nll": F.nll_loss,
    "multi_margin": F.multi_margin_loss,
    "bce": F.binary_cross_entropy,
    "bce_with_logits": F.binary_cross_entropy_with_logits,
}
NAMES = {function: name for name, function in FUNCTIONS.items()}
"""The short name of each loss function: ``func in NAMES`` says whether it can be swapped."""

REGRESSION = ("l1", "mse", "half_mse", "smooth_l1", "huber")
BY_INDEX = ("cross_entropy", "nll", "multi_margin")
PROBABILITIES = ("cross_entropy", "bce", "bce_with_logits")

WEIGHTS = ({"l1", "mse", "half_mse", "huber"}, set(BY_INDEX), {"bce", "bce_with_logits"})
"""Losses whose ``weight`` means the same: one per element, per class, or broadcast."""


@dataclass
class Call:
    """One call of a loss function, however it was written."""

    name: str
    input: torch.Tensor
    target: torch.Tensor
    reduction: str
    extra: dict[str, Any] = field(default_factory=dict)
    """Every other argument, defaults too."""
    given: frozenset[str] = frozenset()
    """Those of them that are not the default."""


@lru_cache(maxsize=32)
def _signature(function: Function) -> inspect.Signature:
    return inspect.signature(function)


def read(function: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
    """Normalise a call: positional or named, with ``reduction`` or ``size_average`` and ``reduce``."""
    signature = _signature(function)
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    extra = dict(bound.arguments)
    average, reduce = extra.pop("size_average", None), extra.pop("reduce", None)
    reduction = extra.pop("reduction")
    if average is not None or reduce is not None:
        reduction = private.legacy_reduction(average, reduce, emit_warning=False)
    input, target = extra.pop("input"), extra.pop("target")
    given = frozenset(name for name, value in extra.items() if _differs(value, signature.parameters[name]))
    return Call(NAMES[function], input, target, reduction, extra, given)


def _differs(value: Any, parameter: inspect.Parameter) -> bool:
    return value is not None and (isinstance(value, torch.Tensor) or value != parameter.default)


class LossSwap:
    """A loss function to call instead of the script's, or a reduction, or both.

    `name` and `reduction` are None where the script's own stays. A call that asks for the losses of
    all elements (``reduction="none"``) is reduced by the script itself: its reduction stays.
    """

    def __init__(self, name: str | None = None, reduction: str | None = None) -> None:
        if name is not None and name not in FUNCTIONS:
            raise ChangeError(f"There is no loss {name}: choose from {', '.join(FUNCTIONS)}.")
        if reduction is not None and reduction not in REDUCTIONS:
            raise ChangeError(f"There is no reduction {reduction}: choose from {', '.join(REDUCTIONS)}.")
        self.name = name
        self.reduction = reduction

    def replacement(self, func: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Replacement:
        """What to call instead. Raises ChangeError where the script's data do not allow it.

        A function that is not in the table is called as it is.
        """
        if func not in NAMES:
            return func, args, kwargs
        call = read(func, args, kwargs)
        wanted = self.name or call.name
        reason = refusal(call, wanted)
        if reason is not None:
            raise ChangeError(reason)
        reduction = call.reduction if call.reduction == "none" else self.reduction or call.reduction
        return FUNCTIONS[wanted], (call.input, call.target), {**_shared(call, wanted), "reduction": reduction}

    def call(self, func: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.Tensor:
        """Call the replacement."""
        function, args, kwargs = self.replacement(func, args, kwargs)
        return function(*args, **kwargs)

    def notice(self, func: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
        """A sentence, where the replacement runs and means something else than it seems to."""
        if func not in NAMES:
            return None
        call = read(func, args, kwargs)
        found = [] if self.name is None else _notices(call, self.name)
        if self.reduction is not None and call.reduction == "none":
            found.append("This call asks for the losses of all elements, so its reduction stays.")
        return " ".join(found) or None


def accepts(func: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
    """The losses that the input and the target of this call allow, its own among them.

    Each that is not refused is tried on a copy of the data, backward too. None for other functions.
    """
    if func not in NAMES:
        return []
    call = read(func, args, kwargs)
    allowed = [name for name in FUNCTIONS if refusal(call, name) is None]
    return [name for name in allowed if name == call.name or _runs(call, name)]


def _runs(call: Call, name: str) -> bool:
    with private.DisableTorchFunction(), torch.enable_grad(), quiet():
        try:
            input = call.input.detach().clone().requires_grad_()
            shared = _shared(call, name)
            result = FUNCTIONS[name](input, call.target.detach(), reduction="sum", **shared)
            torch.autograd.grad(result, input)
        except (RuntimeError, ValueError, TypeError, IndexError):
            return False
    return True


def _shared(call: Call, wanted: str) -> dict[str, Any]:
    """The other arguments of the call that the wanted loss takes, with the same meaning."""
    takes = _signature(FUNCTIONS[wanted]).parameters
    shared = {name: value for name, value in call.extra.items() if name in takes}
    if "weight" in shared and not _same_weight(call.name, wanted):
        del shared["weight"]
    return shared


def _same_weight(one: str, other: str) -> bool:
    return one == other or any(one in kind and other in kind for kind in WEIGHTS)


# what may not be swapped
def refusal(call: Call, wanted: str) -> str | None:
    """Why this call cannot be one of the wanted loss, None if it can."""
    if wanted == call.name:
        return None
    here, there = _full(call.name), _full(wanted)
    if "weight" in call.given and not _same_weight(call.name, wanted):
        return f"{there} has no weight like the one that this script gives to {here}."
    for name in ("pos_weight", "ignore_index"):
        if name in call.given and name not in _signature(FUNCTIONS[wanted]).parameters:
            return f"{there} has no {name}, which this script gives to {here}."
    return _target_refusal(call, wanted)


def _full(name: str) -> str:
    """The name as the script would write it: ``mse_loss``."""
    return FUNCTIONS[name].__name__


def _target_refusal(call: Call, wanted: str) -> str | None:
    there = _full(wanted)
    if has_class_indices(call):
        if wanted not in BY_INDEX:
            others = ", ".join(BY_INDEX)
            return f"The target holds class indices, which {there} does not take: choose from {others}."
        if wanted == "multi_margin" and call.input.dim() > 2:
            return (
                f"{there} takes a row of scores per index, and the input has {call.input.dim()} dimensions."
            )
        return None
    if wanted in REGRESSION:
        return _regression_refusal(call, there)
    if wanted not in PROBABILITIES:
        return f"{there} needs class indices, and the target holds {_kind(call.target)}."
    return _probability_refusal(call, wanted)


def has_class_indices(call: Call) -> bool:
    """Whether the target has one whole number where the input has one score per class."""
    input, target = call.input, call.target
    whole = not target.is_floating_point() and not target.is_complex()
    if call.name in ("nll", "multi_margin"):
        return True
    without_classes = input.shape[:1] + input.shape[2:] if input.dim() > 1 else input.shape[:0]
    return call.name == "cross_entropy" and whole and target.shape == without_classes


def _regression_refusal(call: Call, there: str) -> str | None:
    if there == "huber_loss" and call.target.dtype != call.input.dtype:
        return (
            f"{there} needs a target of {_dtype(call.input)} as the input is, not of {_dtype(call.target)}."
        )
    if there == "l1_loss" and call.target.dtype == torch.bool:
        return f"{there} cannot subtract a target of bool."
    return None


def _probability_refusal(call: Call, wanted: str) -> str | None:
    there, input, target = _full(wanted), call.input, call.target
    if target.shape != input.shape:
        return f"{there} needs a target of the input's shape {list(input.shape)}, not {list(target.shape)}."
    if not target.is_floating_point():
        return f"{there} needs floating-point probabilities, and the target holds {_kind(target)}."
    if not _in_unit(target):
        return f"{there} needs probabilities, and the target has values outside 0 to 1."
    if wanted == "bce" and not _in_unit(input):
        return f"{there} needs probabilities, and the input has values outside 0 to 1."
    if wanted == "cross_entropy" and not _distributions(target):
        return f"{there} needs probabilities of two or more classes that sum to 1, and the target's do not."
    return None


def _kind(target: torch.Tensor) -> str:
    return f"numbers of {_dtype(target)}"


def _dtype(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _in_unit(tensor: torch.Tensor) -> bool:
    """Whether all values are in [0, 1]. Inside vmap and the like there are no values to look at."""
    if private.inside_transform() or not tensor.numel():
        return True
    with private.DisableTorchFunction(), torch.no_grad():
        low, high = tensor.detach().aminmax()
        return bool(low >= 0) and bool(high <= 1)


def _distributions(target: torch.Tensor) -> bool:
    """Whether the values sum to 1 over the classes: dimension 1, or the only one."""
    over = 1 if target.dim() > 1 else 0
    if target.dim() == 0 or target.shape[over] < 2:
        return False
    if private.inside_transform():
        return True
    with private.DisableTorchFunction(), torch.no_grad():
        return bool(((target.detach().float().sum(over) - 1).abs() < 1e-2).all())


# pairs that run and mean something else
_PAIRS = {
    ("cross_entropy", "nll"): "nll_loss takes log-probabilities: without log_softmax these are not.",
    ("nll", "cross_entropy"): (
        "cross_entropy takes log_softmax once more, which changes log-probabilities in the last bits only."
    ),
    ("nll", "multi_margin"): "multi_margin_loss takes scores, and the input holds log-probabilities.",
    ("bce", "bce_with_logits"): (
        "binary_cross_entropy_with_logits takes the sigmoid of the input, which is a probability already."
    ),
    ("bce", "cross_entropy"): "cross_entropy takes the softmax of the input, which is a probability already.",
    ("bce_with_logits", "bce"): "binary_cross_entropy takes the scores themselves as probabilities.",
    ("cross_entropy", "bce"): "binary_cross_entropy takes the scores themselves as probabilities.",
    ("cross_entropy", "bce_with_logits"): (
        "Each class is now a yes-or-no question of its own: sigmoid instead of softmax."
    ),
    ("bce_with_logits", "cross_entropy"): "The classes now compete: softmax instead of one sigmoid each.",
}
_FROM_SCORES = ("cross_entropy", "bce_with_logits")


def _notices(call: Call, wanted: str) -> list[str]:
    there = _full(wanted)
    found = []
    if (call.name, wanted) in _PAIRS:
        found.append(_PAIRS[call.name, wanted])
    if wanted in REGRESSION and call.name in _FROM_SCORES:
        found.append(f"{there} compares the scores themselves with the probabilities.")
    if call.name in REGRESSION and wanted in _FROM_SCORES:
        found.append(f"{there} takes the input as scores, before softmax or sigmoid.")
    averaged = "weight" in call.given and call.reduction == "mean"
    if averaged and call.name != wanted and "huber" in (call.name, wanted):
        found.append("huber_loss divides by the number of elements, the others by the sum of the weights.")
    lost = sorted(call.given - _signature(FUNCTIONS[wanted]).parameters.keys())
    if lost:
        found.append(f"{there} has no {' and no '.join(lost)}.")
    return found
