"""Running at full speed, pausing, and every way in which a script can end; then going back."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from backprop_tui.debuggee.checkpoint import Checkpoints, hide_from_waiting
from backprop_tui.debugger.failure import Refused
from backprop_tui.debugger.launch import Program
from backprop_tui.debugger.processes import Checkpoint, Processes
from support.driving import Driver
from support.processes import MARK, all_gone, command_line, marked, new_mark, private_bytes, wait_for
from support.scripts import script

pytestmark = pytest.mark.xdist_group("debugger_running")

TRAINING = """\
import os, sys, time
import torch

torch.manual_seed(0)
w = torch.nn.Parameter(torch.randn(3))
optimizer = torch.optim.SGD([w], lr=0.001)
for i in range({count}):
    optimizer.zero_grad()
    loss = (torch.nn.functional.dropout(w, 0.5) ** 2).sum()
    loss.backward()
    optimizer.step()
    {then}
"""


def training(folder: Path, then: str = "pass", count: int = 1_000_000) -> Path:
    path = folder / "training.py"
    path.write_text(TRAINING.format(count=count, then=then))
    return path


def what_is_seen(driver: Driver) -> Any:
    view, stop = driver.view, driver.stop
    return (
        stop.time, stop.iteration, stop.number, stop.next and stop.next["name"],
        [(row["name"], row["value"], row["grad"]) for row in view.parameters],
        [point["value"] for point in view.losses][:stop.iteration], driver.printed,
    )  # fmt: skip


# pausing
def test_a_pause_at_full_speed_shows_where_the_script_is(driver: Driver, tmp_path: Path) -> None:
    driver.load(training(tmp_path))
    driver.start_running()
    driver.until(lambda view: view.iteration > 100)
    assert driver.status == "running"
    stop = driver.pause()

    assert driver.status == "stopped"
    assert stop.iteration > 100
    assert len(driver.view.losses) == stop.iteration - 1
    assert stop.next is not None and stop.next["name"] == "zero_grad"
    # The dropped weights and the noise behind them are those of an uninterrupted run.
    driver.step("over")
    iteration, number = driver.stop.iteration, driver.stop.number
    seen = what_is_seen(driver)
    driver.goto(3, 1)
    driver.goto(iteration, number)
    assert what_is_seen(driver) == seen


def test_back_from_a_pause_into_what_was_run_unobserved(driver: Driver, tmp_path: Path) -> None:
    driver.load(training(tmp_path))
    driver.start_running()
    driver.until(lambda view: view.iteration > 50)
    stop = driver.pause()
    for kind in ("step", "backward"):
        driver.back("over")
        assert driver.stop.next is not None and driver.stop.next["kind"] == kind
        assert driver.stop.iteration == stop.iteration - 1
    driver.step("over")
    driver.step("over")
    assert (driver.stop.time, driver.stop.next) == (stop.time, stop.next)


def test_a_pause_where_no_operation_comes(driver: Driver, tmp_path: Path) -> None:
    there = tmp_path / "there"
    driver.load(training(tmp_path, f"while i == 20: open({str(there)!r}, 'w').close(); time.sleep(0.01)"))
    driver.start_running()
    assert wait_for(there.exists)
    stop = driver.pause()
    assert (stop.reason, stop.next) == ("interrupt", None)
    assert stop.frames[0].line == 12
    driver.back("over")
    assert driver.stop.next is not None and driver.stop.next["kind"] == "step"
    assert driver.stop.iteration == 21
    driver.back("over")
    assert driver.stop.next is not None and driver.stop.next["kind"] == "backward"


def test_a_loop_that_never_touches_torch_can_be_paused_and_left(driver: Driver, tmp_path: Path) -> None:
    path = tmp_path / "busy.py"
    path.write_text("import torch\ntorch.ones(1, requires_grad=True).sum()\nwhile True:\n    pass\n")
    driver.load(path)
    driver.start_running()
    assert driver.status == "running"
    assert driver.pause().reason == "interrupt"
    following = driver.back("walk").next
    assert following is not None and following["name"] == "sum"


def test_commands_are_refused_while_the_script_runs(driver: Driver, tmp_path: Path) -> None:
    driver.load(training(tmp_path))
    driver.start_running()
    for command in (
        driver.session.step("walk"),
        driver.session.run(),
        driver.session.goto(1, 1),
        driver.session.change("lr", 0.1),
    ):
        with pytest.raises(Refused, match="running"):
            driver.wait(command)
    driver.pause()
    with pytest.raises(Refused, match="nothing is running"):
        driver.wait(driver.session.pause())


def test_restarting_a_running_script(driver: Driver, tmp_path: Path) -> None:
    driver.load(training(tmp_path))
    first = what_is_seen(driver)
    driver.start_running()
    driver.until(lambda view: view.iteration > 10)
    driver.restart()
    assert what_is_seen(driver) == first
    assert driver.view.losses == ()


def test_restarting_undoes_changes_without_calling_the_script_random(driver: Driver, tmp_path: Path) -> None:
    driver.load(training(tmp_path, count=5))
    driver.run()
    end = what_is_seen(driver)
    driver.goto(2, 1)
    driver.change("lr", 0.5)
    driver.run()
    driver.restart()
    assert driver.view.changes == ()
    driver.run()

    assert what_is_seen(driver) == end
    assert not [sentence for sentence in driver.messages if "deterministic" in sentence]


def test_a_goto_far_ahead_runs_there(driver: Driver, tmp_path: Path) -> None:
    driver.load(training(tmp_path))
    stop = driver.goto(500, 2)
    assert (stop.iteration, stop.number) == (500, 2)
    seen = what_is_seen(driver)
    driver.goto(499, 1)
    for _ in range(4):
        driver.step("out")
    driver.goto(500, 2)
    assert what_is_seen(driver) == seen


# ends
def test_a_crash_shows_its_traceback_and_can_be_walked_back_from(driver: Driver) -> None:
    driver.load(script("exception"))
    stop = driver.run()
    assert driver.status == "crashed"
    assert (stop.exit_status, stop.next) == (1, None)
    assert stop.error is not None and stop.error.rstrip().endswith("ValueError: the data ran out")
    assert stop.frames[0].line == 14
    assert "ValueError: the data ran out" in driver.printed
    with pytest.raises(Refused, match="crashed"):
        driver.step()

    driver.back("over")
    assert driver.status == "stopped"
    assert driver.stop.next is not None and driver.stop.next["kind"] == "step"
    assert driver.printed == "iteration 0\n"
    driver.step("over")
    assert driver.status == "crashed"


def test_a_crash_before_the_first_operation_has_no_way_back(driver: Driver, tmp_path: Path) -> None:
    path = tmp_path / "asks.py"
    path.write_text("import torch\nname = input('who? ')\n")
    stop = driver.load(path)

    assert stop.error is not None and stop.error.rstrip().endswith("EOFError: EOF when reading a line")
    assert (driver.status, stop.has_past) == ("crashed", False)
    with pytest.raises(Refused, match=r"crashed: ctrl\+r starts it again"):
        driver.step()


def test_a_crash_inside_an_operation(driver: Driver) -> None:
    driver.load(script("shape_error"))
    driver.run()
    assert driver.status == "crashed"
    driver.back("walk")
    failing = driver.stop.next
    assert failing is not None
    driver.step("walk")
    assert driver.status == "crashed"
    assert driver.stop.last is not None and "error" in driver.stop.last


def test_a_crash_at_full_speed_is_noticed_though_nothing_was_observed(driver: Driver, tmp_path: Path) -> None:
    path = tmp_path / "rows.py"
    path.write_text("import torch\nw = torch.ones(2, requires_grad=True)\n(w * w).backward()\n")
    driver.load(path)
    driver.run()

    assert driver.status == "crashed" and driver.view.records == ()
    driver.until(lambda view: bool(view.notices))
    (notice,) = driver.view.notices
    assert (notice.line, "more than one element" in notice.text) == (3, True)


def test_the_end_of_a_script_and_back(driver: Driver, tmp_path: Path) -> None:
    driver.load(training(tmp_path, count=3))
    driver.run()
    assert (driver.status, driver.stop.exit_status) == ("finished", 0)
    assert [row["name"] for row in driver.view.parameters] == ["w"]
    with pytest.raises(Refused, match="finished"):
        driver.wait(driver.session.run())
    driver.back("out")
    assert driver.stop.next is not None and driver.stop.next["kind"] == "step"
    assert driver.stop.iteration == 3
    driver.run()
    assert driver.status == "finished"


def test_the_status_of_a_script_is_its_own(driver: Driver, tmp_path: Path) -> None:
    driver.load(training(tmp_path, "sys.exit(3)"))
    driver.run()

    assert (driver.status, driver.stop.exit_status) == ("finished", 3)


@pytest.mark.parametrize(
    ("how", "status", "word"),
    [("os._exit(7)", 7, "exit status 7"), ("os.kill(os.getpid(), 11)", -11, "signal 11")],
)
def test_a_death_is_told_and_the_past_is_still_there(
    driver: Driver, tmp_path: Path, how: str, status: int, word: str
) -> None:
    path = training(tmp_path, f"print(i, flush=True)\n    if i == 5: {how}")
    driver.load(path)
    driver.run()
    assert driver.status == "died"
    assert driver.stop.exit_status == status
    assert any(word in sentence for sentence in driver.messages)
    with pytest.raises(Refused, match="gone"):
        driver.step()

    driver.back("walk")
    assert driver.status == "stopped"
    driver.goto(5, 2)
    assert (driver.stop.iteration, driver.stop.number) == (5, 2)
    assert driver.printed == "0\n1\n2\n3\n"
    seen = what_is_seen(driver)
    driver.load(path)
    driver.goto(5, 2)
    assert what_is_seen(driver) == seen


def test_steps_back_after_a_death_leave_nothing_out(driver: Driver, tmp_path: Path) -> None:
    """Nothing was observed before the death: what is not known must be looked up, not skipped."""
    path = training(tmp_path, "os._exit(1) if i == 400 else None")
    driver.load(path)
    driver.run()
    driver.back("walk")
    kinds = []
    for _ in range(8):
        if driver.stop.time <= (0, 1):
            break
        following = driver.stop.next
        if following is not None and following["depth"] == 0:
            kinds.append(following["name"])
        driver.back("over")
    order = ["zero_grad", "dropout", "pow", "sum", "backward", "SGD"]
    for later, earlier in pairwise(kinds):
        assert order.index(later) == (order.index(earlier) + 1) % len(order), kinds


def test_an_interpreter_that_was_killed_is_started_anew(driver: Driver, tmp_path: Path) -> None:
    driver.load(training(tmp_path))
    seen = what_is_seen(driver)
    processes = driver.session.run_of_script.processes
    assert processes.root is not None and processes.live is not None
    killed = processes.root.pid, processes.live.pid
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    driver.until(lambda view: view.status == "died" and processes.root is not None and processes.root.closed)
    driver.restart()
    assert what_is_seen(driver) == seen
    assert processes.root.pid not in killed


def test_a_side_copy_whose_checkpoint_dies_is_not_waited_for() -> None:
    async def ask() -> None:
        processes = Processes(Program("x.py"), mock.Mock(), mock.Mock())
        parent = mock.Mock(closed=False)
        place = Checkpoint((1, 0), 1, 0, peer=parent)
        waiting = asyncio.ensure_future(processes.side(place, {}, mock.Mock()))
        await asyncio.sleep(0)
        processes._closed(parent)
        with pytest.raises(ConnectionError, match="the checkpoint is gone"):
            await asyncio.wait_for(waiting, 5)
        await processes.close()

    asyncio.run(ask())


def test_two_deaths_at_once_are_both_told() -> None:
    """The signal of a second death can interrupt the telling of the first."""
    told: list[dict[str, Any]] = []
    checkpoints = Checkpoints(mock.Mock(), None)
    children = {os.fork() or os._exit(number): number for number in (3, 4)}
    for pid in children:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)

    def nested(message: dict[str, Any]) -> None:
        told.append(message)
        checkpoints._reap(children)

    checkpoints.channel.send = nested  # type: ignore[method-assign]
    first = next(iter(children))
    real = os.waitpid

    def interrupted(pid: int, options: int) -> Any:
        if pid == first and not told:
            with mock.patch.object(os, "waitpid", real):
                checkpoints._reap(children)
        return real(pid, options)

    with mock.patch.object(os, "waitpid", interrupted):
        checkpoints._reap(children)
    assert sorted(message["status"] for message in told) == [3, 4]
    assert not children


def met_by(wait: Callable[[], Any]) -> str:
    """What a process without children meets that makes a checkpoint and then waits for any child."""
    reader, writer = os.pipe()
    if not os.fork():
        channel = mock.Mock()
        channel.receive.side_effect = lambda: os._exit(0)  # the copy's end
        checkpoints = Checkpoints(channel, None)
        hide_from_waiting(checkpoints)
        checkpoints.take({}, lambda: None)
        try:
            found = repr(wait())
        except ChildProcessError:
            found = "nothing"
        os.write(writer, found.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        return answer.read()


@pytest.mark.parametrize(
    "wait",
    [
        lambda: os.wait(),
        lambda: os.waitpid(-1, os.WNOHANG),
        lambda: os.wait3(os.WNOHANG),
        lambda: os.wait4(-1, os.WNOHANG),
        lambda: os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG),
    ],
)
def test_a_script_that_waits_for_its_children_meets_none_of_a_checkpoint(wait: Callable[[], Any]) -> None:
    assert met_by(wait) == "nothing"


def test_a_scripts_handler_of_sigchld_is_told_of_no_checkpoint() -> None:
    told: list[int] = []

    def listen() -> list[int]:
        time.sleep(0.3)
        return told

    before = signal.signal(signal.SIGCHLD, lambda number, frame: told.append(number))
    try:
        found = met_by(listen)
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert found == "[]"


def test_a_killed_debuggee_is_told(driver: Driver, tmp_path: Path) -> None:
    driver.load(training(tmp_path))
    driver.goto(3, 1)
    live = driver.session.run_of_script.processes.live
    assert live is not None
    os.kill(live.pid, signal.SIGKILL)
    driver.until(lambda view: view.status == "died" or "signal 9" in view.message)
    assert any("signal 9" in sentence for sentence in driver.messages)
    driver.restart()
    assert driver.status == "stopped"


def test_a_question_to_a_process_that_is_gone_is_refused(driver: Driver, tmp_path: Path) -> None:
    driver.load(training(tmp_path, "os._exit(1) if i == 3 else None"))
    driver.run()
    assert driver.status == "died"
    with pytest.raises(Refused, match="gone"):
        driver.wait(driver.session.window("w", "value", (0, 1), (0, 1)))


def test_a_script_without_torch_finishes_and_says_so(driver: Driver, tmp_path: Path) -> None:
    path = tmp_path / "plain.py"
    path.write_text("print('no torch here')\n")
    driver.load(path)
    assert driver.status == "finished"
    assert driver.printed == "no torch here\n"
    assert any("no operation" in sentence for sentence in driver.messages)
    with pytest.raises(Refused, match="first operation"):
        driver.back()


# a script that is not the same twice
def test_a_script_that_is_not_deterministic_is_told_on(driver: Driver) -> None:
    driver.load(script("nondeterministic"))
    driver.goto(4, 1)
    assert not [sentence for sentence in driver.messages if "deterministic" in sentence]
    driver.session.run_of_script.processes.drop_after((-1, 0), 0)
    driver.goto(3, 1)

    told = [sentence for sentence in driver.messages if "not deterministic" in sentence]
    assert told == ["this script is not deterministic from here (iteration 1)"]


def test_dropout_is_deterministic_enough(driver: Driver, tmp_path: Path) -> None:
    driver.load(training(tmp_path))
    for iteration in (30, 5, 20, 1, 29):
        driver.goto(iteration, 2)

    assert not [sentence for sentence in driver.messages if "deterministic" in sentence]


# where a copy cannot be made
THREADED = """\
import torch

