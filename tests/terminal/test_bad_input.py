"""Whatever is wrong with what was typed: one sentence, the right exit status, the terminal as it was."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.scripts import backprop_tui, python, said, script
from support.terminal import ENTER_ALTERNATE, Terminal


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return said(backprop_tui(*arguments), **options)


def assert_one_sentence(done: subprocess.CompletedProcess[str], *words: str, status: int = 2) -> None:
    sentence = done.stderr.strip()
    assert done.returncode == status, sentence
    assert done.stdout == ""
    assert sentence.startswith("backprop-tui: ")
    assert "Traceback" not in sentence
    assert sentence.count("\n") <= 1, sentence
    assert not [word for word in words if word not in sentence], sentence


TOY = script("toy")


@pytest.mark.parametrize("arguments", [("lessons",), ("lessons", "--markdown", "update")], ids=str)
def test_a_reader_that_wants_no_more_is_no_error(arguments: tuple[str, ...]) -> None:
    command = subprocess.Popen(backprop_tui(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert command.stdout is not None and command.stderr is not None
    command.stdout.close()
    with command:
        assert command.stderr.read() == b""
    assert command.returncode == 128 + 13


def test_an_interpreter_that_is_too_old_is_named(tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\necho python 3 8\n")
    old.chmod(0o755)

    assert_one_sentence(run("trace", "--python", str(old), TOY), f"{old} is Python 3.8, and 3.10 or later")


WRONG = {
    "no such file": (["trace", "nowhere.py"], ["nowhere.py"]),
    "a directory": (["trace", "."], ["directory"]),
    "not Python": (["trace", sys.executable], ["not"]),
    "an empty name": (["trace", ""], []),
    "trace without a script": (["trace"], ["SCRIPT"]),
    "unknown option": (["trace", "--nonsense", TOY], ["--nonsense"]),
    "unknown level": (["trace", "--level", "atom", TOY], ["atom", "phase", "operation", "kernel"]),
    "iterations not a number": (["trace", "--iterations", "many", TOY], ["many"]),
    "iterations negative": (["trace", "--iterations", "-1", TOY], ["-1"]),
    "unknown loss": (["trace", "--loss", "hinge", TOY], ["hinge", "l1", "mse"]),
    "unknown reduction": (["trace", "--reduction", "median", TOY], ["median", "mean", "sum"]),
    "unknown optimizer": (["trace", "--optimizer", "Adamm(lr=0.1)", TOY], ["Adamm", "Adam"]),
    "unknown hyperparameter": (["trace", "--optimizer", "Adam(momentum=0.9)", TOY], ["momentum", "betas"]),
    "optimizer is not a call": (["trace", "--optimizer", "Adam(lr=", TOY], ["Adam(lr="]),
    "optimizer is a program": (["trace", "--optimizer", "Adam(lr=__import__('os').getpid())", TOY], []),
    "lr is not a number": (["trace", "--optimizer", "SGD(lr='fast')", TOY], ["lr"]),
    "lr is negative": (["trace", "--optimizer", "SGD(lr=-0.1)", TOY], ["-0.1"]),
    "lr is NaN": (["trace", "--optimizer", "SGD(lr=nan)", TOY], ["nan"]),
    "zero_grad is neither": (["trace", "--zero-grad", "perhaps", TOY], ["perhaps", "on", "off", "zero"]),
    "scheduler is neither": (["trace", "--scheduler", "perhaps", TOY], ["perhaps"]),
    "backward gradient": (["trace", "--backward-gradient", "x", TOY], ["x", "loss"]),
    "set without a value": (["trace", "--set", "w[0]", TOY], ["w[0]"]),
    "no such Python": (["trace", "--python", "/nowhere/python", TOY], ["/nowhere/python"]),
    "no Python at all": (["trace", "--python", "/bin/ls", TOY], ["/bin/ls is no Python interpreter"]),
    "neither a file nor a lesson": (
        ["trace", "update.pyx"],
        ["nor a lesson update.pyx. Did you mean update?"],
    ),
    "threads not a number": (["trace", "--threads", "0", TOY], ["0"]),
    "seed is no number": (["trace", "--seed", "x", TOY], ["'x'", "4294967295"]),
    "race without a change": (["race", TOY, "--iterations", "3"], ["at least one change"]),
    "race without iterations": (["race", TOY, "--change", "lr=1"], ["--iterations", "missing"]),
    "race with an option behind the script": (
        ["race", "--change", "lr=1", TOY, "--iterations", "2"],
        ["--iterations", "put it before SCRIPT"],
    ),
    "race of no iterations": (["race", TOY, "--change", "lr=1", "--iterations", "0"], ["0", "1 or more"]),
    "race from nowhere": (["race", TOY, "--change", "lr=1", "--iterations", "3", "--from", "0"], ["--from"]),
    "unknown change": (["race", TOY, "--change", "speed=1", "--iterations", "3"], ["speed", "zero_grad"]),
    "change without a value": (["race", TOY, "--change", "lr", "--iterations", "3"], ["optimizer=Adam"]),
    "bad value": (["race", TOY, "--change", "lr=fast", "--iterations", "3"], ["fast", "lr"]),
    "bad grid": (["race", TOY, "--change", "lr 0..1, 3 points, log", "--iterations", "3"], ["above 0"]),
    "too many changes": (
        ["race", *(f"--change=seed={n}" for n in range(9)), "--iterations", "3", TOY],
        ["at most 8", "9"],
    ),
    "arguments on the wrong side": (
        ["race", TOY, "--change", "lr=1", "--iterations", "3", "20"],
        ["-- 20"],
    ),
    "race without a script": (["race", "--change", "lr=1", "--iterations", "3"], ["race SCRIPT"]),
    "a syntax error": (["trace", script("syntax_error")], ["syntax_error.py", "3"]),
    "check of an unknown lesson": (["lessons", "--check", "updaet"], ["updaet", "update"]),
    "check of no guide": (["lessons", "--check", "nowhere.toml"], ["nowhere.toml"]),
    "a script as a guide": (["lessons", "--markdown", TOY], ["toy.py", "TOML"]),
    "reset of an unknown lesson": (["lessons", "--reset", "updaet"], ["updaet", "update"]),
    "a guide that is not there": (["nowhere.toml"], ["nowhere.toml"]),
    "resume of nothing": (["resume"], ["FILE|STRING"]),
    "resume of a missing file": (["resume", "nowhere.json"], ["nowhere.json"]),
    "resume of a script": (["resume", TOY], ["toy.py", "session"]),
    "resume of a damaged string": (["resume", "bt1.AAAA"], ["share string"]),
}


@pytest.mark.parametrize(("arguments", "words"), WRONG.values(), ids=WRONG)
def test_trace_says_what_is_wrong(arguments: list[str], words: list[str]) -> None:
    assert_one_sentence(run(*arguments), *words)


def test_a_module_that_is_not_there_is_told_as_python_tells_it() -> None:
    done = run("trace", "-m", "no_such_module_anywhere")

    assert done.returncode == 1
    assert "No module named no_such_module_anywhere" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_name_that_the_script_does_not_have_is_told_before_it_trains() -> None:
    done = run("trace", "--set", "nowhere[0]=1", TOY, "3")

    assert done.returncode == 2
    assert done.stderr.startswith("backprop-tui: ")
    assert "nowhere" in done.stderr
    assert done.stderr.count("\n") == 1
    assert '"backward"' not in done.stdout


def test_a_python_without_torch_is_told(tmp_path: Path) -> None:
    subprocess.run(python("-m", "venv", "--without-pip", str(tmp_path / "bare")), check=True)

    assert_one_sentence(run("trace", "--python", str(tmp_path / "bare/bin/python"), TOY), "torch")


@pytest.mark.parametrize("arguments", [[], ["update"], [TOY]], ids=["no argument", "lesson", "script"])
def test_the_app_without_a_terminal_says_what_to_do(arguments: list[str]) -> None:
    assert_one_sentence(run(*arguments), "terminal", "trace")


def test_the_app_with_its_output_in_a_pipe_says_so_too() -> None:
    command = " ".join(map(repr, backprop_tui("update"))) + " | cat"
    with Terminal(command=["/bin/sh", "-c", command]) as terminal:
        terminal.wait_for_exit()

        assert "backprop-tui: " in terminal.text
        assert ENTER_ALTERNATE not in terminal.raw


IN_THE_APP = {
    "unknown lesson": (["updaet"], ["updaet", "update"]),
    "no such file": (["nowhere.py"], ["nowhere.py"]),
    "a directory": (["."], ["directory"]),
    "not Python": ([sys.executable], ["not"]),
    "unknown option": (["--nonsense"], ["--nonsense"]),
    "syntax error": ([script("syntax_error")], ["syntax_error.py", "3"]),
    "no such Python": (["--python", "/nowhere/python", TOY], ["/nowhere/python"]),
}


@pytest.mark.parametrize(("arguments", "words"), IN_THE_APP.values(), ids=IN_THE_APP)
def test_the_app_says_what_is_wrong_before_it_takes_the_screen(
    arguments: list[str], words: list[str]
) -> None:
    with Terminal(*arguments, columns=200) as terminal:
        status = terminal.wait_for_exit()

        assert status == 2
        assert not [word for word in words if word not in terminal.text], terminal.text
        assert "Traceback" not in terminal.text
        assert ENTER_ALTERNATE not in terminal.raw


def test_lessons_lists_them() -> None:
    done = run("lessons")

    assert done.returncode == 0
    assert "update" in done.stdout


@pytest.mark.parametrize("option", ["--help", "-h", "--version"])
def test_help_and_version_answer_without_a_terminal(option: str) -> None:
    done = run(option)

    assert done.returncode == 0
    assert "backprop-tui" in done.stdout
    assert done.stderr == ""


def test_help_names_every_documented_option() -> None:
    text = run("trace", "--help").stdout

    options = (
        "--level --iterations --values --zero-grad --loss --reduction --optimizer --scheduler "
        "--backward-gradient --set --seed --python --threads -m"
    )
    assert not [option for option in options.split() if option not in text]
