"""Rules of what takes elements by index: brackets, gather, index_select, masks; and of writes by brackets.

torch/csrc/autograd/python_variable_indexing.cpp for the brackets; the derivatives are those of
tools/autograd/derivatives.yaml.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array, Tensor
from backprop_tui.explain.rule import Case, Rule
from backprop_tui.explain.rules import axes as ax
from backprop_tui.explain.rules.moving import moved, picked, returned
from backprop_tui.explain.rules.parts import Part, node, with_out

# -- brackets -------------------------------------------------------------------------------------


def _is_slice(item: Any) -> bool:
    return isinstance(item, tuple) and len(item) == 4 and item[0] == "slice"


def _plain(value: Any) -> Any:
    return int(value.values) if isinstance(value, Tensor) else value


def _as_array(item: Any) -> Array:
    values = item.values if isinstance(item, Tensor) else np.asarray(item)
    byte = isinstance(item, Tensor) and item.dtype == "uint8"
    return np.asarray(values.astype(bool) if byte else values)


def _consumed(item: Any) -> int:
    """How many dimensions of the tensor an item of the brackets takes up."""
    if item is None or item is True or item is False or item == "...":
        return 0
    if isinstance(item, (Tensor, list)):
        values = _as_array(item)
        return values.ndim if values.dtype == bool else 1
    return 1


def _items(index: Any, rank: int) -> list[Any]:
    """The items of the brackets, one after the other, ``...`` written out."""
    several = isinstance(index, tuple) and not _is_slice(index)
    items = list(index) if several else [index]
    dots = [i for i, item in enumerate(items) if isinstance(item, str) and item == "..."]
    missing = rank - sum(_consumed(item) for item in items)
    full = [("slice", None, None, None)] * missing
    if dots:
        return [*items[: dots[0]], *full, *items[dots[0] + 1 :]]
    return items + full


def _selects(item: Any) -> bool:
    """An integer, or a tensor that is one: taken before all index tensors."""
    if isinstance(item, Tensor):
        return not item.shape and item.dtype not in ("bool", "uint8")
    return isinstance(item, int) and not isinstance(item, bool)


def brackets(index: Any, rank: int) -> Callable[[Array], Array]:
    """``x[index]`` for numpy: first integers and slices, then the index tensors together."""
    basic: list[Any] = []
    tensors: list[Any] = []
    for item in _items(index, rank):
        if _selects(item):
            basic.append(int(_plain(item)))
        elif _is_slice(item):
            basic.append(slice(*(None if one is None else int(_plain(one)) for one in item[1:])))
            tensors.append(slice(None))
        elif item is None:
            basic.append(None)
            tensors.append(slice(None))
        elif isinstance(item, bool) or (isinstance(item, Tensor) and not item.shape):
            basic.append(None)
            tensors.append(np.asarray([bool(_plain(item))]))
        else:
            array = _as_array(item)
            basic += [slice(None)] * _consumed(item)
            tensors.append(array if array.size else array.astype(np.int64 if array.dtype != bool else bool))
    advanced = tuple(tensors) if any(isinstance(one, np.ndarray) for one in tensors) else None
    return lambda array: np.asarray(
        array[tuple(basic)] if advanced is None else array[tuple(basic)][advanced]
    )


def index_text(index: Any) -> str:
    """The brackets as the script has them; of an index tensor that it is one."""
    several = isinstance(index, tuple) and not _is_slice(index)
    return ", ".join(_item_text(item) for item in index) if several else _item_text(index)


def _item_text(item: Any) -> str:
    if _is_slice(item):
        start, stop, step = ("" if one is None else str(_plain(one)) for one in item[1:])
        return f"{start}:{stop}" + (f":{step}" if step else "")
    if isinstance(item, Tensor):
        return item.name or ("mask" if item.dtype == "bool" else "indices")
    return str(item)


def _brackets_text(case: Case) -> str:
    return f"{{input}}[{index_text(case.operands['index'])}]"


def _taken(case: Case, ids: Array) -> Array:
    return brackets(case.operands["index"], ids.ndim)(ids)


def _written(case: Case) -> list[Array | None]:
    """``x[index] = value``: the value is broadcast, dimensions of 1 in front of it fall away."""
    found = np.array(case["input"])
    ids = brackets(case.operands["index"], found.ndim)(np.arange(found.size).reshape(found.shape))
    value = np.asarray(case["value"])
    while value.ndim > ids.ndim and value.shape[0] == 1:
        value = value[0]
    found = found.astype(np.result_type(found, value))
    found.flat[ids.ravel()] = np.broadcast_to(value, ids.shape).ravel()
    return [found]


# -- index tensors of nodes and of index_put ---------------------------------------------------------


def _advanced(indices: Any) -> tuple[Any, ...]:
    """A list of index tensors, with None for a dimension that is taken whole."""
    return tuple(slice(None) if one is None else _as_array(one) for one in indices)


def _indexed(case: Case, ids: Array) -> Array:
    return np.asarray(ids[_advanced(case.operands["indices"])])


def _put(case: Case) -> list[Array | None]:
    found = np.array(case["input"]) * 1
    places = np.arange(found.size).reshape(found.shape)[_advanced(case.operands["indices"])]
    values = np.broadcast_to(np.asarray(case["values"]), places.shape)
    if case.get("accumulate", False):
        np.add.at(found.reshape(-1), places.ravel(), values.ravel())
    else:
        found.flat[places.ravel()] = values.ravel()
    return [found]


def _put_kept(g: Array, indices: Any, accumulate: bool) -> Array:
    kept = np.array(g)
    if not accumulate:
        kept[_advanced(indices)] = 0
    return kept


_PUT_PARTS = (
    Part(
        lambda c: "{g}" if c["accumulate"] else "{g} where nothing was written, else 0",
        _put_kept,
        names="g indices accumulate",
    ),
    Part("{g} where it was written", lambda g, indices: g[_advanced(indices)], names="g indices"),
)
_PUT_NODE = node(*_PUT_PARTS, element=picked(node(*_PUT_PARTS).evaluate, "g"))


# -- along one dimension ----------------------------------------------------------------------------


def lifted(ids: Array) -> Array:
    """Numbers are vectors of one element here."""
    return ids if ids.ndim else ids.reshape(1)


def index_of(case: Case) -> Array:
    """The index tensor of the call."""
    return lifted(np.asarray(case["index"]))


def along(ids: Array, index: Array, axis: int) -> Array:
    """``ids[index[i][j], j]`` for dimension 0, and so on: the index may be smaller than what it indexes."""
    if not index.size:
        return np.zeros(index.shape, dtype=np.int64)
    cut = tuple(slice(None) if i == axis else slice(size) for i, size in enumerate(index.shape))
    return np.take_along_axis(ids[cut], np.where(index < 0, index + ids.shape[axis], index), axis)


def _gathered(case: Case, ids: Array) -> Array:
    shape = np.shape(case["index"])
    index = index_of(case)
    return np.asarray(along(lifted(ids), index, ax.axis_of(case["dim"], index.ndim)).reshape(shape))


def _taken_along(case: Case, ids: Array) -> Array:
    """torch.take_along_dim: but for one dimension, both are broadcast."""
    dim, index = case.get("dim"), np.asarray(case["indices"])
    if dim is None:
        return np.asarray(ids.ravel()[index.ravel()])
    axis = ax.axis_of(dim, ids.ndim)
    rows = [tuple(1 if i == axis else n for i, n in enumerate(one.shape)) for one in (ids, index)]
    whole = list(np.broadcast_shapes(*rows))
    places = [[one.shape[axis] if i == axis else n for i, n in enumerate(whole)] for one in (ids, index)]
    return np.take_along_axis(np.broadcast_to(ids, places[0]), np.broadcast_to(index, places[1]), axis)


def _rows(case: Case, ids: Array) -> Array:
    """torch.index_select."""
    found = np.take(lifted(ids), index_of(case).ravel(), axis=ax.axis_of(case["dim"], max(1, ids.ndim)))
    return found if ids.ndim else found.reshape(())


def _flat(case: Case, ids: Array) -> Array:
    """torch.take."""
    return np.asarray(ids.ravel()[np.asarray(case["index"])])


def _masked(case: Case, ids: Array) -> Array:
    mask = np.asarray(case["mask"])
    ids, mask = np.broadcast_arrays(ids, mask)
    return np.asarray(ids[mask])


# -- writes into a part -----------------------------------------------------------------------------


def _copied_slices(case: Case) -> list[Array | None]:
    """CopySlices: where another value was written into a view, the old one's gradient ends.

    Which part that was, autograd does not tell: it is read off the zeros of the result.
    """
    g, torchs = case.operands.get("g"), case.result(0)
    if not isinstance(g, Tensor) or torchs is None or g.shape != torchs.shape:
        return [None]
    changed = torchs.values != g.values
    if np.any(torchs.values[changed] != 0):
        return [None]  # it was not overwritten but changed, and how is not kept
    source, came = case.result(1), g.values[changed]
    if source is None or came.size != source.values.size:
        return [np.where(changed, 0, g.values), None]
    return [np.where(changed, 0, g.values), came.reshape(source.shape)]


_INDEX_PUT = Rule(
    "{input} with {values} at the indices",
    _put,
    "input, indices, values, accumulate=False",
    picked(_put, "input"),
)

OPS: dict[str, Rule] = {
    "__getitem__": moved(lambda case, number: _brackets_text(case), _taken, "input, index"),
    "__setitem__": Rule(
        lambda case, number: _brackets_text(case) + " = {value}",
        _written,
        "input, index, value",
        picked(_written, "input"),
    ),
    "index_put": _INDEX_PUT,
    "index_put_": _INDEX_PUT,
    "gather": moved("{input} at {index} of dimension {dim}", _gathered,
                    "input, dim, index, *, sparse_grad=False, out=None"),
    "take_along_dim": moved("{input} at {indices}", _taken_along, with_out("input, indices, dim=None")),
    "index_select": moved("{input} at {index} of dimension {dim}", _rows, with_out("input, dim, index")),
    "take": moved("{input} at {index}", _flat, with_out("input, index")),
    "masked_select": moved("{input} where {mask}", _masked, with_out("input, mask")),
}  # fmt: skip

NODES: dict[str, Rule] = {
    "IndexBackward": returned("{g} where it was taken, else 0", _indexed),
    "IndexPutBackward": _PUT_NODE,
    "IndexPutImplBackward": _PUT_NODE,
    "GatherBackward": returned("{g} where it was taken, else 0", _gathered),
    "IndexSelectBackward": returned("{g} where it was taken, else 0", _rows),
    "TakeBackward": returned("{g} where it was taken, else 0", _flat),
    "MaskedSelectBackward": returned("{g} where {mask}, else 0", _masked),
    "CopySlices": Rule(
        ("{g} where nothing was written, else 0", "{g} where it was written"),
        _copied_slices,
        element=picked(_copied_slices, "g"),
        random=lambda case: "which elements were written",
    ),
}
