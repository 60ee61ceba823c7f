"""Rules of pooling: means and largest values of windows (aten/src/ATen/native/*Pool*.cpp)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array
from backprop_tui.explain.rule import Case, Index, Rule, Sum, bracketed, number_text
from backprop_tui.explain.rules.convolution import each
from backprop_tui.explain.rules.resampling import (
    Axis,
    adaptive_axis,
    average_axis,
    resampled,
    sizes,
    turned,
    weighted,
    window_axis,
)
from backprop_tui.explain.rules.writing import largest, over, signed, some, wide


def _source(case: Case) -> str:
    return "input" if "input" in case.operands else "self"


def _sizes(case: Case, count: int) -> list[tuple[int, int]]:
    """Of every dimension: places in the input, places in the output."""
    into = case[_source(case)].shape[-count:]
    made = case.g if _source(case) == "self" else case.result(0)
    return list(zip(into, () if made is None else made.shape[-count:], strict=True))


def _steps(case: Case, count: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Kernel and stride; a stride that is not given is the kernel's size."""
    kernel = each(case["kernel_size"], count)
    return kernel, each(case["stride"], count) if case.get("stride", ()) != () else kernel


def _windows(case: Case, count: int) -> list[tuple[int, int, int, int, int]]:
    """Of every dimension: places in, places out, kernel, stride, padding."""
    kernel, stride = _steps(case, count)
    padding = each(case.get("padding", 0), count)
    options = zip(_sizes(case, count), kernel, stride, padding, strict=True)
    return [(into, out, taps, step, pad) for (into, out), taps, step, pad in options]


def _by(values: tuple[int, ...]) -> str:
    """``2`` for all dimensions, or ``2×1``."""
    return "×".join(map(str, values if len(set(values)) > 1 else values[:1]))


def _words(case: Case, count: int) -> str:
    """``2×2 windows, stride 1``."""
    kernel, stride = _steps(case, count)
    said = [f"{'×'.join(map(str, kernel))} windows"]
    if stride != kernel:
        said.append(f"stride {_by(stride)}")
    for name, usual in (("padding", 0), ("dilation", 1)):
        value = each(case.get(name, usual), count)
        if set(value) != {usual}:
            said.append(f"{name} {_by(value)}")
    return ", ".join(said)


# --- means


def _average_axes(case: Case, count: int) -> list[Axis]:
    override = case.get("divisor_override")
    if override is None:
        counted = bool(case.get("count_include_pad", True))
        return [average_axis(*one, counted) for one in _windows(case, count)]
    axes = [window_axis(*one) for one in _windows(case, count)]
    first = axes[0]
    return [Axis(first.size, first.index, first.weight / signed(override)), *axes[1:]]


def _adaptive_axes(case: Case, count: int) -> list[Axis]:
    return [adaptive_axis(*one) for one in _sizes(case, count)]


class _Mean:
    """Forward and backward rules of one kind of mean; ``count``: how many dimensions it has."""

    def __init__(self, count: int, adaptive: bool = False) -> None:
        self.count = count
        self.adaptive = adaptive

    def axes(self, case: Case) -> list[Axis]:
        return _adaptive_axes(case, self.count) if self.adaptive else _average_axes(case, self.count)

    def words(self, case: Case) -> str:
        if not self.adaptive:
            return _words(case, self.count)
        into, out = zip(*_sizes(case, self.count), strict=True)
        return f"{'×'.join(map(str, out))} bins of {'×'.join(map(str, into))} places"

    def op(self, signature: str) -> Rule:
        return Rule(
            lambda c, number: f"mean of {{input}} over {self.words(c)}",
            lambda c: [resampled(c["input"], self.axes(c))],
            signature,
            lambda c, number, index: weighted(c.operands["input"], self.axes(c), index),
            scale=lambda c: [sizes(c["input"], self.axes(c))],
        )

    def shared(self, case: Case) -> str:
        """``/4`` where all windows are as large."""
        weights = [np.unique(axis.weight[axis.weight != 0]) for axis in self.axes(case)]
        if any(np.ptp(one) > 1e-12 * abs(one).max() for one in weights if one.size):
            return "/count"
        return over(round(1 / math.prod(one[0] for one in weights if one.size), 6))

    def node(self) -> Rule:
        return Rule(
            lambda c, number: f"Σ {{g}}{self.shared(c)} of the {self.words(c)} that hold this element",
            lambda c: [resampled(c.g, turned(self.axes(c)))],
            element=lambda c, number, index: weighted(c.operands["g"], turned(self.axes(c)), index),
            scale=lambda c: [sizes(c.g, turned(self.axes(c)))],
        )


