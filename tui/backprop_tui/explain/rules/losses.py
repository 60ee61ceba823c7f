"""Rules of losses of numbers: how far a prediction is from its target (torch/nn/functional.py)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backprop_tui.explain.evidence import Array, Tensor
from backprop_tui.explain.rule import Case, Index, Rule, broadcast_element, number_text
from backprop_tui.explain.rules.reducing import MEAN, NONE, SIZES, Loss, Slope, reduction, slopes
from backprop_tui.explain.rules.writing import filled, over, some, wide

_PAIR = f"input, target, {SIZES}"


def _difference(case: Case) -> Array:
    """input − target; a node has kept input as self."""
    first: Array = case["input" if "input" in case.operands else "self"]
    return np.asarray(first - case["target"])


def _weighted(case: Case, terms: Array) -> Array:
    return terms * case["weight"] if case.has("weight") else terms


def _with_weight(case: Case, template: str) -> str:
    return "{weight}·" + template if case.has("weight") else template


def _sum_of_weights(case: Case, terms: Array) -> float:
    return float(case["weight"].sum()) if case.has("weight") else float(terms.size)


def _crossed(case: Case) -> str | None:
    """`(N,)` against `(N, 1)`: broadcasting pairs each with each."""
    first, second = case["input"].shape, case["target"].shape
    both = np.broadcast_shapes(first, second)
    if first == second or both in (first, second) or reduction(case) == NONE:
        return None
    verb = "averaged" if reduction(case) == MEAN else "added"
    shape = "×".join(map(str, both))
    return (
        f"shapes {list(first)} and {list(second)} broadcast: {shape} differences are {verb}, each with each"
    )


def _corner(case: Case) -> str | None:
    """The absolute value at 0."""
    zeros = int((_difference(case) == 0).sum())
    if not zeros:
        return None
    where = some(zeros, _difference(case).size, "difference")
    return f"{where} exactly 0: there |x| has a corner, and torch takes 0 for its derivative"


def _l1_note(case: Case) -> str | None:
    return _crossed(case) or _corner(case)


_L1 = Loss(
    lambda c: _with_weight(c, "|{input} − {target}|"),
    lambda c: _weighted(c, np.abs(_difference(c))),
    divisor=_sum_of_weights,
)
_MSE = Loss(
    lambda c: _with_weight(c, "({input} − {target})²"),
    lambda c: _weighted(c, np.square(_difference(c))),
    divisor=_sum_of_weights,
)


_HALF = Loss(
    lambda c: _with_weight(c, "½ ({input} − {target})²"),
    lambda c: _weighted(c, 0.5 * np.square(_difference(c))),
    divisor=_sum_of_weights,
)


def _bent(difference: Array, knee: float) -> Array:
    """Half a square up to the knee, from there on a line (Huber 1964)."""
    size = np.abs(difference)
    return np.where(size <= knee, 0.5 * np.square(difference), knee * (size - 0.5 * knee))


def _huber_symbols(case: Case) -> str:
    knee = wide(case["delta"])
    line = f"{knee}·(|d| − {wide(case['delta'] / 2)})"
    return _with_weight(case, f"(½·d² if |d| ≤ {knee} else {line}), d = {{input}} − {{target}}")


def _huber_piece(case: Case, index: Index) -> str:
    knee = case["delta"]
    apart = abs(case.value("input", index) - case.value("target", index))
    line = f"{wide(knee)}·(|{{input}} − {{target}}| − {wide(knee / 2)})"
    return filled(case, _with_weight(case, "½·({input} − {target})²" if apart <= knee else line), index)


_HUBER = Loss(
    _huber_symbols,
    lambda c: _weighted(c, _bent(_difference(c), c["delta"])),
    _huber_piece,
)


def _smooth_symbols(case: Case) -> str:
    knee = case["beta"]
    if knee == 0:
        return "|{input} − {target}|"
    half, text = wide(knee / 2), wide(knee)
    return f"(½·d²{over(knee)} if |d| < {text} else |d| − {half}), d = {{input}} − {{target}}"


def _smooth_piece(case: Case, index: Index) -> str:
    knee = case["beta"]
    apart = abs(case.value("input", index) - case.value("target", index))
    if apart < knee:
        return filled(case, f"½·({{input}} − {{target}})²{over(knee)}", index)
    minus = f" − {wide(knee / 2)}" if knee else ""
    return filled(case, f"(|{{input}} − {{target}}|{minus})", index)


def _smooth_terms(case: Case) -> Array:
    knee = case["beta"]
    if knee == 0:
        return np.abs(_difference(case))
    bent: Array = _bent(_difference(case), knee) / knee
    return bent


_SMOOTH = Loss(_smooth_symbols, _smooth_terms, _smooth_piece)


def _variance(case: Case) -> Array:
    """The variance as it is used: aligned with the input, and not below ``eps``."""
    var = np.asarray(case["var"], dtype=np.float64)
    if var.ndim and var.shape != case["input"].shape and var.shape == case["input"].shape[:-1]:
        var = var[..., None]
    clamped: Array = np.maximum(var, case["eps"])
    return clamped


def _gaussian_terms(case: Case) -> Array:
    var = _variance(case)
    terms: Array = 0.5 * (np.log(var) + np.square(_difference(case)) / var)
    return terms + 0.5 * np.log(2 * np.pi) if case["full"] else terms


def _gaussian_sizes(case: Case) -> Array:
    var = _variance(case)
    sizes: Array = 0.5 * (np.abs(np.log(var)) + np.square(_difference(case)) / var)
    return sizes + 0.5 * np.log(2 * np.pi) if case["full"] else sizes


_FULL = " + ½·log 2π"


def _gaussian_symbols(case: Case) -> str:
    full = _FULL if case["full"] else ""
    clamped = bool((np.asarray(case["var"]) < case["eps"]).any())
    var = f"max({{var}}, {wide(case['eps'])})" if clamped else "{var}"
    return f"(½·(log {var} + ({{input}} − {{target}})²/{var}){full})"


def _gaussian_piece(case: Case, index: Index) -> str:
    given = case.operands["var"]
    dtype = given.dtype if isinstance(given, Tensor) else "float64"
    var = number_text(broadcast_element(_variance(case), index), dtype)
    full = _FULL if case["full"] else ""
    return filled(case, f"(½·(log {var} + ({{input}} − {{target}})²/{var}){full})", index)


_GAUSSIAN = Loss(_gaussian_symbols, _gaussian_terms, _gaussian_piece, _gaussian_sizes)


def _stirling(target: Array) -> Array:
    """Approximation of log(target!)."""
    found = target * np.log(target) - target + 0.5 * np.log(2 * np.pi * target)
    return np.where(target <= 1, 0, found)


def _poisson_parts(case: Case) -> tuple[Array, Array, Array]:
    x, t = case["input"], case["target"]
    if case["log_input"]:
        rate, logarithm = np.exp(x), x
    else:
        rate, logarithm = x, np.log(x + case["eps"])
    return rate, -(t * logarithm), _stirling(t * 1.0) if case["full"] else np.zeros(())


def _poisson_symbols(case: Case) -> str:
    full = " + Stirling({target})" if case["full"] else ""
    if case["log_input"]:
        return f"(exp({{input}}) − {{target}}·{{input}}{full})"
    return f"({{input}} − {{target}}·log({{input}} + {wide(case['eps'])}){full})"


def _poisson_note(case: Case) -> str | None:
    if not case["full"]:
        return None
    return "Stirling(t) = t·log t − t + ½·log 2πt for t > 1, else 0: it approximates log t!"


_POISSON = Loss(
    _poisson_symbols,
    lambda c: sum(_poisson_parts(c), np.zeros(())),
    sizes=lambda c: sum((np.abs(part) for part in _poisson_parts(c)), np.zeros(())),
)


def _divergence(case: Case) -> tuple[Array, Array]:
    """The two parts of target·(log target − input); 0·log 0 is 0."""
    x, t = case["input"], case["target"]
    if case["log_target"]:
        return np.exp(t) * t, -np.exp(t) * x
    return np.where(t == 0, 0, t * np.log(t)), -(t * x)


def _divergence_symbols(case: Case) -> str:
    if case["log_target"]:
        return "exp({target})·({target} − {input})"
    return "{target}·(log {target} − {input})"


def _divergence_terms(case: Case) -> Array:
    if case["log_target"]:
        product: Array = np.exp(case["target"]) * (case["target"] - case["input"])
        return product
    return np.add(*_divergence(case))


def _batch_or_all(case: Case, terms: Array) -> float:
    batch = case.get("reduction") == "batchmean" and case["input"].ndim
    return float(case["input"].shape[0] if batch else terms.size)


def _divergence_note(case: Case) -> str | None:
    if not case["log_target"] and (case["target"] == 0).any():
        return "where the target is 0, 0·log 0 is taken to be 0"
    if case.get("reduction") == "mean" and case["input"].ndim > 1:
        size, batch = case["input"].size, case["input"].shape[0]
        return f"mean divides by all {size:,} elements; batchmean would divide by the {batch:,} samples"
    return None


_DIVERGENCE = Loss(
    _divergence_symbols,
    _divergence_terms,
    sizes=lambda c: sum((np.abs(part) for part in _divergence(c)), np.zeros(())),
    divisor=_batch_or_all,
)

OPS: dict[str, Rule] = {
    "l1_loss": _L1.rule(f"{_PAIR}, weight=None", _l1_note),
    "mse_loss": _MSE.rule(f"{_PAIR}, weight=None", _crossed),
    # Not torch's own: the program offers it in the place of another loss.
    "half_mse_loss": _HALF.rule("input, target, reduction='mean', weight=None", _crossed),
    "smooth_l1_loss": _SMOOTH.rule(f"{_PAIR}, beta=1.0", _crossed),
    "huber_loss": _HUBER.rule("input, target, reduction='mean', delta=1.0, weight=None", _crossed),
    "gaussian_nll_loss": _GAUSSIAN.rule("input, target, var, full=False, eps=1e-6, reduction='mean'"),
    "poisson_nll_loss": _POISSON.rule(
        "input, target, log_input=True, full=False, size_average=None, eps=1e-8, reduce=None,"
        " reduction='mean'",
        _poisson_note,
    ),
    "kl_div": _DIVERGENCE.rule(f"{_PAIR}, log_target=False", _divergence_note),
}


def _clamped(case: Case, knee: float) -> Array:
    return np.clip(_difference(case), -knee, knee)


def _at_knee(name: str) -> Callable[[Case], str | None]:
    """Half a square and line meet there with the same slope."""

    def note(case: Case) -> str | None:
        count = int((np.abs(_difference(case)) == case[name]).sum())
        if not count or case[name] == 0:
            return None
        where = some(count, _difference(case).size, "difference")
        return f"{where} exactly at the knee, {wide(case[name])}: parabola and line have the same slope there"

    return note


def _both(template: Callable[[Case], str], values: Callable[[Case], Array]) -> tuple[Slope, Slope]:
    """The slopes for input and target of a loss of their difference: opposites."""
    return Slope(template, values), Slope(lambda c: "−" + template(c), lambda c: -values(c), name="target")


def _clip_symbols(case: Case) -> str:
    knee = wide(case["delta"])
    return f"clamp({{self}} − {{target}}, −{knee}, {knee})"


def _clip_one(case: Case) -> str:
    if case["beta"] == 1:
        return "clamp({self} − {target}, −1, 1)"
    return f"clamp(({{self}} − {{target}})/{wide(case['beta'])}, −1, 1)"


NODES: dict[str, Rule] = {
    # tools/autograd/derivatives.yaml: mse_loss, smooth_l1_loss, huber_loss
    "MseLossBackward": slopes(*_both(lambda c: "2·({self} − {target})", lambda c: 2 * _difference(c))),
    "SmoothL1LossBackward": slopes(
        *_both(_clip_one, lambda c: _clamped(c, c["beta"]) / c["beta"]), note=_at_knee("beta")
    ),
    "HuberLossBackward": slopes(
        *_both(_clip_symbols, lambda c: _clamped(c, c["delta"])), note=_at_knee("delta")
    ),
}
