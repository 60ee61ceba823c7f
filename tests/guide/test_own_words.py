"""Numbers in a guide's text that need not be worked out: they are the script's own, or a switch's."""

from pathlib import Path

import pytest

from backprop_tui.guide.lesson import Lesson
from backprop_tui.guide.reading import read
from backprop_tui.guide.walking import loose_numbers

GUIDE = """
title = "T"
question = "Q?"
level = "beginner"
minutes = 1
source = {{title = "S", address = "https://example.org"}}
[[beat]]
title = "One"
say = "{text}"
switch = {{optimizer = "SGD(lr=0.05, momentum=0.9)"}}
[[beat]]
title = "Two"
at = "end"
say = "The end."
"""


def lesson(folder: Path, text: str) -> Lesson:
    (folder / "g.py").write_text("rate = 0.25\n")
    (folder / "g.toml").write_text(GUIDE.format(text=text))
    return read(folder / "g.toml")


@pytest.mark.parametrize("text", ["`rate = 0.25`", "`momentum=0.9`", "`SGD(lr=0.05, momentum=0.9)`"])
def test_code_of_the_script_or_of_a_switch_may_have_numbers(tmp_path: Path, text: str) -> None:
    read_back = lesson(tmp_path, text)

    assert list(loose_numbers(read_back.beats[0], read_back)) == []


@pytest.mark.parametrize("text", ["momentum=0.9", "`momentum=0.8`", "`nesterov=0.9`"])
def test_any_other_number_must_be_worked_out(tmp_path: Path, text: str) -> None:
    read_back = lesson(tmp_path, text)

    assert len(list(loose_numbers(read_back.beats[0], read_back))) == 1
