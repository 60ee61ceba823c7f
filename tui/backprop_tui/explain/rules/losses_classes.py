"""Rules of losses of classes: cross entropy in its forms (torch/nn/functional.py, aten/native/Loss.cpp)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backprop_tui.explain.evidence import Array, Tensor
from backprop_tui.explain.rule import Case, Index, Rule, number_text
from backprop_tui.explain.rules.reducing import MEAN, Loss, reduction
from backprop_tui.explain.rules.writing import added, over, signed, single, some, summand, wide

# --- cross entropy of class indices or of class probabilities


def _axis(case: Case) -> int:
    """The classes' dimension: the second; the only one of a single sample."""
    return 1 if _scores(case).ndim > 1 else 0


def _scores(case: Case) -> Array:
    scores: Array = case["input" if "input" in case.operands else "self"]
    return scores


def _log_sum(case: Case) -> tuple[Array, Array]:
    """The largest score of each sample, and the logarithm of Σ exp(score − largest)."""
    scores, axis = _scores(case), _axis(case)
    top = scores.max(axis=axis, keepdims=True) if scores.size else np.zeros(())
    return top, np.log(np.exp(scores - top).sum(axis=axis, keepdims=True))


def _log_probabilities(case: Case) -> Array:
    top, rest = _log_sum(case)
    found: Array = _scores(case) - top - rest
    return found


def _of_class(case: Case, values: Array) -> Array:
    """Each sample's entry for its target, 0 where the target is to be ignored."""
    target = np.where(_counted(case), case["target"], 0)
    axis = _axis(case)
    picked: Array = np.take_along_axis(values, np.expand_dims(target, axis), axis).squeeze(axis)
    return np.where(_counted(case), picked, 0)


def _counted(case: Case) -> Array:
    """Which samples count: not those whose target is ``ignore_index``."""
    ignored = signed(case.get("ignore_index", -100))
    return np.asarray(case["target"] != ignored)


def _class_weights(case: Case) -> Array:
    """One weight per class, shaped to stand beside the scores."""
    scores = _scores(case)
    weight = case["weight"] if case.has("weight") else np.ones(scores.shape[_axis(case)])
    return np.asarray(weight).reshape((-1,) + (1,) * (scores.ndim - _axis(case) - 1))


def _sample_weights(case: Case) -> Array:
    if not case.has("weight"):
        return _counted(case) * 1.0
    return _of_class(case, np.broadcast_to(_class_weights(case), _scores(case).shape))


def _weight_of_samples(case: Case, terms: Array) -> float:
    return float(_sample_weights(case).sum())


def _by_index(case: Case) -> bool:
    return bool(case["target"].dtype.kind in "iu")


def _smooth(case: Case) -> float:
    return float(case.get("label_smoothing", 0.0))


def _entropy_terms(case: Case) -> Array:
    logs = _log_probabilities(case)
    if not _by_index(case):
        return np.asarray(-(_soft_target(case) * logs * _class_weights(case)).sum(axis=_axis(case)))
    smoothing = _smooth(case)
    plain = -_of_class(case, logs) * _sample_weights(case)
    if not smoothing:
        return np.asarray(plain)
    spread = -(logs * _class_weights(case)).sum(axis=_axis(case)) * _counted(case)
    return np.asarray((1 - smoothing) * plain + smoothing / logs.shape[_axis(case)] * spread)


def _soft_target(case: Case) -> Array:
    smoothing, count = _smooth(case), _scores(case).shape[_axis(case)]
    soft: Array = case["target"] * (1 - smoothing) + smoothing / count
    return soft


def _entropy_sizes(case: Case) -> Array:
    """Rounding is relative to the scores below the largest and to Σ exp, which is at least 1."""
    top, rest = _log_sum(case)
    parts: Array = np.abs(_scores(case) - top) + rest + 1
    if case.has("magnitude"):  # the scores are sums themselves
        parts = parts + 2 * case["magnitude"].max(axis=_axis(case), keepdims=True)
    weights = np.abs(_class_weights(case))
    if not _by_index(case):
        return np.asarray((np.abs(_soft_target(case)) * parts * weights).sum(axis=_axis(case)))
    plain = _of_class(case, parts) * np.abs(_sample_weights(case))
    if not _smooth(case):
        return plain
    return np.asarray(plain + (parts * weights).mean(axis=_axis(case)) * _counted(case))


