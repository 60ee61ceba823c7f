"""Rules of norms.

torch's documentation, ``torch.linalg.vector_norm`` and ``matrix_norm``;
torch/csrc/autograd/FunctionsManual.cpp: norm_backward.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array, Tensor
from backprop_tui.explain.rule import Case, Index, Rule, Sum
from backprop_tui.explain.rules import axes as ax
from backprop_tui.explain.rules.distances import index_of, norm
from backprop_tui.explain.rules.dtypes import held
from backprop_tui.explain.rules.parts import counted
from backprop_tui.explain.rules.reductions import gradient_at, keepdim, members, over
from backprop_tui.explain.rules.writing import single, wide

INF = float("inf")


def _order(case: Case) -> float:
    """Which norm of a vector; what torch calls Frobenius is the 2-norm of all elements."""
    p = case.get("p", case.get("ord", 2.0))
    return 2.0 if p == "fro" else float(p)


def _axes(case: Case, name: str) -> tuple[int, ...]:
    return ax.axes_of(case.get("dim"), ax.tensor(case, name).values.ndim)


def _vector_norm(case: Case) -> list[Array | None]:
    values = np.asarray(case["input"])
    if not values.size:
        return [np.sum(values, axis=_axes(case, "input"), keepdims=keepdim(case)) * 1.0]
    return [norm(values, _order(case), _axes(case, "input"), keepdim(case))]


def _vector_text(case: Case, number: int) -> str:
    return f"‖{{input}}‖{index_of(_order(case))}" + over(case)


def _vector_element(case: Case, number: int, index: Index) -> Sum | str:
    owner, p = ax.tensor(case, "input"), _order(case)
    values = members(case, index)
    if p == 2:
        return ax.terms_of(owner, values, lambda text: f"{text}²", "√(", ")")
    if abs(p) == INF:
        flat = np.abs(values).ravel()
        extreme = flat[flat.argmax() if p > 0 else flat.argmin()]
        return f"{'max' if p > 0 else 'min'} of {flat.size} magnitudes: {ax.small(extreme, owner.dtype)}"
    if p == 0:
        return ax.terms_of(owner, values, lambda text: f"[{text} ≠ 0]")
    if p == 1:
        return ax.terms_of(owner, values, lambda text: f"|{text.strip('()')}|")
    power = wide(p)
    return ax.terms_of(owner, values, lambda text: f"|{text.strip('()')}|^{power}", "(", f")^(1/{power})")


# -- norms of matrices ------------------------------------------------------------------------------


def _is_matrix_norm(case: Case) -> bool:
    """torch.linalg.norm and torch.norm take either kind, by their arguments."""
    order, dim = case.get("ord", case.get("p")), case.get("dim")
    if case.evidence.name == "linalg_matrix_norm":
        return True
    if order is None or case.evidence.name == "linalg_vector_norm":
        return False
    if case.evidence.name == "norm":
        return bool(order == "nuc")
    return len(ax.numbers(dim)) == 2 if dim is not None else np.ndim(case["input"]) == 2


def _matrix_axes(case: Case) -> tuple[int, int]:
    default = (-2, -1)
    dims = ax.numbers(case.get("dim", default))
    return dims[0], dims[1]


def _matrix_norm(case: Case) -> list[Array | None]:
    order: Any = case.get("ord", case.get("p", "fro"))
    found = np.linalg.norm(case["input"], order, axis=_matrix_axes(case), keepdims=keepdim(case))
    return [np.asarray(found)]


_WORDS = {
    "fro": "√(Σ {input}²)",
    "nuc": "Σ singular values of {input}",
    2.0: "largest singular value of {input}",
    -2.0: "smallest singular value of {input}",
    1.0: "largest column sum of |{input}|",
    -1.0: "smallest column sum of |{input}|",
    INF: "largest row sum of |{input}|",
    -INF: "smallest row sum of |{input}|",
}


def _matrix_text(case: Case) -> str:
    order = case.get("ord", case.get("p", "fro"))
    return _WORDS[order if isinstance(order, str) else float(order)]


def _matrix_element(case: Case) -> str:
    owner = ax.tensor(case, "input")
    return _matrix_text(case).replace("{input}", "×".join(map(str, owner.shape)))


def _evaluate(case: Case) -> list[Array | None]:
    return _matrix_norm(case) if _is_matrix_norm(case) else _vector_norm(case)


def _scale(case: Case) -> list[Array | None]:
    """Singular values are found to the precision of the largest of them."""
    if not _is_matrix_norm(case):
        return [None]
    return [np.asarray(np.linalg.norm(case["input"], axis=_matrix_axes(case), keepdims=keepdim(case)))]


def _either(signature: str) -> Rule:
    return Rule(
        lambda case, n: _matrix_text(case) if _is_matrix_norm(case) else _vector_text(case, n),
        _evaluate,
        signature,
        lambda case, n, index: (
            _matrix_element(case) if _is_matrix_norm(case) else _vector_element(case, n, index)
        ),
        scale=_scale,
    )


# -- backwards --------------------------------------------------------------------------------------


def _slope(values: Array, length: Array, p: float, axes: tuple[int, ...], dtype: str) -> Array:
    """∂‖x‖/∂x; at a norm of 0 torch takes 0. A power that is too large for the dtype is infinite there."""
    size, sign = np.abs(values), np.sign(values)
    if p == 0:
        return np.zeros_like(values)
    if p == 1:
        return np.asarray(sign)
    if abs(p) == INF:
        extreme = (size == length) | (np.isnan(values) & np.isnan(length))
        return np.asarray(sign * extreme / extreme.sum(axis=axes, keepdims=True))
    if p < 1:
        return np.where(values == 0, 0, sign * held(size ** (p - 1), dtype) * length ** (1 - p))
    power = size ** (p - 1) if p >= 2 else held(size ** (p - 1), dtype)
    return np.where(length == 0, 0, sign * power / length ** (p - 1))


def _spread(case: Case, name: str) -> Array:
    shape = case["self"].shape
    values = np.asarray(case[name])
    return np.asarray(np.broadcast_to(ax.kept(values, _axes(case, "self"), shape), shape))


def _backward(case: Case) -> list[Array | None]:
    if not (case.has("g") and case.has("self")):
        return [None]
    values, axes = case["self"], _axes(case, "self")
    dtype = ax.tensor(case, "self").dtype
    return [_spread(case, "g") * _slope(values, _spread(case, "result"), _order(case), axes, dtype)]


def _backward_text(case: Case, number: int) -> str:
    p = _order(case)
    if p == 0:
        return "0 · {g}"
    if p == 1:
        return "{g} · sign {self}"
    if p == 2:
        return "{g} · {self}/{result}"
    if abs(p) == INF:
        return "{g} · sign {self} · [|{self}| = {result}] / number of such"
    return f"{{g}} · sign {{self}} · (|{{self}}|/{{result}})^{wide(p - 1)}"


def _backward_element(case: Case, number: int, index: Index) -> str:
    owner, result = ax.tensor(case, "self"), case.operands["result"]
    axes = _axes(case, "self")
    place = tuple(0 if i in axes else one for i, one in enumerate(index))
    assert isinstance(result, Tensor)
    length = ax.small(ax.kept(result.values, axes, owner.shape)[place], result.dtype)
    return (
        _backward_text(case, number)
        .replace("{g}", gradient_at(case, index, owner.shape, axes))
        .replace("{self}", ax.small(owner.values[index], owner.dtype))
        .replace("{result}", length)
    )


_NODE = Rule(
    _backward_text,
    _backward,
    element=_backward_element,
    note=counted(
        lambda case: (np.asarray(case["result"]) == 0) & (_order(case) > 1),
        "a norm of 0: it has no slope there, torch takes 0",
    ),
)

OPS: dict[str, Rule] = {
    "norm": _either("input, p='fro', dim=None, keepdim=False, out=None, dtype=None"),
    "linalg_norm": _either("input, ord=None, dim=None, keepdim=False, *, dtype=None, out=None"
                           " | A, ord=None, dim=None, keepdim=False, *, dtype=None, out=None"),
    "linalg_vector_norm": _either("input, ord=2, dim=None, keepdim=False, *, dtype=None, out=None"),
    "linalg_matrix_norm": _either("input, ord='fro', dim=(-2, -1), keepdim=False, *, dtype=None, out=None"),
    "dist": Rule(
        lambda case, n: f"‖{{input}} − {{other}}‖{index_of(float(case['p']))}",
        lambda case: [norm(case["input"] - case["other"], float(case["p"]), None)],
        "input, other, p=2",
        lambda case, n, index: _dist_element(case),
        scale=lambda case: [norm(np.abs(case["input"]) + np.abs(case["other"]), float(case["p"]), None)],
    ),
}  # fmt: skip


def _dist_element(case: Case) -> Sum | str:
    p = float(case["p"])
    apart = case["input"] - case["other"]
    owner = Tensor(apart.astype(np.float32).astype(np.float64), "float32")
    if p == 2:
        return ax.terms_of(owner, owner.values, lambda text: f"{text}²", "√(", ")")
    return f"‖{apart.size} differences‖{index_of(p)}"


def _dist_back_element(case: Case, number: int, index: Index) -> str:
    sign, p = "−" if number else "", float(case["p"])
    if p != 2:
        apart = case.value("self", index) - case.value("other", index)
        return f"{sign}{case.at('g', ())} · slope at the difference {single(apart)}"
    difference = f"{case.at('self', index)} − {case.at('other', index)}"
    return f"{sign}{case.at('g', ())} · ({difference})/{case.at('result', ())}"


def _dist_back(case: Case) -> list[Array | None]:
    apart = held(case["self"] - case["other"], ax.tensor(case, "self").dtype)
    dtype = ax.tensor(case, "self").dtype
    slope = _slope(apart, np.asarray(case["result"]), float(case["p"]), tuple(range(apart.ndim)), dtype)
    return [case.g * slope, -case.g * slope]


NODES: dict[str, Rule] = {
    "LinalgVectorNormBackward": _NODE,
    "NormBackward": _NODE,
    "DistBackward": Rule(
        lambda case, number: (
            ("−" if number else "")
            + (
                "{g} · ({self} − {other})/{result}"
                if float(case["p"]) == 2
                else "{g} · slope of ‖{self} − {other}‖"
            )
        ),
        _dist_back,
        element=_dist_back_element,
    ),
}
