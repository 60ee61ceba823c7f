"""Rules of products of matrices and vectors.

torch's documentation, entry of the function's own name; backwards tools/autograd/derivatives.yaml and
torch/csrc/autograd/FunctionsManual.cpp: mm_mat1_backward, mm_mat2_backward.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array, Tensor
from backprop_tui.explain.rule import Case, Index, Rule, Sum
from backprop_tui.explain.rules import axes as ax
from backprop_tui.explain.rules.low_precision import cast_by_autocast
from backprop_tui.explain.rules.parts import with_out
from backprop_tui.explain.rules.writing import largest, summand


def pairs(first: Tensor, a: Array, second: Tensor, b: Array, before: str = "", after: str = "") -> Sum:
    """The sum behind one element of a product: ``0.11·2 + 0.21·3``."""
    a, b = np.ravel(a), np.ravel(b)
    return largest(
        a * b,
        lambda i: f"{ax.small(a[i], first.dtype)}·{ax.small(b[i], second.dtype)}",
        before,
        after,
    )


def row_and_column(a: Array, b: Array, index: Index) -> tuple[Array, Array]:
    """The vectors whose product is one element of ``a @ b``, of whatever dimensions."""
    place = list(index)
    column = b if b.ndim == 1 else None
    row = a if a.ndim == 1 else None
    if column is None:
        column = _of_batch(b, place[: -1 - (row is None)])[..., place[-1]]
        place = place[:-1]
    if row is None:
        row = _of_batch(a, place[:-1])[place[-1], :]
    return row, column


def _of_batch(values: Array, batch: list[int]) -> Array:
    """The matrix that broadcasting pairs with a place in the batch."""
    own = batch[len(batch) - (values.ndim - 2) :] if values.ndim > 2 else []
    return np.asarray(values[tuple(0 if n == 1 else i for i, n in zip(own, values.shape, strict=False))])


# -- calls ------------------------------------------------------------------------------------------


def _product(first: str, second: str, signature: str, backwards: bool = False) -> Rule:
    """A rule for the product of two operands."""
    names = (second, first) if backwards else (first, second)

    def operands(case: Case) -> tuple[Tensor, Tensor]:
        return ax.tensor(case, names[0]), ax.tensor(case, names[1])

    def evaluate(case: Case) -> list[Array | None]:
        a, b = operands(case)
        return [np.asarray(np.matmul(a.values, b.values))]

    def element(case: Case, number: int, index: Index) -> Sum:
        a, b = operands(case)
        row, column = row_and_column(a.values, b.values, index)
        return pairs(a, row, b, column)

    def scale(case: Case) -> list[Array | None]:
        a, b = operands(case)
        return [np.asarray(np.matmul(np.abs(a.values), np.abs(b.values)))]

    return Rule(f"{{{names[0]}}} · {{{names[1]}}}", evaluate, with_out(signature), element, scale=scale)


def factor(case: Case, name: str) -> str:
    """A factor before a product, not written if it is 1."""
    return "" if case.get(name, 1) == 1 else f"{{{name}}}·"


def _digits(case: Case, name: str) -> str:
    return "" if case.get(name, 1) == 1 else f"{case.at(name, ())}·"


def _sum_and_product(first: str, second: str, bring: Callable[[Array, Array], Array] = np.matmul) -> Rule:
    """addmm and its like: β·input + α·first·second."""

    def symbols(case: Case, number: int) -> str:
        summed = "Σ " if bring is not np.matmul and first == "batch1" else ""
        product = f"{factor(case, 'alpha')}{summed}{{{first}}} · {{{second}}}"
        return product if case.get("beta", 1) == 0 else f"{factor(case, 'beta')}{{input}} + {product}"

    def total(case: Case, size: bool) -> list[Array | None]:
        own, a, b = (np.abs(case[n]) if size else case[n] for n in ("input", first, second))
        alpha, beta = (abs(case.get(n, 1)) if size else case.get(n, 1) for n in ("alpha", "beta"))
        product = alpha * bring(a, b)
        return [np.asarray(product if beta == 0 else beta * own + product)]

    def element(case: Case, number: int, index: Index) -> Sum:
        a, b = ax.tensor(case, first), ax.tensor(case, second)
        row, column = _parts_of(bring, a.values, b.values, index)
        start = "" if case.get("beta", 1) == 0 else f"{_digits(case, 'beta')}{case.at('input', index)} + "
        alpha = _digits(case, "alpha")
        return pairs(a, row, b, column, f"{start}{alpha}(" if alpha else start, ")" if alpha else "")

    signature = with_out(f"input, {first}, {second}, *, beta=1, alpha=1")
    return Rule(
        symbols, lambda case: total(case, False), signature, element, scale=lambda case: total(case, True)
    )


def _outer(a: Array, b: Array) -> Array:
    """torch.addr."""
    return np.multiply.outer(a, b)


def _batch_sum(a: Array, b: Array) -> Array:
    """torch.addbmm."""
    return np.asarray(np.matmul(a, b).sum(axis=0))


def _parts_of(
    bring: Callable[[Array, Array], Array], a: Array, b: Array, index: Index
) -> tuple[Array, Array]:
    if bring is _outer:
        return a[index[0]], b[index[1]]
    if bring is _batch_sum:
        return a[:, index[0], :], b[:, :, index[1]]
    return row_and_column(a, b, index)


# -- linear -----------------------------------------------------------------------------------------


def _linear(case: Case, size: bool = False) -> list[Array | None]:
    x, weight, bias = (case.get(name) for name in ("input", "weight", "bias"))
    if size:
        x, weight, bias = np.abs(x), np.abs(weight), None if bias is None else np.abs(bias)
    product = np.matmul(x, weight.T)
    return [np.asarray(product if bias is None else product + bias)]


def _linear_text(case: Case, number: int) -> str:
    transposed = "{input} · {weight}" + ("ᵀ" if np.ndim(case["weight"]) == 2 else "")
    return transposed + (" + {bias}" if case.has("bias") else "")


def _linear_element(case: Case, number: int, index: Index) -> Sum:
    x, weight = ax.tensor(case, "input"), ax.tensor(case, "weight")
    if weight.values.ndim == 1:
        row, column = x.values[index], weight.values
    else:
        row, column = x.values[index[:-1]], weight.values[index[-1]]
    after = f" + {case.at('bias', index)}" if case.has("bias") else ""
    return pairs(x, row, weight, column, after=after)


# -- outer products, bilinear, and the rest -----------------------------------------------------------


def _outer_element(case: Case, number: int, index: Index) -> str:
    a, b = ax.tensor(case, "input"), ax.tensor(case, "vec2")
    return f"{ax.small(a.values[index[0]], a.dtype)} · {ax.small(b.values[index[1]], b.dtype)}"


_OUTER = Rule(
    "{input} · {vec2}ᵀ",
    lambda case: [np.multiply.outer(case["input"], case["vec2"])],
    with_out("input, vec2"),
    _outer_element,
)


def _bilinear(case: Case, size: bool = False) -> list[Array | None]:
    a, weight, b = (np.abs(case[n]) if size else case[n] for n in ("input1", "weight", "input2"))
    found = np.einsum("...i,oij,...j->...o", a, weight, b)
    bias = case.get("bias")
    if bias is not None:
        found = found + (np.abs(bias) if size else bias)
    return [np.asarray(found)]


def _bilinear_element(case: Case, number: int, index: Index) -> Sum:
    a, b = case["input1"][index[:-1]], case["input2"][index[:-1]]
    weight = case["weight"][index[-1]]
    names = [ax.tensor(case, name).dtype for name in ("input1", "weight", "input2")]
    terms = a[:, None] * weight * b[None, :]

    def text(i: int) -> str:
        row, column = divmod(i, b.size)
        numbers = zip((a[row], weight[row, column], b[column]), names, strict=True)
        return "·".join(ax.small(value, dtype) for value, dtype in numbers)

    return largest(terms, text, after=f" + {case.at('bias', index)}" if case.has("bias") else "")


def _paired(case: Case) -> tuple[list[int], list[int]]:
    """Which dimensions of the two are summed with each other."""
    dims, rank = case["dims"], case["a"].ndim
    if isinstance(case.operands["dims"], Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        return list(range(rank - dims, rank)), list(range(dims))
    first, second = (ax.numbers(part) for part in dims)
    return [i % rank for i in first], [j % case["b"].ndim for j in second]


def _tensordot(case: Case, size: bool = False) -> list[Array | None]:
    a, b = (np.abs(case[n]) if size else case[n] for n in ("a", "b"))
    first, second = _paired(case)
    for i, j in zip(first, second, strict=True):  # a dimension of 1 is paired with every place of the other's
        a = a.sum(axis=i, keepdims=True) if b.shape[j] == 1 else a
        b = b.sum(axis=j, keepdims=True) if a.shape[i] == 1 else b
    return [np.asarray(np.tensordot(a, b, axes=(first, second)))]


def _chain(case: Case, size: bool = False) -> list[Array | None]:
    items = _factors(case)
    found = np.abs(items[0].values) if size else items[0].values
    for item in items[1:]:
        found = found @ (np.abs(item.values) if size else item.values)
    return [np.asarray(found)]


def _summed(evaluate: Callable[[Case, bool], list[Array | None]], symbols: Any, signature: str,
            element: Any = None, **more: Any) -> Rule:  # fmt: skip
    """A rule whose rounding is relative to the same sum of magnitudes."""
    return Rule(
        symbols, lambda case: evaluate(case, False), with_out(signature), element,
        scale=lambda case: evaluate(case, True), **more,
    )  # fmt: skip


def _inner_element(case: Case, number: int, index: Index) -> Sum:
    a, b = ax.tensor(case, "input"), ax.tensor(case, "other")
    if not (a.shape and b.shape):
        return pairs(a, a.values[index[: a.values.ndim]], b, b.values[index[: b.values.ndim]])
    cut = a.values.ndim - 1
    return pairs(a, a.values[index[:cut]], b, b.values[index[cut:]])


def _kron_element(case: Case, number: int, index: Index) -> str:
    """The element is a product of one of each: where they are follows from the sizes of the second."""
    a, b = ax.tensor(case, "input"), ax.tensor(case, "other")
    rank = max(a.values.ndim, b.values.ndim)
    first, second = (one.values.reshape((1,) * (rank - one.values.ndim) + one.shape) for one in (a, b))
    sizes: tuple[int, ...] = second.shape
    places = [divmod(i, size) for i, size in zip(index, sizes, strict=True)]
    block, within = tuple(place for place, _ in places), tuple(place for _, place in places)
    return f"{ax.small(first[block], a.dtype)} · {ax.small(second[within], b.dtype)}"


def _cross_element(case: Case, number: int, index: Index) -> str:
    """``a₂·b₃ − a₃·b₂``, and on in turn."""
    axis = ax.axis_of(case.get("dim", -1), len(index))
    one, other = ((index[axis] + step) % 3 for step in (1, 2))
    places = [tuple(at if i == axis else n for i, n in enumerate(index)) for at in (one, other)]
    a, b = ([case.at(name, place) for place in places] for name in ("input", "other"))
    return f"{a[0]}·{b[1]} − {a[1]}·{b[0]}"


def _tensordot_element(case: Case, number: int, index: Index) -> Sum:
    a, b = ax.tensor(case, "a"), ax.tensor(case, "b")
    first, second = _paired(case)
    kept = a.values.ndim - len(first)
    row = np.moveaxis(a.values, first, range(kept, a.values.ndim))[index[:kept]]
    column = np.moveaxis(b.values, second, range(len(second)))
    column = column[(slice(None),) * len(second) + index[kept:]]
    row, column = np.broadcast_arrays(row, column)
    return pairs(a, row, b, column)


def _along_element(case: Case, number: int, index: Index) -> Sum:
    a, b = ax.tensor(case, "input"), ax.tensor(case, "other")
    first, second = np.broadcast_arrays(a.values, b.values)
    axis = ax.axis_of(case["dim"], first.ndim)
    place: tuple[Any, ...] = (*index[:axis], slice(None), *index[axis:])
    return pairs(a, first[place], b, second[place])


def _chain_element(case: Case, number: int, index: Index) -> Sum:
    """The last of the products."""
    items = _factors(case)
    before = items[0].values
    for item in items[1:-1]:
        before = before @ item.values
    row, column = row_and_column(before, items[-1].values, index)
    return largest(row * column, lambda i: f"{summand(row[i])}·{ax.small(column[i], items[-1].dtype)}")


def _factors(case: Case) -> list[Tensor]:
    given = case.operands["tensors"]
    return list(given[0] if len(given) == 1 and isinstance(given[0], (list, tuple)) else given)


def _inner(case: Case, size: bool = False) -> list[Array | None]:
    a, b = (np.abs(case[n]) if size else case[n] for n in ("input", "other"))
    return [np.asarray(np.inner(a, b))]


def _along_last(case: Case, size: bool = False) -> list[Array | None]:
    """torch.linalg.vecdot."""
    a, b = (np.abs(case[n]) if size else case[n] for n in ("input", "other"))
    return [np.asarray(np.sum(a * b, axis=ax.signed(int(case["dim"]))))]


def _cross(case: Case) -> list[Array | None]:
    dim = case.get("dim", -1)
    return [np.cross(case["input"], case["other"], axis=ax.signed(int(dim)))]


def _cross_scale(case: Case) -> list[Array | None]:
    a, b = np.broadcast_arrays(case["input"], case["other"])
    axis = ax.signed(int(case.get("dim", -1)))
    size = np.abs(a).max(axis=axis, keepdims=True) * np.abs(b).max(axis=axis, keepdims=True) * 2
    return [np.broadcast_to(size, a.shape)]


_CROSS = Rule(
    "{input} × {other}", _cross, with_out("input, other, dim=-1"), _cross_element, scale=_cross_scale
)
_DOT = _product("input", "tensor", "input, tensor")
_MATMUL = _product("input", "other", "input, other")

OPS: dict[str, Rule] = {
    "matmul": _MATMUL,
    "linalg_matmul": _MATMUL,
    "rmatmul": _product("input", "other", "input, other", backwards=True),
    "mm": _product("input", "mat2", "input, mat2"),
    "bmm": _product("input", "mat2", "input, mat2"),
    "mv": _product("input", "vec", "input, vec"),
    "dot": _DOT,
    "vdot": _product("input", "other", "input, other"),
    "addmm": _sum_and_product("mat1", "mat2"),
    "addmv": _sum_and_product("mat", "vec"),
    "addr": _sum_and_product("vec1", "vec2", _outer),
    "addbmm": _sum_and_product("batch1", "batch2", _batch_sum),
    "baddbmm": _sum_and_product("batch1", "batch2"),
    "outer": _OUTER,
    "ger": _OUTER,
    "linear": _summed(_linear, _linear_text, "input, weight, bias=None", _linear_element),
    "bilinear": _summed(
        _bilinear, lambda case, n: "Σ {input1}·{weight}·{input2}" + (" + {bias}" if case.has("bias") else ""),
        "input1, input2, weight, bias=None", _bilinear_element, precision=cast_by_autocast,
    ),
    "inner": _summed(_inner, "{input} · {other}ᵀ", "input, other", _inner_element),
    "linalg_vecdot": _summed(_along_last, "Σ {input}·{other}", "input, other, *, dim=-1", _along_element),
    "tensordot": _summed(_tensordot, "Σ {a}·{b}", "a, b, dims=2", _tensordot_element),
    "chain_matmul": _summed(_chain, "product of all", "*tensors", _chain_element),
    "linalg_multi_dot": _summed(_chain, "product of all", "*tensors", _chain_element),
    "kron": Rule("every element of {input} · {other}", lambda case: [np.kron(case["input"], case["other"])],
                 with_out("input, other"), _kron_element),
    "linalg_cross": _CROSS,
    "cross": _CROSS,
}  # fmt: skip
OPS |= {f"{name}_": OPS[name] for name in ("addmm", "addmv", "addr", "addbmm", "baddbmm")}

NODES: dict[str, Rule] = {}