def _entropy_divisor(case: Case, terms: Array) -> float:
    return _weight_of_samples(case, terms) if _by_index(case) else float(terms.size)


def _entropy_symbols(case: Case) -> str:
    weight = "{weight}·" if case.has("weight") else ""
    if not _by_index(case):
        if _smooth(case):
            spread = f"({wide(1 - _smooth(case))}·{{target}} + {_spread(case)})"
            return f"−Σ_c {weight}{spread}·log softmax({{input}})"
        return f"−Σ_c {weight}{{target}}·log softmax({{input}})"
    own = "{weight}[{target}]·" if case.has("weight") else ""
    if _smooth(case):
        first = f"{wide(1 - _smooth(case))}·{own}log p[{{target}}]"
        return f"−({first} + {_spread(case)}·Σ_c {weight}log p), p = softmax({{input}})"
    return f"−{own}log softmax({{input}})[{{target}}]"


def _spread(case: Case) -> str:
    return f"{wide(_smooth(case))}/{_scores(case).shape[_axis(case)]}"


def _row(case: Case, index: Index) -> tuple[Array, tuple[str, ...]]:
    """One sample's scores, and how they are written."""
    at: tuple[int | slice, ...] = (*index[: _axis(case)], slice(None), *index[_axis(case) :])
    row = _scores(case)[at]
    given = case.operands["input" if "input" in case.operands else "self"]
    return row, tuple(number_text(value, given.dtype) for value in row[:4])


def _softmax_text(row: Array, texts: Sequence[str], chosen: int, dtype: str) -> str:
    """``log(e^2 / (e^1 + e^2))``; with many classes the sum as a number."""
    powers = [f"e^{_power(text)}" for text in texts]
    own = f"e^{_power(number_text(row[chosen], dtype))}"
    if row.size <= len(texts):
        return f"log({own} / ({' + '.join(powers)}))"
    top = row.max()
    total = np.exp(row - top).sum()
    if abs(top) < 60:
        return f"log({own} / {single(total * np.exp(top))})"
    return f"({number_text(row[chosen], dtype)} − {single(top + np.log(total))})"


def _power(text: str) -> str:
    return f"({text})" if text.startswith("−") else text


def _entropy_piece(case: Case, index: Index) -> str:
    row, texts = _row(case, index)
    top = row.max()
    logs = row - top - np.log(np.exp(row - top).sum())
    if not _by_index(case):
        return _soft_piece(case, index, logs)
    if not _counted(case)[index]:
        return "0"
    chosen = int(case["target"][index])
    weights = _class_weights(case).ravel()
    own = f"{wide(weights[chosen])}·" if case.has("weight") else ""
    if _smooth(case):
        spread = summand((logs * weights).sum())
        return f"({wide(1 - _smooth(case))}·{own}{summand(logs[chosen])} + {_spread(case)}·{spread})"
    return own + _softmax_text(row, texts, chosen, case.operands["input"].dtype)


def _soft_piece(case: Case, index: Index, logs: Array) -> str:
    at: tuple[int | slice, ...] = (*index[: _axis(case)], slice(None), *index[_axis(case) :])
    shares = np.broadcast_to(_soft_target(case), _scores(case).shape)[at]
    weights = _class_weights(case).ravel()

    def text(i: int) -> str:
        own = f"{wide(weights[i])}·" if case.has("weight") else ""
        return f"{own}{single(shares[i])}·{summand(logs[i])}"

    return f"({added(shares * logs * weights, text)})"


def _entropy_note(case: Case) -> str | None:
    if not _by_index(case) or not case.operands["target"].values.size:
        return None
    left_out = int((~_counted(case)).sum())
    if left_out:
        where = some(left_out, case["target"].size, "target")
        return f"{where} to be ignored ({case.get('ignore_index', -100)}): not counted in the mean either"
    if case.has("weight") and reduction(case) == MEAN:
        return "the mean with weights divides by the sum of the targets' weights"
    return None


_ENTROPY = Loss(_entropy_symbols, _entropy_terms, _entropy_piece, _entropy_sizes, _entropy_divisor)


# --- negative log likelihood: the scores are log probabilities already


def _likelihood_symbols(case: Case) -> str:
    own = "{weight}[{target}]·" if case.has("weight") else ""
    return f"−{own}{{input}}[{{target}}]"


