"""Rules of sequences of different lengths: pad_sequence, and the packed form that recurrent layers take.

As in torch/nn/utils/rnn.py and aten/src/ATen/native/PackedSequence.cpp.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backprop_tui.explain.evidence import Array, Tensor
from backprop_tui.explain.rule import Case, Index, Rule, Sum, number_text
from backprop_tui.explain.rules.joining import origin
from backprop_tui.explain.rules.moving import moved, returned

# -- filled up ------------------------------------------------------------------------------------


def _sequences(case: Case) -> list[Tensor]:
    return [item for item in case.operands["sequences"] if isinstance(item, Tensor)]


def _padding(case: Case) -> float:
    return float(case.get("padding_value", 0.0))


def _side_by_side(case: Case, arrays: list[Array], fill: float) -> Array:
    longest = max(map(len, arrays))
    left = case.get("padding_side", "right") == "left"
    found = np.full((len(arrays), longest, *arrays[0].shape[1:]), fill)
    for row, one in zip(found, arrays, strict=True):
        begin = longest - len(one) if left else 0
        row[begin : begin + len(one)] = one
    return found if case.get("batch_first", False) else np.swapaxes(found, 0, 1)


def _filled(case: Case) -> list[Array | None]:
    return [_side_by_side(case, [one.values for one in _sequences(case)], _padding(case))]


def _filled_element(case: Case, number: int, index: Index) -> str:
    def join(arrays: list[Array]) -> Array:
        return _side_by_side(case, arrays, -1)

    return origin(_sequences(case), join, index, "sequence") or f"{number_text(_padding(case))} (filled in)"


def _filled_text(case: Case, number: int) -> str:
    many = len(_sequences(case))
    return f"{many} sequences side by side, the shorter ones filled up with {number_text(_padding(case))}"


# -- packed ---------------------------------------------------------------------------------------


def _packed(counts: Array, ids: Array, batch_first: bool) -> Array:
    """Step by step the elements of the sequences that are long enough; the longest comes first."""
    by_step = np.swapaxes(ids, 0, 1) if batch_first else ids
    return np.concatenate([step[:count] for step, count in zip(by_step, counts, strict=False)])


def _counts(case: Case) -> Array:
    """How many sequences are longer than 0, 1, 2, … steps."""
    lengths = np.asarray(case["lengths"])
    return np.asarray([(lengths > step).sum() for step in range(int(lengths.max()))])


_PACK = moved(
    "",
    lambda case, ids: _packed(_counts(case), ids, bool(case["batch_first"])),
    "input, lengths, batch_first",
)


def _pack_text(case: Case, number: int) -> str:
    if number:
        return "how many sequences are longer than each step"
    return "step by step the rows of the sequences that are that long"


def _pack_element(case: Case, number: int, index: Index) -> Sum | str:
    if number == 0 and _PACK.element is not None:
        return _PACK.element(case, number, index)
    return f"{_counts(case)[index]} of {len(case['lengths'])} are longer than {index[0]} steps"


def _unpacked(case: Case, ids: Array) -> Array:
    """Where each element of the padded tensor comes from; −1 beyond a sequence's end."""
    sizes = case["batch_sizes"].astype(int)
    steps = max(len(sizes), int(case.get("total_length", 0)))
    found = np.full((steps, sizes[0], *ids.shape[1:]), -1)
    begin = 0
    for step, size in enumerate(sizes):
        found[step, :size] = ids[begin : begin + size]
        begin += size
    return np.swapaxes(found, 0, 1) if case["batch_first"] else found


_UNPACK = moved(
    "",
    _unpacked,
    "input, batch_sizes, batch_first, padding_value, total_length",
    lambda case: case["padding_value"],
)


def _lengths(case: Case) -> Array:
    sizes = case["batch_sizes"].astype(int)
    return np.asarray([(sizes > sequence).sum() for sequence in range(sizes[0])])


def _unpack_text(case: Case, number: int) -> str:
    if number:
        return "how long each sequence is"
    return f"the rows side by side again, the shorter ones filled up with {number_text(_padding(case))}"


def _unpack_element(case: Case, number: int, index: Index) -> Sum | str:
    if number == 0 and _UNPACK.element is not None:
        return _UNPACK.element(case, number, index)
    return f"{_lengths(case)[index]} steps have more than {index[0]} sequences"


OPS: dict[str, Rule] = {
    "pad_sequence": Rule(
        _filled_text,
        _filled,
        "sequences, batch_first=False, padding_value=0.0, padding_side='right'",
        _filled_element,
    ),
    "_pack_padded_sequence": replace(
        _PACK,
        symbols=_pack_text,
        evaluate=lambda case: [*_PACK.evaluate(case), _counts(case)],
        element=_pack_element,
    ),
    "_pad_packed_sequence": replace(
        _UNPACK,
        symbols=_unpack_text,
        evaluate=lambda case: [*_UNPACK.evaluate(case), _lengths(case)],
        element=_unpack_element,
    ),
}

NODES: dict[str, Rule] = {
    "PackPaddedSequenceBackward": returned(
        "the rows of {g} back where they came from",
        lambda case, ids: _packed(case["result1"].astype(int), ids, bool(case["batch_first"])),
    )
}
