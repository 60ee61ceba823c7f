"""Operations are found by what they are, not by their number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backprop_tui.guide.lesson import Place
from backprop_tui.guide.place import described, found_in, line_text, matches

SCRIPT = "import torch\nloss = f(w)\nloss.backward()\n"


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "script.py").write_text(SCRIPT)
    return str(tmp_path / "script.py")


def record(number: int, kind: str, name: str, **more: Any) -> Any:
    return {"time": [0, number], "iteration": 1, "number": number, "kind": kind, "name": name, **more}


@pytest.fixture
def records(file: str) -> list[Any]:
    return [
        record(1, "op", "linear", module="model.a", file=file, line=2),
        record(2, "op", "linear", module="model.b", file=file, line=2),
        record(3, "accumulate", "AccumulateGrad", tensor="model.a.weight", file=file, line=3),
        record(4, "update", "SGD", parameter="model.a.weight", file=file, line=3),
        {**record(1, "op", "linear", module="model.a", file=file, line=2), "iteration": 2, "time": [2, 1]},
    ]


@pytest.mark.parametrize(
    ("place", "number"),
    [
        (Place(kind="op"), 1),
        (Place(name="linear", nth=2), 2),
        (Place(module="model.b"), 2),
        (Place(tensor="model.a.weight"), 3),
        (Place(kind="update", tensor="model.a.weight"), 4),
        (Place(line="backward"), 3),
        (Place(line="backward", nth=2), 4),
        (Place(kind="op", nth=3), None),
        (Place(kind="loss"), None),
        (Place(name="linear", module="model.c"), None),
        (Place(line="gone"), None),
        (Place(iteration=3, kind="op"), None),
    ],
)
def test_it_is_found(records: list[Any], place: Place, number: int | None) -> None:
    found = found_in(place, reversed(records))

    assert (found and found["number"]) == number


def test_it_is_looked_for_in_its_own_iteration(records: list[Any]) -> None:
    found = found_in(Place(iteration=2, name="linear"), records)

    assert found is records[4]


def test_a_script_that_cannot_be_read_has_no_lines(records: list[Any]) -> None:
    assert line_text("/gone.py", 1) == line_text(None, 1) == line_text(__file__, None) == ""
    assert not matches(Place(line="x"), {**records[0], "file": "/gone.py"})


def test_a_line_beyond_the_end_is_empty(file: str) -> None:
    assert line_text(file, 3) == "loss.backward()"
    assert line_text(file, 4) == ""


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (Place(when="start"), "the start"),
        (Place(when="end"), "the end of the script"),
        (Place(2, "before", "update", tensor="w"), "before update of w in iteration 2"),
        (Place(name="relu", module="m", nth=2), "after relu in m number 2 in iteration 1"),
        (Place(line="x = 1"), "after operation at “x = 1” in iteration 1"),
    ],
)
def test_a_place_in_words(place: Place, words: str) -> None:
    assert described(place) == words
