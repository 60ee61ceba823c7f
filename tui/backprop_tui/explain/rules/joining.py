"""Rules of putting tensors together and taking them apart: cat, stack, split, unbind.

The derivatives are those of tools/autograd/derivatives.yaml, entry of the function's own name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array, Tensor
from backprop_tui.explain.rule import Case, Index, Rule
from backprop_tui.explain.rules import axes as ax
from backprop_tui.explain.rules.moving import at, moved, place, returned
from backprop_tui.explain.rules.parts import aliases

# -- together -------------------------------------------------------------------------------------

Join = Callable[[Case, "list[Array]"], Array]


def _tensors(case: Case) -> list[Tensor]:
    """The tensors that were given, in one list or one after the other."""
    given = case.operands["tensors"]
    items = given[0] if len(given) == 1 and isinstance(given[0], (list, tuple)) else given
    return [item for item in items if isinstance(item, Tensor)]


def _named(case: Case) -> str:
    tensors = _tensors(case)
    names = [_name(one, i) for i, one in enumerate(tensors[:6])]
    return ", ".join(names) + (f", {len(tensors) - 6} more" if len(tensors) > 6 else "")


def _name(tensor: Tensor, number: int, kind: str = "tensor") -> str:
    return tensor.name or tensor.label or f"{kind} {number}"


def origin(
    tensors: Sequence[Tensor], join: Callable[[list[Array]], Array], index: Index, kind: str = "tensor"
) -> str | None:
    """Which element of which tensor an element of the joined one is; None if it is −1 in what `join` makes of
    their numbers: it comes from none. ``kind``: what one without a name is called."""
    which = int(join([np.full(one.shape, i) for i, one in enumerate(tensors)])[index])
    if which < 0:
        return None
    owner = tensors[which]
    places = [np.arange(one.values.size).reshape(one.shape) for one in tensors]
    own = place(int(join(places)[index]), owner.shape)
    digits = ax.digits(owner.values[own], owner.dtype)
    return f"{digits} (element {at(own)} of {_name(owner, which, kind)})"


def _joined(word: str, join: Join) -> Rule:
    def evaluate(case: Case) -> list[Array | None]:
        return [join(case, [one.values for one in _tensors(case)])]

    def element(case: Case, number: int, index: Index) -> str:
        return origin(_tensors(case), lambda arrays: join(case, arrays), index) or ""

    return Rule(
        lambda case, number: f"{word} of {_named(case)}" + _along(case),
        evaluate,
        "tensors, dim=0, *, out=None"
        if word in ("cat", "stack")
        else "*tensors, out=None | tensors, out=None",
        element,
    )


def _along(case: Case) -> str:
    return f" along dimension {case['dim']}" if "dim" in case.operands else ""


def _cat(case: Case, arrays: list[Array]) -> Array:
    """torch.cat; a vector without elements is passed over, whatever the others' shape."""
    full = [one for one in arrays if one.shape != (0,)] or arrays[:1]
    return np.concatenate(full, axis=ax.axis_of(case["dim"], full[0].ndim))


def _stack(case: Case, arrays: list[Array]) -> Array:
    return np.stack(arrays, axis=ax.axis_of(case["dim"], arrays[0].ndim + 1))


def _block_diagonal(case: Case, arrays: list[Array]) -> Array:
    """torch.block_diag: 0 beside the blocks."""
    blocks = [np.atleast_2d(one) for one in arrays]
    found = np.zeros(np.sum([one.shape for one in blocks], axis=0), dtype=blocks[0].dtype)
    row = column = 0
    for one in blocks:
        found[row : row + one.shape[0], column : column + one.shape[1]] = one
        row, column = row + one.shape[0], column + one.shape[1]
    return found


def _starts(case: Case, axis: int, whole: int) -> list[int | None]:
    """Where each tensor begins: from the front as far as all sizes are known, then from the back.

    Of a tensor that gets no gradient, the node does not keep the size.
    """
    sizes = [None if shape is None else _length(shape, axis) for shape in case.evidence.next_shapes]
    starts: list[int | None] = [None] * len(sizes)
    begin, front = 0, 0
    while front < len(sizes):
        starts[front] = begin
        size = sizes[front]
        if size is None:
            break
        begin, front = begin + size, front + 1
    end = whole
    for i in range(len(sizes) - 1, front, -1):
        size = sizes[i]
        if size is None:
            break
        end -= size
        starts[i] = end
    return starts


