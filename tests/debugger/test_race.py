"""Each future of a race is, bit for bit, the run with the same changes made by hand, and leaves no trace."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backprop_tui.debugger.failure import Refused
from backprop_tui.debugger.futures import parse_futures, starting_line
from backprop_tui.debugger.race import Lane, Race, cores, ends
from support.driving import Driver
from support.processes import MARK, all_gone, marked, new_mark, wait_for
from support.scripts import script
from support.sessions import open_session

pytestmark = pytest.mark.xdist_group("debugger_race")

TRAINING = """\
import random
import torch
torch.manual_seed(0)
random.seed(0)
model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Tanh(),
                            torch.nn.Dropout(0.2), torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.5)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 5, 0.5)
x, y = torch.randn(8, 3), torch.randn(8, 1)
log = open({log!r}, "a")
for i in range(12):
    optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(model(x) + random.random(), y)
    loss.backward()
    optimizer.step()
    scheduler.step()
    print(i, loss.item(), file=log, flush=True)
"""
CHANGES = (
    "optimizer=Adam(lr=0.1)",
    "lr=0.3",
    "zero_grad=off",
    "zero_grad=zero",
    "loss=l1",
    "reduction=sum",
    "scheduler=off",
    "hyperparameter=momentum=0.9",
    "backward_gradient=loss",
    "set=model[0].weight[0,1]=0.5",
    "seed=7",
    "lr=0.3; zero_grad=off; seed=3",
)


def training(folder: Path, text: str = TRAINING) -> Path:
    path = folder / "train.py"
    path.write_text(text.format(log=str(folder / "log.txt")))
    return path


async def prepared(driver: Driver, texts: tuple[str, ...], iterations: int) -> Race:
    futures = starting_line([future for text in texts for future in parse_futures(text)])
    return await driver.session.race(futures, iterations)


def race(driver: Driver, *texts: str, iterations: int = 6) -> Race:
    found = driver.wait(prepared(driver, texts, iterations))
    driver.wait(found.run())
    assert found.over
    return found


def by_hand(driver: Driver, lane: Lane, end: int) -> dict[str, Any]:
    """Make a future's changes here and go on to the beginning of an iteration."""
    first = driver.stop.time[0]
    for kind, value in lane.future.changes:
        driver.change(kind, value)
    driver.goto(end, 1)

    async def fingerprint() -> str:
        return str(await driver.session.run_of_script.conversation.ask("fingerprint"))

    return {
        "losses": [point for point in driver.view.losses if point["landmark"] > first],
        "rates": [point for point in driver.view.rates if point["landmark"] > first],
        "fingerprint": driver.wait(fingerprint()),
    }


def back_at(driver: Driver, place: tuple[int, int], before: str = "") -> None:
    """At a place again, with one change made in iteration 2 if asked for, and no other."""
    driver.session.run_of_script.undo(lambda entry: False)
    if before:
        driver.goto(2, 1)
        for kind, value in parse_futures(before)[0].changes:
            driver.change(kind, value)
    driver.goto(*place)


def of_race(lane: Lane) -> dict[str, Any]:
    return {"losses": list(lane.losses), "rates": list(lane.rates), "fingerprint": lane.fingerprint}


@pytest.mark.parametrize(
    "place", [(3, 5), *(pytest.param(place, marks=pytest.mark.exhaustive) for place in ((1, 1), (3, 1)))]
)
def test_each_future_is_the_run_with_the_same_change_made_by_hand(
    driver: Driver, tmp_path: Path, place: tuple[int, int]
) -> None:
    driver.load(training(tmp_path))
    driver.goto(*place)
    found = race(driver, *CHANGES[:8])
    more = race(driver, *CHANGES[8:])
    lanes = [*found.lanes, *more.lanes[1:]]
    assert of_race(found.lanes[0]) == of_race(more.lanes[0])
    assert [lane.state for lane in lanes] == ["done"] * len(lanes)
    assert [lane.future.text for lane in lanes[1:]] == list(CHANGES)
    for lane in lanes:
        back_at(driver, place)
        assert of_race(lane) == by_hand(driver, lane, place[0] + 6), lane.future.text
        assert lane.iterations == 6


