"""The run is brought to a place from wherever it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from backprop_tui.guide.lesson import Place
from backprop_tui.guide.reading import read
from backprop_tui.guide.travel import bring, is_at
from support.driving import Driver

SCRIPT = """\
import torch

w = torch.tensor([1.0, 2.0], requires_grad=True)
for i in range(2):
    (w * w).sum().backward()
"""
GUIDE = """\
title = "T"
question = "Q?"
level = "beginner"
minutes = 1
source = {title = "S", address = "https://example.org"}
[[beat]]
title = "One"
say = "A story."
"""
BEFORE, INSIDE = Place(kind="backward", when="before"), Place(kind="node", name="SumBackward0")
AFTER = Place(kind="backward")


@pytest.mark.parametrize(("first", "second"), [(INSIDE, BEFORE), (INSIDE, AFTER), (AFTER, INSIDE)])
def test_into_an_operation_and_out_of_it_again_both_ways(
    driver: Driver, tmp_path: Path, first: Place, second: Place
) -> None:
    (tmp_path / "squares.py").write_text(SCRIPT)
    (tmp_path / "squares.toml").write_text(GUIDE)
    lesson = read(tmp_path / "squares.toml")
    driver.load(tmp_path / "squares.py")
    for place in (first, second):
        driver.wait(bring(driver.session, lesson, 0, place))

        assert is_at(place, driver.view)
