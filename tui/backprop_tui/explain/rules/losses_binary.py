"""Rules of the cross entropy of two classes (torch/nn/functional.py, aten/src/ATen/native/Loss.cpp)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backprop_tui.explain.evidence import Array
from backprop_tui.explain.rule import Case, Index, Rule
from backprop_tui.explain.rules.reducing import SIZES, Loss, Slope, slopes
from backprop_tui.explain.rules.writing import filled, some

# --- from probabilities


def _clamped_log(values: Array) -> Array:
    return np.maximum(np.log(values), -100)


def _binary_terms(case: Case) -> Array:
    x, t = case["input"], case["target"]
    terms: Array = -(t * _clamped_log(x) + (1 - t) * np.maximum(np.log1p(-x), -100))
    return terms * case["weight"] if case.has("weight") else terms


def _binary_symbols(case: Case) -> str:
    own = "{weight}·" if case.has("weight") else ""
    return f"−{own}({{target}}·log {{input}} + (1 − {{target}})·log(1 − {{input}}))"


def _binary_piece(case: Case, index: Index) -> str:
    x, t = case.value("input", index), case.value("target", index)
    own = f"{case.at('weight', index)}·" if case.has("weight") else ""
    hit = "log {input}" if x > 0 else "max(log 0, −100)"
    miss = "log(1 − {input})" if x < 1 else "max(log 0, −100)"
    if t in (0, 1):
        return filled(case, own + (hit if t else miss), index)
    return filled(case, f"{own}({{target}}·{hit} + (1 − {{target}})·{miss})", index)


def _binary_note(case: Case) -> str | None:
    x = case["input"]
    extreme = int(((x == 0) | (x == 1)).sum())
    if not extreme:
        return None
    return f"{some(extreme, x.size, 'prediction')} exactly 0 or 1: torch takes log 0 to be −100"


_LEAST = float(np.float32(1e-12))
"""torch writes this number as a float32, whatever the dtype of the tensors."""


def _binary_slope_note(case: Case) -> str | None:
    x = case["self"]
    extreme = int(((1 - x) * x < 1e-12).sum())
    if not extreme:
        return None
    return f"{some(extreme, x.size, 'prediction')} at 0 or 1: torch divides by 1e-12 there instead of by 0"


def _binary_slope(case: Case) -> Array:
    x = case["self"]
    slope: Array = (x - case["target"]) / np.maximum((1 - x) * x, _LEAST)
    return slope * case["weight"] if case.has("weight") else slope


def _with_weight(template: str) -> Callable[[Case], str]:
    return lambda c: ("{weight}·" if c.has("weight") else "") + template


def _negative(template: str) -> Callable[[Case], str]:
    return lambda c: "−" + ("{weight}·" if c.has("weight") else "") + template


def _times_weight(case: Case, values: Array) -> Array:
    return values * case["weight"] if case.has("weight") else values


def _logit(x: Array) -> Array:
    return np.asarray(np.log(x) - np.log1p(-x))


# --- from scores, which a sigmoid turns into probabilities


def _sigmoid(x: Array) -> Array:
    return np.asarray(np.exp(-np.logaddexp(0, -x)))


def _log_sigmoid(x: Array) -> Array:
    return np.asarray(-np.logaddexp(0, -x))


def _positive(case: Case) -> Array:
    return np.asarray(case["pos_weight"] if case.has("pos_weight") else 1.0)


def _logit_terms(case: Case) -> Array:
    x, t = case["input"], case["target"]
    return _times_weight(case, -(_positive(case) * t * _log_sigmoid(x) + (1 - t) * _log_sigmoid(-x)))


def _logit_sizes(case: Case) -> Array:
    """torch adds (1 − t)·x and log(1 + exp(−x)), and Σ exp in the logarithm is at least 1."""
    x, t = np.abs(case["input"]), case["target"]
    return _times_weight(case, np.abs(1 - t) * x + (1 + np.abs(_positive(case) - 1)) * (x + 1))


def _logit_symbols(case: Case) -> str:
    own = "{weight}·" if case.has("weight") else ""
    positive = "{pos_weight}·" if case.has("pos_weight") else ""
    return f"−{own}({positive}{{target}}·log σ({{input}}) + (1 − {{target}})·log(1 − σ({{input}})))"


def _logit_piece(case: Case, index: Index) -> str:
    t = case.value("target", index)
    own = "{weight}·" if case.has("weight") else ""
    hit = ("{pos_weight}·" if case.has("pos_weight") else "") + "{target}·log σ({input})"
    miss = "log(1 − σ({input}))"
    if t == 1:
        return filled(case, own + hit.replace("{target}·", ""), index)
    return filled(case, own + (f"({hit} + (1 − {{target}})·{miss})" if t else miss), index)


SATURATED = {"float32": 17.0, "float64": 37.0, "float16": 8.0, "bfloat16": 6.0}
"""From there on the sigmoid is rounded to exactly 1."""


def _saturated_note(case: Case) -> str | None:
    name = "input" if "input" in case.operands else "self"
    far = int((np.abs(case[name]) > SATURATED.get(case.operands[name].dtype, np.inf)).sum())
    if not far:
        return None
    where = some(far, case[name].size, "score")
    return f"{where} so far from 0 that σ is 0 or 1 to the precision of {case.operands[name].dtype}"


def _logit_slope(case: Case) -> Array:
    positive, t = _positive(case), case["target"]
    return _times_weight(case, (positive * t + 1 - t) * _sigmoid(case["self"]) - positive * t)


def _logit_slope_sizes(case: Case) -> Array:
    positive, t = _positive(case), np.abs(case["target"])
    return _times_weight(case, (positive * t + 1 + t) * _sigmoid(case["self"]) + positive * t)


def _logit_slope_symbols(case: Case) -> str:
    own = "{weight}·" if case.has("weight") else ""
    if not case.has("pos_weight"):
        return own + "(σ({self}) − {target})"
    return own + "((1 + ({pos_weight} − 1)·{target})·σ({self}) − {pos_weight}·{target})"


def _target_slope(case: Case) -> Array:
    x = case["self"]
    return _times_weight(case, _log_sigmoid(-x) - _positive(case) * _log_sigmoid(x))


def _target_slope_sizes(case: Case) -> Array:
    return _times_weight(case, (np.abs(case["self"]) + 1) * (1 + np.abs(_positive(case))))


def _target_slope_symbols(case: Case) -> str:
    own = "{weight}·" if case.has("weight") else ""
    if not case.has("pos_weight"):
        return f"−{own}{{self}}"
    return own + "(log σ(−{self}) − {pos_weight}·log σ({self}))"


OPS: dict[str, Rule] = {
    "binary_cross_entropy": Loss(_binary_symbols, _binary_terms, _binary_piece).rule(
        f"input, target, weight=None, {SIZES}", _binary_note
    ),
    "binary_cross_entropy_with_logits": Loss(_logit_symbols, _logit_terms, _logit_piece, _logit_sizes).rule(
        f"input, target, weight=None, {SIZES}, pos_weight=None", _saturated_note
    ),
}

NODES: dict[str, Rule] = {
    # tools/autograd/derivatives.yaml: binary_cross_entropy, binary_cross_entropy_with_logits
    "BinaryCrossEntropyBackward": slopes(
        Slope(_with_weight("({self} − {target})/({self}·(1 − {self}))"), _binary_slope),
        Slope(
            _negative("log({self}/(1 − {self}))"),
            lambda c: -_times_weight(c, _logit(c["self"])),
            name="target",
        ),
        note=_binary_slope_note,
    ),
    "BinaryCrossEntropyWithLogitsBackward": slopes(
        Slope(_logit_slope_symbols, _logit_slope, _logit_slope_sizes),
        Slope(_target_slope_symbols, _target_slope, _target_slope_sizes, name="target"),
        note=_saturated_note,
    ),
}