@pytest.mark.parametrize("examples", [2, pytest.param(20, marks=pytest.mark.exhaustive)])
def test_any_futures_from_anywhere_are_the_runs_with_the_same_changes(
    driver: Driver, tmp_path: Path, examples: int
) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(data=st.data())
    def anything(data: st.DataObject) -> None:
        any_futures(driver, tmp_path, data)

    anything()


def any_futures(driver: Driver, tmp_path: Path, data: st.DataObject) -> None:
    driver.load(training(tmp_path))
    before = data.draw(st.sampled_from(["zero_grad=off", "optimizer=Adam(lr=0.1)", "seed=1", ""]))
    place = data.draw(st.integers(2, 4)), data.draw(st.integers(1, 12))
    back_at(driver, place, before)
    texts = tuple(data.draw(st.lists(st.sampled_from(CHANGES), min_size=1, max_size=3, unique=True)))
    iterations = data.draw(st.integers(1, 5))
    lanes = race(driver, *texts, iterations=iterations).lanes
    for lane in lanes:
        back_at(driver, place, before)
        where = (before, place, lane.future.text)
        if lane.state == "refused":
            with pytest.raises(Refused) as refusal:
                by_hand(driver, lane, 0)
            assert str(refusal.value) == lane.note, where
        else:
            assert of_race(lane) == by_hand(driver, lane, place[0] + iterations), where


def test_the_run_itself_notices_nothing(driver: Driver, tmp_path: Path) -> None:
    driver.load(training(tmp_path))
    driver.goto(4, 3)
    before = (driver.stop, driver.view.parameters, driver.view.output, driver.view.losses)
    log = (tmp_path / "log.txt").read_text()
    race(driver, "lr=0.3", "seed=1")
    assert (driver.stop, driver.view.parameters, driver.view.output, driver.view.losses) == before
    assert (tmp_path / "log.txt").read_text() == log
    assert driver.view.changes == ()
    folder = Path(driver.session.run_of_script.processes.hub.folder)
    assert not list(folder.glob("state-*"))
    driver.run()
    after = driver.view.losses
    driver.load(training(tmp_path))
    driver.run()
    assert driver.view.losses == after


# the first number that differs
FIRST = {
    # change: iteration, part, name (all from iteration 2 on, where gradients of iteration 1 are left)
    "optimizer=Adam(lr=0.1)": (2, "value", "model[0].weight"),
    "lr=0.3": (2, "value", "model[0].weight"),
    "zero_grad=off": (2, "grad", "model[0].weight"),
    "loss=l1": (2, "loss", "loss"),
    "set=model[4].bias[0]=0.5": (2, "loss", "loss"),
    "seed=7": (2, "loss", "loss"),
    "hyperparameter=momentum=0.9": (2, "value", "model[0].weight"),
    "scheduler=off": (6, "value", "model[0].weight"),
}


def test_the_first_number_that_differs(driver: Driver, tmp_path: Path) -> None:
    driver.load(training(tmp_path))
    driver.goto(2, 1)
    lanes = race(driver, *FIRST, iterations=9).lanes
    found = {lane.future.text: lane.parting for lane in lanes[1:]}
    told = {text: (p.iteration, p.part, p.name) for text, p in found.items() if p is not None}
    assert told == FIRST