torch.manual_seed(0)
torch.ones(600, 600) @ torch.ones(600, 600)
w = torch.nn.Parameter(torch.randn(4))
optimizer = torch.optim.SGD([w], lr=0.01)
for i in range(9):
    optimizer.zero_grad()
    (torch.nn.functional.dropout(w, 0.5) ** 2).sum().backward()
    optimizer.step()
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_going_back_without_checkpoints_runs_the_script_again(
    driver: Driver, tmp_path: Path, threads: int
) -> None:
    path = tmp_path / "threaded.py"
    path.write_text(THREADED)
    driver.load(path, threads=threads)
    seen = []
    for iteration in (2, 5, 8):
        driver.goto(iteration, 3)
        seen.append(what_is_seen(driver))
    told = [sentence for sentence in driver.messages if "no checkpoint" in sentence]
    assert len(told) == (threads > 1)
    assert threads == 1 or not driver.session.run_of_script.processes.checkpoints
    for iteration, known in ((5, seen[1]), (2, seen[0]), (8, seen[2])):
        driver.goto(iteration, 3)
        assert what_is_seen(driver) == known
    driver.back("walk")
    driver.step("walk")
    assert what_is_seen(driver) == seen[2]


MANUAL = """\
import torch
w, old = torch.ones(2), []
for i in range(40):
    old.append(w)
    w = w.detach().clone().requires_grad_()
    (w ** 2).sum().backward()
    with torch.no_grad():
        w.sub_(0.01 * w.grad)
    w.grad = None
"""


