"""The rules of sequences of different lengths against torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from backprop_tui.explain.explanation import Explanation, explain
from explain.both_ways import both_ways
from explain.checking import name_of, not_right, results, unnoticed

LENGTHS = torch.tensor([4, 2, 1])


def right(function: Callable[[], Any], *names: str) -> dict[str, list[Explanation]]:
    """All of it is ✓ but for `CopySlices`, which keeps to itself what it is made of."""
    evidence = [one for one in both_ways(function) if results(one) and one.name != "CopySlices"]
    assert not_right(evidence) == []
    found = {name_of(one): explain(one) for one in evidence}
    assert set(names) <= set(found)
    return found


def sequences() -> list[torch.Tensor]:
    return [torch.randn(int(length), 2, requires_grad=True) for length in LENGTHS]


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("side", ["left", "right"])
def test_sequences_are_filled_up(batch_first: bool, side: str) -> None:
    given = sequences()
    right(lambda: pad_sequence(given, batch_first, -1.5, side), "pad_sequence")


def packed(batch_first: bool, **more: Any) -> Any:
    x = torch.randn(3, 4, 2, requires_grad=True)
    found = pack_padded_sequence(x if batch_first else x.transpose(0, 1), LENGTHS, batch_first)
    return pad_packed_sequence(found, batch_first, padding_value=0.5, **more)[0]


@pytest.mark.parametrize("batch_first", [False, True])
def test_sequences_are_packed_and_unpacked(batch_first: bool) -> None:
    names = "_pack_padded_sequence", "_pad_packed_sequence", "PackPaddedSequenceBackward"
    right(lambda: packed(batch_first), *names)
    right(lambda: packed(batch_first, total_length=6), *names)


def test_what_is_wrong_is_noticed() -> None:
    evidence = [one for one in both_ways(lambda: packed(True)) if results(one)]
    assert not unnoticed(evidence, lambda one: "pack" in one.name.lower())


def test_each_number_says_where_it_comes_from() -> None:
    found = right(lambda: pad_sequence([torch.tensor([1.0, 2.0]), torch.tensor([3.0])], padding_value=9.0))
    (shown,) = found["pad_sequence"]
    assert shown.symbols == "2 sequences side by side, the shorter ones filled up with 9"
    assert (shown.element, shown.numbers, shown.result) == ("9 (filled in)", "9 (filled in)", "9")
    packs = right(lambda: packed(True))["_pack_padded_sequence"]
    assert packs[1].symbols == "how many sequences are longer than each step"
    assert packs[1].element == "3 of 3 are longer than 0 steps"