def test_the_two_numbers_are_those_of_the_two_runs(driver: Driver, tmp_path: Path) -> None:
    driver.load(training(tmp_path))
    driver.goto(2, 1)
    lanes = race(driver, "scheduler=off", "zero_grad=off", iterations=9).lanes
    for lane, part in zip(lanes[1:], ("value", "grad"), strict=True):
        parting = lane.parting
        assert parting is not None and parting.index is not None
        row, column = parting.index
        after = parting.iteration + 1
        driver.goto(after, 1)
        assert driver.values(parting.name, part)[row][column] == parting.other
        driver.goto(2, 1)
        for kind, value in lane.future.changes:
            driver.change(kind, value)
        driver.goto(after - 1, 1)
        driver.goto(after, 1)
        assert driver.values(parting.name, part)[row][column] == parting.mine != parting.other
        driver.goto(1, 1)


def test_nothing_differs_where_nothing_is_changed(driver: Driver, tmp_path: Path) -> None:
    driver.load(script("toy"), "20")
    lanes = race(driver, "seed=5", "zero_grad=zero", "lr=0.001", iterations=9).lanes
    assert [(lane.parting, lane.compared) for lane in lanes[1:]] == [(None, True)] * 3
    assert len({lane.fingerprint for lane in lanes}) == 1


def test_a_late_difference_is_found_by_halves(driver: Driver, tmp_path: Path) -> None:
    path = tmp_path / "late.py"
    path.write_text(
        "import torch\n"
        "w = torch.ones(2, requires_grad=True)\n"
        "o = torch.optim.SGD([w], lr=0.1)\n"
        "s = torch.optim.lr_scheduler.MultiStepLR(o, [22], 0.5)\n"
        "for i in range(60):\n"
        "    o.zero_grad()\n"
        "    (w ** 2).sum().backward() if i < 40 else (w * 0).sum().backward()\n"
        "    o.step()\n"
        "    s.step()\n"
    )
    driver.load(path)
    (_, lane) = race(driver, "scheduler=off", iterations=50).lanes
    assert lane.parting is not None
    assert (lane.parting.iteration, lane.parting.name, lane.parting.part) == (23, "w", "value")


# what goes wrong in one future
HOSTILE = """\
import os, signal, torch
w = torch.ones(1, requires_grad=True)
o = torch.optim.SGD([w], lr=0.1)
for i in range(30):
    o.zero_grad()
    (w ** 2).sum().backward()
    o.step()
    lr = o.param_groups[0]["lr"]
    if i == 3 and lr == 1: raise ValueError("too fast")
    if i == 3 and lr == 2: os._exit(7)
    if i == 3 and lr == 3: os.kill(os.getpid(), signal.SIGSEGV)
    while i == 3 and lr == 4: pass
"""


def test_one_future_may_be_refused_crash_or_die_and_the_others_go_on(driver: Driver, tmp_path: Path) -> None:
    path = tmp_path / "hostile.py"
    path.write_text(HOSTILE)
    driver.load(path)
    texts = ("optimizer=Foo()", "lr=1", "lr=2", "lr=3", "lr=0.5", "set=nothing[0]=1")
    lanes = race(driver, *texts, iterations=10).lanes
    states = [lane.state for lane in lanes]
    assert states == ["done", "refused", "crashed", "died", "died", "done", "refused"]
    assert "torch.optim has no Foo" in lanes[1].note
    assert lanes[2].note == "ValueError: too fast" and lanes[2].iterations == 4
    assert lanes[3].note == "its process ended with exit status 7"
    assert lanes[4].note == "its process ended by signal 11"
    assert "no tensor of the script is called 'nothing'" in lanes[6].note
    assert lanes[2].parting is not None and lanes[2].parting.iteration == 1
    driver.step()


def test_what_runs_after_the_last_step_is_no_iteration_more(driver: Driver, tmp_path: Path) -> None:
    path = tmp_path / "evaluates.py"
    path.write_text(
        "import torch\nw = torch.ones(2, requires_grad=True)\noptimizer = torch.optim.SGD([w], lr=0.1)\n"
        "for i in range(4):\n    optimizer.zero_grad()\n    (w * w).sum().backward()\n    optimizer.step()\n"
        "with torch.no_grad():\n    print((w * w).sum())\n"
    )
    driver.load(path)
    lanes = race(driver, "lr=0.2", iterations=50).lanes
    assert [lane.note for lane in lanes] == ["the script ends in iteration 4"] * 2


