"""Rules of embeddings: rows of a table, chosen by index (aten/src/ATen/native/Embedding*.cpp)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from backprop_tui.explain.evidence import Array
from backprop_tui.explain.rule import Case, Index, Rule, Sum, bracketed, number_text
from backprop_tui.explain.rules.scaling import shrunk
from backprop_tui.explain.rules.writing import (
    largest,
    one_by_one,
    one_of,
    signed,
    single,
    summand,
    wide,
)


def _table(case: Case) -> Array:
    """The weight; with ``max_norm`` the rows that are used are shortened first, in the weight itself."""
    table: Array = case["weight"]
    if not case.has("max_norm"):
        return table
    used = np.unique(case["input"])
    short: Array = table.copy()
    kept = shrunk(table[used], float(case["norm_type"]), 0, float(case["max_norm"]))
    short[used] = table[used] * kept
    return short


def _padding(case: Case) -> int | None:
    """The row that gets no gradient."""
    given = case.get("padding_idx")
    if given is None:
        return None
    row = signed(given)
    if "weight_sym_argsize_0" in case.operands or row >= 0:
        return row if row >= 0 else None
    return int(row + len(case["weight"]))


def _row_at(case: Case, number: int, index: Index) -> str:
    row = int(case["input"][index[:-1]])
    number = _table(case)[row, index[-1]]
    text = single(number) if case.has("max_norm") else number_text(number, case.operands["weight"].dtype)
    return f"{text} (row {row}, column {index[-1]})"


def _padding_note(case: Case) -> str | None:
    row = _padding(case)
    if row is None:
        return None
    count = int((case["input"] == row).sum())
    return f"row {row} is padding ({count:,} of {case['input'].size:,} indices): it gets no gradient"


def _send(case: Case) -> Sequence[Array | None]:
    return [_rows_added(case, case.g)]


def _rows_added(case: Case, g: Array) -> Array:
    """Each row of the gradient, added where its index points."""
    indices = case["indices"].ravel()
    found = np.zeros((int(case["weight_sym_argsize_0"]), g.shape[-1]))
    np.add.at(found, indices, g.reshape(len(indices), g.shape[-1]))
    if case["scale_grad_by_freq"]:
        found /= np.maximum(np.bincount(indices, minlength=len(found)), 1)[:, None]
    row = _padding(case)
    if row is not None:
        found[row] = 0
    return found


def _send_scale(case: Case) -> Sequence[Array | None]:
    return [_rows_added(case, np.abs(case.g)) * _often(case)]


def _often(case: Case) -> float:
    """torch adds up one by one what goes to the same row."""
    return one_by_one(int(np.bincount(case["indices"].ravel()).max(initial=0)))


def _send_at(case: Case, number: int, index: Index) -> Sum | str:
    row, column = index
    if row == _padding(case):
        return "0, the row is padding"
    g = case.operands["g"]
    values = g.values[case["indices"] == row][:, column]
    if not values.size:
        return "0, the row was not used"
    count = values.size if case["scale_grad_by_freq"] else 1
    bracket = count > 1
    return largest(
        values,
        lambda i: bracketed(number_text(values[i], g.dtype)),
        one_of(count) + "(" * bracket,
        ")" * bracket,
    )


def _send_symbols(case: Case, number: int) -> str:
    often = "/how often" if case["scale_grad_by_freq"] else ""
    return f"Σ {{g}}[i]{often} for all i where {{indices}}[i] is the row"


# --- bags: the sum, mean or largest value of several rows

_MODES = ("sum", "mean", "max")


def _mode(case: Case) -> str:
    mode = case["mode"]
    return mode if isinstance(mode, str) else _MODES[mode]


def _bags(case: Case, count: int) -> list[Array]:
    """Of each bag the places of its indices, without the padding."""
    indices = case["input" if "input" in case.operands else "indices"]
    if indices.ndim == 2:
        places = np.arange(indices.size).reshape(indices.shape)
        bags = list(places)
    else:
        starts = [int(start) for start in case["offsets"]][:count]
        ends = [*starts[1:], indices.size]
        if len(case["offsets"]) > count:  # the last offset is where the last bag ends
            ends[-1] = int(case["offsets"][count])
        bags = [np.arange(start, end) for start, end in zip(starts, ends, strict=True)]
    row = _padding(case)
    flat = indices.ravel()
    return [bag if row is None else bag[flat[bag] != row] for bag in bags]


def _joined(rows: Array, mode: str) -> Array:
    if not len(rows):
        return np.zeros(rows.shape[1:])
    if mode == "max":
        return np.asarray(rows.max(axis=0))
    return np.asarray(rows.sum(axis=0) if mode == "sum" else rows.mean(axis=0))


def _bagged(case: Case, change: Callable[[Array], Array]) -> Array:
    result = case.result(0)
    count = 0 if result is None else result.shape[0]
    flat = case["input"].ravel()
    rows = _table(case)[flat]
    if case.has("per_sample_weights"):
        rows = rows * case["per_sample_weights"].ravel()[:, None]
    found = [_joined(change(rows[bag]), _mode(case)) for bag in _bags(case, count)]
    return np.array(found).reshape(count, rows.shape[1])


def _bag_symbols(case: Case, number: int) -> str:
    weights = "{per_sample_weights} · " if case.has("per_sample_weights") else ""
    return f"{_mode(case)} of {weights}the rows of {{weight}} that each bag of {{input}} names"


def _bag_at(case: Case, number: int, index: Index) -> Sum | str:
    bag, column = index
    result = case.result(0)
    places = _bags(case, 0 if result is None else result.shape[0])[bag]
    rows = case["input"].ravel()[places]
    values = _table(case)[rows, column]
    dtype = case.operands["weight"].dtype
    if _mode(case) == "max":
        return f"max({', '.join(number_text(value, dtype) for value in values[:6])})" if len(values) else "0"
    factors = case["per_sample_weights"].ravel()[places] if case.has("per_sample_weights") else None

    def text(i: int) -> str:
        own = bracketed(number_text(values[i], dtype))
        return own if factors is None else f"{summand(factors[i])}·{own}"

    count = len(values) if _mode(case) == "mean" else 1
    bracket = count > 1
    terms = values if factors is None else values * factors
    return largest(terms, text, one_of(count) + "(" * bracket, ")" * bracket)


def _bag_backward(case: Case) -> Sequence[Array | None]:
    return [_bag_weight(case, case.g), _bag_factors(case)]


def _bag_weight(case: Case, g: Array) -> Array | None:
    result = case.result(0)
    if result is None:
        return None
    indices, mode = case["indices"].ravel(), _mode(case)
    found = np.zeros(result.shape)
    columns = np.arange(g.shape[1])
    for bag, (incoming, places) in enumerate(zip(g, _bags(case, len(g)), strict=True)):
        rows = indices[places]
        if mode == "max":  # the node has not kept the weight but which row was the largest
            if len(rows):
                found[case["result3"][bag], columns] += incoming
            continue
        np.add.at(found, rows, _share(case, places)[:, None] * incoming)
    if case["scale_grad_by_freq"]:
        found /= np.maximum(np.bincount(indices, minlength=len(found)), 1)[:, None]
    return found


def _share(case: Case, places: Array) -> Array:
    """How much of a bag each of its rows is."""
    if case.has("per_sample_weights"):
        return np.asarray(case["per_sample_weights"][places])
    return np.full(len(places), 1 / len(places) if _mode(case) == "mean" and len(places) else 1.0)


def _bag_factors(case: Case) -> Array | None:
    """The gradient of ``per_sample_weights``: g of the bag times the row."""
    if case.result(1) is None or not case.has("weight"):
        return None
    found = np.zeros(case["indices"].size)
    for incoming, places in zip(case.g, _bags(case, len(case.g)), strict=True):
        found[places] = case["weight"][case["indices"].ravel()[places]] @ incoming
    return found


def _bag_scale(case: Case) -> Sequence[Array | None]:
    found = _bag_weight(case, np.abs(case.g))
    return [None if found is None else np.abs(found) * _often(case), None]


def _bag_back_symbols(case: Case, number: int) -> str:
    if number:
        return "Σ {g} of the bag · row of {weight}"
    words = {"sum": "Σ {g}", "mean": "Σ {g}/size", "max": "Σ {g}"}[_mode(case)]
    where = "where the row is the largest" if _mode(case) == "max" else "that name the row"
    weights = " · {per_sample_weights}" if case.has("per_sample_weights") else ""
    return f"{words}{weights} of the bags {where}"


def _bag_back_at(case: Case, number: int, index: Index) -> Sum | str:
    if number:
        return _bag_factor_at(case, index[0])
    row, column = index
    indices, mode = case["indices"].ravel(), _mode(case)
    terms: list[tuple[float, str]] = []
    for bag, places in enumerate(_bags(case, len(case.g))):
        incoming = case.at("g", (bag, column))
        if mode == "max":
            hits = [1.0] * int(len(places) and case["result3"][bag, column] == row)
        else:
            hits = _share(case, places)[indices[places] == row].tolist()
        terms += [(hit * float(case.g[bag, column]), f"{_times(hit)}{incoming}") for hit in hits]
    if not terms:
        return "0, no bag names the row"
    return largest(np.array([value for value, _ in terms]), lambda i: terms[i][1])


def _times(factor: float) -> str:
    return "" if factor == 1 else f"{summand(factor)}·"


def _bag_factor_at(case: Case, place: int) -> Sum | str:
    holding = [n for n, places in enumerate(_bags(case, len(case.g))) if place in places]
    if not holding:
        return "0, the index is padding"
    (bag,) = holding
    g, row = case.g[bag], case["weight"][case["indices"].ravel()[place]]
    return largest(g * row, lambda i: f"{summand(g[i])}·{summand(row[i])}")


_EMBEDDING = (
    "input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False"
)
_BAG = (
    "input, weight, offsets=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, mode='mean',"
    " sparse=False, per_sample_weights=None, include_last_offset=False, padding_idx=None"
)

OPS: dict[str, Rule] = {
    "embedding": Rule(
        lambda c, number: (
            "rows {input} of {weight}"
            + (f", no longer than {wide(c['max_norm'])}" if c.has("max_norm") else "")
        ),
        lambda c: [_table(c)[c["input"]]],
        _EMBEDDING,
        _row_at,
        _padding_note,
    ),
    "embedding_bag": Rule(
        _bag_symbols,
        lambda c: [_bagged(c, np.asarray)],
        _BAG,
        _bag_at,
        scale=lambda c: [_bagged(c, np.abs) * one_by_one(c["input"].size)],
    ),
}

NODES: dict[str, Rule] = {
    # tools/autograd/derivatives.yaml: embedding, _embedding_bag
    "EmbeddingBackward": Rule(_send_symbols, _send, element=_send_at, scale=_send_scale),
    "EmbeddingBagBackward": Rule(
        _bag_back_symbols,
        _bag_backward,
        element=_bag_back_at,
        scale=_bag_scale,
    ),
}