def test_an_update_by_hand_is_one_after_any_checkpoint_of_a_run_at_full_speed(
    driver: Driver, tmp_path: Path
) -> None:
    """What follows the backward pass belongs to the next iteration, the first that is observed."""
    path = tmp_path / "manual.py"
    path.write_text(MANUAL)
    driver.load(path)
    run = driver.session.run_of_script
    driver.do(driver.session._alone(run.go({"observe": [], "record": False, "checkpoint_at": [12, 25]})))

    async def all_said_hello() -> None:
        while not {12, 25} <= {place.iteration for place in run.processes.checkpoints}:
            await asyncio.sleep(0.01)

    driver.wait(all_said_hello())
    for iteration in (12, 25):
        driver.goto(iteration + 1, 6)
        assert {record["kind"] for record in driver.view.records if record["name"] == "sub_"} == {"update"}


# files
def test_a_script_that_reads_a_file_goes_on_reading_where_it_was(driver: Driver) -> None:
    path = script("reads_file")
    lines = [len(line) for line in Path(path).read_text().splitlines(keepends=True)]
    expected = "".join(f"{length} {float(length)}\n" for length in lines)
    driver.load(path)
    driver.run()
    assert driver.printed == expected
    for iteration in (7, 3, 9):
        driver.goto(iteration, 2)
        driver.back("walk")
        driver.back("into")
        driver.step("over")
    driver.run()

    assert driver.printed == expected


