"""Rules of windows as columns: F.unfold and F.fold (aten/src/ATen/native/Im2Col.cpp, Col2Im.cpp)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array, Tensor
from backprop_tui.explain.rule import Case, Index, Rule, Sum, bracketed, element_text
from backprop_tui.explain.rules.convolution import each
from backprop_tui.explain.rules.linking import Dimension, Link, last
from backprop_tui.explain.rules.writing import largest


def _link(case: Case, size: tuple[int, ...]) -> Link:
    """``size``: the image's height and width."""
    names = ("kernel_size", "stride", "padding", "dilation")
    kernel, stride, padding, dilation = (each(case[name], 2) for name in names)
    return Link(
        tuple(
            Dimension(big, (big + 2 * pad - step * (taps - 1) - 1) // jump + 1, taps, jump, pad, step)
            for big, taps, jump, pad, step in zip(size, kernel, stride, padding, dilation, strict=True)
        ),
        1,
    )


def columns(link: Link, image: Array) -> Array:
    """Samples × (channels · taps) × places."""
    padded = link.padded(image)
    stacked = np.stack([padded[last(places)] for _, places in link.tap_places()], axis=2)
    rows, places = stacked.shape[1] * stacked.shape[2], math.prod(stacked.shape[3:])
    return stacked.reshape(len(image), rows, places)


def image_of(link: Link, values: Array) -> Array:
    """The other way round: what overlaps is added."""
    taps = math.prod(link.shape)
    small = tuple(one.small for one in link.dimensions)
    values = values.reshape(len(values), values.shape[1] // taps, taps, *small)
    found = np.zeros((*values.shape[:2], *(one.reach for one in link.dimensions)))
    for number, (_, places) in enumerate(link.tap_places()):
        found[last(places)] += values[:, :, number]
    return link.cropped(found)


def _unfolded(case: Case, values: Array) -> Array:
    single = values.ndim == 3
    image = values[None] if single else values
    found = columns(_link(case, image.shape[2:]), image)
    return found[0] if single else found


def _folded(case: Case, values: Array, size: tuple[int, ...]) -> Array:
    single = values.ndim == 2
    found = image_of(_link(case, size), values[None] if single else values)
    return found[0] if single else found


def _column_at(case: Case, tensor: Tensor, size: tuple[int, ...], index: Index) -> str:
    """One element of the columns is one of the image, or of the padding."""
    link = _link(case, size)
    *sample, row, place = index
    channel, taps = divmod(row, math.prod(link.shape))
    tap = np.unravel_index(taps, link.shape)
    small = np.unravel_index(place, tuple(one.small for one in link.dimensions))
    where = []
    for one, at, t in zip(link.dimensions, small, tap, strict=True):
        here, known = one.window(int(at))
        if int(t) not in known:
            return "0 (padding)"
        where.append(here[known.index(int(t))])
    found = (*sample, channel, *where)
    return f"{element_text(tensor, found)} (element {list(found)})"


def _image_at(case: Case, tensor: Tensor, size: tuple[int, ...], index: Index) -> Sum:
    """One element of the image is the sum of what the columns have of it."""
    link = _link(case, size)
    *sample, channel, y, x = index
    ways = [one.seen_by(place) for one, place in zip(link.dimensions, (y, x), strict=True)]
    small = np.ix_(*(places for places, _ in ways))
    taps = np.ix_(*(found for _, found in ways))
    shape = tuple(one.small for one in link.dimensions)
    columns_at = np.ravel_multi_index(tuple(np.broadcast_arrays(*small)), shape).ravel()
    taps_at = np.ravel_multi_index(tuple(np.broadcast_arrays(*taps)), link.shape).ravel()
    rows = channel * math.prod(link.shape) + taps_at
    place: Any = (*sample, rows, columns_at)
    values = tensor.values[place]
    text = Tensor(values, tensor.dtype)
    return largest(values, lambda i: bracketed(element_text(text, (i,))))


def _size(case: Case) -> tuple[int, ...]:
    """Height and width of the image that a node sends on."""
    result = case.result(0)
    return () if result is None else result.shape[-2:]


def _overlap_size(case: Case, values: Array) -> Sequence[Array | None]:
    return [_folded(case, np.abs(values), each(case.get("output_size", _size(case)), 2))]


_OPTIONS = "kernel_size, dilation=1, padding=0, stride=1"


def _kernel(case: Case) -> str:
    return "×".join(map(str, each(case["kernel_size"], 2)))


OPS: dict[str, Rule] = {
    "fold": Rule(
        "Σ of the columns of {input} at each place of the image",
        lambda c: [_folded(c, c["input"], each(c["output_size"], 2))],
        f"input, output_size, {_OPTIONS}",
        lambda c, number, index: _image_at(c, c.operands["input"], each(c["output_size"], 2), index),
        scale=lambda c: _overlap_size(c, c["input"]),
    ),
}

NAMESAKES: dict[str, Rule] = {
    "unfold": Rule(
        lambda c, number: f"{_kernel(c)} windows of {{input}} as columns",
        lambda c: [_unfolded(c, c["input"])],
        f"input, {_OPTIONS}",
        lambda c, number, index: _column_at(c, c.operands["input"], c["input"].shape[-2:], index),
    ),
}

NODES: dict[str, Rule] = {
    # tools/autograd/derivatives.yaml: im2col, col2im
    "Im2ColBackward": Rule(
        "Σ of the columns of {g} at each place of the image",
        lambda c: [_folded(c, c.g, _size(c))],
        element=lambda c, number, index: _image_at(c, c.operands["g"], _size(c), index),
        scale=lambda c: _overlap_size(c, c.g),
    ),
    "Col2ImBackward": Rule(
        "windows of {g} as columns",
        lambda c: [_unfolded(c, c.g)],
        element=lambda c, number, index: _column_at(c, c.operands["g"], c.g.shape[-2:], index),
    ),
}
