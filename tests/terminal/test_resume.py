"""A session that is saved in one terminal and resumed in another."""

from pathlib import Path

import pytest

from support.scripts import script
from support.terminal import Terminal

pytestmark = pytest.mark.xdist_group("terminal_lesson")


def test_a_saved_session_is_resumed_where_it_stood(tmp_path: Path) -> None:
    file = tmp_path / "toy.session.json"
    with Terminal(script("toy"), "5") as terminal:
        terminal.wait_for("  stopped  ")
        terminal.press("g")
        terminal.wait_for("ITERATION.OPERATION")
        for key in "3.4\r":
            terminal.press(key)
        terminal.wait_for("iteration 3 · operation 4")
        terminal.press("z")
        terminal.wait_for("*zero_grad off")
        terminal.press("\x13")
        terminal.wait_for("Save the session as")
        terminal.press("\x15")
        terminal.wait(lambda text: "toy.session.json" not in text)
        for key in str(file):
            terminal.press(key)
        terminal.wait_for("toy.session.json")
        terminal.press("\r")
        terminal.wait_for("backprop-tui resume")
        terminal.press("q")
        assert terminal.wait_for_exit() == 0
    with Terminal("resume", str(file)) as terminal:
        terminal.wait_for("iteration 3 · operation 4", "*zero_grad off", "resumed: all losses")
        terminal.press("q")
        assert terminal.wait_for_exit() == 0
