"""Scripts that crash, exit, fork, print from C or never end: `trace` does with them what Python does."""

import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.processes import MARK, all_gone, command_line, marked, new_mark, resident
from support.scripts import Run, backprop_tui, bare, environment, of_kind, records, script, traced

SAME = [
    "sys_exit_3", "os_exit", "own_signals", "threads", "subprocesses", "closes_stdout", "profiled",
    "node_hooks", "other_device", "without_numbers", "on_accelerator", "freed_memory",
    "odd_objects",
]  # fmt: skip

SAME_TOO = [
    "input_call", "compile", "no_torch", "changes_directory", "reads_file", "module_of_its_own", "at_exit",
    "loader_workers", "prints_from_c", "shadow/train", "exported",
]  # fmt: skip
"""Nothing in these has ever differed without one of the others differing too."""

FAILING = ["exception", pytest.param("shape_error", marks=pytest.mark.exhaustive)]


def both(name: str, *arguments: str) -> tuple[Run, Run]:
    return bare(name, *arguments, dump=False), traced(name, *arguments, dump=False)


@pytest.mark.parametrize("name", SAME)
def test_same_status_and_output(name: str) -> None:
    expected, observed = both(name)

    assert observed.status == expected.status
    assert without_notes(observed.output) == without_notes(expected.output)


def test_the_compiler_is_loaded_when_it_is_asked_for_and_no_operation_of_the_scripts(
    request: pytest.FixtureRequest,
) -> None:
    expected = bare("compiler", dump=False)
    request.getfixturevalue("cold")
    observed = traced("compiler", dump=False, keep_records=True)

    assert (expected.status, observed.status) == (0, 0)
    assert without_notes(observed.output) == expected.output.replace("early: True", "early: False")
    names = [record["name"] for record in observed.records if record["kind"] == "op"]
    assert names == ["ones", "sum", "mul", "mul", "sin", "sum", "sin", "tolist", "rand", "tolist"]


def test_workers_that_persist_draw_one_seed_for_all_epochs() -> None:
    expected, observed = both("loader_workers", "persistent")

    assert without_notes(observed.output) == expected.output


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", SAME_TOO)
def test_same_status_and_output_of_the_others(name: str) -> None:
    test_same_status_and_output(name)


def explanations(name: str) -> list[dict[str, Any]]:
    return of_kind(records(name, trace=["--explain"]), "explanation")


def test_numbers_on_another_device_are_explained() -> None:
    found = explanations("other_device")

    assert {row["check"] for row in found if row.get("result")} == {True}
    assert {"linear", "AddmmBackward0", "AccumulateGrad", "SGD"} <= {row["name"] for row in found}


def test_numbers_that_are_nowhere_are_not_made_up() -> None:
    found = explanations("without_numbers")
    reasons = " ".join(row["rule"] for row in found if row["check"] is None)

    assert not [row for row in found if row["check"] is not None and row["result"]]
    assert "a FakeTensor has no numbers of its own in memory" in reasons
    assert "a tensor of the meta device has no numbers of its own in memory" in reasons


def without_notes(output: str) -> str:
    """The script's own output: what backprop-tui says about the run begins with its name, what torch's
    profiler logs of itself (with the time of day) with USDT."""
    lines = output.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(("backprop-tui:", "USDT:")))


@pytest.mark.parametrize("name", FAILING)
def test_a_traceback_ends_as_in_python_and_shows_none_of_our_frames(name: str) -> None:
    expected, observed = both(name)

    assert observed.status == expected.status == 1
    assert without_notes(observed.output).splitlines()[-1] == expected.output.splitlines()[-1]
    assert "backprop_tui" not in observed.output


def test_running_out_of_stack_inside_an_operation_is_the_scripts_own_error() -> None:
    expected, observed = both("recursion")

    assert observed.status == expected.status == 1
    assert observed.output.splitlines()[:2] == expected.output.splitlines()[:2]
    # Where the limit is met, and so the end of the message, depends on who is on top of the stack.
    assert "RecursionError: maximum recursion depth exceeded" in observed.output.splitlines()[-1]


def test_a_segmentation_fault_is_told_and_gives_the_shells_status() -> None:
    observed = traced("segfault", dump=False)

    assert observed.status in (139, -signal.SIGSEGV)
    assert "about to crash" in observed.output


def test_operations_before_a_crash_are_reported() -> None:
    observed = traced("exception", dump=False, keep_records=True)

    assert len(of_kind(observed.records, "step")) == 2


def test_a_failing_operation_is_reported_with_its_error() -> None:
    observed = traced("shape_error", dump=False, keep_records=True)
    errors = [record["error"] for record in observed.records if "error" in record]

    assert errors
    assert all("1x3 and 2x1" in error for error in errors)


def test_a_script_without_torch_says_that_nothing_was_seen() -> None:
    observed = traced("no_torch", dump=False)

    assert [line for line in observed.output.splitlines() if line.startswith("backprop-tui:")]


def test_a_million_lines_do_not_stay_in_memory() -> None:
    expected, observed = both("million_lines", "100000")

    assert observed.output == expected.output


def test_files_are_written_once(tmp_path: Path) -> None:
    for name in ("bare", "traced"):
        (tmp_path / name).mkdir()
    expected = bare("writes_files", str(tmp_path / "bare"), dump=False)
    observed = traced("writes_files", str(tmp_path / "traced"), dump=False)

    assert observed.output == expected.output
    for file in ("log.txt", "appended.txt"):
        assert (tmp_path / "traced" / file).read_bytes() == (tmp_path / "bare" / file).read_bytes()


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("endless_loop", signal.SIGINT),
        ("bare_except_loop", signal.SIGTERM),
        ("bare_except_loop", signal.SIGKILL),
    ],
)
def test_ending_trace_ends_the_script(name: str, how: signal.Signals) -> None:
    """Also one that swallows every exception: nothing may be left running."""
    mark = new_mark()
    process = subprocess.Popen(
        backprop_tui("trace", script(name)),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env=environment(**{MARK: mark}),
    )  # fmt: skip
    assert process.stderr is not None
    with process, process.stderr:
        assert any("looping" in line for line in process.stderr)
        assert process.pid in marked(mark)
        process.send_signal(how)
        process.wait(timeout=10)
        assert all_gone(mark), [command_line(pid) for pid in marked(mark)]


def test_a_closed_pipe_ends_quietly() -> None:
    process = subprocess.Popen(
        backprop_tui("trace", script("toy"), "100000"),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment(),
    )  # fmt: skip
    assert process.stdout is not None and process.stderr is not None
    with process, process.stdout, process.stderr:
        assert process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
        process.wait(timeout=20)

    assert "Traceback" not in said
    assert "Exception ignored" not in said


def test_a_long_run_starts_printing_at_once_and_uses_bounded_memory() -> None:
    mark = new_mark()
    process = subprocess.Popen(
        backprop_tui("trace", script("toy"), "1000000"),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env=environment(**{MARK: mark}),
    )  # fmt: skip
    assert process.stdout is not None
    with process, process.stdout:
        for _ in range(2_000):
            assert process.stdout.readline()
        before = resident(marked(mark))
        for _ in range(15_000):
            process.stdout.readline()
        after = resident(marked(mark))
        process.terminate()

    assert after - before < 10e6


def test_a_script_that_is_not_the_same_twice_still_runs() -> None:
    assert len(of_kind(records("nondeterministic"), "step")) == 5
