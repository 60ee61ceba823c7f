"""Rules of attention: softmax(q·kᵀ/√d)·v (Vaswani et al. 2017; torch/nn/functional.py)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backprop_tui.explain.evidence import Array
from backprop_tui.explain.rule import Case, Index, Rule, Sum
from backprop_tui.explain.rules.sized import Sized, exact
from backprop_tui.explain.rules.writing import largest, single, some, summand, wide


def as_added(mask: Array) -> Array:
    """A mask as what is added to the scores: where True takes part, −∞ keeps out."""
    return np.where(mask, 0.0, -np.inf) if mask.dtype == bool else mask


def causal(rows: int, columns: int) -> Array:
    """Each place sees itself and what came before."""
    return np.where(np.tri(rows, columns, dtype=bool), 0.0, -np.inf)


def weights_of(q: Sized, k: Sized, factor: float, mask: Array | None, empty: float) -> Sized:
    """How much each place looks at each other: softmax of the scaled products."""
    scores = (q @ k.swapaxes(-1, -2)) * factor
    return (scores if mask is None else scores + exact(mask)).softmax(empty)


# --- scaled_dot_product_attention


@dataclass(frozen=True, eq=False)
class _Parts:
    """What one call or node of scaled dot product attention is made of."""

    query: Array
    key: Array
    value: Array
    mask: Array | None
    factor: float
    causal: bool

    @property
    def weights(self) -> Sized:
        return weights_of(exact(self.query), exact(self.key), self.factor, self.mask, 0.0)


def _parts(case: Case) -> _Parts:
    query, key, value = case["query"], case["key"], case["value"]
    if case.get("enable_gqa"):  # each head of the keys serves several heads of the queries
        key = np.repeat(key, query.shape[-3] // key.shape[-3], axis=-3)
        value = np.repeat(value, query.shape[-3] // value.shape[-3], axis=-3)
    mask = as_added(case["attn_mask"]) if case.has("attn_mask") else None
    if case["is_causal"]:
        mask = causal(query.shape[-2], key.shape[-2])
    scale = case.get("scale")
    factor = 1 / math.sqrt(max(query.shape[-1], 1)) if scale is None else float(scale)
    return _Parts(query, key, value, mask, factor, bool(case["is_causal"]))


def _dropping(case: Case) -> bool:
    return float(case.get("dropout_p", 0)) > 0


def mask_drawn(case: Case, number: int, shape: tuple[int, ...]) -> Array | None:
    """A mask of dropout that autograd has kept, if there is one."""
    drawn = case.evidence.drawn
    if number >= len(drawn) or drawn[number].values.size != math.prod(shape):
        return None
    kept: Array = drawn[number].values != 0
    return kept.reshape(shape)


def _kept(case: Case, shape: tuple[int, ...]) -> Array | None:
    """What each weight is multiplied with; None if it was drawn and nobody knows it."""
    if not _dropping(case):
        return np.ones(())
    mask = mask_drawn(case, 0, shape)
    return None if mask is None else mask / (1 - float(case["dropout_p"]))


def _attended(case: Case) -> Sized | None:
    parts = _parts(case)
    weights = parts.weights
    kept = _kept(case, weights.shape)
    return None if kept is None else (weights * exact(kept)) @ exact(parts.value)


def _forward(case: Case) -> Sequence[Array | None]:
    found = _attended(case)
    return [None if found is None else found.value]


def _forward_scale(case: Case) -> Sequence[Array | None]:
    found = _attended(case)
    return [None if found is None else found.size]


def _root(case: Case) -> str:
    scale = case.get("scale")
    width = case["query"].shape[-1]
    if scale is None or math.isclose(float(scale), 1 / math.sqrt(max(width, 1))):
        return f"/√{width}"
    return f"·{wide(scale)}"


def _scores(case: Case) -> str:
    mask = " + {attn_mask}" if case.has("attn_mask") else ""
    only = ", causal" if case["is_causal"] else ""
    return f"softmax({{query}} · {{key}}ᵀ{_root(case)}{mask}{only})"


def _symbols(case: Case, number: int) -> str:
    dropped = " · [kept]/" + wide(round(1 - float(case["dropout_p"]), 12)) if _dropping(case) else ""
    return f"{_scores(case)}{dropped} · {{value}}"


def _element(case: Case, number: int, index: Index) -> Sum:
    parts = _parts(case)
    heads, row, column = index[:-2], index[-2], index[-1]
    weights = _row_weights(parts, heads, row)
    leading = np.broadcast_shapes(parts.query.shape[:-2], parts.key.shape[:-2])
    kept = _kept(case, leading + _size(parts))
    if kept is not None and kept.ndim:
        weights = weights * _of_heads(kept, heads)[row]
    values = _of_heads(parts.value, heads)[:, column]
    return _weighted(weights, values)


def _size(parts: _Parts) -> tuple[int, int]:
    return parts.query.shape[-2], parts.key.shape[-2]


def _of_heads(values: Array, heads: Index) -> Array:
    """The matrix that broadcasting pairs with these leading indices."""
    own = heads[len(heads) - (values.ndim - 2) :] if values.ndim > 2 else ()
    place = tuple(0 if size == 1 else i for i, size in zip(own, values.shape, strict=False))
    return np.asarray(values[place])


def _row_weights(parts: _Parts, heads: Index, row: int) -> Array:
    q, k = _of_heads(parts.query, heads)[row], _of_heads(parts.key, heads)
    scores = (k @ q) * parts.factor
    if parts.mask is not None:
        mask = _of_heads(parts.mask, heads) if parts.mask.ndim > 1 else parts.mask[None]
        scores = scores + mask[min(row, len(mask) - 1)]
    return Sized(scores, np.zeros(scores.shape)).softmax(0.0).value


def _weighted(weights: Array, values: Array) -> Sum:
    return largest(weights * values, lambda i: f"{single(weights[i])}·{summand(values[i])}")


def _note(case: Case) -> str | None:
    parts = _parts(case)
    if parts.mask is not None:
        shut = np.isneginf(parts.mask).all(axis=-1)
        if shut.any():
            return f"{some(int(shut.sum()), shut.size, 'row')} sees nothing at all: torch gives 0 there"
    return "causal: each place sees itself and what came before it" if parts.causal else None


# --- its node on the CPU


@dataclass(frozen=True, eq=False)
class _Slopes:
    """The gradients of one node."""

    parts: _Parts
    g: Array

    @property
    def scores(self) -> Sized:
        """The gradient of the scaled scores: P∘(g·vᵀ − Σ P∘(g·vᵀ))."""
        weights = self.parts.weights
        into = exact(self.g) @ exact(self.parts.value).swapaxes(-1, -2)
        return weights * (into - (weights * into).sum(-1, keepdims=True))

    def all(self) -> list[Sized]:
        scores = self.scores
        return [
            (scores @ exact(self.parts.key)) * self.parts.factor,
            (scores.swapaxes(-1, -2) @ exact(self.parts.query)) * self.parts.factor,
            self.parts.weights.swapaxes(-1, -2) @ exact(self.g),
        ]


def _slopes(case: Case) -> list[Sized] | None:
    if _dropping(case) or not all(case.has(name) for name in ("query", "key", "value")):
        return None
    return _Slopes(_parts(case), case.g).all()


def _backward(case: Case) -> Sequence[Array | None]:
    return [one.value for one in _slopes(case) or []]


def _backward_scale(case: Case) -> Sequence[Array | None]:
    return [one.size for one in _slopes(case) or []]


_NODE_SYMBOLS = (
    "dS · {key}%, dS = P∘({g}·{value}ᵀ − Σ P∘({g}·{value}ᵀ))",
    "dSᵀ · {query}%, dS = P∘({g}·{value}ᵀ − Σ P∘({g}·{value}ᵀ))",
    "Pᵀ · {g}, P = @",
)


def _node_symbols(case: Case, number: int) -> str:
    return _NODE_SYMBOLS[number].replace("%", _root(case)).replace("@", _scores(case))


def _node_element(case: Case, number: int, index: Index) -> Sum:
    slopes = _Slopes(_parts(case), case.g)
    heads, row, column = index[:-2], index[-2], index[-1]
    if number == 2:
        weights = slopes.parts.weights.value[heads][:, row]
        return _weighted(weights, _of_heads(case.g, heads)[:, column])
    scores = slopes.scores.value[heads]
    along = scores[row] if number == 0 else scores[:, row]
    other = slopes.parts.key if number == 0 else slopes.parts.query
    values = _of_heads(other, heads)[:, column]
    return largest(
        along * values, lambda i: f"{summand(along[i])}·{summand(values[i])}", "(", f"){_root(case)}"
    )


OPS: dict[str, Rule] = {
    "scaled_dot_product_attention": Rule(
        _symbols,
        _forward,
        "query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False",
        _element,
        _note,
        _forward_scale,
        lambda c: "which weights dropout keeps was drawn by chance; autograd has kept the mask",
    ),
}

NODES: dict[str, Rule] = {
    # tools/autograd/derivatives.yaml: _scaled_dot_product_flash_attention_for_cpu
    "ScaledDotProductFlashAttentionForCpuBackward": Rule(
        _node_symbols, _backward, element=_node_element, note=_note, scale=_backward_scale
    ),
}
