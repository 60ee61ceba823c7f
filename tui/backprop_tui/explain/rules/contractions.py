"""Rules of torch.einsum and torch.cdist: sums over pairs, told by letters or by vectors."""

from __future__ import annotations

import string
from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array, Tensor
from backprop_tui.explain.rule import Case, Index, Rule, Sum
from backprop_tui.explain.rules import axes as ax
from backprop_tui.explain.rules.distances import index_of, norm
from backprop_tui.explain.rules.parts import with_out
from backprop_tui.explain.rules.writing import largest

# -- einsum -----------------------------------------------------------------------------------------


def _given(case: Case) -> tuple[str | None, list[Tensor]]:
    """The equation and the operands; no equation where dimensions were given as lists of numbers."""
    rest = case.operands["operands"]
    items = rest[0] if len(rest) == 1 and isinstance(rest[0], (list, tuple)) else rest
    equation = case.operands["equation"]
    return (equation if isinstance(equation, str) else None), [
        one for one in items if isinstance(one, Tensor)
    ]


def _spelled(equation: str, tensors: list[Tensor]) -> tuple[list[str], str]:
    """The letters of each operand and of the result, with letters for ``...`` too."""
    equation = equation.replace(" ", "")
    left, arrow, right = equation.partition("->")
    inputs = left.split(",")
    unused = [letter for letter in string.ascii_letters if letter not in equation]
    extra = [
        one.values.ndim - len(part.replace("...", "")) for one, part in zip(tensors, inputs, strict=True)
    ]
    dots = "".join(
        unused[: max([n for n, part in zip(extra, inputs, strict=True) if "..." in part], default=0)]
    )
    written = [part.replace("...", dots[len(dots) - n :]) for n, part in zip(extra, inputs, strict=True)]
    if not arrow:
        together = "".join(written)
        once = sorted(
            letter for letter in set(together) if together.count(letter) == 1 and letter not in dots
        )
        right = "..." + "".join(once)
    return written, right.replace("...", dots)


def _einsum(case: Case, size: bool = False) -> list[Array | None]:
    equation, tensors = _given(case)
    if equation is None:
        return [None]
    inputs, result = _spelled(equation, tensors)
    arrays = [np.abs(one.values) if size else one.values for one in tensors]
    return [_contracted(inputs, result, arrays)]


def _contracted(inputs: list[str], result: str, arrays: list[Array]) -> Array:
    """A dimension of 1 is broadcast, which numpy does not do for all letters."""
    sizes: dict[str, int] = {}
    for part, array in zip(inputs, arrays, strict=True):
        for letter, length in zip(part, array.shape, strict=True):
            sizes[letter] = max(sizes.get(letter, length), length) if length else 0
    whole = [
        np.broadcast_to(array, [sizes[letter] for letter in part])
        for part, array in zip(inputs, arrays, strict=True)
    ]
    return np.asarray(np.einsum(f"{','.join(inputs)}->{result}", *whole, optimize=len(whole) > 1))


def _einsum_element(case: Case, number: int, index: Index) -> Sum | str:
    """The products of the elements that share the letters of the result."""
    equation, tensors = _given(case)
    if equation is None:
        return "Σ of products"
    inputs, result = _spelled(equation, tensors)
    place = dict(zip(result, index, strict=True))
    rows = [_fixed(one.values, part, place) for one, part in zip(tensors, inputs, strict=True)]
    rest = "".join(dict.fromkeys(letter for part in inputs for letter in part if letter not in place))
    parts = ["".join(letter for letter in part if letter not in place) for part in inputs]
    ones = [_aligned(row, part, rest) for row, part in zip(rows, parts, strict=True)]
    lines = [line.ravel() for line in np.broadcast_arrays(*ones)]
    dtypes = [one.dtype for one in tensors]
    return largest(
        np.prod(lines, axis=0),
        lambda i: "·".join(ax.small(line[i], dtype) for line, dtype in zip(lines, dtypes, strict=True)),
    )


