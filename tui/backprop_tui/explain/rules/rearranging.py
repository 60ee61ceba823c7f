"""Rules of turning, shifting, bordering, and of exchanging places within a tensor.

torch's documentation, entry of the function's own name; backwards every gradient goes back to its place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from backprop_tui.explain.evidence import Array
from backprop_tui.explain.rule import Case, Rule
from backprop_tui.explain.rules import axes as ax
from backprop_tui.explain.rules.moving import Positions, moved, returned
from backprop_tui.explain.rules.parts import in_place, with_out


def _triangle(keep: Callable[..., Array]) -> Positions:
    def positions(case: Case, ids: Array) -> Array:
        return np.asarray(keep(ids + 1, int(ax.signed(case.get("diagonal", 0)))) - 1)

    return positions


# -- turned and shifted ---------------------------------------------------------------------------


def _flipped(case: Case, ids: Array) -> Array:
    dims = case["dims"]
    named = ax.spread(dims) if isinstance(dims, tuple) else ax.numbers(dims)
    return np.flip(ids, tuple(ax.axis_of(dim, ids.ndim) for dim in named)) if ids.ndim else ids


def _rolled(case: Case, ids: Array) -> Array:
    shifts, dims = ax.numbers(case["shifts"]), ax.numbers(case.get("dims", []))
    if not dims:
        return np.roll(ids, shifts[0])
    for shift, dim in zip(shifts, dims, strict=True):
        ids = np.roll(ids, shift, axis=ax.axis_of(dim, ids.ndim)) if ids.ndim else ids
    return ids


def _turned(case: Case, ids: Array) -> Array:
    first, second = ax.numbers(case.get("dims", [0, 1]))
    return np.rot90(ids, ax.signed(int(case.get("k", 1))), (first, second))


def padding_of(pad: Sequence[int], rank: int) -> list[tuple[int, int]]:
    """Before and after each dimension; torch names the last dimension first."""
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)]
    return [(0, 0)] * (rank - len(pairs)) + pairs[::-1]


_MODES = {"constant": "", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def padded(case: Case, ids: Array) -> Array:
    """torch.nn.functional.pad."""
    return _with_border(ids, ax.numbers(case["pad"]), _MODES[case.get("mode", "constant")])


def _with_border(ids: Array, pad: Sequence[int], mode: str) -> Array:
    """Grown where the numbers are positive, and cut where they are negative: first if it goes round."""
    sides = padding_of(pad, ids.ndim)
    growth: Any = [(max(0, before), max(0, after)) for before, after in sides]
    how: Any = {"mode": mode} if mode else {"constant_values": -1}
    if mode == "wrap":
        return np.pad(_cut(ids, sides), growth, **how)
    return _cut(np.pad(ids, growth, **how), sides)


def _cut(ids: Array, sides: Sequence[tuple[int, int]]) -> Array:
    slices = (slice(max(0, -a), size - max(0, -b)) for (a, b), size in zip(sides, ids.shape, strict=True))
    return np.asarray(ids[tuple(slices)])


def _pad_text(case: Case, number: int) -> str:
    how = case.get("mode", "constant")
    border = "{value}" if how == "constant" and case.has("value") else "0" if how == "constant" else how
    return f"{{input}} with a border of {border}"


def _shuffled(case: Case, ids: Array) -> Array:
    """torch.pixel_shuffle: channels become pixels, r·r of them a square."""
    r = int(case["upscale_factor"])
    *batch, channels, height, width = ids.shape
    cubes = ids.reshape(math.prod(batch), channels // (r * r), r, r, height, width)
    cubes = cubes.transpose(0, 1, 4, 2, 5, 3)
    return np.asarray(cubes.reshape(*batch, channels // (r * r), height * r, width * r))


def _unshuffled(case: Case, ids: Array) -> Array:
    """torch.pixel_unshuffle: the other way."""
    r = int(case["downscale_factor"])
    *batch, channels, height, width = ids.shape
    cubes = ids.reshape(math.prod(batch), channels, height // r, r, width // r, r)
    cubes = cubes.transpose(0, 1, 3, 5, 2, 4)
    return np.asarray(cubes.reshape(*batch, channels * r * r, height // r, width // r))


def _channels(case: Case, ids: Array) -> Array:
    """torch.channel_shuffle: channels of the groups in turn."""
    groups = int(case["groups"])
    batch, channels, *rest = ids.shape
    turns = ids.reshape(batch, groups, channels // groups, *rest).swapaxes(1, 2)
    return np.asarray(turns.reshape(ids.shape))


def _bordered(mode: str) -> Positions:
    """The nodes of the paddings that repeat what is inside."""

    def positions(case: Case, ids: Array) -> Array:
        return _with_border(ids, ax.numbers(case["padding"]), mode)

    return positions


_FLIP = moved("{input} turned around", _flipped, "input, *dims | input, dims")

OPS: dict[str, Rule] = {
    "tril": moved("{input} on and below the diagonal", _triangle(np.tril), "input, diagonal=0"),
    "triu": moved("{input} on and above the diagonal", _triangle(np.triu), "input, diagonal=0"),
    "flip": _FLIP,
    "fliplr": moved("{input} turned around", lambda c, ids: np.fliplr(ids)),
    "flipud": moved("{input} turned around", lambda c, ids: np.flipud(ids)),
    "roll": moved("{input} shifted by {shifts}", _rolled, "input, shifts, dims=()"),
    "rot90": moved("{input} turned by 90°, {k} times", _turned, "input, k=1, dims=(0, 1)"),
    "pad": moved(_pad_text, padded, "input, pad, mode='constant', value=None", lambda c: c.get("value", 0)),
    "constant_pad_nd": moved(_pad_text, padded, "input, pad, value=0", lambda c: c.get("value", 0)),
    "pixel_shuffle": moved("{input} with channels as pixels", _shuffled, "input, upscale_factor"),
    "pixel_unshuffle": moved("{input} with pixels as channels", _unshuffled, "input, downscale_factor"),
    "channel_shuffle": moved("{input} with channels of {groups} groups in turn", _channels, "input, groups"),
}
OPS = {
    name: Rule(one.symbols, one.evaluate, with_out(one.signature), one.element) for name, one in OPS.items()
}
OPS |= in_place({name: OPS[name] for name in ("tril", "triu")})

_BORDER_BACK = "Σ {g} of the places it was copied to"
NODES: dict[str, Rule] = {
    "TrilBackward": returned("{g} on and below the diagonal, else 0", _triangle(np.tril)),
    "TriuBackward": returned("{g} on and above the diagonal, else 0", _triangle(np.triu)),
    "FlipBackward": returned("{g} turned around", _flipped),
    "RollBackward": returned("{g} shifted back", _rolled),
    "Rot90Backward": returned("{g} turned back", _turned),
    "ConstantPadNdBackward": returned("{g} without the border", padded),
    **{f"ReflectionPad{n}DBackward": returned(_BORDER_BACK, _bordered("reflect")) for n in (1, 2, 3)},
    **{f"ReplicationPad{n}DBackward": returned(_BORDER_BACK, _bordered("edge")) for n in (1, 2, 3)},
    "PixelShuffleBackward": returned("{g} with pixels as channels", _shuffled),
    "PixelUnshuffleBackward": returned("{g} with channels as pixels", _unshuffled),
    "ChannelShuffleBackward": returned("{g} with its channels back in order", _channels),
}
