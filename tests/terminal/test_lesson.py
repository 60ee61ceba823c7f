"""A lesson in a real terminal, as a learner meets it."""

import pytest

from support.terminal import Terminal

pytestmark = pytest.mark.xdist_group("terminal_lesson")


def test_a_lesson_is_read_answered_left_and_taken_up_again(tmp_path) -> None:
    state = {"XDG_STATE_HOME": str(tmp_path)}
    with Terminal("update", columns=80, rows=24, **state) as terminal:
        terminal.wait_for("1/13", "Two layers, six weights", "enter goes on")
        terminal.press("\r")
        terminal.wait_for("What will it be?", "a number")
        for character in "0.85\r":
            terminal.press(character)
        text = terminal.wait_for("✓ Right: 0.85.")
        assert "2 · 0.11 + 3 · 0.21 = 0.85" in " ".join(text.split())
        terminal.press("\r")
        terminal.wait_for("3/13", "The output is 0.85 · 0.14 + 0.48 · 0.15 = 0.191")
        terminal.press("\x7f")
        terminal.wait_for("2/13")
        terminal.press("q")
        assert terminal.wait_for_exit() == 0
    with Terminal("update", columns=120, rows=36, **state) as terminal:
        terminal.wait_for("3/13", "nn.L1Loss()")
        terminal.press("\x0f")
        terminal.wait_for("type to search")
        for character in "hand gives\r":
            terminal.press(character)
        terminal.wait(lambda text: "type to search" not in text and "3/13" in text)
        terminal.press("q")
        assert terminal.wait_for_exit() == 0