def _power_mean(case: Case, count: int, change: Any) -> Array:
    """The p-norm of windows as torch computes it: a mean, times the size of a whole window."""
    p = float(case["norm_type"])
    size = np.prod(each(case["kernel_size"], count))
    total = resampled(change(case["input"] ** p), _average_axes(case, count)) * size
    return np.asarray(total ** (1 / p))


def _power_rule(count: int) -> Rule:
    def symbols(case: Case, number: int) -> str:
        p = wide(case["norm_type"])
        return f"(Σ {{input}}^{p})^(1/{p}) over {_words(case, count)}"

    def element(case: Case, number: int, index: Index) -> Sum:
        p = float(case["norm_type"])
        kept = len(index) - count
        axes = _average_axes(case, count)
        taps = [axis.taps(place)[0] for axis, place in zip(axes, index[kept:], strict=True)]
        values = case["input"][index[:kept]][np.ix_(*taps)].ravel()
        dtype = case.operands["input"].dtype
        return largest(
            values**p,
            lambda i: f"{bracketed(number_text(values[i], dtype))}^{wide(p)}",
            "(",
            f")^(1/{wide(p)})",
        )

    return Rule(
        symbols,
        lambda c: [_power_mean(c, count, np.asarray)],
        "input, norm_type, kernel_size, stride=None, ceil_mode=False",
        element,
        scale=lambda c: [_power_mean(c, count, np.abs)],
    )


# --- largest values


