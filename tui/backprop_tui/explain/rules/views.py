"""Rules of views and changes of shape: no number is computed, each is only found elsewhere.

torch's documentation, "Tensor Views"; the derivatives are those of tools/autograd/derivatives.yaml.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array, Tensor
from backprop_tui.explain.rule import Case, Index, Rule
from backprop_tui.explain.rules import axes as ax
from backprop_tui.explain.rules.moving import Positions, moved, returned
from backprop_tui.explain.rules.parts import PASSED, aliases, node, with_out

# -- shapes ---------------------------------------------------------------------------------------


def _shape(case: Case) -> tuple[int, ...]:
    torchs = case.result(0)
    return () if torchs is None else torchs.shape


def _shape_text(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) if shape else "a single number"


def _as_asked(case: Case, ids: Array) -> Array:
    """In row-major order into the sizes asked for; −1 is worked out from the others."""
    asked = case.operands.get("shape")
    other = case.operands.get("other")
    if isinstance(other, Tensor):
        return ids.reshape(other.shape)
    if isinstance(asked, tuple) and asked and not isinstance(asked[0], str):
        return ids.reshape(ax.spread(asked))
    return ids.reshape(_shape(case))


def _in_order(case: Case, ids: Array) -> Array:
    """In row-major order into the shape of the result, which has as many elements."""
    return ids.reshape(_shape(case))


def _flattened(case: Case, ids: Array) -> Array:
    if not ids.ndim:
        return ids.reshape(1)
    first, last = (ax.axis_of(case[name], ids.ndim) for name in ("start_dim", "end_dim"))
    return ids.reshape([*ids.shape[:first], -1, *ids.shape[last + 1 :]])


def _unflattened(case: Case, ids: Array) -> Array:
    axis = ax.axis_of(case["dim"], ids.ndim)
    return ids.reshape([*ids.shape[:axis], *ax.numbers(case["sizes"]), *ids.shape[axis + 1 :]])


def _reshaped(positions: Positions, signature: str) -> Rule:
    return moved(lambda case, number: f"{{input}} as {_shape_text(_shape(case))}", positions, signature)


def _g_reshaped(case: Case, ids: Array) -> Array | None:
    g = case.operands.get("g")
    return ids.reshape(g.shape) if isinstance(g, Tensor) else None


_RESHAPED_BACK = returned(lambda case, number: f"{{g}} as {_shape_text(_shape(case))}", _g_reshaped)

# -- order of dimensions --------------------------------------------------------------------------


def _transposed(case: Case, ids: Array) -> Array:
    if not ids.ndim:
        return ids
    return np.swapaxes(ids, *(ax.axis_of(case[name], ids.ndim) for name in ("dim0", "dim1")))


def _permuted(case: Case, ids: Array) -> Array:
    dims = case["dims"]
    return np.transpose(ids, ax.spread(dims) if isinstance(dims, tuple) else ax.numbers(dims))


def _moved_dimension(case: Case, ids: Array) -> Array:
    return np.moveaxis(ids, ax.numbers(case["source"]), ax.numbers(case["destination"]))


def _permuted_text(case: Case, number: int) -> str:
    dims = case["dims"]
    order = ax.spread(dims) if isinstance(dims, tuple) else ax.numbers(dims)
    return f"{{input}} with dimensions in the order {', '.join(map(str, order))}"


def _swapped(case: Case, name: str) -> str:
    """ᵀ where there are two dimensions only."""
    owner = case.operands.get(name)
    rank = owner.values.ndim if isinstance(owner, Tensor) else 0
    if rank <= 2:
        return f"{{{name}}}ᵀ"
    dims = ", ".join(str(ax.axis_of(case[dim], rank)) for dim in ("dim0", "dim1"))
    return f"{{{name}}} with dimensions {dims} swapped"


def _last_swapped(case: Case, ids: Array) -> Array:
    return np.swapaxes(ids, -2, -1)


def _reversed(case: Case, ids: Array) -> Array:
    return np.asarray(ids.T)


# -- expanding and repeating ------------------------------------------------------------------------


def _expanded(case: Case, ids: Array) -> Array:
    asked = case.operands.get("size")
    if not isinstance(asked, tuple):
        return np.broadcast_to(ids, _shape(case))
    sizes = ax.spread(asked)
    own = [1] * (len(sizes) - ids.ndim) + list(ids.shape)
    return np.broadcast_to(ids, [had if size == -1 else size for had, size in zip(own, sizes, strict=True)])


def _tiled(case: Case, ids: Array) -> Array:
    repeats = case["repeats"]
    return np.tile(ids, ax.spread(repeats) if isinstance(repeats, tuple) else ax.numbers(repeats))


def _repeated(case: Case, ids: Array) -> Array:
    """torch.repeat_interleave."""
    repeats, dim = np.asarray(case["repeats"]), case.get("dim")
    if dim is None:
        return np.repeat(ids.ravel(), repeats)
    return np.repeat(ids, repeats, axis=ax.axis_of(dim, ids.ndim))


# -- parts ----------------------------------------------------------------------------------------


def _selected(case: Case, ids: Array) -> Array:
    axis = ax.axis_of(case["dim"], ids.ndim)
    return np.asarray(np.take(ids, ax.signed(int(case["index"])), axis=axis))


def _sliced(case: Case, ids: Array) -> Array:
    """``x[start:end:step]`` along one dimension; torch counts from the end as Python does."""
    cut: list[Any] = [slice(None)] * ids.ndim
    ends = (case.get(name) for name in ("start", "end", "step"))
    cut[ax.axis_of(case.get("dim", 0), ids.ndim)] = slice(
        *(None if end is None else ax.signed(int(end)) for end in ends)
    )
    return np.asarray(ids[tuple(cut)])


def _narrowed(case: Case, ids: Array) -> Array:
    axis, start = ax.axis_of(case["dim"], ids.ndim), int(case["start"])
    start = start if start >= 0 else start + ids.shape[axis]
    return np.asarray(np.take(ids, range(start, start + int(case["length"])), axis=axis))


def _diagonal(case: Case, ids: Array) -> Array:
    axis1, axis2 = (ax.axis_of(case.get(n, d), ids.ndim) for n, d in (("dim1", 0), ("dim2", 1)))
    return np.asarray(np.diagonal(ids, ax.signed(int(case.get("offset", 0))), axis1, axis2))


def _diag(case: Case, ids: Array) -> Array:
    """torch.diag: a matrix's diagonal, or a matrix with the vector as its diagonal."""
    offset = int(case.get("diagonal", case.get("offset", 0)))
    return np.asarray(np.diagonal(ids, offset)) if ids.ndim == 2 else np.diag(ids.ravel() + 1, offset) - 1


