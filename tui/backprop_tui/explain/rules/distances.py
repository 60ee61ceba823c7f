"""Rules of distances and angles between vectors (aten/src/ATen/native/Distance.cpp)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backprop_tui.explain.evidence import Array
from backprop_tui.explain.rule import Case, Index, Rule
from backprop_tui.explain.rules.writing import added, one_by_one, single, wide

_SMALL = "₀₁₂₃₄₅₆₇₈₉"


def norm(values: Array, p: float, axis: int | tuple[int, ...] | None, keepdims: bool = False) -> Array:
    """The p-norm along an axis."""
    size = np.abs(values)
    if p == np.inf:
        return np.asarray(size.max(axis=axis, keepdims=keepdims))
    if p == -np.inf:
        return np.asarray(size.min(axis=axis, keepdims=keepdims))
    if p == 0:
        return np.asarray((size != 0).sum(axis=axis, keepdims=keepdims) * 1.0)
    return np.asarray((size**p).sum(axis=axis, keepdims=keepdims) ** (1 / p))


def distance(first: Array, second: Array, p: float, eps: float, keepdims: bool = False) -> Array:
    """The p-norm of the difference of vectors; torch adds ``eps`` to each component."""
    return norm(first - second + eps, p, -1, keepdims)


def index_of(p: float) -> str:
    """What stands at the foot of a norm: nothing for 2."""
    if p == 2:
        return ""
    return _SMALL[int(p)] if p in range(10) else "∞" if p == np.inf else f"[{wide(p)}]"


def distance_symbols(first: str, second: str, p: float) -> str:
    return f"‖{first} − {second}‖{index_of(p)}"


def _distance_at(case: Case, number: int, index: Index) -> str:
    place = index[:-1] if case["keepdim"] else index
    apart = np.broadcast_to(
        case["x1"] - case["x2"] + case["eps"], np.broadcast_shapes(case["x1"].shape, case["x2"].shape)
    )[place]
    p = case["p"]
    if p != 2:
        return f"‖{added(apart, lambda i: single(apart[i]))}‖{index_of(p)}"
    return f"√({added(apart, lambda i: f'{_factor(apart[i])}²')})"


def _lengths(case: Case) -> tuple[Array, Array]:
    """Of the two vectors, each at least ``eps``."""

    def length(one: Array) -> Array:
        return np.asarray(np.maximum(norm(one, 2, case["dim"], True), case["eps"]))

    first, second = np.broadcast_arrays(case["x1"], case["x2"])
    return length(first), length(second)


def _similarity(case: Case, products: Array) -> Array:
    first, second = _lengths(case)
    return np.asarray((products / (first * second)).sum(axis=case["dim"]))


def _similarity_at(case: Case, number: int, index: Index) -> str:
    dim = case["dim"]
    first, second = np.broadcast_arrays(case["x1"], case["x2"])
    axis = dim % max(first.ndim, 1)
    at: tuple[int | slice, ...] = (*index[:axis], slice(None), *index[axis:]) if first.ndim else ()
    a, b = np.atleast_1d(first[at], second[at])
    lengths = (single(np.asarray(one[at]).ravel()[0]) for one in _lengths(case))
    products = added(a * b, lambda i: f"{_factor(a[i])}·{_factor(b[i])}")
    return f"({products}) / ({' · '.join(lengths)})"


def _distance_scale(case: Case) -> Sequence[Array | None]:
    made = distance(case["x1"], case["x2"], case["p"], case["eps"], case["keepdim"])
    return [made * one_by_one(np.shape(case["x1"])[-1], LANES)]


def _similarity_scale(case: Case) -> Sequence[Array | None]:
    width = case["x1"].shape[case["dim"]] if case["x1"].ndim else 1
    return [_similarity(case, np.abs(case["x1"] * case["x2"])) * one_by_one(width, LANES)]


LANES = 64
"""torch adds up so many parts of a sum beside each other."""


def _factor(value: float) -> str:
    return f"({single(value)})" if value < 0 else single(value)


OPS: dict[str, Rule] = {
    "pairwise_distance": Rule(
        lambda c, number: f"‖{{x1}} − {{x2}} + {wide(c['eps'])}‖{index_of(c['p'])}",
        lambda c: [distance(c["x1"], c["x2"], c["p"], c["eps"], c["keepdim"])],
        "x1, x2, p=2.0, eps=1e-6, keepdim=False",
        _distance_at,
        scale=_distance_scale,
    ),
    "cosine_similarity": Rule(
        "Σ {x1}·{x2} / (‖{x1}‖ · ‖{x2}‖)",
        lambda c: [_similarity(c, c["x1"] * c["x2"])],
        "x1, x2, dim=1, eps=1e-8",
        _similarity_at,
        scale=_similarity_scale,
    ),
}

NODES: dict[str, Rule] = {}
