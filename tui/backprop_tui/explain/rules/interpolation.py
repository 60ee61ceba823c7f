"""Rules of resizing images (torch/nn/functional.py: interpolate; aten/src/ATen/native/UpSample.h)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array
from backprop_tui.explain.rule import Case, Index, Rule, Sum
from backprop_tui.explain.rules.resampling import Axis, adaptive_axis, resampled, sizes, turned, weighted

_SHARPNESS = -0.75
"""The free parameter of cubic convolution (Keys 1981), as torch has it."""


def _precision(dtype: str) -> type[np.floating[Any]]:
    """torch finds the places in the tensor's precision: which neighbour is nearest depends on it."""
    return np.float64 if dtype == "float64" else np.float32


def _step(size: int, out: int, scale: float | None, corners: bool, real: type[np.floating[Any]]) -> Any:
    """How far two neighbours of the output are apart in the input."""
    if corners:
        return real(size - 1) / real(out - 1) if out > 1 else real(0)
    return real(1 / scale) if scale is not None and scale > 0 else real(size) / real(out)


def _nearest_axis(size: int, out: int, step: Any, exact: bool) -> Axis:
    place = np.arange(out).astype(step.dtype)
    index = np.floor((place + step.dtype.type(0.5)) * step if exact else place * step).astype(np.int64)
    return Axis(size, np.minimum(index, size - 1)[:, None], np.ones((out, 1)))


def _source(out: int, step: Any, corners: bool) -> Array:
    """Where each output place lies in the input."""
    place, half = np.arange(out).astype(step.dtype), step.dtype.type(0.5)
    return np.asarray(place * step if corners else (place + half) * step - half)


def _linear_axis(size: int, out: int, step: Any, corners: bool) -> Axis:
    source = np.maximum(_source(out, step, corners), 0)
    first = np.minimum(np.floor(source).astype(np.int64), size - 1)
    rest = np.clip(source - first, 0, 1).astype(np.float64)
    second = np.minimum(first + 1, size - 1)
    return Axis(size, np.stack([first, second], 1), np.stack([1 - rest, rest], 1))


def _cubic_axis(size: int, out: int, step: Any, corners: bool) -> Axis:
    source = _source(out, step, corners)
    first = np.floor(source)
    rest = (source - first).astype(np.float64)
    apart = np.stack([1 + rest, rest, 1 - rest, 2 - rest], 1)
    index = np.clip(first.astype(np.int64)[:, None] + np.arange(-1, 3), 0, size - 1)
    a = _SHARPNESS
    near = ((a + 2) * apart - (a + 3)) * apart * apart + 1
    far = ((a * apart - 5 * a) * apart + 8 * a) * apart - 4 * a
    return Axis(size, index, np.where(apart <= 1, near, far), loose=0.25)


def _axis(mode: str, size: int, out: int, scale: float | None, corners: bool, dtype: str) -> Axis:
    if mode == "area":
        return adaptive_axis(size, out)
    step = _step(size, out, scale, corners, _precision(dtype))
    if mode.startswith("nearest"):
        return _nearest_axis(size, out, step, mode == "nearest-exact")
    if size == out and mode != "cubic":
        return Axis(size, np.arange(size)[:, None], np.ones((size, 1)))
    return (_cubic_axis if mode == "cubic" else _linear_axis)(size, out, step, corners)


_KINDS = {"linear": "linear", "bilinear": "linear", "trilinear": "linear", "bicubic": "cubic"}


def _axes(case: Case) -> list[Axis]:
    given, result = case.operands["input"], case.result(0)
    places = given.shape[2:]
    outs = () if result is None else result.shape[2:]
    scales = case.get("scale_factor") if not case.get("recompute_scale_factor") else None
    if not isinstance(scales, (list, tuple)):
        scales = (scales,) * len(places)
    mode = _KINDS.get(case["mode"], case["mode"])
    corners = bool(case.get("align_corners", False))
    return [
        _axis(mode, size, out, scale, corners, given.dtype)
        for size, out, scale in zip(places, outs, scales, strict=True)
    ]


def _evaluate(case: Case) -> Sequence[Array | None]:
    """A filter against aliasing has no rule: torch chooses its width by the scale."""
    return [None] if case.get("antialias") else [resampled(case["input"], _axes(case))]


def _scale(case: Case) -> Sequence[Array | None]:
    return [None] if case.get("antialias") else [sizes(case["input"], _axes(case))]


def _symbols(case: Case, number: int) -> str:
    result = case.result(0)
    into = "×".join(map(str, case["input"].shape[2:]))
    out = "×".join(map(str, () if result is None else result.shape[2:]))
    words = {"nearest": "nearest element", "nearest-exact": "nearest element", "area": "mean of the area"}
    how = words.get(case["mode"], f"{case['mode']} interpolation")
    corners = ", corners on corners" if case.get("align_corners") else ""
    return f"{how} of {{input}}, {into} → {out}{corners}"


def _element(case: Case, number: int, index: Index) -> Sum:
    return weighted(case.operands["input"], _axes(case), index)


def _node(mode: str, count: int) -> Rule:
    """The way back; ``mode``: as it calls the kind of interpolation in a single dimension."""

    def axes(case: Case) -> list[Axis]:
        result = case.result(0)
        places = () if result is None else result.shape[2:]
        names = ("scales",) if count == 1 else ("scales_d", "scales_h", "scales_w")[-count:]
        corners = bool(case.get("align_corners", False))
        dtype = case.operands["g"].dtype
        options = zip(places, case.g.shape[2:], names, strict=True)
        return turned([_axis(mode, size, out, case.get(name), corners, dtype) for size, out, name in options])

    return Rule(
        "Σ {g} · weight of this element in each result",
        lambda c: [resampled(c.g, axes(c))],
        element=lambda c, number, index: weighted(c.operands["g"], axes(c), index),
        scale=lambda c: [sizes(c.g, axes(c))],
    )


_OPTIONS = "size=None, scale_factor=None, mode='{}', align_corners={}"


def _rule(signature: str) -> Rule:
    return Rule(_symbols, _evaluate, signature, _element, scale=_scale)


OPS: dict[str, Rule] = {
    "interpolate": _rule(
        f"input, {_OPTIONS.format('nearest', None)}, recompute_scale_factor=None, antialias=False"
    ),
    "upsample": _rule(f"input, {_OPTIONS.format('nearest', None)}"),
}

NODES: dict[str, Rule] = {
    # tools/autograd/derivatives.yaml: upsample_nearest1d, _upsample_nearest_exact1d, upsample_linear1d, ...
    **{f"UpsampleNearest{count}DBackward": _node("nearest", count) for count in (1, 2, 3)},
    **{f"UpsampleNearestExact{count}DBackward": _node("nearest-exact", count) for count in (1, 2, 3)},
    "UpsampleLinear1DBackward": _node("linear", 1),
    "UpsampleBilinear2DBackward": _node("linear", 2),
    "UpsampleTrilinear3DBackward": _node("linear", 3),
    "UpsampleBicubic2DBackward": _node("cubic", 2),
}