class _Largest:
    """Forward and backward rules of the largest value of windows or bins."""

    def __init__(self, count: int, adaptive: bool = False) -> None:
        self.count = count
        self.adaptive = adaptive

    def axes(self, case: Case) -> list[Axis]:
        if self.adaptive:
            return _adaptive_axes(case, self.count)
        dilation = each(case.get("dilation", 1), self.count)
        windows = _windows(case, self.count)
        return [window_axis(*one, step) for one, step in zip(windows, dilation, strict=True)]

    def words(self, case: Case) -> str:
        return _Mean(self.count, self.adaptive).words(case)

    def windows(self, case: Case) -> tuple[Array, Array, Array]:
        """The values in every window (its taps in the last dimension), where they lie in the flattened
        places of the input, and which of them are not padding."""
        axes, values = self.axes(case), case[_source(case)]
        outs, taps = zip(*(axis.index.shape for axis in axes), strict=True)
        flat: Array = np.zeros((1,) * 2 * self.count, dtype=np.int64)
        inside: Array = np.ones((1,) * 2 * self.count, dtype=bool)
        for number, axis in enumerate(axes):
            shape = [1] * 2 * self.count
            shape[number], shape[self.count + number] = axis.index.shape
            flat = flat * axis.size + axis.index.reshape(shape)
            inside = inside & (axis.weight != 0).reshape(shape)
        places = np.broadcast_to(flat, (*outs, *taps)).reshape(*outs, math.prod(taps))
        known = np.broadcast_to(inside, (*outs, *taps)).reshape(*outs, math.prod(taps))
        rows = _rows(values, self.count)[:, places]
        return rows.reshape(*values.shape[: values.ndim - self.count], *places.shape), places, known

    def chosen(self, case: Case) -> tuple[Array, Array]:
        """The largest value of each window, and where it lies: the first of several; NaN before all."""
        values, places, inside = self.windows(case)
        found = np.where(inside, values, -np.inf)
        top = found.max(axis=-1, keepdims=True)
        nan = np.isnan(found)
        hit = np.where(nan.any(axis=-1, keepdims=True), nan, inside & (found == top))
        last = hit.shape[-1] - 1 - hit[..., ::-1].argmax(axis=-1)
        tap = np.where(nan.any(axis=-1), last, hit.argmax(axis=-1))
        where = np.take_along_axis(np.broadcast_to(places, values.shape), tap[..., None], -1)
        return top[..., 0], where[..., 0]

    def element(self, case: Case, number: int, index: Index) -> str:
        kept = len(index) - self.count
        taps = [axis.taps(place)[0] for axis, place in zip(self.axes(case), index[kept:], strict=True)]
        values = case["input"][index[:kept]][np.ix_(*taps)].ravel()
        dtype = case.operands["input"].dtype
        order = range(values.size) if values.size <= 9 else np.argsort(-values, kind="stable")[:6]
        texts = [number_text(values[i], dtype) for i in order]
        texts += [f"{values.size - 6:,} smaller"] if values.size > 9 else []
        return f"{'max' if number == 0 else 'place of max'}({', '.join(texts)})"

    def note(self, case: Case) -> str | None:
        values, _, inside = self.windows(case)
        found = np.where(inside, values, -np.inf)
        hits = (found == found.max(axis=-1, keepdims=True)) & inside
        tied = int((hits.sum(axis=-1) > 1).sum())
        if not tied:
            return None
        total = int(np.prod(hits.shape[:-1]))
        return f"{some(tied, total, 'window')} with several equal largest values: torch takes the first"

    def op(self, signature: str) -> Rule:
        return Rule(
            lambda c, number: (
                f"{'largest' if number == 0 else 'place of the largest'} of {{input}} in {self.words(c)}"
            ),
            self.chosen,
            signature,
            self.element,
            self.note,
        )

    def node(self) -> Rule:
        return Rule(
            lambda c, number: f"Σ {{g}} of the {self.words(c)} where this element is the largest",
            lambda c: [self.sent(c)],
            element=self.sent_at,
            note=self.note,
            scale=lambda c: [np.abs(self.sent(c, np.abs))],
        )

    def sent(self, case: Case, change: Any = np.asarray) -> Array:
        _, where = self.chosen(case)
        return _added(change(case.g), where, case["self"].shape, self.count)

    def sent_at(self, case: Case, number: int, index: Index) -> Sum | str:
        kept = len(index) - self.count
        _, where = self.chosen(case)
        own = np.ravel_multi_index(index[kept:], case["self"].shape[-self.count :])
        g = case.operands["g"]
        hits = g.values[index[:kept]][where[index[:kept]] == own]
        if not hits.size:
            return "0, not the largest of any window"
        return largest(hits, lambda i: bracketed(number_text(hits[i], g.dtype)))


# --- the other way round, and windows drawn by chance


def _scattered(values: Array, indices: Array, shape: tuple[int, ...], count: int) -> Array:
    found = np.zeros(shape)
    np.put_along_axis(_rows(found, count), _rows(indices, count), _rows(values, count), 1)
    return found


def _gathered(values: Array, indices: Array, count: int) -> Array:
    found = np.take_along_axis(_rows(values, count), _rows(indices, count), 1)
    return np.asarray(found.reshape(indices.shape))


def _added(values: Array, indices: Array, shape: tuple[int, ...], count: int) -> Array:
    """As scattered, where several may meet."""
    found = np.zeros(shape)
    rows = _rows(found, count)
    np.add.at(rows, (np.arange(len(rows))[:, None], _rows(indices, count)), _rows(values, count))
    return found


