"""Rules of the autograd nodes of products: each gradient is a product again.

tools/autograd/derivatives.yaml, entry of the function's own name; torch/csrc/autograd/FunctionsManual.cpp:
mm_mat1_backward, mm_mat2_backward, linear_backward, _trilinear_backward, _cdist_backward.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array, Tensor
from backprop_tui.explain.rule import Case, Index, Rule, Sum, bracketed, number_text
from backprop_tui.explain.rules import axes as ax
from backprop_tui.explain.rules.dtypes import held
from backprop_tui.explain.rules.parts import Part, node
from backprop_tui.explain.rules.products import factor, pairs, row_and_column
from backprop_tui.explain.rules.writing import largest, summand


@dataclass(frozen=True)
class Product:
    """A gradient that is a product of two operands: ``left`` and ``right``, ``self.T`` if transposed."""

    template: str | Callable[[Case], str]
    left: str
    right: str
    alpha: str = "alpha"
    """A number that the product is multiplied by, if the node kept one."""

    def text(self, case: Case) -> str:
        found = self.template if isinstance(self.template, str) else self.template(case)
        return factor(case, self.alpha) + found

    def value(self, case: Case, size: bool = False) -> Array | None:
        if not all(case.has(name.partition(".")[0]) for name in (self.left, self.right)):
            return None
        a, b = self._matrices(case)
        a, b = (np.abs(a), np.abs(b)) if size else (a, b)
        found = np.matmul(a, b) * case.get(self.alpha, 1)
        return np.abs(found) if size else np.asarray(found)

    def element(self, case: Case, index: Index) -> Sum:
        row, column = row_and_column(*self._matrices(case), index)
        owners = [ax.tensor(case, name.partition(".")[0]) for name in (self.left, self.right)]
        alpha = case.get(self.alpha, 1)
        before = "" if alpha == 1 else f"{bracketed(number_text(float(alpha), 'float64'))}·("
        return pairs(owners[0], row, owners[1], column, before, ")" if before else "")

    def _matrices(self, case: Case) -> tuple[Array, Array]:
        return _operand(case, self.left), _operand(case, self.right)


def _operand(case: Case, name: str) -> Array:
    base, _, change = name.partition(".")
    values: Array = case[base]
    if change == "T":
        return values.swapaxes(-1, -2) if values.ndim > 1 else values
    if change == "column":
        return values[:, None]
    return values[None, :] if change == "row" else values


@dataclass(frozen=True)
class Scaled:
    """The gradient of what was added to a product: the one that comes in, times β."""

    def text(self, case: Case) -> str:
        return factor(case, "beta") + "{g}"

    def value(self, case: Case, size: bool = False) -> Array | None:
        return np.asarray(case["g"] * case.get("beta", 1)) if case.has("g") else None

    def element(self, case: Case, index: Index) -> str:
        beta = case.get("beta", 1)
        return ("" if beta == 1 else f"{bracketed(number_text(float(beta), 'float64'))}·") + case.at(
            "g", index
        )


def products(*gradients: Product | Scaled) -> Rule:
    """The rule of a node, one gradient for each operand."""

    def evaluate(case: Case, size: bool = False) -> list[Array | None]:
        if _complex(case):
            return []
        return [
            None if case.result(number) is None else one.value(case, size)
            for number, one in enumerate(gradients)
        ]

    return Rule(
        lambda case, number: gradients[number].text(case),
        evaluate,
        element=lambda case, number, index: gradients[number].element(case, index),
        scale=lambda case: evaluate(case, True),
    )


def _complex(case: Case) -> bool:
    return any(isinstance(one, Tensor) and one.dtype.startswith("complex") for one in case.operands.values())


# -- products of matrices ---------------------------------------------------------------------------


def _by_column(case: Case, name: str) -> bool:
    """Whether a matrix lies in memory column by column, as the transpose of a weight does.

    torch then computes the transpose of the gradient.
    """
    strides, sizes = case.get(f"{name}_sym_strides", ()), case.get(f"{name}_sym_sizes", ())
    return len(strides) == 2 and strides[0] == 1 and strides[1] == sizes[0]


def _matrix_node(first: str, second: str, own: Sequence[Scaled] = ()) -> Rule:
    """mm and addmm. The gradient of a transposed weight reads as that of the weight, transposed."""
    return products(
        *own,
        Product(
            lambda case: f"({{{second}}} · {{g}}ᵀ)ᵀ" if _by_column(case, first) else f"{{g}} · {{{second}}}ᵀ",
            "g", f"{second}.T",
        ),
        Product(
            lambda case: f"({{g}}ᵀ · {{{first}}})ᵀ" if _by_column(case, second) else f"{{{first}}}ᵀ · {{g}}",
            f"{first}.T", "g",
        ),
    )  # fmt: skip


def _batch_node(first: str, second: str, own: Sequence[Scaled] = ()) -> Rule:
    return products(
        *own,
        Product(f"{{g}} · {{{second}}}ᵀ", "g", f"{second}.T"),
        Product(f"{{{first}}}ᵀ · {{g}}", f"{first}.T", "g"),
    )


def _vector_node(matrix: str, vector: str, own: Sequence[Scaled] = ()) -> Rule:
    return products(
        *own,
        Product(f"{{g}} · {{{vector}}}ᵀ", "g.column", f"{vector}.row"),
        Product(f"{{{matrix}}}ᵀ · {{g}}", f"{matrix}.T", "g"),
    )


# -- linear -----------------------------------------------------------------------------------------


def _rows(values: Array) -> Array:
    return values.reshape(-1, values.shape[-1])


def _linear(case: Case, size: bool = False) -> list[Array | None]:
    g = np.abs(case["g"]) if size else case["g"]
    x, weight = (case.get(name) for name in ("input", "weight"))
    x, weight = (None if one is None else np.abs(one) if size else one for one in (x, weight))
    return [
        None if weight is None else g @ weight,
        None if x is None else _rows(g).T @ _rows(x),
        _rows(g).sum(axis=0),
    ]


_LINEAR = Rule(
    ("{g} · {weight}", "{g}ᵀ · {input}", "Σ {g} over the rows"),
    _linear,
    element=lambda case, number, index: _linear_element(case, number, index),
    scale=lambda case: _linear(case, True),
)


def _linear_element(case: Case, number: int, index: Index) -> Sum:
    g = ax.tensor(case, "g")
    if number == 2:
        return ax.terms_of(g, _rows(g.values)[:, index[0]])
    if number == 0:
        weight = ax.tensor(case, "weight")
        return pairs(g, g.values[index[:-1]], weight, weight.values[:, index[-1]])
    x = ax.tensor(case, "input")
    return pairs(g, _rows(g.values)[:, index[0]], x, _rows(x.values)[:, index[1]])


# -- three factors, distances, crosses ----------------------------------------------------------------


def _unsqueezed(values: Array, places: Any) -> Array:
    """With a dimension of 1 at each of the places in the result."""
    return np.expand_dims(values, tuple(ax.numbers(places)))


def _trilinear(case: Case, size: bool = False) -> list[Array | None]:
    """_trilinear: Σ of i1·i2·i3 over ``sumdim``, each unsqueezed at its ``expand``."""
    names = ("i1", "i2", "i3")
    factors = [
        _unsqueezed(case[name], case[f"expand{n}"]) if case.has(name) else None
        for n, name in enumerate(names, 1)
    ]
    g = _unsqueezed(case["g"], case["sumdim"])
    return [_one_of_three(case, n, [g, *factors], size) for n in range(3)]


def _one_of_three(case: Case, number: int, arrays: list[Array | None], size: bool) -> Array | None:
    rest = [one for n, one in enumerate(arrays) if n != number + 1]
    if any(one is None for one in rest) or case.result(number) is None:
        return None
    known = [one for one in rest if one is not None]
    known = [np.abs(one) for one in known] if size else known
    places = tuple(ax.numbers(case[f"expand{number + 1}"]))
    letters = list(range(known[0].ndim))
    kept = [letter for letter in letters if letter not in places]
    parts: list[Any] = []
    for one in known:
        own = [letter for letter in letters if one.shape[letter] != 1]
        parts += [one.reshape([one.shape[letter] for letter in own]), own]
    whole = np.broadcast_shapes(*(one.shape for one in known))
    present = {letter for own in parts[1::2] for letter in own}
    found = np.einsum(*parts, [letter for letter in kept if letter in present], optimize=True)
    lost = float(np.prod([whole[letter] for letter in places if letter not in present]))
    return np.asarray(found.reshape([whole[letter] for letter in kept]) * lost)


def _trilinear_element(case: Case, number: int, index: Index) -> Sum:
    """The products of three, over the places that were summed."""
    rest = [name for n, name in enumerate(("i1", "i2", "i3")) if n != number]
    arrays = [_unsqueezed(case["g"], case["sumdim"])]
    arrays += [_unsqueezed(case[name], case[f"expand{name[1]}"]) for name in rest]
    gone = ax.numbers(case[f"expand{number + 1}"])
    place: list[Any] = list(index)
    for axis in sorted(gone):
        place.insert(axis, slice(None))
    lines = [line[tuple(place)].ravel() for line in np.broadcast_arrays(*arrays)]
    dtypes = [ax.tensor(case, name).dtype for name in ("g", *rest)]
    return largest(
        np.prod(lines, axis=0),
        lambda i: "·".join(ax.small(line[i], dtype) for line, dtype in zip(lines, dtypes, strict=True)),
    )


_CDIST_TEXT = ("Σ {g} · ∂‖{x1} − {x2}‖/∂{x1}", "Σ {g} · ∂‖{x1} − {x2}‖/∂{x2}")


def _cdist_slopes(case: Case) -> Array:
    """For every pair and coordinate: g · ∂distance/∂difference. At a distance of 0 torch takes 0."""
    p = float(case["p"])
    apart = held(case["x1"][..., :, None, :] - case["x2"][..., None, :, :], ax.tensor(case, "x1").dtype)
    distance, g = case["result"][..., None], case["g"][..., None]
    size, sign = np.abs(apart), np.sign(apart)
    if p == 0:
        return np.zeros(np.broadcast_shapes(apart.shape, g.shape))
    if p == 1:
        return np.asarray(g * sign)
    if np.isinf(p):
        return np.asarray(g * sign * (size == distance))
    slope = sign * size ** (p - 1) / distance ** (p - 1)
    return np.asarray(np.where(distance == 0, 0, g * np.where((apart == 0) & (p < 1), 0, slope)))


def _cdist(case: Case, size: bool = False) -> list[Array | None]:
    slopes = _cdist_slopes(case)
    slopes = np.abs(slopes) if size else slopes
    return [slopes.sum(axis=-2), (slopes if size else -slopes).sum(axis=-3)]


def _cdist_element(case: Case, number: int, index: Index) -> Sum:
    """One term for every point on the other side."""
    slopes = _cdist_slopes(case) * (1 if number == 0 else -1)
    rows = np.take(slopes, index[-2], axis=-3 if number == 0 else -2)
    place: tuple[Any, ...] = (*index[:-2], slice(None), index[-1])
    row = rows[place]
    return largest(row, lambda i: summand(row[i]))


def _euclidean(case: Case, size: bool = False) -> list[Array | None]:
    """_euclidean_dist_backward: cdist of many points goes by ‖a‖² + ‖b‖² − 2a·b. At a distance of 0, 0."""
    x1, x2, result = case["x1"], case["x2"], case["result"]
    ratio = np.where(result == 0, 0, case["g"] / result)
    if size:
        ratio, x1, x2 = np.abs(ratio), np.abs(x1), np.abs(x2)
    first, second = x1 * ratio.sum(axis=-1)[..., None], x2 * ratio.sum(axis=-2)[..., None]
    sign = 1 if size else -1
    return [first + sign * (ratio @ x2), second + sign * (_swapped(ratio) @ x1)]


def _swapped(values: Array) -> Array:
    return np.asarray(values.swapaxes(-1, -2))


def _euclidean_element(case: Case, number: int, index: Index) -> Sum:
    """One term for every point on the other side."""
    names = ("x1", "x2") if number == 0 else ("x2", "x1")
    own, others = (ax.tensor(case, name) for name in names)
    g, result = (case[name] if number == 0 else _swapped(case[name]) for name in ("g", "result"))
    row = index[:-1]
    weights = np.where(result[row] == 0, 0, g[row] / result[row])
    values = others.values[index[:-2]][..., index[-1]]
    here = ax.small(own.values[index], own.dtype)
    return largest(
        weights * (own.values[index] - values),
        lambda i: (
            f"{summand(g[row][i])}/{summand(result[row][i])}·({here} − {ax.small(values[i], others.dtype)})"
        ),
    )


def _cross(a: Array, b: Array, dim: int) -> Array:
    return np.cross(a, b, axis=ax.signed(dim))


def _cross_element(case: Case, number: int, index: Index) -> str:
    """As forwards: ``a₂·b₃ − a₃·b₂``."""
    first, second = ("other", "g") if number == 0 else ("g", "self")
    axis = ax.axis_of(case["dim"], len(index))
    turns = [(index[axis] + step) % 3 for step in (1, 2)]
    places = [tuple(at if i == axis else n for i, n in enumerate(index)) for at in turns]
    a, b = ([case.at(name, place) for place in places] for name in (first, second))
    return f"{a[0]}·{b[1]} − {a[1]}·{b[0]}"


def _cross_size(a: Array, b: Array, dim: int) -> Array:
    axis = ax.signed(dim)
    return np.asarray(np.abs(a).max(axis=axis, keepdims=True) * np.abs(b).max(axis=axis, keepdims=True) * 2)


NODES: dict[str, Rule] = {
    "MmBackward": _matrix_node("self", "mat2"),
    "AddmmBackward": _matrix_node("mat1", "mat2", [Scaled()]),
    "BmmBackward": _batch_node("self", "mat2"),
    "BaddbmmBackward": _batch_node("batch1", "batch2", [Scaled()]),
    "AddbmmBackward": _batch_node("batch1", "batch2", [Scaled()]),
    "MvBackward": _vector_node("self", "vec"),
    "AddmvBackward": _vector_node("mat", "vec", [Scaled()]),
    "AddrBackward": products(
        Scaled(),
        Product("{g} · {vec2}", "g", "vec2"),
        Product("{g}ᵀ · {vec1}", "g.T", "vec1"),
    ),
    "DotBackward": node(
        Part("{g} · {tensor}", lambda g, b: g * b), Part("{g} · {self}", lambda g, a: g * a)
    ),
    "VdotBackward": node(Part("{g} · {other}", lambda g, b: g * b), Part("{g} · {self}", lambda g, a: g * a)),
    "LinearBackward": _LINEAR,
    "TrilinearBackward": Rule(
        ("Σ {g}·{i2}·{i3}", "Σ {g}·{i1}·{i3}", "Σ {g}·{i1}·{i2}"),
        _trilinear,
        element=_trilinear_element,
        scale=lambda case: _trilinear(case, True),
    ),
    "CdistBackward": Rule(_CDIST_TEXT, _cdist, element=_cdist_element, scale=lambda case: _cdist(case, True)),
    "EuclideanDistBackward": Rule(
        ("Σ {g}/{result} · ({x1} − {x2})", "Σ {g}/{result} · ({x2} − {x1})"), _euclidean,
        element=_euclidean_element, scale=lambda case: _euclidean(case, True),
    ),
    "LinalgCrossBackward": node(
        Part("{other} × {g}", lambda b, g, dim: _cross(b, g, dim), lambda b, g, dim: _cross_size(b, g, dim),
             "other g dim"),
        Part("{g} × {self}", lambda g, a, dim: _cross(g, a, dim), lambda g, a, dim: _cross_size(g, a, dim),
             "g self dim"),
        element=_cross_element,
    ),
}  # fmt: skip
OPS: dict[str, Rule] = {}