def test_a_script_that_writes_files_writes_each_line_once(driver: Driver, tmp_path: Path) -> None:
    driver.load(script("writes_files"), str(tmp_path))
    driver.run()
    log, printed = (tmp_path / "log.txt").read_text(), driver.printed
    assert [line.split()[0] for line in log.splitlines()] == list("01234")
    appended = tmp_path / "appended.txt"
    assert appended.read_text() == "0\n1\n2\n3\n4\n"
    appended.write_text("before\n")
    driver.load(script("writes_files"), str(tmp_path))
    driver.goto(4, 2)
    driver.back("over")
    driver.goto(3, 1)
    assert appended.read_text() == "before\n0\n"  # the loss of the second iteration is about to be logged
    driver.back("walk")
    driver.run()

    assert (tmp_path / "log.txt").read_text() == log
    assert appended.read_text() == "before\n0\n1\n2\n3\n4\n"
    assert driver.printed.splitlines()[:6] == [*printed.splitlines()[:5], "before"]
    driver.goto(1, 1)
    assert appended.read_text() == "before\n"


def test_a_file_that_did_not_exist_is_gone_again(driver: Driver, tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    header = f"f = open({str(file)!r}, 'a'); _ = f.write('head ' * (f.tell() == 0) + f'{{i}} '); f.close()"
    driver.load(training(tmp_path, header, count=6))
    driver.goto(4, 1)
    assert file.read_text() == "head 0 1 2 "
    driver.goto(1, 1)
    assert not file.exists()
    driver.run()
    assert file.read_text() == "head 0 1 2 3 4 5 "


def test_a_file_is_set_back_by_the_next_try_if_a_checkpoint_was_gone(
    driver: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    appended = tmp_path / "appended.txt"
    appended.write_text("before\n")
    driver.load(script("writes_files"), str(tmp_path))
    driver.goto(4, 2)

    async def gone(*_: Any) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(driver.session.run_of_script.processes, "wake", gone)
        with pytest.raises(Refused, match="the checkpoint to start from is gone"):
            driver.goto(1, 1)
    driver.goto(1, 1)
    assert appended.read_text() == "before\n"


def test_a_file_that_cannot_be_set_back_is_told(driver: Driver, tmp_path: Path) -> None:
    appended = tmp_path / "appended.txt"
    appended.write_text("before\n")
    driver.load(script("writes_files"), str(tmp_path))
    driver.goto(4, 2)
    appended.write_text("")
    driver.goto(3, 2)
    told = " ".join(driver.messages)
    assert "appended.txt cannot be set back: it is shorter than it was" in told


# what is known of what was passed by
def summaries(driver: Driver) -> list[bool]:
    """Of each large result of an operation in the view: whether its norm is known."""
    results = [info for record in driver.view.records for info in record.get("outputs", ())]
    return ["norm" in info for info in results if info["values"] is None]


def test_results_that_were_passed_by_have_their_norms(driver: Driver) -> None:
    driver.load(script("cnn_digits"))
    while driver.step().next["kind"] != "forward":
        pass
    driver.step("over")
    assert summaries(driver) and all(summaries(driver))
    driver.goto(3, 60)
    assert len(summaries(driver)) > 20 and all(summaries(driver))
    driver.back()
    assert len(summaries(driver)) > 20 and all(summaries(driver))


# output
def test_output_goes_up_to_the_cursor_and_no_further(driver: Driver, tmp_path: Path) -> None:
    driver.load(training(tmp_path, "print(i, 'é', file=sys.stderr if i % 2 else sys.stdout)", count=12))
    lines = [f"{i} é\n" for i in range(12)]
    driver.run()
    assert driver.printed == "".join(lines)
    for iteration in (9, 2, 11, 5, 1):
        driver.goto(iteration, 2)
        for stream, first in (("out", 0), ("err", 1)):
            text = "".join(chunk.text for chunk in driver.view.output if chunk.stream == stream)
            assert text == "".join(lines[first : iteration - 1 : 2])


def test_output_of_c_is_captured(driver: Driver) -> None:
    driver.load(script("prints_from_c"))
    driver.run()
    out = "".join(chunk.text for chunk in driver.view.output if chunk.stream == "out")

    assert out == "from Python\nfrom C\nfrom the descriptor\nwithout an end of line, at the end"
    assert "to the standard error\n" in driver.printed


# processes
def test_checkpoints_are_few_and_small_and_none_outlives_the_session(tmp_path: Path) -> None:
    mark = new_mark()
    with mock.patch.dict(os.environ, {MARK: mark}):
        driver = Driver(str(training(tmp_path)))
    processes = driver.session.run_of_script.processes
    folder = processes.hub.folder
    driver.start_running()
    driver.until(lambda view: view.iteration > 5_000)
    driver.pause()
    for iteration in (4_000, 1_000, 2_500, 10):
        driver.goto(iteration, 3)
        driver.back("walk")
    sleeping = marked(mark)
    assert 3 <= len(sleeping) <= 66
    checkpoints = [place.peer.pid for place in processes.checkpoints]
    assert set(checkpoints) < sleeping
    assert sum(private_bytes(pid) for pid in checkpoints) < 500e6

    driver.start_running()  # the end comes while it runs
    driver.close()
    assert all_gone(mark), [command_line(pid) for pid in marked(mark)]
    assert not folder.exists()


def test_several_callers_at_once_do_not_confuse_the_session(driver: Driver, tmp_path: Path) -> None:
    """Keys come faster than the debuggee answers: one command wins, the others are refused."""
    driver.load(training(tmp_path))

    async def at_once() -> list[Any]:
        commands = [driver.session.step("walk") for _ in range(3)]
        return await asyncio.gather(*commands, driver.session.step("walk", True), return_exceptions=True)

    answers = driver.wait(at_once())
    assert answers[0] is None
    assert all(isinstance(answer, Refused) for answer in answers[1:])
    assert driver.stop.number == 2


def test_a_goto_to_what_does_not_exist_says_where_it_has_come_to(driver: Driver, tmp_path: Path) -> None:
    driver.load(training(tmp_path, count=3))
    driver.goto(2, 99)
    assert driver.status == "stopped"
    assert "there is no operation 2.99" in driver.view.message
    driver.goto(99, 1)

    assert driver.status == "finished"
    assert "there is no operation 99.1" in driver.view.message