def _embedded(case: Case, ids: Array) -> Array:
    """torch.diag_embed: the last dimension becomes the diagonal of two."""
    offset = ax.signed(int(case.get("offset", 0)))
    rank = ids.ndim + 1
    dims = [ax.axis_of(case.get(n, d), rank) for n, d in (("dim1", -2), ("dim2", -1))]
    side = ids.shape[-1] + abs(offset)
    found = np.full((*ids.shape[:-1], side, side), -1, dtype=np.int64)
    steps = np.arange(ids.shape[-1])
    found[..., steps + max(0, -offset), steps + max(0, offset)] = ids
    return np.moveaxis(found, [-2, -1], dims)


def _windows(case: Case, ids: Array) -> Array:
    """Tensor.unfold: the windows of one dimension, their elements in a new last one."""
    if not ids.ndim:
        return ids.reshape(1)[: int(case["size"])]
    axis, size, step = ax.axis_of(case["dimension"], ids.ndim), int(case["size"]), int(case["step"])
    found = np.lib.stride_tricks.sliding_window_view(ids, size, axis=axis)
    return np.asarray(found[(slice(None),) * axis + (slice(None, None, step),)])


def _strided(case: Case, ids: Array) -> Array | None:
    """Elements by their place in memory, which is taken to hold the operand row by row."""
    sizes, strides = ax.numbers(case["size"]), ax.numbers(case["stride"])
    start = ax.signed(int(case.get("storage_offset", 0)))
    found = np.full(sizes, start, dtype=np.int64)
    for axis, (size, stride) in enumerate(zip(sizes, strides, strict=True)):
        found = found + (np.arange(size) * stride).reshape([-1] + [1] * (len(sizes) - axis - 1))
    inside = ids.size and (not found.size or (found.min() >= 0 and found.max() < ids.size))
    return found if inside else None


def layouts(shape: tuple[int, ...]) -> list[Array]:
    """Where each element of a tensor may lie in memory: row by row first, then other orders of dimensions."""
    ids = np.arange(int(np.prod(shape, dtype=np.int64)))
    orders = itertools.islice(itertools.permutations(range(len(shape))), 24)
    return [ids.reshape([shape[i] for i in order]).transpose(np.argsort(order)) for order in orders]


def _strided_back(case: Case) -> list[Array | None]:
    """How the operand lay in memory autograd does not tell: of the ways, the one that fits is taken."""
    torchs, g = case.result(0), case.operands.get("g")
    if torchs is None or not isinstance(g, Tensor):
        return [None]
    for layout in layouts(torchs.shape):
        positions = _strided(case, layout)
        if positions is None:
            return [None]
        memory = np.bincount(positions.ravel(), weights=g.values.ravel(), minlength=layout.size)
        found = memory[layout]
        if np.allclose(found, torchs.values, rtol=1e-6):
            return [found]
    return [None]


_STRIDED_BACK = Rule(
    "{g} back to its places in memory",
    _strided_back,
    element=lambda case, number, index: "the elements of g that were seen there",
    random=lambda case: "how the tensor lies in memory",
)


def _broadcast_element(case: Case, number: int, index: Index) -> str:
    return case.at("g", index)


# -- tables -------------------------------------------------------------------------------------


def _conjugate(symbols: str, positions: Positions) -> Rule:
    """Transposed and, of complex numbers, conjugate."""
    plain = moved(symbols, positions)

    def evaluate(case: Case) -> list[Array | None]:
        return [None if one is None else np.conj(one) for one in plain.evaluate(case)]

    return Rule(symbols, evaluate, "input", plain.element)


