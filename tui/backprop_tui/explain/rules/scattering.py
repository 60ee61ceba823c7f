"""Rules of what writes or adds elements by index: scatter, index_add, masked_scatter.

The derivatives are those of tools/autograd/derivatives.yaml, entry of the function's own name.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array
from backprop_tui.explain.rule import Case, Index, Rule, Sum
from backprop_tui.explain.rules import axes as ax
from backprop_tui.explain.rules.indexing import along, index_of, lifted
from backprop_tui.explain.rules.moving import picked
from backprop_tui.explain.rules.parts import PASSED, Part, in_place, node, with_out
from backprop_tui.explain.rules.writing import summand

# -- scatter --------------------------------------------------------------------------------------


def _places(case: Case, shape: tuple[int, ...]) -> Array:
    """Where scatter writes: for each element of the index, a position in the result."""
    ids = lifted(np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape))
    index = index_of(case)
    return along(ids, index, ax.axis_of(case["dim"], index.ndim))


def _source(case: Case, shape: tuple[int, ...]) -> Array:
    """What scatter writes: the part of the source that the index covers, or one number."""
    source = case.get("src", case.get("value"))
    if not isinstance(source, np.ndarray) or not source.ndim:
        return np.broadcast_to(np.asarray(source), shape)
    return np.asarray(source[tuple(slice(size) for size in shape)])


def _scattered(case: Case) -> list[Array | None]:
    found, index = np.array(case["input"]) * 1, index_of(case)
    where, what = _places(case, found.shape).ravel(), _source(case, index.shape).ravel()
    found = found.astype(np.result_type(found, what))
    how = case.get("reduce", "add" if case.evidence.name.startswith("scatter_add") else "")
    flat = found.reshape(-1)
    if how == "add":
        np.add.at(flat, where, what)
    elif how == "multiply":
        np.multiply.at(flat, where, what)
    else:
        flat[where] = what
    return [flat.reshape(found.shape)]


def _scatter_text(case: Case, number: int) -> str:
    source = "{src}" if case.has("src") else "{value}"
    adds = case.evidence.name.startswith("scatter_add") or case.get("reduce") == "add"
    return f"{{input}} + {source} at {{index}}" if adds else f"{{input}} with {source} at {{index}}"


def _scatter_element(case: Case, number: int, index: Index) -> Sum | str:
    """The old element and what came to it."""
    owner = ax.tensor(case, "input")
    positions = _places(case, owner.shape)
    wanted = int(np.ravel_multi_index(index, owner.shape)) if index else 0
    what = np.broadcast_to(_source(case, index_of(case).shape), positions.shape)[positions == wanted]
    if case.evidence.name.startswith("scatter_add"):
        return ax.terms_of(owner, np.append(owner.values[index], what))
    return ax.small(what[-1] if what.size else owner.values[index], owner.dtype)


def _reduced(case: Case) -> list[Array | None]:
    """torch.scatter_reduce and index_reduce."""
    own = lifted(np.array(case["input"]) * 1.0)
    where, what = _places(case, own.shape).ravel(), _source(case, index_of(case).shape).ravel() * 1.0
    how, flat = case["reduce"], own.ravel()
    start = {"sum": 0.0, "mean": 0.0, "prod": 1.0, "amax": -np.inf, "amin": np.inf}[how]
    if not case.get("include_self", True):
        flat[where] = start
    {"sum": np.add, "mean": np.add, "prod": np.multiply, "amax": np.maximum, "amin": np.minimum}[how].at(
        flat, where, what
    )
    if how == "mean":
        came = np.bincount(where, minlength=flat.size) + bool(case.get("include_self", True))
        flat = flat / np.maximum(came, 1)
    return [flat.reshape(np.shape(case["input"]))]


def _reduced_scale(case: Case) -> list[Array | None]:
    own = np.abs(lifted(np.array(case["input"]) * 1.0))
    if case["reduce"] not in ("sum", "mean"):
        return [None]
    flat = own.ravel()
    np.add.at(flat, _places(case, own.shape).ravel(), np.abs(_source(case, index_of(case).shape).ravel()))
    return [flat.reshape(np.shape(case["input"]))]


def _blanked(g: Array, dim: int, index: Array) -> Array:
    own = lifted(np.array(g))
    index = lifted(index)
    cut = tuple(
        slice(None) if i == ax.axis_of(dim, own.ndim) else slice(n) for i, n in enumerate(index.shape)
    )
    if index.size:
        np.put_along_axis(own[cut], index, 0, ax.axis_of(dim, own.ndim))
    return own.reshape(g.shape)


def _read(g: Array, dim: int, index: Array) -> Array:
    where = lifted(index)
    return along(lifted(g), where, ax.axis_of(dim, where.ndim)).reshape(index.shape)


_READ = Part("{g} where it was written", lambda g, dim, index: _read(g, dim, index), names="g dim index")
_KEPT = Part(
    "{g} where nothing was written, else 0",
    lambda g, dim, index: _blanked(g, dim, index),
    names="g dim index",
)


def _node(*parts: Part) -> Rule:
    """The rule of a node whose gradients are numbers of the one that comes in."""
    return node(*parts, element=picked(node(*parts).evaluate, "g"))


# -- whole slices -----------------------------------------------------------------------------------


def _slices(case: Case, rank: int) -> tuple[Any, ...]:
    """The slices that index_add, index_copy and index_fill write."""
    axis = ax.axis_of(case["dim"], max(1, rank))
    return (*[slice(None)] * axis, index_of(case).ravel())


def _added(case: Case) -> list[Array | None]:
    found = lifted(np.array(case["input"]) * 1)
    source = case.get("alpha", 1) * np.asarray(case["source"])
    found = found.astype(np.result_type(found, source))
    places = _slices(case, found.ndim)
    np.add.at(found, places, source.reshape(found[places].shape))
    return [found.reshape(np.shape(case["input"]))]


def _added_element(case: Case, number: int, index: Index) -> str:
    """The old element and all that came to it."""
    (found,) = _added(case)
    assert found is not None
    return f"{case.at('input', index)} + {summand(found[index] - case['input'][index])}"


def _set(case: Case) -> list[Array | None]:
    found = lifted(np.array(case["input"]) * 1)
    source = np.asarray(case.get("source", case.get("value")))
    places = _slices(case, found.ndim)
    found = found.astype(np.result_type(found, source))
    found[places] = source.reshape(found[places].shape) if source.size > 1 else source.ravel()
    return [found.reshape(np.shape(case["input"]))]


def _slice_back(case: Case) -> Array:
    """The gradient of the slices that were written or added."""
    g = case["g"]
    own = lifted(g)
    return np.asarray(own[_slices(case, own.ndim)])


def _slices_cleared(case: Case) -> Array:
    g = lifted(np.array(case["g"]))
    g[_slices(case, g.ndim)] = 0
    return np.asarray(g.reshape(case["g"].shape))


def _slices_node(adds: bool, whole: bool) -> Rule:
    """``whole``: the source was one number for all slices (index_fill)."""

    def evaluate(case: Case) -> list[Array | None]:
        shapes = [None if one is None else one.shape for one in case.evidence.grad_inputs]
        came = _slice_back(case) * (case.get("alpha", 1) if adds else 1)
        source = None if len(shapes) < 2 or shapes[1] is None else came
        if source is not None and shapes[1] is not None:
            source = _once(case).sum() if whole else source.reshape(shapes[1])
        return [case["g"] if adds else _slices_cleared(case), None if source is None else np.asarray(source)]

    first = "{g}" if adds else "{g} where nothing was written, else 0"
    return Rule((first, "{g} of the slices {index}"), evaluate, element=picked(evaluate, "g"))


def _once(case: Case) -> Array:
    """The gradient of the filled slices, each once."""
    g = lifted(case["g"])
    axis = ax.axis_of(case["dim"], g.ndim)
    return np.asarray(np.take(g, np.unique(index_of(case)), axis=axis))


# -- by a mask -------------------------------------------------------------------------------------


def _mask_scattered(case: Case) -> list[Array | None]:
    shape = np.broadcast_shapes(np.shape(case["input"]), np.shape(case["mask"]))
    found, mask = np.array(np.broadcast_to(case["input"], shape)), np.broadcast_to(case["mask"], shape)
    found[mask] = np.asarray(case["source"]).ravel()[: int(mask.sum())]
    return [found]


def _mask_source(g: Array, mask: Array, shape: Any) -> Array:
    came = g[np.broadcast_to(mask, g.shape)]
    size = int(np.prod(ax.numbers(shape), dtype=np.int64))
    return np.append(came, np.zeros(max(0, size - came.size)))[:size].reshape(ax.numbers(shape))


_SCATTER = Rule(
    _scatter_text,
    _scattered,
    with_out("input, dim, index, src | input, dim, index, *, value | input, dim, index, src, *, reduce"),
    _scatter_element,
)


def _equals_back(case: Case) -> tuple[Array, Array]:
    """amax and amin: equal shares for all that are equal to the result."""
    g, result = lifted(case.g), lifted(case["result"])
    where = _places(case, case["self"].shape)
    own = lifted(case["self"]) == result
    came = _source(case, where.shape) == result.ravel()[where]
    many = own.ravel() * 1.0
    np.add.at(many, where.ravel(), came.ravel() * 1.0)
    share = g / many.reshape(g.shape)
    return own * share, np.where(came, share.ravel()[where], 0)


def _mean_back(case: Case) -> tuple[Array, Array]:
    g, where = lifted(case.g), _places(case, case["self"].shape)
    many = np.bincount(where.ravel(), minlength=g.size) + bool(case["include_self"])
    share = g / np.maximum(many, 1).reshape(g.shape)
    return share, share.ravel()[where]


def _reduced_back(case: Case) -> list[Array | None]:
    """FunctionsManual.cpp: scatter_reduce_backward; not that of a product."""
    how, g = case["reduce"], case.g
    if how == "prod":
        return [None, None]
    where = _places(case, g.shape)
    if how == "sum":
        own, came = lifted(g), lifted(g).ravel()[where]
    else:
        own, came = _mean_back(case) if how == "mean" else _equals_back(case)
    if not case["include_self"]:
        own = own.copy()
        own.flat[where.ravel()] = 0
    torchs = case.result(1)
    return [own.reshape(g.shape), None if torchs is None else came.reshape(torchs.shape)]


_SCATTER_REDUCE = Rule(
    "{reduce} of {input} and {src} by {index}",
    _reduced,
    with_out("input, dim, index, src, reduce, *, include_self=True"),
    picked(_reduced, "input"),
    scale=_reduced_scale,
)
_SET = "{input} with {source} at {index} of dimension {dim}"

OPS: dict[str, Rule] = {
    "masked_scatter": Rule(
        "{source} in order where {mask}, else {input}", _mask_scattered, "input, mask, source",
        picked(_mask_scattered, "input"),
    ),
    "scatter": _SCATTER,
    "scatter_add": _SCATTER,
    "scatter_reduce": _SCATTER_REDUCE,
    "index_add": Rule(
        lambda c, n: "{input} + " + ("" if c.get("alpha", 1) == 1 else "{alpha}·") + "{source} at {index}",
        _added, with_out("input, dim, index, source, *, alpha=1"), _added_element,
    ),
    "index_copy": Rule(_SET, _set, with_out("input, dim, index, source"), picked(_set, "input")),
    "index_fill": Rule(
        _SET.replace("source", "value"), _set, "input, dim, index, value", picked(_set, "input")
    ),
}  # fmt: skip
OPS |= in_place(OPS)

NODES: dict[str, Rule] = {
    "MaskedScatterBackward": _node(
        Part("{g} · [not {mask}]", lambda g, mask: np.where(mask, 0, g)),
        Part("{g} where {mask}, in order", _mask_source, names="g mask source_sym_sizes"),
    ),
    "ScatterBackward": _node(_KEPT, _READ),
    "ScatterAddBackward": _node(PASSED, _READ),
    "ScatterReduceBackward": Rule(
        ("{g} · share in the {reduce}", "{g} · share in the {reduce}, where it was put"),
        _reduced_back,
        element=picked(_reduced_back, "g"),
    ),
    "IndexAddBackward": _slices_node(adds=True, whole=False),
    "IndexCopyBackward": _slices_node(adds=False, whole=False),
    "IndexFillBackward": _slices_node(adds=False, whole=True),
}