def _likelihood_piece(case: Case, index: Index) -> str:
    if not _counted(case)[index]:
        return "0"
    chosen = int(case["target"][index])
    own = f"{wide(case['weight'][chosen])}·" if case.has("weight") else ""
    return own + case.at("input", (*index[: _axis(case)], chosen, *index[_axis(case) :]))


_LIKELIHOOD = Loss(
    _likelihood_symbols,
    lambda c: -_of_class(c, _scores(c)) * _sample_weights(c),
    _likelihood_piece,
    divisor=_weight_of_samples,
)


def _likelihood_count(case: Case) -> float:
    return _weight_of_samples(case, case["target"]) if reduction(case) == MEAN else 1


def _likelihood_backward(case: Case) -> Sequence[Array | None]:
    scores, axis = _scores(case), _axis(case)
    counted = _counted(case)
    g = case.g * np.ones(case["target"].shape)
    send = np.where(counted, -g * _sample_weights(case) / np.float64(_likelihood_count(case)), 0)
    target = np.where(counted, case["target"], 0)
    found = np.zeros(scores.shape)
    np.put_along_axis(found, np.expand_dims(target, axis), np.expand_dims(send, axis), axis)
    return [found]


def _likelihood_slope(case: Case, number: int) -> str:
    own = "{weight}[{target}]·" if case.has("weight") else ""
    return f"−{{g}} · {own}[c = {{target}}]{over(_likelihood_count(case))}"


def _likelihood_slope_at(case: Case, number: int, index: Index) -> str:
    axis = _axis(case)
    sample = (*index[:axis], *index[axis + 1 :])
    target = int(case["target"][sample])
    if not _counted(case)[sample]:
        return f"0, the target {target} is to be ignored"
    if target != index[axis]:
        return f"0, the target is class {target}"
    own = f"{wide(case['weight'][target])}·" if case.has("weight") else ""
    incoming = case.at("g", sample if case.g.ndim else ())
    return f"−{incoming} · {own}1{over(_likelihood_count(case))}"


# --- a linear layer and the cross entropy of what it gives, in one


def _with_scores(case: Case) -> Case:
    x, weight = case["input"], case["linear_weight"]
    scores = np.tensordot(x, weight, ([-1], [-1]))
    sizes = np.tensordot(np.abs(x), np.abs(weight), ([-1], [-1]))
    if case.has("linear_bias"):
        scores, sizes = scores + case["linear_bias"], sizes + np.abs(case["linear_bias"])
    made = {
        "input": Tensor(scores, case.operands["input"].dtype),
        "magnitude": Tensor(sizes, "float64"),
        "ignore_index": case.get("ignore_index", -100),
    }
    return Case(case.evidence, {**case.operands, **made})


def _linear_symbols(case: Case, number: int) -> str:
    bias = " + {linear_bias}" if case.has("linear_bias") else ""
    found = _ENTROPY.symbols(_with_scores(case), number)
    return found.replace("softmax({input})", f"softmax({{input}}·{{linear_weight}}ᵀ{bias})")


OPS: dict[str, Rule] = {
    "cross_entropy": _ENTROPY.rule(
        "input, target, weight=None, size_average=None, ignore_index=-100, reduce=None,"
        " reduction='mean', label_smoothing=0.0",
        _entropy_note,
    ),
    "nll_loss": _LIKELIHOOD.rule(
        "input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction='mean'",
        _entropy_note,
    ),
    "linear_cross_entropy": Rule(
        _linear_symbols,
        lambda c: _ENTROPY.evaluate(_with_scores(c)),
        "input, linear_weight, target, *, linear_bias=None, weight=None, reduction='mean',"
        " ignore_index=None, label_smoothing=0.0, options=None",
        lambda c, number, index: _ENTROPY.element(_with_scores(c), number, index),
        lambda c: _entropy_note(_with_scores(c)),
        lambda c: _ENTROPY.scale(_with_scores(c)),
    ),
}

_LIKELIHOOD_NODE = Rule(_likelihood_slope, _likelihood_backward, element=_likelihood_slope_at)

NODES: dict[str, Rule] = {
    # tools/autograd/derivatives.yaml: nll_loss_forward, nll_loss2d_forward
    "NllLossBackward": _LIKELIHOOD_NODE,
    "NllLoss2DBackward": _LIKELIHOOD_NODE,
}
