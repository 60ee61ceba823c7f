"""The real app in a real pseudo-terminal: what a person sees, and what is left when it is gone."""

import contextlib
import os
import signal
from typing import Any

import pytest

from support.processes import all_gone, command_line, cpu_seconds, marked, wait_for
from support.scripts import script
from support.terminal import ENTER_ALTERNATE, LEAVE_ALTERNATE, SHOW_CURSOR, Terminal


def exhaustive(*values: Any) -> Any:
    """Parameters of a run whose every part the default run has with other ones."""
    return pytest.param(*values, marks=pytest.mark.exhaustive)


def ready(text: str) -> bool:
    """Whether the script on the screen waits for a step."""
    return "  stopped  " in text


def under_way(text: str) -> bool:
    return any(f"  {status}  " in text for status in ("stopped", "running", "finished"))


SIZES = [exhaustive(80, 24), exhaustive(120, 36), exhaustive(200, 60)]


def debuggees(terminal: Terminal) -> set[int]:
    return marked(terminal.mark) - {terminal.child.pid}


@pytest.mark.parametrize(("columns", "rows"), SIZES, ids=lambda n: str(n))
def test_first_frame_fills_the_screen(columns: int, rows: int) -> None:
    with Terminal(columns=columns, rows=rows) as terminal:
        text = terminal.wait(lambda text: ready(text) and "linear1" in text and "quit" in text)

        assert "quit" in terminal.screen.display[rows - 1], "the footer belongs in the last row"
        assert "linear1" in text
        assert "Traceback" not in text


def test_below_60x16_one_line_says_so() -> None:
    with Terminal(columns=50, rows=12) as terminal:
        terminal.wait_for("60", "16")


def test_resizing_draws_again() -> None:
    with Terminal(columns=120, rows=36) as terminal:
        terminal.wait(ready)
        for columns, rows in ((80, 24), (50, 12), (200, 60), (120, 36)):
            terminal.resize(columns, rows)
            terminal.wait(lambda _, rows=rows: rows < 16 or bool(terminal.screen.display[rows - 1].strip()))
        terminal.wait(ready)


def test_a_step_changes_the_screen_and_a_step_back_undoes_it() -> None:
    with Terminal() as terminal:
        first = terminal.wait(ready)
        terminal.press(" ")
        terminal.wait(lambda text: text != first)
        terminal.press(" ")
        terminal.press("c")
        terminal.wait_for("0.124")
        for _ in range(60):
            terminal.press("\x7f")
        terminal.wait(lambda text: "0.124" not in text)


@pytest.mark.parametrize("key", ["q", exhaustive("\x11")], ids=["q", "ctrl+q"])
@pytest.mark.usefixtures("cold")
def test_quitting_restores_the_terminal_and_leaves_no_process(key: str) -> None:
    with Terminal() as terminal:
        terminal.wait(ready)
        assert ENTER_ALTERNATE in terminal.raw
        terminal.press(key)

        assert terminal.wait_for_exit() == 0
        assert terminal.raw.rindex(LEAVE_ALTERNATE) > terminal.raw.rindex(ENTER_ALTERNATE)
        assert SHOW_CURSOR in terminal.raw[terminal.raw.rindex(ENTER_ALTERNATE) :]
        assert all_gone(terminal.mark), left(terminal)


def left(terminal: Terminal) -> list[str]:
    return [command_line(pid) for pid in marked(terminal.mark)]


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("toy", "kill"),
        ("endless_loop", "hang up"),
        ("bare_except_loop", "terminate"),
        exhaustive("toy", "hang up"),
        exhaustive("toy", "terminate"),
        exhaustive("endless_loop", "kill"),
        exhaustive("endless_loop", "terminate"),
        exhaustive("bare_except_loop", "kill"),
        exhaustive("bare_except_loop", "hang up"),
    ],
)
def test_however_the_app_ends_no_process_is_left(request: pytest.FixtureRequest, name: str, how: str) -> None:
    if how == "kill":
        request.getfixturevalue("cold")
    with Terminal(script(name)) as terminal:
        terminal.wait(under_way)
        assert wait_for(lambda: bool(debuggees(terminal)))
        terminal.press("c")
        if how == "hang up":
            terminal.hang_up()
        else:
            os.kill(terminal.child.pid, signal.SIGKILL if how == "kill" else signal.SIGTERM)
            terminal.wait_for_exit()

        assert all_gone(terminal.mark), left(terminal)


@pytest.mark.parametrize("name", [exhaustive("endless_loop"), "bare_except_loop"])
def test_pausing_and_quitting_work_while_a_script_never_ends(name: str) -> None:
    with Terminal(script(name)) as terminal:
        terminal.wait(under_way)
        terminal.press("c")
        terminal.wait_for("  running  ")
        terminal.press("p")
        terminal.wait(ready)
        terminal.press("q")

        assert terminal.wait_for_exit() == 0
        assert all_gone(terminal.mark), left(terminal)


def test_quitting_while_a_script_runs_is_quiet() -> None:
    with Terminal(script("toy"), "1000000") as terminal:
        terminal.wait(ready)
        terminal.press("c")
        terminal.wait_for("  running  ")
        terminal.press("q")

        assert terminal.wait_for_exit() == 0
        assert "Traceback" not in terminal.raw


def test_a_killed_debuggee_is_told_and_the_app_stays_usable() -> None:
    with Terminal() as terminal:
        terminal.wait(ready)
        for pid in debuggees(terminal):
            with contextlib.suppress(ProcessLookupError):  # it dies with one that was killed before
                os.kill(pid, signal.SIGKILL)
        terminal.wait_for("  died  ")
        terminal.press("q")

        assert terminal.wait_for_exit() == 0


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("exception", ["ValueError: the data ran out"]),
        exhaustive("sys_exit_3", ["3"]),
        exhaustive("os_exit", ["4"]),
        exhaustive("segfault", ["11"]),
        exhaustive("no_torch", ["no operation of torch was seen"]),
    ],
)
def test_the_end_of_a_script_is_told(name: str, words: list[str]) -> None:
    with Terminal(script(name)) as terminal:
        terminal.wait(under_way)
        terminal.press("c")
        terminal.wait(lambda text: any(end in text for end in ("finished", "crashed", "died")))
        terminal.wait_for(*words)
        terminal.press("q")

        assert terminal.wait_for_exit() == 0


def test_what_a_script_printed_before_it_was_killed_is_shown() -> None:
    with Terminal(script("segfault")) as terminal:
        terminal.wait(ready)
        terminal.press("c")
        terminal.wait_for("  died  ")
        # Once in the source, once in the output pane.
        terminal.wait(lambda text: text.count("about to crash") >= 2)


@pytest.mark.exhaustive
def test_prints_from_c_do_not_reach_the_terminal() -> None:
    with Terminal(script("prints_from_c")) as terminal:
        terminal.wait(ready)
        terminal.press("c")
        terminal.wait_for("finished")
        terminal.press("q")
        terminal.wait_for_exit()

        after = terminal.raw[terminal.raw.rindex(LEAVE_ALTERNATE) :]
        assert "from C" not in after


@pytest.mark.benchmark
def test_an_idle_app_does_nothing() -> None:
    with Terminal() as terminal:
        terminal.wait(ready)
        before = cpu_seconds(marked(terminal.mark))
        for _ in range(100):
            terminal.read(0.05)

        assert cpu_seconds(marked(terminal.mark)) - before <= 0.05
