"""The table of parameters comes as what has changed: both ends, without a process between them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backprop_tui.debuggee import finite
from backprop_tui.debuggee.describe import ALL, describe
from backprop_tui.debuggee.descriptions import Descriptions
from backprop_tui.debuggee.evidence import pack
from backprop_tui.debuggee.inspection import Inspection
from backprop_tui.debuggee.names import Names
from backprop_tui.debuggee.recorder import Recorder
from backprop_tui.debuggee.table import Table
from backprop_tui.debugger.tables import Tables
from backprop_tui.protocol import HEADER, decode, encode

SMALL, LARGE = 4, 400
"""Elements: described with their values, summarised."""


def filled(size: int) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.arange(1.0, size + 1))


def through_data(tensor: torch.Tensor) -> None:
    tensor.data[0] = 7.5


def through_numpy(tensor: torch.Tensor) -> None:
    tensor.detach().numpy()[-1] = 7.5


def in_place(tensor: torch.Tensor) -> None:
    with torch.no_grad():
        tensor.mul_(2)


def permuted(tensor: torch.Tensor) -> None:
    with torch.no_grad():
        tensor.copy_(tensor.flip(0))


def other_storage(tensor: torch.Tensor) -> None:
    tensor.data = tensor.data.double()


def frozen(tensor: torch.Tensor) -> None:
    tensor.requires_grad_(False)


CHANGES = (through_data, through_numpy, in_place, permuted, other_storage, frozen)


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize(
    "change",
    [through_data, through_numpy, in_place, permuted, other_storage, frozen],
    ids=lambda f: f.__name__,
)
def test_what_is_changed_in_any_way_is_described_anew(size: int, change: Any) -> None:
    known, tensor = Descriptions(), filled(size)
    before = known.info(tensor, "w", 64, ALL)
    known.forget_unused()
    assert known.info(tensor, "w", 64, ALL) is before
    known.forget_unused()
    change(tensor)
    after = known.info(tensor, "w", 64, ALL)
    assert after is not before
    assert after == describe(tensor, "w", 64, ALL)


def test_a_zero_that_changes_its_sign_has_changed_and_a_nan_that_stays_has_not() -> None:
    known, tensor = Descriptions(), torch.tensor([0.0, math.nan])
    before = known.info(tensor, "x", 64, ALL)
    known.forget_unused()
    assert known.info(tensor, "x", 64, ALL) is before
    known.forget_unused()
    tensor[0] = -0.0
    after = known.info(tensor, "x", 64, ALL)
    assert math.copysign(1, after["values"][0]) == -1


def freed(tensor: torch.Tensor) -> torch.Tensor:
    tensor.untyped_storage().resize_(0)
    return tensor


KINDS = {
    "sparse": lambda: torch.eye(3).to_sparse(),
    "complex": lambda: torch.tensor([1 + 2j]),
    "boolean": lambda: torch.tensor([True, False]),
    "number": lambda: torch.tensor(3),
    "empty": lambda: torch.empty(0),
    "without values": lambda: torch.ones(2, device="meta"),
    "half": lambda: torch.tensor([1.5], dtype=torch.float16),
    "transposed": lambda: torch.arange(6.0).reshape(2, 3).T,
    "freed": lambda: freed(torch.ones(4)[2:]),
    "quantized": lambda: torch.quantize_per_tensor(torch.tensor([1.0]), 0.1, 0, torch.qint8),
}


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")  # torch will drop them one day
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_tensor_is_described_as_ever(kind: str) -> None:
    known, tensor = Descriptions(), KINDS[kind]()
    for _ in range(3):
        assert known.info(tensor, None, 64, ALL) == describe(tensor, None, 64, True)
        known.forget_unused()


@pytest.mark.parametrize("start", [0, 2])
def test_memory_that_was_given_back_is_not_read(start: int) -> None:
    known, tensor = Descriptions(), torch.ones(4)[start:]
    assert known.info(tensor, "w", 64, ALL)["values"] == [1.0] * (4 - start)
    known.forget_unused()
    freed(tensor)
    assert known.info(tensor, "w", 64, ALL)["values"] is None
    assert pack(tensor)["data"] is None and finite.badness(tensor) is None
    known.forget_unused()
    tensor.untyped_storage().resize_(16)
    assert known.info(tensor.fill_(2), "w", 64, ALL)["values"] == [2.0] * (4 - start)


class Parameters:
    """A script's parameters and its optimizer, and both ends of the wire."""

    def __init__(self, count: int) -> None:
        self.leaves = [filled(3) for _ in range(count)]
        self.optimizer = torch.optim.Adam(self.leaves, lr=0.5)
        names = Names()
        self.inspection = Inspection(names, lambda: [self.optimizer])
        self.recorder = Recorder(names)
        self.table = Table(self.inspection, self.recorder, lambda: 1)
        self.tables = Tables()

    def sent(self) -> Any:
        return decode(encode(self.table.news())[HEADER.size :])

    def shown(self, news: Any) -> list[Any]:
        return list(self.tables.take(news, ()))

    def whole(self) -> list[Any]:
        return self.shown(decode(encode(self.table.whole())[HEADER.size :]))


@settings(deadline=None)
@given(st.lists(st.sets(st.integers(0, 5)), max_size=6))
def test_the_changes_make_up_the_whole_table(steps: list[set[int]]) -> None:
    script = Parameters(6)
    script.shown(script.sent())
    for changed in steps:
        for place in changed:
            leaf = script.leaves[place]
            leaf.grad = None if leaf.grad is not None else torch.ones(3)
        news = script.sent()
        rows = [item for item in news["rows"] if isinstance(item, dict)]
        assert len(rows) == len(changed)
        assert script.shown(news) == script.whole()


def test_a_step_sends_the_state_of_the_parameters_that_it_updates() -> None:
    script = Parameters(3)
    script.shown(script.sent())
    script.leaves[1].grad = torch.ones(3)
    script.optimizer.step()
    news = script.sent()
    assert [type(item) for item in news["rows"]] == [list, dict, list]
    assert news["rows"][1]["state"]["exp_avg"]["values"] == pytest.approx([0.1] * 3)
    assert script.shown(news) == script.whole()


def test_a_copy_whose_table_the_debugger_has_forgotten_sends_it_whole() -> None:
    script = Parameters(2)
    script.shown(script.sent())
    script.table.know(script.table.id)
    assert script.sent()["rows"] == [[0, 2]]
    script.table.know(None)
    assert [type(item) for item in script.sent()["rows"]] == [dict, dict]


def test_tables_of_sleeping_copies_are_kept_and_others_forgotten_in_time() -> None:
    tables = Tables()
    for number in range(1000):
        tables.take({"id": f"1.{number}", "since": None, "rows": []}, ["1.3"])
    assert tables.has("1.3") and tables.has("1.999") and not tables.has("1.4")


def test_a_number_of_numpys_is_a_plain_number_on_the_other_side() -> None:
    message = {"lr": np.float64(0.25), "shape": torch.Size([2, 3])}
    received = decode(encode(message)[HEADER.size :])
    assert received == {"lr": 0.25, "shape": [2, 3]} and type(received["lr"]) is float


def test_what_is_no_plain_value_is_refused() -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        encode({"value": object()})