def _fixed(values: Array, letters: str, place: dict[str, int]) -> Array:
    own = tuple(
        (0 if length == 1 else place[letter]) if letter in place else slice(None)
        for letter, length in zip(letters, values.shape, strict=True)
    )
    return np.asarray(values[own])


def _aligned(row: Array, letters: str, rest: str) -> Array:
    """A dimension for each letter that is summed over; of a repeated letter the diagonal."""
    kept = "".join(dict.fromkeys(letters))
    found = np.einsum(f"{letters}->{kept}", row)
    order = [kept.index(letter) for letter in rest if letter in kept]
    shape = [found.shape[kept.index(letter)] if letter in kept else 1 for letter in rest]
    return np.asarray(found.transpose(order).reshape(shape))


def _einsum_text(case: Case, number: int) -> str:
    equation, tensors = _given(case)
    names = [one.name or one.label or f"tensor {i}" for i, one in enumerate(tensors)]
    return f"Σ {' · '.join(names)}" + (f" by {equation}" if equation else "")


# -- cdist ------------------------------------------------------------------------------------------


def _cdist(case: Case) -> list[Array | None]:
    return [norm(case["x1"][..., :, None, :] - case["x2"][..., None, :, :], float(case["p"]), -1)]


def _by_squares(case: Case) -> bool:
    """torch takes ‖a‖² + ‖b‖² − 2a·b for many points: aten/src/ATen/native/Distance.cpp, cdist_impl."""
    mode = case.get("compute_mode", "")
    many = case["x1"].shape[-2] > 25 or case["x2"].shape[-2] > 25
    return float(case["p"]) == 2 and (mode == "use_mm_for_euclid_dist" or (
        mode != "donot_use_mm_for_euclid_dist" and many))  # fmt: skip


def _cdist_scale(case: Case) -> list[Array | None]:
    a, b = case["x1"][..., :, None, :], case["x2"][..., None, :, :]
    size = norm(np.abs(a) + np.abs(b), float(case["p"]), -1)
    if not _by_squares(case):
        return [size]
    dtype = ax.tensor(case, "x1").dtype
    return [
        np.maximum(size, size**2 / np.maximum(_cdist_of(case), size * (1e-3 if dtype == "float32" else 1e-8)))
    ]


def _cdist_of(case: Case) -> Array:
    (found,) = _cdist(case)
    assert found is not None
    return found


def _cdist_element(case: Case, number: int, index: Index) -> Sum | str:
    first, second = ax.tensor(case, "x1"), ax.tensor(case, "x2")
    own, others = (
        (*_own(index[:-2], one.values), at) for one, at in ((first, index[-2]), (second, index[-1]))
    )
    row, other = first.values[own], second.values[others]
    terms = [f"({ax.small(x, first.dtype)} − {ax.small(y, second.dtype)})" for x, y in
             zip(row[:6], other[:6], strict=True)]  # fmt: skip
    p = float(case["p"])
    more = f" + {row.size - 6:,} more" if row.size > 6 else ""
    if p == 2:
        return f"√({' + '.join(f'{term}²' for term in terms)}{more})"
    return f"‖{', '.join(terms)}{more}‖{index_of(p)}"


def _own(batch: Index, values: Array) -> tuple[Any, ...]:
    own = batch[len(batch) - (values.ndim - 2) :] if values.ndim > 2 else ()
    return tuple(0 if n == 1 else i for i, n in zip(own, values.shape, strict=False))


OPS: dict[str, Rule] = {
    "einsum": Rule(
        _einsum_text, _einsum, "equation, *operands", _einsum_element, scale=lambda case: _einsum(case, True)
    ),
    "cdist": Rule(
        lambda case, number: f"‖{{x1}} − {{x2}}‖{index_of(float(case['p']))}, each with each",
        _cdist,
        with_out("x1, x2, p=2.0, compute_mode='use_mm_for_euclid_dist_if_necessary'"),
        _cdist_element,
        scale=_cdist_scale,
    ),
}
NODES: dict[str, Rule] = {}