def _length(shape: tuple[int, ...], axis: int) -> int:
    return 0 if shape == (0,) else shape[axis]


def _cat_parts(case: Case) -> list[tuple[int, int] | None]:
    """Of each tensor, from where to where its gradient lies."""
    g = ax.tensor(case, "g")
    axis = ax.axis_of(case["dim"], g.values.ndim)
    found: list[tuple[int, int] | None] = []
    for start, torchs in zip(_starts(case, axis, g.shape[axis]), case.evidence.grad_inputs, strict=False):
        if start is None or torchs is None:
            found.append(None)
        else:
            found.append((start, start + _length(torchs.shape, axis)))
    return found


def _cat_back(case: Case) -> list[Array | None]:
    if not case.has("g"):
        return []
    g = case["g"]
    axis = ax.axis_of(case["dim"], g.ndim)
    found = []
    for number, part in enumerate(_cat_parts(case)):
        torchs = case.result(number)
        cut = None if part is None else np.take(g, range(*part), axis=axis)
        found.append(np.zeros(0) if torchs is not None and torchs.shape == (0,) else cut)
    return found


def _cat_back_text(case: Case, number: int) -> str:
    part = _cat_parts(case)[number]
    axis = ax.axis_of(case["dim"], case["g"].ndim)
    return "{g}" if part is None else f"{{g}} from {part[0]} to {part[1]} of dimension {axis}"


def _cat_back_element(case: Case, number: int, index: Index) -> str:
    part, g = _cat_parts(case)[number], ax.tensor(case, "g")
    axis = ax.axis_of(case["dim"], g.values.ndim)
    begin = 0 if part is None else part[0]
    place = tuple(one + begin if i == axis else one for i, one in enumerate(index))
    return ax.digits(g.values[place], g.dtype)


def _stack_back(case: Case) -> list[Array | None]:
    if not case.has("g"):
        return []
    axis = ax.axis_of(case["dim"], case["g"].ndim)
    return [np.asarray(np.take(case["g"], number, axis=axis)) for number in range(case["g"].shape[axis])]


def _stack_back_element(case: Case, number: int, index: Index) -> str:
    g = ax.tensor(case, "g")
    axis = ax.axis_of(case["dim"], g.values.ndim)
    place = (*index[:axis], number, *index[axis:])
    return ax.digits(g.values[place], g.dtype)


# -- apart ----------------------------------------------------------------------------------------


def _cuts(ids: Array, axis: int, points: Sequence[int]) -> list[Array]:
    return [np.asarray(one) for one in np.split(ids, points, axis=axis)]


def _by_size(ids: Array, axis: int, size: int) -> list[Array]:
    length = ids.shape[axis]
    if size == 0:
        return [ids]
    return _cuts(ids, axis, list(range(size, length, size)))


def _split(case: Case, ids: Array) -> list[Array]:
    """By one size, the last part smaller; or by all sizes."""
    axis = ax.axis_of(case.get("dim", 0), ids.ndim)
    sizes = case.get("split_size", case.get("split_size_or_sections"))
    if isinstance(sizes, int):
        return _by_size(ids, axis, ax.signed(sizes))
    return _cuts(ids, axis, [int(point) for point in np.cumsum(ax.numbers(sizes))[:-1]])


def _split_with_sizes(case: Case, ids: Array) -> list[Array]:
    axis = ax.axis_of(case.get("dim", 0), ids.ndim)
    return _cuts(ids, axis, [int(point) for point in np.cumsum(ax.numbers(case["split_sizes"]))[:-1]])