def test_a_future_in_which_the_script_ends_says_so(driver: Driver) -> None:
    driver.load(script("toy"), "5")
    lanes = race(driver, "lr=0.1", iterations=50).lanes
    assert [lane.note for lane in lanes] == ["the script ends in iteration 5"] * 2
    assert [len(lane.losses) for lane in lanes] == [5, 5]
    assert lanes[1].parting is not None and lanes[1].parting.iteration == 1


@pytest.mark.parametrize(
    "when",
    ["busy", *(pytest.param(when, marks=pytest.mark.exhaustive) for when in ("waiting", "at once"))],
)
def test_a_race_that_is_given_up_leaves_no_process(tmp_path: Path, when: str) -> None:
    path = tmp_path / "hostile.py"
    path.write_text(HOSTILE)
    mark = new_mark()

    async def give_up() -> None:
        async with open_session(str(path), environment={MARK: mark}) as session:
            futures = starting_line(parse_futures("lr=4") + parse_futures("lr=0.5") + parse_futures("seed=1"))
            found = await session.race(futures, 10)
            await found.copies.prepare()  # its checkpoint stays, or a twin of it; the copies must not
            before = len(marked(mark))
            running = asyncio.ensure_future(found.run())
            if when != "at once":
                # The second future hangs in a loop that sends nothing; the others are at their end.
                states = ("running",) if when == "waiting" else ("done", "running", "done", "done")
                await until(lambda: tuple(lane.state for lane in found.lanes)[: len(states)] == states)
            await asyncio.sleep(0.3 if when == "busy" else 0.0)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            assert found.over
            assert "cancelled" in [lane.state for lane in found.lanes]
            assert await asyncio.to_thread(wait_for, lambda: len(marked(mark)) <= before)
            await session.step("walk")

    asyncio.run(asyncio.wait_for(give_up(), 60))
    assert all_gone(mark)


@pytest.mark.parametrize("begun", [("running",), ("done", "running")], ids=["at its start", "later"])
def test_quitting_during_a_race_leaves_no_process(tmp_path: Path, begun: tuple[str, ...]) -> None:
    path = tmp_path / "hostile.py"
    path.write_text(HOSTILE)
    mark = new_mark()

    async def quit_it() -> Race:
        async with open_session(str(path), environment={MARK: mark}) as session:
            found = await session.race(starting_line(parse_futures("lr=4")), 10)
            running = asyncio.ensure_future(found.run())
            await until(lambda: tuple(lane.state for lane in found.lanes)[: len(begun)] == begun)
            await session.close()
            await asyncio.gather(running, return_exceptions=True)
        return found

    found = asyncio.run(asyncio.wait_for(quit_it(), 60))
    assert found.over and found.lanes[1].state in ("died", "cancelled")
    assert "refused" not in [lane.state for lane in found.lanes]
    assert all_gone(mark)


async def until(condition: Any) -> None:
    while not condition():
        await asyncio.sleep(0.01)


# where there can be no race, or no fork
def test_where_no_future_begins(driver: Driver, tmp_path: Path) -> None:
    def refusal(work: Awaitable[Any]) -> str:
        with pytest.raises(Refused) as refused:
            driver.wait(work)
        return str(refused.value)

    driver.load(training(tmp_path))
    while not any(record["kind"] == "step" for record in driver.stop.open):
        driver.step()
    assert "not inside optimizer.step" in refusal(run_prepared(driver))
    driver.goto(0, 1)
    assert "has not begun yet" in refusal(run_prepared(driver))
    driver.run()
    assert "the script has finished" in refusal(run_prepared(driver))


async def run_prepared(driver: Driver) -> None:
    found = await prepared(driver, ("lr=1",), 3)
    await found.run()


THREAD = "import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start(); "


