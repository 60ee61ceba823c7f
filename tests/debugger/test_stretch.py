"""What happened in some iterations is found out in a copy; the run itself stays where it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from backprop_tui.debugger.failure import Refused
from backprop_tui.debugger.stretch import read_stretch
from support.driving import Driver

pytestmark = pytest.mark.xdist_group("debugger_changing")

SCRIPT = """\
import torch
w = torch.tensor([[1.0, 2.0]], requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.1)
for i in range(9):
    optimizer.zero_grad()
    (w ** 2).sum().backward()
    optimizer.step()
"""


@pytest.fixture
def loaded(driver: Driver, tmp_path: Path) -> Driver:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    driver.load(script)
    return driver


def test_the_operations_are_those_of_the_iterations(loaded: Driver) -> None:
    loaded.goto(7, 3)
    found = loaded.wait(loaded.session.operations_of(3, 4))
    assert {record["iteration"] for record in found} == {3, 4}
    assert loaded.stop.iteration == 7
    updates = [record for record in found if record["kind"] == "update"]
    assert [update["before"]["values"] for update in updates] == [
        [[pytest.approx(0.8**2), pytest.approx(2 * 0.8**2)]],
        [[pytest.approx(0.8**3), pytest.approx(2 * 0.8**3)]],
    ]
    loaded.goto(3, 1)
    loaded.goto(5, 1)
    walked = [record for record in loaded.view.records if record["iteration"] == 4]
    assert [record["name"] for record in found if record["iteration"] == 4] == [
        record["name"] for record in walked
    ]


def test_an_element_is_followed_with_the_changes_that_were_made(loaded: Driver) -> None:
    loaded.goto(3, 1)
    loaded.change("lr", 0.25)
    loaded.goto(6, 1)
    found = loaded.wait(loaded.session.element_over("w", "value", (0, 1), 1, 5))
    expected = [2 * 0.8, 2 * 0.8**2, 0.8**2, 0.8**2 / 2, 0.8**2 / 4]
    assert found == [(n, pytest.approx(value)) for n, value in enumerate(expected, 1)]
    assert [change.chip for change in loaded.view.changes] == ["lr 0.25"]


def test_what_is_not_there_yet_cannot_be_exported(loaded: Driver) -> None:
    loaded.goto(2, 1)
    for first, last in ((0, 1), (1, 3), (2, 1)):
        with pytest.raises(Refused, match=r"counted from 1 to 2, as in 1\.\.2"):
            loaded.wait(loaded.session.operations_of(first, last))


@pytest.mark.parametrize(
    ("text", "stretch"), [("3..7", (3, 7)), ("3", (3, 3)), ("3-7", (3, 7)), (" 1 .. 2 ", (1, 2))]
)
def test_iterations_are_written_as_people_write_them(text: str, stretch: tuple[int, int]) -> None:
    assert read_stretch(text) == stretch


@pytest.mark.parametrize("text", ["", "x", "1..y", "a..3"])
def test_what_are_no_iterations_is_told(text: str) -> None:
    with pytest.raises(Refused, match=r"write them as 3\.\.7"):
        read_stretch(text)
