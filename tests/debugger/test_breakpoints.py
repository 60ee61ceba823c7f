"""Breakpoints on conditions, forwards and backwards, in a real debuggee."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backprop_tui.debugger.failure import Refused
from backprop_tui.debugger.processes import Checkpoint
from backprop_tui.debugger.view import Stop
from backprop_tui.protocol import Time
from support.driving import Driver
from support.scripts import script

pytestmark = pytest.mark.xdist_group("debugger_breakpoints")

TRAINING = """\
import torch

torch.manual_seed(0)
x = torch.rand(8, 2) + 0.5
y = x.sum(1, keepdim=True)
net = torch.nn.Linear(2, 1)
{setup}
for i in range({count}):
    optimizer.zero_grad()
    out = net(x)
    {body}
    loss = ((out - y) ** 2).mean()
    {backward}
    optimizer.step()
    {then}
"""
SGD = "optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)"


def training(folder: Path, body: str = "pass", setup: str = SGD, count: int = 60, then: str = "pass",
             backward: str = "loss.backward()") -> Path:  # fmt: skip
    path = folder / "training.py"
    path.write_text(TRAINING.format(count=count, body=body, setup=setup, then=then, backward=backward))
    return path


def load(driver: Driver, path: Path, *texts: str) -> None:
    driver.load(path)
    for text in texts:
        driver.session.set_breakpoint(text)


def hits(driver: Driver, most: int = 6) -> list[Time]:
    """Where `continue` stops from the beginning on."""
    found = []
    while len(found) < most:
        stop = driver.run()
        if driver.status != "stopped":
            break
        found.append(stop.time)
    return found


def name_of_last(stop: Stop) -> str:
    assert stop.last is not None
    return stop.last["name"]


def name_of_next(stop: Stop) -> str:
    assert stop.next is not None
    return stop.next["name"]


# each kind
SCHEDULED = f"{SGD}; scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 41)"
ROOT = {"body": "if i == 40: out = out + (out * 0).sqrt()"}
"""The loss is fine, its gradient is not."""
SUM = {"body": "if i == 40: out = net.weight.sum() * x"}
THAWED = {"then": "net.bias.requires_grad_(i >= 39)", "setup": f"net.bias.requires_grad_(False); {SGD}"}
FROZEN = {
    "setup": "optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)",
    "then": "if i == 39:\n        optimizer.zero_grad = lambda: None\n        net.bias.requires_grad_(False)",
}
EARLY = {"setup": SCHEDULED, "then": "if i > 39: scheduler.step()\n    if i == 40: scheduler.step()"}
TWICE = {"backward": "loss.backward(retain_graph=i == 40)\n    if i == 40: loss.backward()"}
EXTRA = {"body": "if i == 40: extra = torch.nn.Linear(1, 1); out = extra(out)"}


@pytest.mark.parametrize(
    ("text", "changes", "iteration", "after", "sentence"),
    [
        ("loss > 100", {"body": "if i == 40: out = out + 1000"}, 41, "backward", "the loss is 9"),
        (
            "loss < 1",
            {"setup": f"y = y + 100; {SGD}", "body": "if i == 40: out = y + out * 0"},
            41,
            "backward",
            "the loss is 0",
        ),
        ("loss rising 3", {"body": "if i > 40: out = out + i"}, 44, "backward", "the loss is"),
        ("non-finite", {"body": "if i == 40: out = out / 0"}, 41, "backward", "the loss is inf"),
        (
            "non-finite loss",
            {"body": "if i == 40: out = out * float('nan')"},
            41,
            "backward",
            "the loss is nan",
        ),
        ("non-finite gradient", ROOT, 41, "backward", "the gradient of net.weight is NaN"),
        ("non-finite parameter", ROOT, 41, "SGD", "net.weight is NaN"),
        (
            "grad norm > 1000",
            {"body": "if i == 40: out = out * 100"},
            41,
            "backward",
            "the norm of the gradient is",
        ),
        (
            "grad norm < 1e-6",
            {"body": "if i == 40: out = out.detach() + 0 * out"},
            41,
            "backward",
            "the norm of the gradient is 0",
        ),
        ("grad None", SUM, 41, "SGD", "the gradient of net.bias is None"),
        (
            "grad zero of net.weight",
            {"body": "if i == 40: out = out * 0 + net.bias"},
            41,
            "SGD",
            "the gradient of net.weight is 0 everywhere",
        ),
        ("unchanged parameter", SUM, 41, "SGD", "the step left net.bias as it was"),
        ("changed net.bias", THAWED, 41, "SGD", "the step changed net.bias"),
        ("frozen changed", FROZEN, 41, "SGD", "the step changed net.bias, which requires no gradient"),
        ("no optimizer", EXTRA, 41, "backward", "extra.weight got a gradient and is in no optimizer"),
        (
            "backward twice",
            TWICE,
            41,
            "backward",
            "added to the gradient of net.weight, which was not cleared",
        ),
        ("scheduler first", EARLY, 41, "StepLR", "StepLR.step() came before the optimizer's step"),
        (
            "lr changed",
            {"setup": SCHEDULED, "then": "scheduler.step()"},
            41,
            "StepLR",
            "the learning rate went from 0.001 to 0.0001 by StepLR",
        ),
    ],
)
def test_a_condition_stops_right_after_what_made_it_true(
    driver: Driver,
    tmp_path: Path,
    text: str,
    changes: dict[str, str],
    iteration: int,
    after: str,
    sentence: str,
) -> None:
    load(driver, training(tmp_path, **changes), text)
    stop = driver.run()

    assert driver.status == "stopped", driver.messages
    assert stop.reason == "breakpoint"
    assert driver.view.message.startswith(f"{text}: {sentence}")
    assert (stop.last or {})["iteration"] == iteration
    assert name_of_last(stop) == after
    driver.run(backwards=True)
    assert driver.stop.time <= (0, 0), "it was the first"


@pytest.mark.parametrize(
    ("text", "body", "following"),
    [
        ("iteration 41", "pass", "zero_grad"),
        ("op relu", "if i == 40: out = out.relu()", "relu"),
        ("op ReluBackward?", "if i == 40: out = out.relu()", "ReluBackward0"),
        ("update of net.b* x41", "pass", "SGD"),
        ("non-finite forward", "if i == 40: out = torch.where(out > out - 1, out, out / 0)", "truediv"),
    ],
)
def test_an_operation_is_stopped_before(
    driver: Driver, tmp_path: Path, text: str, body: str, following: str
) -> None:
    load(driver, training(tmp_path, body), text)
    stop = driver.run()

    assert (stop.iteration, stop.reason) == (41, "breakpoint")
    assert name_of_next(stop) in (following, following.replace("truediv", "div"))


def test_a_rate_that_the_script_sets_is_met_before_the_step_that_uses_it(
    driver: Driver, tmp_path: Path
) -> None:
    load(driver, training(tmp_path, "if i == 40: optimizer.param_groups[0]['lr'] = 5e-4"), "lr changed")
    stop = driver.run()

    assert (stop.iteration, name_of_next(stop)) == (41, "SGD")
    assert "from 0.001 to 0.0005 by hand" in driver.view.message


def test_a_notice_is_stopped_before(driver: Driver, tmp_path: Path) -> None:
    body = "if i == 5: y = y.squeeze()"
    load(driver, training(tmp_path, body, count=9), "notice broadcast-loss")
    stop = driver.run()

    assert (stop.iteration, stop.reason) == (6, "breakpoint")
    assert driver.view.message.startswith("notice broadcast-loss: ")
    driver.step("over")
    driver.wait(driver.session.explain())
    here = stop.time
    assert "broadcast-loss" in {notice.id for notice in driver.view.notices if notice.time == here}
    later = driver.run().time
    assert driver.stop.iteration == 7
    assert later > here
    assert driver.run(backwards=True).time == here


# counts, several at once, switched off
def test_the_nth_time_counts_from_where_the_run_is_continued(driver: Driver, tmp_path: Path) -> None:
    load(driver, training(tmp_path, count=40), "op step x7")

    assert [driver.run().iteration for _ in range(3)] == [7, 14, 21]
    assert [driver.run(backwards=True).iteration for _ in range(2)] == [14, 7]
    driver.run(backwards=True)
    assert driver.stop.time <= (0, 0), "fewer than seven are left"


def test_of_several_the_first_that_is_met_stops(driver: Driver, tmp_path: Path) -> None:
    setup = f"{SGD}; scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 5)"
    path = training(tmp_path, "if i % 4 == 3: out = out + 100", setup, 14, "scheduler.step()")
    load(driver, path, "loss > 1000", "lr changed", "iteration 7")
    stops = []
    while driver.run().reason == "breakpoint":
        stops.append((driver.stop.time, driver.view.message.partition(":")[0]))

    texts = [text for _, text in stops]
    assert texts == ["loss > 1000", "lr changed", "iteration 7", "loss > 1000", "lr changed", "loss > 1000"]
    backwards = []
    while driver.run(backwards=True).time > (0, 0):
        backwards.append(driver.stop.time)
    assert backwards[::-1] == [time for time, _ in stops]


def test_one_that_is_switched_off_stops_nothing(driver: Driver, tmp_path: Path) -> None:
    load(driver, training(tmp_path, count=9), "iteration 4", "iteration 7")
    driver.session.enable_breakpoint(0, False)
    assert driver.run().iteration == 7
    driver.session.enable_breakpoint(0, True)
    driver.session.remove_breakpoint(1)

    assert driver.run(backwards=True).iteration == 4
    assert [point.text for point in driver.view.stops] == ["iteration 4"]


def test_lines_and_conditions_stand_in_one_list(driver: Driver, tmp_path: Path) -> None:
    path = training(tmp_path, count=9)
    load(driver, path, f"line {path}:12", "iteration 3")

    assert driver.view.breakpoints == {(str(path), 12)}
    driver.session.set_breakpoint("line 13 x2", 0, str(path))
    assert driver.view.breakpoints == {(str(path), 13)}
    assert [driver.run().iteration for _ in range(3)] == [2, 3, 4]


# exact in both directions
FORMS = (
    "loss > 1",
    "loss < 1",
    "loss rising 1",
    "grad norm > 1",
    "grad None",
    "grad zero",
    "changed parameter",
    "unchanged parameter",
    "no optimizer",
    "backward twice",
    "scheduler first",
    "lr changed",
    "iteration 3",
    "op relu",
    "op *Backward0",
    "op AccumulateGrad",
    "op step",
    "update of *weight",
    "non-finite forward",
)


def there_and_back(driver: Driver, path: str, text: str) -> list[Time]:
    """The first hits, which are the same backwards."""
    load(driver, Path(path), text)
    driver.goto(0, 1)  # where it stands at first may be a hit, which is none forwards
    forwards = hits(driver)
    before = forwards[:-1] if driver.status == "stopped" else forwards
    assert backwards_from_here(driver) == before[::-1], text
    return forwards


def by_twos(driver: Driver, path: str, text: str, every: list[Time]) -> None:
    """A count counts from where the run goes on, either way. ``every``: the hits without it."""
    load(driver, Path(path), f"{text} x2")
    driver.goto(0, 1)
    assert hits(driver, 3) == every[1::2], text
    before = every[:5] if driver.status == "stopped" else every
    assert backwards_from_here(driver) == before[::-1][1::2], text


def backwards_from_here(driver: Driver) -> list[Time]:
    found: list[Time] = []
    while driver.run(backwards=True).time > (0, 0):
        found.append(driver.stop.time)
    return found


@pytest.mark.parametrize("seed", [1, 2, *(pytest.param(n, marks=pytest.mark.exhaustive) for n in (0, 3))])
def test_back_over_every_hit_of_a_random_breakpoint(driver: Driver, tmp_path: Path, seed: int) -> None:
    setup = f"{SGD}; scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)"
    body = "out = torch.relu(out) if i % 3 else out / (i % 2)"
    path = training(tmp_path, body, setup, 12, "if i % 3 == 1: scheduler.step()")
    for text in random.Random(seed).sample(FORMS, 3):
        by_twos(driver, str(path), text, there_and_back(driver, str(path), text))


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "name", ["toy", "gan", "no_optimizer", "accumulate", "lbfgs", "char_transformer", "cnn_digits"]
)
def test_back_over_every_hit_of_every_breakpoint(driver: Driver, name: str) -> None:
    for text in (*FORMS, "notice grad-none", "notice accumulation-sum"):
        by_twos(driver, script(name), text, there_and_back(driver, script(name), text))


def test_what_comes_after_the_last_step_of_an_unobserved_run_is_found_too(
    driver: Driver, tmp_path: Path
) -> None:
    driver.load(training(tmp_path, count=4, setup=SCHEDULED, then="scheduler.step()"))
    driver.run()
    assert driver.status == "finished"
    driver.session.set_breakpoint("op schedule")
    found = []
    while driver.run(backwards=True).time > (0, 0):
        found.append((driver.stop.iteration, name_of_next(driver.stop)))
    assert found == [(iteration, "StepLR") for iteration in (4, 3, 2, 1)]


# while the script runs
def meanwhile(driver: Driver, change: Callable[[], None]) -> None:
    """Change the breakpoints as keys do: where the event loop runs."""

    async def call() -> None:
        change()

    driver.wait(call())


def test_a_breakpoint_made_while_the_script_runs_is_in_force(driver: Driver, tmp_path: Path) -> None:
    driver.load(training(tmp_path, count=200_000))
    driver.wait(driver.session.run())
    driver.until(lambda view: view.status == "running" and view.iteration > 50)
    behind = driver.view.iteration + 2000
    meanwhile(driver, lambda: driver.session.set_breakpoint(f"iteration {behind}"))
    driver.until(lambda view: view.status == "stopped")
    assert (driver.stop.iteration, driver.stop.number) == (behind, 1)


def test_a_breakpoint_removed_while_the_script_runs_stops_it_no_more(driver: Driver, tmp_path: Path) -> None:
    driver.load(training(tmp_path, count=20_000))
    driver.session.set_breakpoint("iteration 20000")
    driver.wait(driver.session.run())
    driver.until(lambda view: view.status == "running" and view.iteration > 50)
    meanwhile(driver, lambda: driver.session.remove_breakpoint(0))
    driver.until(lambda view: view.status not in ("running", "stopped"))
    assert driver.status == "finished"


def test_a_pause_ends_a_run_whose_breakpoints_have_just_changed(driver: Driver, tmp_path: Path) -> None:
    driver.load(training(tmp_path, count=200_000))
    driver.wait(driver.session.run())
    driver.until(lambda view: view.status == "running" and view.iteration > 50)
    meanwhile(driver, lambda: driver.session.set_breakpoint("iteration 150000"))
    driver.pause()
    assert driver.status == "stopped" and driver.stop.iteration < 150_000


# called off
def test_a_search_can_be_called_off_and_nothing_has_moved(driver: Driver, tmp_path: Path) -> None:
    driver.load(training(tmp_path, count=3000))
    driver.goto(3000, 4)
    here = driver.stop
    driver.session.set_breakpoint("op nothing")
    driver.wait(driver.session.run(backwards=True))
    driver.until(lambda view: "looking for the last breakpoint: iteration" in view.message)
    driver.pause()

    assert driver.status == "stopped"
    assert (driver.stop, driver.view.message) == (here, "called off: nothing has moved")
    driver.step()
    assert driver.stop.time > here.time


def test_commands_wait_for_a_search(driver: Driver, tmp_path: Path) -> None:
    driver.load(training(tmp_path, count=3000))
    driver.goto(3000, 4)
    driver.session.set_breakpoint("op nothing")
    driver.wait(driver.session.run(backwards=True))
    with pytest.raises(Refused, match="running"):
        driver.wait(driver.session.first_bad())
    driver.pause()


def test_a_search_goes_on_from_an_earlier_checkpoint_if_one_is_gone(
    driver: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(driver, training(tmp_path), "iteration 20")
    expected = driver.run().time
    driver.goto(50, 3)
    processes = driver.session.run_of_script.processes
    original, lost = processes.side, []

    async def side(place: Checkpoint, *rest: Any) -> None:
        if not lost:
            lost.append(place)
            processes.drop(place)
        await original(place, *rest)

    monkeypatch.setattr(processes, "side", side)
    assert lost == [] and driver.run(backwards=True).time == expected
    assert lost and lost[0] not in processes.checkpoints


# a breakpoint changes nothing
def test_a_run_with_every_condition_ends_with_the_same_bits(driver: Driver, tmp_path: Path) -> None:
    path = training(tmp_path, "out = torch.nn.functional.dropout(out, 0.3)", count=50)
    load(driver, path)
    driver.run()
    plain = (driver.view.parameters, driver.view.losses)
    never = (
        "loss > 1e30, non-finite, grad norm > 1e30, grad None, grad zero, frozen changed, no optimizer, "
        "backward twice, unchanged parameter, lr changed, loss rising 99"
    )
    load(driver, path, *never.split(", "))
    driver.run()

    assert driver.status == "finished"
    assert (driver.view.parameters, driver.view.losses) == plain
