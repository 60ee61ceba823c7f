"""Rules of losses with a margin (torch/nn/functional.py, aten/src/ATen/native/Loss*.cpp)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from backprop_tui.explain.evidence import Array
from backprop_tui.explain.rule import Case, Index, Rule, Sum
from backprop_tui.explain.rules.distances import LANES, distance, distance_symbols
from backprop_tui.explain.rules.reducing import MEAN, SIZES, Loss, Slope, reduction, slopes
from backprop_tui.explain.rules.writing import (
    added,
    filled,
    largest,
    one_by_one,
    over,
    single,
    some,
    summand,
    wide,
)

_LOG_LARGEST = {"float32": 88.722839, "float64": 709.782712, "float16": 11.089866, "bfloat16": 88.722839}
"""The exponential of more is not finite."""


def _plus(margin: float) -> str:
    """A margin as a summand."""
    return "" if margin == 0 else f" + {wide(margin)}" if margin > 0 else f" − {wide(-margin)}"


# --- of one score or distance and a label 1 or −1


def _hinge_terms(case: Case) -> Array:
    x, y = case["input"], case["target"]
    return np.asarray(np.where(y != 1, np.maximum(case["margin"] - x, 0), 0) + np.where(y != -1, x, 0))


def _hinge_sizes(case: Case) -> Array:
    x, y = np.abs(case["input"]), case["target"]
    return np.asarray(np.where(y != 1, abs(case["margin"]) + x, 0) + np.where(y != -1, x, 0))


def _hinge_piece(case: Case, index: Index) -> str:
    beyond = f"max(0, {wide(case['margin'])} − {{input}})"
    y = case.value("target", index)
    return filled(case, "{input}" if y == 1 else beyond if y == -1 else f"({beyond} + {{input}})", index)


_HINGE = Loss(
    lambda c: f"({{input}} if {{target}} = 1 else max(0, {wide(c['margin'])} − {{input}}))",
    _hinge_terms,
    _hinge_piece,
    _hinge_sizes,
)


def _ranking_terms(case: Case) -> Array:
    apart = -case["target"] * (case["input1"] - case["input2"]) + case["margin"]
    return np.asarray(np.maximum(apart, 0))


_RANKING = Loss(
    lambda c: f"max(0, −{{target}}·({{input1}} − {{input2}}){_plus(c['margin'])})",
    _ranking_terms,
    sizes=lambda c: np.abs(c["target"] * (c["input1"] - c["input2"])) + abs(c["margin"]),
)


def _soft_power(case: Case) -> Array:
    name = "input" if "input" in case.operands else "self"
    power = np.asarray(-case["target"] * case[name])
    return np.where(power > _LOG_LARGEST.get(case.operands[name].dtype, np.inf), np.inf, power)


def _soft_terms(case: Case) -> Array:
    return np.logaddexp(0, _soft_power(case))


def _soft_note(case: Case) -> str | None:
    over_ = int(np.isinf(_soft_power(case)).sum())
    if not over_:
        return None
    where = some(over_, _soft_power(case).size, "exponential")
    return f"{where} too large for the dtype: torch computes exp first, so the result is not finite"


def _soft_slope(case: Case) -> Array:
    z = np.exp(_soft_power(case))
    slope: Array = -case["target"] * z / (1 + z)
    return slope


_SOFT = Loss("log(1 + exp(−{target}·{input}))", _soft_terms, sizes=lambda c: _soft_terms(c) + 1)


# --- of the scores of all classes


def _rows(case: Case) -> tuple[Array, Array]:
    """Scores and target, each with a dimension for the samples; a single sample has none in torch."""
    x = case["input" if "input" in case.operands else "self"]
    return np.atleast_2d(x), np.asarray(case["target"]).reshape(np.atleast_2d(x).shape[0], -1)


def _beyond(case: Case) -> Array:
    """max(0, margin − x_y + x_j) for all classes j but the target y."""
    x, target = _rows(case)
    slack: Array = np.maximum(case["margin"] - np.take_along_axis(x, target, 1) + x, 0)
    np.put_along_axis(slack, target, 0, 1)
    return slack


def _target_weights(case: Case) -> Array:
    _, target = _rows(case)
    return np.asarray(case["weight"][target] if case.has("weight") else np.ones(target.shape))


def _classes_terms(case: Case) -> Array:
    slack = _beyond(case)
    terms = (slack ** case["p"] * _target_weights(case)).sum(axis=1) / slack.shape[1]
    return np.asarray(terms.reshape(case["target"].shape if case["input"].ndim > 1 else ()))


def _classes_sizes(case: Case) -> Array:
    x, target = _rows(case)
    sizes = abs(case["margin"]) + np.abs(np.take_along_axis(x, target, 1)) + np.abs(x)
    powers = sizes * np.maximum(sizes, 1) if case["p"] == 2 else sizes
    return np.asarray((powers * np.abs(_target_weights(case))).mean(axis=1)).reshape(
        _classes_terms(case).shape
    )


def _classes_symbols(case: Case) -> str:
    own = "{weight}[{target}]·" if case.has("weight") else ""
    square = "²" if case["p"] == 2 else ""
    inner = f"max(0, {wide(case['margin'])} − {{input}}[{{target}}] + {{input}}[j]){square}"
    return f"{own}Σ_j≠y {inner}{over(_rows(case)[0].shape[1])}"


def _classes_piece(case: Case, index: Index) -> str:
    x, targets = _rows(case)
    row = index[0] if index else 0
    target, count = int(targets[row, 0]), x.shape[1]
    place = index if case["input"].ndim > 1 else ()
    others = [j for j in range(count) if j != target]
    square = "²" if case["p"] == 2 else ""

    def text(i: int) -> str:
        own, other = (case.at("input", (*place, j)) for j in (target, others[i]))
        return f"max(0, {wide(case['margin'])} − {own} + {other}){square}"

    own = f"{summand(_target_weights(case)[row, 0])}·" if case.has("weight") else ""
    return f"{own}({added(_beyond(case)[row, others], text)}){over(count)}"


def _classes_backward(case: Case) -> Sequence[Array | None]:
    x, target = _rows(case)
    slack = _beyond(case)
    each = ((slack > 0) if case["p"] == 1 else 2 * slack) * _target_weights(case) / x.shape[1]
    np.put_along_axis(each, target, -each.sum(axis=1, keepdims=True), 1)
    return [_sent(case, each)]


def _sent(case: Case, each: Array) -> Array:
    """Slopes of all samples times what comes in."""
    samples = each.shape[0] if reduction(case) == MEAN else 1
    incoming = case.g.reshape(-1, 1) if case.g.ndim else case.g
    return np.asarray((incoming * each / samples).reshape(case["self"].shape))


def _classes_slope(case: Case, number: int) -> str:
    own = "{weight}[{target}]·" if case.has("weight") else ""
    samples = _rows(case)[0].shape[0] if reduction(case) == MEAN else 1
    hit = "[z_j > 0]" if case["p"] == 1 else "2·z_j"
    inner = f"z_j = {wide(case['margin'])} − {{self}}[{{target}}] + {{self}}[j]"
    divided = over(_rows(case)[0].shape[1]) + over(samples)
    return f"{{g}} · {own}{hit}{divided} at j ≠ y, −Σ of them at y, {inner}"


def _classes_slope_scale(case: Case) -> Sequence[Array | None]:
    x, target = _rows(case)
    size = np.ones(x.shape) if case["p"] == 1 else 2 * (abs(case["margin"]) + 2 * np.abs(x).max())
    each = np.abs(size * _target_weights(case) / x.shape[1]) * np.ones(x.shape)
    # torch adds them up one by one, and each addition rounds the sum so far.
    added_up = each.sum(axis=1, keepdims=True) * one_by_one(x.shape[1])
    np.put_along_axis(each, target, added_up, 1)
    return [np.abs(_sent(case, each))]


def _classes_slope_at(case: Case, number: int, index: Index) -> Sum | str:
    x, targets = _rows(case)
    row, column = index if len(index) == 2 else (0, index[0] if index else 0)
    target = int(targets[row, 0])
    own = f"{summand(_target_weights(case)[row, 0])}·" if case.has("weight") else ""
    divided = over(x.shape[1]) + over(x.shape[0] if reduction(case) == MEAN else 1)
    incoming = case.at("g", (row,) if case.g.ndim else ())
    place = index[:-1]

    def slope(j: int) -> str:
        scores = [case.at("self", (*place, k)) for k in (target, j)]
        z = f"{wide(case['margin'])} − {scores[0]} + {scores[1]}"
        return f"[{z} > 0]" if case["p"] == 1 else f"2·max(0, {z})"

    if column != target:
        return f"{incoming}·{own}{slope(column)}{divided}"
    others = [j for j in range(x.shape[1]) if j != target]
    slack = _beyond(case)[row, others]
    found = (slack > 0) * 1.0 if case["p"] == 1 else 2 * slack
    return largest(found, lambda i: slope(others[i]), f"−{incoming}·{own}(", f"){divided}")


def _label_sets(case: Case) -> list[list[int]]:
    """The labels of each sample, up to the first −1."""
    _, target = _rows(case)
    lists = [row.tolist() for row in target]
    return [row[: row.index(-1)] if -1 in row else row for row in lists]


def _pairs(case: Case) -> list[tuple[int, int, int]]:
    """(sample, label, other class) wherever 1 − (x_label − x_other) counts."""
    x, _ = _rows(case)
    return [
        (n, label, other)
        for n, labels in enumerate(_label_sets(case))
        for label in labels
        for other in range(x.shape[1])
        if other not in labels
    ]


def _gaps(case: Case) -> tuple[Array, Array]:
    """For each of the pairs max(0, 1 − (x_label − x_other)), and the pairs as columns."""
    x, _ = _rows(case)
    pairs = np.array(_pairs(case), dtype=np.int64).reshape(-1, 3).T
    return np.maximum(0, 1 - (x[pairs[0], pairs[1]] - x[pairs[0], pairs[2]])), pairs


def _labels_terms(case: Case) -> Array:
    x, _ = _rows(case)
    gaps, pairs = _gaps(case)
    found = np.bincount(pairs[0], gaps, x.shape[0]) / np.float64(x.shape[1])
    return np.asarray(found.reshape(case["input"].shape[:-1]))


def _labels_sizes(case: Case) -> Array:
    x, _ = _rows(case)
    _, pairs = _gaps(case)
    sizes = 1 + np.abs(x[pairs[0], pairs[1]]) + np.abs(x[pairs[0], pairs[2]])
    found = np.bincount(pairs[0], sizes, x.shape[0]) / np.float64(x.shape[1])
    return np.asarray(found.reshape(case["input"].shape[:-1]))


def _labels_symbols(case: Case) -> str:
    count = np.atleast_2d(case["input"]).shape[1]
    return f"Σ max(0, 1 − {{input}}[y] + {{input}}[i]){over(count)}, y in {{target}}, i not"


def _labels_piece(case: Case, index: Index) -> str:
    gaps, pairs = _gaps(case)
    here = np.flatnonzero(pairs[0] == (index[0] if index else 0))

    def text(i: int) -> str:
        _, label, other = (int(part) for part in pairs[:, here[i]])
        return f"max(0, 1 − {case.at('input', (*index, label))} + {case.at('input', (*index, other))})"

    return f"({added(gaps[here], text) or '0'}){over(np.atleast_2d(case['input']).shape[1])}"


def _labels_note(case: Case) -> str | None:
    return "target lists the classes that hold, up to the first −1" if (case["target"] == -1).any() else None


def _labels_backward(case: Case) -> Sequence[Array | None]:
    return [_sent(case, _labels_slopes(case, np.subtract))]


def _labels_slopes(case: Case, step: Callable[[Array, Array], Array]) -> Array:
    x, _ = _rows(case)
    gaps, pairs = _gaps(case)
    lower, raise_ = (np.zeros(x.shape) for _ in range(2))
    np.add.at(lower, (pairs[0], pairs[1]), (gaps > 0) / x.shape[1])
    np.add.at(raise_, (pairs[0], pairs[2]), (gaps > 0) / x.shape[1])
    return step(raise_, lower)


def _labels_slope(case: Case, number: int) -> str:
    x, _ = _rows(case)
    divided = over(x.shape[1]) + over(x.shape[0] if reduction(case) == MEAN else 1)
    return f"{{g}} · (+1 at i, −1 at y){divided} for each {{self}}[y] − {{self}}[i] < 1, y in {{target}}"


def _labels_slope_at(case: Case, number: int, index: Index) -> Sum | str:
    x, _ = _rows(case)
    row, column = (index if len(index) == 2 else (0, *index)) if index else (0, 0)
    gaps, pairs = _gaps(case)
    here = np.flatnonzero((pairs[0] == row) & (gaps > 0) & ((pairs[1] == column) | (pairs[2] == column)))
    incoming = case.at("g", (row,) if case.g.ndim else ())
    divided = over(x.shape[1]) + over(x.shape[0] if reduction(case) == MEAN else 1)
    signs = np.where(pairs[2][here] == column, 1.0, -1.0)
    return largest(signs, lambda i: "1" if signs[i] > 0 else "(−1)", f"{incoming} · (", f"){divided}")


def _log_sigmoid(x: Array) -> Array:
    return np.asarray(-np.logaddexp(0, -x))


def _soft_labels(case: Case) -> Array:
    """−w·(t·log σ(x) + (1 − t)·log σ(−x)) of every class."""
    x, t = case["input"], case["target"]
    each: Array = -(t * _log_sigmoid(x) + (1 - t) * _log_sigmoid(-x))
    return each * case["weight"] if case.has("weight") else each


def _soft_labels_sizes(case: Case) -> Array:
    each = np.abs(case["input"]) + 1
    return np.asarray((each * np.abs(case["weight"]) if case.has("weight") else each).mean(axis=-1))


def _soft_labels_symbols(case: Case) -> str:
    own = "{weight}·" if case.has("weight") else ""
    count = case["input"].shape[-1]
    return f"−Σ_c {own}({{target}}·log σ({{input}}) + (1 − {{target}})·log σ(−{{input}})){over(count)}"


def _soft_labels_piece(case: Case, index: Index) -> str:
    def text(i: int) -> str:
        place = (*index, i)
        own = f"{case.at('weight', place)}·" if case.has("weight") else ""
        t = case.value("target", place)
        hit, miss = filled(case, "log σ({input})", place), filled(case, "log(1 − σ({input}))", place)
        if t in (0, 1):
            return own + (hit if t else miss)
        return f"{own}({wide(t)}·{hit} + {wide(1 - t)}·{miss})"

    return f"({added(_soft_labels(case)[index], text)}){over(case['input'].shape[-1])}"


# --- of two or three points


def _cosine(case: Case) -> Array:
    a, b = case["input1"], case["input2"]
    lengths = ((a * a).sum(axis=-1) + 1e-12) * ((b * b).sum(axis=-1) + 1e-12)
    return np.asarray((a * b).sum(axis=-1) / np.sqrt(lengths))


def _cosine_terms(case: Case) -> Array:
    cos, y = _cosine(case), case["target"]
    apart = np.where(y == -1, np.maximum(cos - case["margin"], 0), 0)
    return np.asarray(np.where(y == 1, 1 - cos, 0) + apart)


def _cosine_piece(case: Case, index: Index) -> str:
    cos, y = summand(_cosine(case)[index]), case.value("target", index)
    return f"(1 − {cos})" if y == 1 else f"max(0, {cos}{_plus(-case['margin'])})" if y == -1 else "0"


_COSINE = Loss(
    lambda c: (
        f"(1 − cos if {{target}} = 1 else max(0, cos{_plus(-c['margin'])})),"
        " cos = cos({input1}, {input2})"
    ),
    _cosine_terms,
    _cosine_piece,
    lambda c: 1 + abs(c["margin"]) + 0 * _cosine_terms(c),
)


def _distances(case: Case) -> tuple[Array, Array] | None:
    """Anchor to positive and to negative; with ``swap`` the smaller of the two distances to the negative."""
    if case.has("distance_function"):
        return None
    p, eps = case.get("p", 2), case.get("eps", 1e-6)
    near = distance(case["anchor"], case["positive"], p, eps)
    far = distance(case["anchor"], case["negative"], p, eps)
    if case["swap"]:
        far = np.minimum(far, distance(case["positive"], case["negative"], p, eps))
    return near, far


def _triplet_terms(case: Case) -> Array:
    near, far = _distances(case) or (np.zeros(()), np.zeros(()))
    return np.asarray(np.maximum(near - far + case["margin"], 0))


def _triplet_sizes(case: Case) -> Array:
    near, far = _distances(case) or (np.zeros(()), np.zeros(()))
    return np.asarray((near + far) * one_by_one(case["anchor"].shape[-1], LANES) + abs(case["margin"]))


def _triplet_symbols(case: Case) -> str:
    p = case.get("p", 2)
    near, far, other = (
        distance_symbols(f"{{{a}}}", f"{{{b}}}", p)
        for a, b in (("anchor", "positive"), ("anchor", "negative"), ("positive", "negative"))
    )
    return f"max(0, {near} − {f'min({far}, {other})' if case['swap'] else far}{_plus(case['margin'])})"


def _triplet_piece(case: Case, index: Index) -> str:
    near, far = _distances(case) or (np.zeros(()), np.zeros(()))
    return f"max(0, {single(near[index])} − {single(far[index])}{_plus(case['margin'])})"


def _triplet_note(case: Case) -> str | None:
    terms = _triplet_terms(case)
    kept = int((terms == 0).sum())
    if not kept:
        return None
    where = some(kept, terms.size, "triplet")
    return f"{where} with the negative far enough away: their loss is 0, and they send no gradient"


_TRIPLET = Loss(_triplet_symbols, _triplet_terms, _triplet_piece, _triplet_sizes)


def _any_triplet(case: Case) -> Sequence[Array | None]:
    """A distance that the script brings along is a function of its own: there is no rule for that."""
    return [None] if case.has("distance_function") else _TRIPLET.evaluate(case)


OPS: dict[str, Rule] = {
    "hinge_embedding_loss": _HINGE.rule(f"input, target, margin=1.0, {SIZES}"),
    "margin_ranking_loss": _RANKING.rule(f"input1, input2, target, margin=0, {SIZES}"),
    "soft_margin_loss": _SOFT.rule(f"input, target, {SIZES}", _soft_note),
    "multi_margin_loss": Loss(_classes_symbols, _classes_terms, _classes_piece, _classes_sizes).rule(
        f"input, target, p=1, margin=1.0, weight=None, {SIZES}"
    ),
    "multilabel_margin_loss": Loss(_labels_symbols, _labels_terms, _labels_piece, _labels_sizes).rule(
        f"input, target, {SIZES}", _labels_note
    ),
    "multilabel_soft_margin_loss": Loss(
        _soft_labels_symbols,
        lambda c: np.asarray(_soft_labels(c).mean(axis=-1)),
        _soft_labels_piece,
        _soft_labels_sizes,
    ).rule(f"input, target, weight=None, {SIZES}"),
    "cosine_embedding_loss": _COSINE.rule(f"input1, input2, target, margin=0, {SIZES}"),
    "triplet_margin_loss": _TRIPLET.rule(
        f"anchor, positive, negative, margin=1.0, p=2, eps=1e-6, swap=False, {SIZES}", _triplet_note
    ),
    "triplet_margin_with_distance_loss": Rule(
        _TRIPLET.symbols,
        _any_triplet,
        "anchor, positive, negative, *, distance_function=None, margin=1.0, swap=False, reduction='mean'",
        _TRIPLET.element,
        _triplet_note,
        _TRIPLET.scale,
    ),
}

NODES: dict[str, Rule] = {
    # tools/autograd/derivatives.yaml: soft_margin_loss, multi_margin_loss, multilabel_margin_loss_forward
    "SoftMarginLossBackward": slopes(
        Slope("−{target}·exp(−{target}·{self})/(1 + exp(−{target}·{self}))", _soft_slope), note=_soft_note
    ),
    "MultiMarginLossBackward": Rule(
        _classes_slope, _classes_backward, element=_classes_slope_at, scale=_classes_slope_scale
    ),
    "MultilabelMarginLossBackward": Rule(
        _labels_slope,
        _labels_backward,
        element=_labels_slope_at,
        scale=lambda c: [np.abs(_sent(c, _labels_slopes(c, np.add)))],
    ),
}