_TRANSPOSED = moved(lambda c, n: _swapped(c, "input"), _transposed, "input, dim0, dim1")
_AS = "input, *shape | input, shape"
_PERMUTED = moved(_permuted_text, _permuted, "input, *dims | input, dims")
_EXPANDED = moved(
    lambda case, number: f"{{input}} repeated to {_shape_text(_shape(case))}",
    _expanded,
    "input, *size | input, size",
)
_WHOLE = moved(
    lambda case, number: f"{{input}} as {_shape_text(_shape(case))}", _in_order, "input, *dim, **named"
)


OPS: dict[str, Rule] = {
    "view": _reshaped(_as_asked, _AS),
    "reshape": _reshaped(_as_asked, _AS),
    "view_as": _reshaped(_as_asked, "input, other"),
    "reshape_as": _reshaped(_as_asked, "input, other"),
    "flatten": _reshaped(_flattened, "input, start_dim=0, end_dim=-1"),
    "ravel": _reshaped(lambda c, ids: ids.ravel(), "input"),
    "unflatten": _reshaped(_unflattened, "input, dim, sizes"),
    "squeeze": _WHOLE,
    "unsqueeze": _WHOLE,
    "transpose": _TRANSPOSED,
    "t": moved("{input}ᵀ", _reversed),
    "T": moved("{input}ᵀ", _reversed),
    "mT": moved("{input}ᵀ", _last_swapped),
    "H": _conjugate("{input}ᴴ", _reversed),
    "mH": _conjugate("{input}ᴴ", _last_swapped),
    "adjoint": _conjugate("{input}ᴴ", _last_swapped),
    "permute": _PERMUTED,
    "movedim": moved(
        "{input} with dimension {source} moved to {destination}",
        _moved_dimension,
        "input, source, destination",
    ),
    "expand": _EXPANDED,
    "expand_as": moved("{input} repeated to the shape of {other}", _expanded, "input, other"),
    "broadcast_to": _EXPANDED,
    "repeat": moved("{input} repeated", _tiled, "input, *repeats | input, repeats"),
    "tile": moved("{input} repeated", lambda c, ids: np.tile(ids, ax.spread(c["dims"])), "input, *dims"),
    "repeat_interleave": moved(
        "each of {input} {repeats} times", _repeated, "input, repeats, dim=None, *, output_size=None"
    ),
    "select": moved("{input} at {index} of dimension {dim}", _selected, "input, dim, index"),
    "narrow": moved(
        "{length} of dimension {dim} of {input}, from {start}", _narrowed, "input, dim, start, length"
    ),
    "diagonal": moved("diagonal of {input}", _diagonal, "input, offset=0, dim1=0, dim2=1"),
    "diag": moved("diagonal of {input}", _diag, "input, diagonal=0"),
    "diagflat": moved("{input} as a diagonal", lambda c, i: _diag(c, i.ravel()), "input, offset=0"),
    "diag_embed": moved("{input} as a diagonal", _embedded, "input, offset=0, dim1=-2, dim2=-1"),
    "unfold": moved("windows of {size} of {input}, {step} apart", _windows, "input, dimension, size, step"),
}
OPS |= {f"{name}_copy": OPS[name] for name in ("view", "t", "transpose", "permute", "expand", "squeeze",
        "unsqueeze", "select", "diagonal", "unfold", "narrow")}  # fmt: skip
OPS |= aliases(
    OPS, swapaxes="transpose", swapdims="transpose", moveaxis="movedim", transpose_="transpose", t_="t",
    squeeze_="squeeze", unsqueeze_="unsqueeze", swapaxes_="transpose",
)  # fmt: skip
OPS = {
    name: Rule(one.symbols, one.evaluate, with_out(one.signature), one.element) for name, one in OPS.items()
}

NODES: dict[str, Rule] = {
    **dict.fromkeys(
        [
            "ViewBackward",
            "UnsafeViewBackward",
            "ReshapeAliasBackward",
            "SqueezeBackward",
            "UnsqueezeBackward",
        ],
        _RESHAPED_BACK,
    ),
    "TBackward": returned("{g}ᵀ", _reversed),
    "TransposeBackward": returned(lambda c, n: _swapped(c, "g"), _transposed),
    "PermuteBackward": returned("{g} with its dimensions back in order", _permuted),
    "ExpandBackward": node(PASSED, element=_broadcast_element),
    "RepeatBackward": returned("Σ {g} over the repetitions", _tiled),
    "SelectBackward": returned("{g} at {index} of dimension {dim}, else 0", _selected),
    "NarrowCopyBackward": returned("{g} where it was taken, else 0", _narrowed),
    "SliceBackward": returned("{g} where it was taken, else 0", _sliced),
    "DiagonalBackward": returned("{g} on the diagonal, else 0", _diagonal),
    "DiagEmbedBackward": returned("diagonal of {g}", _embedded),
    "UnfoldBackward": returned("Σ {g} over the windows", _windows),
    "AsStridedBackward": _STRIDED_BACK,
}