def _rows(values: Array, count: int) -> Array:
    """The last dimensions in one, all others in one."""
    kept = values.ndim - count
    return values.reshape(math.prod(values.shape[:kept]), math.prod(values.shape[kept:]))


def _unpooled(count: int) -> Rule:
    def evaluate(case: Case) -> Sequence[Array | None]:
        result = case.result(0)
        shape = () if result is None else result.shape
        return [_scattered(case["input"], case["indices"], shape, count)]

    def element(case: Case, number: int, index: Index) -> str:
        kept, result = len(index) - count, case.result(0)
        shape = () if result is None else result.shape
        own = np.ravel_multi_index(index[kept:], shape[-count:])
        hit = np.argwhere(case["indices"][index[:kept]] == own)
        return (
            case.at("input", (*index[:kept], *map(int, hit[-1]))) if len(hit) else "0, no index points here"
        )

    return Rule(
        "{input} put where {indices} say, 0 elsewhere",
        evaluate,
        "input, indices, kernel_size, stride=None, padding=0, output_size=None",
        element,
    )


def _unpooled_node(count: int) -> Rule:
    def element(case: Case, number: int, index: Index) -> str:
        kept = len(index) - count
        place = np.unravel_index(int(case["indices"][index]), case.g.shape[-count:])
        return case.at("g", (*index[:kept], *map(int, place)))

    return Rule("{g} where {indices} say", lambda c: [_gathered(c.g, c["indices"], count)], element=element)


def _fractional_node(count: int) -> Rule:
    def evaluate(case: Case) -> Sequence[Array | None]:
        return [_added(case.g, case["result1"], case["self"].shape, count)]

    return Rule(
        "Σ {g} of the windows where this element is the largest",
        evaluate,
        random=lambda c: "where the windows lie was drawn by chance; the places of the largest are torch's",
    )


_AVERAGE = "input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True"
_MAX = "input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False"
_ADAPTIVE = "input, output_size, return_indices=False"
_DIMENSIONS = (1, 2, 3)

OPS: dict[str, Rule] = {
    "avg_pool1d": _Mean(1).op(_AVERAGE),
    **{f"avg_pool{count}d": _Mean(count).op(f"{_AVERAGE}, divisor_override=None") for count in (2, 3)},
    **{f"adaptive_avg_pool{count}d": _Mean(count, True).op("input, output_size") for count in _DIMENSIONS},
    **{f"lp_pool{count}d": _power_rule(count) for count in _DIMENSIONS},
    **{f"max_unpool{count}d": _unpooled(count) for count in _DIMENSIONS},
    **{
        f"{name}{ending}": rule
        for count in _DIMENSIONS
        for name, rule in (
            (f"max_pool{count}d", _Largest(count).op(_MAX)),
            (f"adaptive_max_pool{count}d", _Largest(count, True).op(_ADAPTIVE)),
        )
        for ending in ("", "_with_indices")
    },
}

NODES: dict[str, Rule] = {
    # tools/autograd/derivatives.yaml: avg_pool2d, _adaptive_avg_pool2d, max_pool2d_with_indices,
    # adaptive_max_pool2d, max_unpool2d, fractional_max_pool2d, and the same in three dimensions
    **{f"AvgPool{count}DBackward": _Mean(count).node() for count in (2, 3)},
    **{f"AdaptiveAvgPool{count}DBackward": _Mean(count, True).node() for count in (2, 3)},
    **{f"MaxPool{count}DWithIndicesBackward": _Largest(count).node() for count in (2, 3)},
    **{f"AdaptiveMaxPool{count}DBackward": _Largest(count, True).node() for count in (2, 3)},
    **{f"MaxUnpool{count}DBackward": _unpooled_node(count) for count in (2, 3)},
    **{f"FractionalMaxPool{count}DBackward": _fractional_node(count) for count in (2, 3)},
}
