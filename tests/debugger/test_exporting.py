"""What is exported can be read by other programs, and is what is on the screen."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

from backprop_tui.debugger.exporting import curves_csv, operations_jsonl, values_csv
from backprop_tui.debugger.view import View
from support.fake_session import FakeSession
from support.update_run import tensor


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


VIEW = FakeSession(lambda view: None).at(-1)


def test_a_row_for_each_point_of_each_curve() -> None:
    losses = (
        {"landmark": 1, "iteration": 1, "site": "train.py:9", "value": 0.5},
        {"landmark": 3, "iteration": 2, "site": "train.py:9", "value": "nan"},
    )
    rates = ({"landmark": 2, "iteration": 1, "optimizer": 0, "lrs": [0.1, 0.01]},)
    view = replace(View("stopped", "x"), losses=losses, rates=rates)  # type: ignore[arg-type]
    assert rows_of(curves_csv(view)) == [
        {"landmark": "1", "iteration": "1", "curve": "loss train.py:9", "value": "0.5"},
        {"landmark": "2", "iteration": "1", "curve": "lr 0.0", "value": "0.1"},
        {"landmark": "2", "iteration": "1", "curve": "lr 0.1", "value": "0.01"},
        {"landmark": "3", "iteration": "2", "curve": "loss train.py:9", "value": "nan"},
    ]


def test_a_row_for_each_element_with_its_gradient() -> None:
    rows = rows_of(values_csv(VIEW.parameters))
    last = rows[-1]
    assert len(rows) == 6
    assert (last["tensor"], last["index"], last["value"], last["grad"]) == (
        "linear2.weight", "0 1", "0.174", "-0.48",
    )  # fmt: skip


def test_no_gradient_is_an_empty_field_and_a_large_tensor_its_norm() -> None:
    large = {**tensor([1.0, 2.0]), "values": None, "shape": [1000, 1000], "norm": 3.5}
    scalar = {"name": "s", "value": {**tensor(2.5), "shape": []}, "grad": None}
    rows = rows_of(values_csv([{"name": "w", "value": large, "grad": None}, scalar]))  # type: ignore[list-item,typeddict-item]
    assert rows == [
        {"tensor": "w", "index": "norm", "value": "3.5", "grad": ""},
        {"tensor": "s", "index": "", "value": "2.5", "grad": ""},
    ]


def test_operations_are_lines_of_json_in_the_format_of_trace() -> None:
    warning = {**VIEW.records[0], "kind": "warning"}
    lines = operations_jsonl([*VIEW.records, warning]).splitlines()  # type: ignore[list-item]
    found = [json.loads(line) for line in lines]
    assert len(found) == len(VIEW.records)
    assert found[0]["version"] == 1 and "version" not in found[1]
    assert [record["kind"] for record in found] == [record["kind"] for record in VIEW.records]
    assert operations_jsonl([]) == ""