def _chunks(case: Case, ids: Array) -> list[Array]:
    axis = ax.axis_of(case.get("dim", 0), ids.ndim)
    length, many = ids.shape[axis], int(case["chunks"])
    return _by_size(ids, axis, -(-length // many)) if length else [ids] * many


def _tensor_split(case: Case, ids: Array) -> list[Array]:
    how = case["indices_or_sections"]
    how = how if isinstance(how, int) else np.asarray(how).tolist()
    axis = ax.axis_of(case.get("dim", _SPLIT_DIM.get(case.evidence.name, 0)), ids.ndim)
    axis = 0 if case.evidence.name == "hsplit" and ids.ndim == 1 else axis
    if isinstance(how, int):
        return [np.asarray(one) for one in np.array_split(ids, how, axis=axis)]
    return _cuts(ids, axis, how)


_SPLIT_DIM = {"hsplit": 1, "vsplit": 0, "dsplit": 2}


def _unbound(case: Case, ids: Array) -> list[Array]:
    axis = ax.axis_of(case.get("dim", 0), ids.ndim)
    return [np.asarray(np.take(ids, i, axis=axis)) for i in range(ids.shape[axis])]


def _part_text(case: Case, number: int) -> str:
    return f"part {number} of {{input}} along dimension {case.get('dim', 0)}"


def _meshed(case: Case) -> list[Array | None]:
    tensors = [np.atleast_1d(one.values) for one in _tensors(case)]
    return list(np.meshgrid(*tensors, indexing=case.get("indexing") or "ij"))


def _broadcast(case: Case) -> list[Array | None]:
    return [np.asarray(one) for one in np.broadcast_arrays(*(one.values for one in _tensors(case)))]


def _with_dimensions(case: Case) -> list[Array | None]:
    """torch.atleast_1d and its like: dimensions of 1 are added."""
    shapes = [one.shape for one in case.evidence.outputs if isinstance(one, Tensor)]
    return [one.values.reshape(shape) for one, shape in zip(_tensors(case), shapes, strict=True)]


def _pick_text(case: Case, number: int) -> str:
    return f"{_name(_tensors(case)[number], number)} repeated"


_ONE_BY_ONE: dict[str, Any] = {
    "hstack": lambda arrays: np.hstack(arrays),
    "vstack": lambda arrays: np.vstack(arrays),
    "dstack": lambda arrays: np.dstack(arrays),
    "column_stack": lambda arrays: np.column_stack(arrays),
}


def _stacker(function: Callable[[list[Array]], Array]) -> Join:
    return lambda case, arrays: function(arrays)


OPS: dict[str, Rule] = {
    "cat": _joined("cat", _cat),
    "stack": _joined("stack", _stack),
    **{name: _joined(name, _stacker(function)) for name, function in _ONE_BY_ONE.items()},
    "block_diag": _joined("block_diag", _block_diagonal),
    "split": moved(_part_text, _split, "input, split_size, dim=0 | input, split_size_or_sections, dim=0"),
    "split_with_sizes": moved(_part_text, _split_with_sizes, "input, split_sizes, dim=0"),
    "chunk": moved(_part_text, _chunks, "input, chunks, dim=0"),
    "tensor_split": moved(_part_text, _tensor_split, "input, indices_or_sections, dim=0"),
    "hsplit": moved("part of {input}", _tensor_split, "input, indices_or_sections"),
    "vsplit": moved("part of {input}", _tensor_split, "input, indices_or_sections"),
    "dsplit": moved("part of {input}", _tensor_split, "input, indices_or_sections"),
    "unbind": moved(_part_text, _unbound, "input, dim=0"),
    "meshgrid": Rule(_pick_text, _meshed, "*tensors, indexing=None"),
    **dict.fromkeys(
        ["atleast_1d", "atleast_2d", "atleast_3d"], Rule(_pick_text, _with_dimensions, "*tensors")
    ),
    "broadcast_tensors": Rule(_pick_text, _broadcast, "*tensors"),
}
OPS |= {f"{name}_copy": OPS[name] for name in ("unbind", "split_with_sizes")}
OPS |= aliases(
    OPS, concat="cat", concatenate="cat", row_stack="vstack", unsafe_chunk="chunk", unsafe_split="split"
)

NODES: dict[str, Rule] = {
    "CatBackward": Rule(_cat_back_text, _cat_back, element=_cat_back_element),
    "StackBackward": Rule(
        lambda case, number: f"{{g}} at {number} of dimension {ax.axis_of(case['dim'], case['g'].ndim)}",
        _stack_back,
        element=_stack_back_element,
    ),
    "SplitBackward": returned("the parts of {g} put together", _split),
    "UnsafeSplitBackward": returned("the parts of {g} put together", _split),
    "SplitWithSizesBackward": returned("the parts of {g} put together", _split_with_sizes),
    "UnbindBackward": returned("the parts of {g} put together", _unbound),
}