def test_without_a_fork_the_futures_are_run_one_after_another_from_an_earlier_place(
    driver: Driver, tmp_path: Path
) -> None:
    driver.load(training(tmp_path))
    driver.goto(4, 2)
    expected = race(driver, "lr=0.3", "seed=7", iterations=4).lanes
    assert race(driver, "lr=0.3").note == ""
    driver.load(training(tmp_path, TRAINING.replace("log = ", THREAD + "log = ")))
    driver.goto(4, 2)
    found = race(driver, "lr=0.3", "seed=7", iterations=4)
    assert "cannot be forked here (the script runs a thread of its own" in found.note
    assert found.at_once == 1
    assert [(lane.state, lane.losses, lane.fingerprint) for lane in found.lanes] == [
        (lane.state, lane.losses, lane.fingerprint) for lane in expected
    ]


def test_a_script_that_neither_forks_nor_repeats_itself_cannot_race(driver: Driver, tmp_path: Path) -> None:
    unsteady = TRAINING.replace("log = ", THREAD + "torch.seed(); log = ")
    driver.load(training(tmp_path, unsteady))
    driver.goto(4, 2)
    lanes = race(driver, "lr=0.3", iterations=4).lanes
    assert {lane.state for lane in lanes} == {"refused"}
    assert "the script is not deterministic from iteration 1 on and cannot be forked here" in lanes[0].note
    assert "\n" not in lanes[0].note


def test_a_checkpoint_that_is_replaced_meanwhile_is_no_obstacle(driver: Driver, tmp_path: Path) -> None:
    driver.load(training(tmp_path))
    driver.goto(3, 1)
    found = driver.wait(prepared(driver, CHANGES[:4], 3))
    processes = driver.session.run_of_script.processes
    fork, dropped = processes.side, []

    async def side(place: Any, *more: Any) -> None:
        if len(dropped) < 2 and place.peer is not processes.root:  # as when a newer one says hello
            dropped.append(place)
            processes.drop(place)
        await fork(place, *more)

    processes.side = side  # type: ignore[method-assign]
    try:
        driver.wait(found.run())
    finally:
        processes.side = fork  # type: ignore[method-assign]
    assert [lane.state for lane in found.lanes] == ["done"] * 5
    assert dropped


def test_at_most_as_many_run_at_a_time_as_there_are_cores(driver: Driver, tmp_path: Path) -> None:
    driver.load(training(tmp_path))
    found = driver.wait(prepared(driver, CHANGES[:6], 8))
    at_once: list[int] = []
    found.on_change = lambda: at_once.append(sum(lane.state == "running" for lane in found.lanes))
    driver.wait(found.run())
    assert max(at_once) == min(cores(), 7) == found.at_once


def test_where_futures_are_looked_at() -> None:
    assert ends(1) == [1]
    assert ends(8) == [1, 2, 4, 8]
    assert ends(200) == [1, 2, 4, 8, 16, 32, 64, 128, 200]


# the real program
OPTIMIZERS = ("Adam", "AdamW", "NAdam", "RAdam", "RMSprop", "Adagrad", "Adamax", "ASGD")


@pytest.mark.parametrize(
    ("names", "iterations"),
    [(OPTIMIZERS[:2], 2), pytest.param(OPTIMIZERS, 200, marks=pytest.mark.exhaustive)],
    ids=["2 x 2", "8 x 200"],
)
def test_optimizers_on_the_convolutional_network(
    driver: Driver, names: tuple[str, ...], iterations: int
) -> None:
    driver.load(script("cnn_digits"), "--epochs", "12")
    lanes = race(driver, *(f"optimizer={name}(lr=0.002)" for name in names), iterations=iterations).lanes
    assert [lane.state for lane in lanes] == ["done"] * (1 + len(names))
    for lane in lanes:
        back_at(driver, (1, 1))
        assert of_race(lane) == by_hand(driver, lane, 1 + iterations), lane.future.text
