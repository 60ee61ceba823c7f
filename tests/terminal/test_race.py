"""`backprop-tui race`, as a shell sees it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from support.processes import MARK, all_gone, marked, new_mark, wait_for
from support.scripts import backprop_tui, environment, said, script
from support.terminal import Terminal

TOY = script("toy")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return said(backprop_tui("race", *arguments))


def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_options_may_stand_on_either_side_of_the_script() -> None:
    ours = ["--change", "optimizer=Adam(lr=0.1)", "--change", "zero_grad=off", "--iterations", "30", "--json"]
    before, behind = told(run(*ours, TOY, "20")), told(run(TOY, *ours, "--", "20"))

    for found in (before, behind):
        assert (found["version"], found["from"], found["iterations"]) == (1, 1, 30)
        found.pop("seconds")
        for lane in found["futures"]:
            assert lane.pop("seconds") > 0
    assert before == behind
    first, adam, stale = before["futures"]
    assert [lane["letter"] for lane in before["futures"]] == ["a", "b", "c"]
    assert first["note"] == "the script ends in iteration 20", "the script's own argument was its own"
    assert first["first_difference"] is None and not first["compared"]
    assert adam["changes"] == [{"kind": "optimizer", "value": "Adam(lr=0.1)"}]
    assert adam["losses"][0] == first["losses"][0] and adam["final_loss"] == adam["losses"][-1][2]
    assert adam["rates"][0] == [1, 0, [0.1]]
    assert adam["first_difference"]["name"] == "model[0].weight"
    assert adam["first_difference"]["iteration"] == 1
    assert stale["first_difference"]["part"] == "grad" and stale["first_difference"]["iteration"] == 2


def test_a_table_for_people_from_a_later_iteration() -> None:
    done = run(TOY, "--change", "lr 1e-4..1e-2, 2 points, log", "--iterations", "4", "--from", "3")

    assert done.returncode == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{TOY}: 4 iterations from iteration 3 on, 3 futures, ")
    assert lines[2].split()[:4] == ["future", "iterations", "loss", "time"]
    assert [line[1] for line in lines[3:6]] == ["a", "b", "c"]
    assert "b   lr=0.0001" in lines[4]
    assert "model[0].weight[0,0] after the step of iteration 3: " in lines[4]
    assert lines[6] == "* the lowest last loss"


def test_a_script_that_ends_before_the_race_begins(tmp_path: Path) -> None:
    done = run(TOY, "--change", "lr=1", "--iterations", "4", "--from", "30", "--", "5")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == ("backprop-tui: the script ends before iteration 30: there is no future to race\n")
    broken = tmp_path / "broken.py"
    broken.write_text("import torch\nraise ValueError('no data')\n")
    done = run(str(broken), "--change", "lr=1", "--iterations", "4")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("backprop-tui: the script crashes (ValueError: no data) before iteration 1")
    assert done.stderr.count("\n") == 1


REFUSED = {
    "unknown optimizer": ("optimizer=Foo()", ["torch.optim has no Foo", "Adam", "optimizer=Foo()"]),
    "no such tensor": ("set=nothing[0]=1", ["nothing"]),
    "not for these data": ("loss=cross_entropy", ["cross_entropy does not fit", "mse"]),
}


@pytest.mark.parametrize(("change", "words"), REFUSED.values(), ids=REFUSED)
def test_what_the_script_does_not_allow_is_bad_input(change: str, words: list[str]) -> None:
    done = run(TOY, "--change", change, "--change", "lr=1", "--iterations", "3", "--from", "2")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("backprop-tui: --change ")
    assert done.stderr.count("\n") == 1
    assert not [word for word in words if word not in done.stderr], done.stderr


def test_an_interrupted_race_leaves_no_process(tmp_path: Path) -> None:
    endless = tmp_path / "endless.py"
    endless.write_text(ENDLESS)
    mark = new_mark()
    command = backprop_tui("race", str(endless), "--change", "lr=0.2", "--iterations", "100000000")
    with subprocess.Popen(
        command, env=environment(**{MARK: mark}), stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    ) as process:
        # The program, the root, the script, its checkpoint, and one copy at least.
        assert wait_for(lambda: len(marked(mark)) >= 5, 100)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert process.stderr is not None and process.stderr.read() == ""
    assert all_gone(mark)


ENDLESS = """\
import torch
w = torch.ones(1, requires_grad=True)
o = torch.optim.SGD([w], lr=0.1)
while True:
    o.zero_grad(); (w ** 2).sum().backward(); o.step()
"""


@pytest.mark.parametrize("end", ["\x11", "\x1b\x1b"], ids=["quitting", "cancelling and closing"])
def test_a_race_in_the_app_and_its_end(tmp_path: Path, end: str) -> None:
    endless = tmp_path / "endless.py"
    endless.write_text(ENDLESS)
    with Terminal(str(endless)) as terminal:
        terminal.wait_for("stopped", "o.zero_grad", seconds=60)
        before = len(marked(terminal.mark))
        terminal.press("w")
        terminal.wait_for("What if? Futures from iteration 1, operation 1 on", "as it is")
        terminal.press("lr 0.01..0.1, 5 points\r")
        terminal.wait_for("f  lr=0.1")
        for keys, shown in (
            # Textual sends a key to the widget that has the focus when it comes, so each waits for the last.
            ("\t", r"Iterations of each 100"),
            ("\t", r"Iterations of each 100"),
            ("\x7f" * 3, r"Iterations of each +│"),
            ("1000000", r"Iterations of each 1000000"),
            ("\r", r"1000000 iterations from"),
        ):
            terminal.press(keys)
            terminal.read(0.5)
            terminal.wait(re.compile(shown).search)  # type: ignore[arg-type]
        found = terminal.wait(re.compile(r"as it is +[1-9][0-9]+/1000000").search)  # type: ignore[arg-type]
        assert "waits" in found and "Esc cancels" in found
        if end == "\x11":
            terminal.press(end)
            assert terminal.wait_for_exit() == 0
            assert all_gone(terminal.mark)
            return
        terminal.press("\x1b")
        terminal.wait_for("cancelled", "Esc closes")
        terminal.press("\x1b")
        terminal.wait_for("stopped", "o.zero_grad")
        assert wait_for(lambda: len(marked(terminal.mark)) <= before + 1), "a checkpoint, and no copy"
        terminal.press(" ")
        terminal.wait_for("operation 2")
        terminal.press("q")
        assert terminal.wait_for_exit() == 0
        assert all_gone(terminal.mark)
