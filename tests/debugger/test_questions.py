"""What can be asked while the script stands still."""

from __future__ import annotations

from pathlib import Path

import pytest

from backprop_tui.debugger.failure import Refused
from backprop_tui.panes.rate import points_ahead
from support.driving import Driver

pytestmark = pytest.mark.xdist_group("debugger_changing")

ASKING = """\
import torch

torch.manual_seed(0)
model = torch.nn.Linear(5, 30)
optimizer = torch.optim.Adam(model.parameters(), lr=0.5)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.1)
for i in range(5):
    batch = torch.randn(3, 5)
    optimizer.zero_grad()
    loss = model(batch).pow(2).mean()
    loss.backward()
    optimizer.step()
    scheduler.step()
"""


def asking(driver: Driver, folder: Path) -> None:
    path = folder / "asking.py"
    path.write_text(ASKING)
    driver.load(path)


CAUGHT = """\
import torch

w = torch.ones(2, requires_grad=True)
three = torch.ones(3)
try:
    h = torch.relu(w) @ three
except RuntimeError:
    h = w @ torch.ones(2)
h.backward()
"""


def test_an_operation_that_raised_does_not_wear_the_explanation_of_the_one_before(
    driver: Driver, tmp_path: Path
) -> None:
    path = tmp_path / "caught.py"
    path.write_text(CAUGHT)
    driver.load(path)
    driver.step()
    driver.settle()
    assert driver.stop.last is not None and driver.stop.last["name"] == "relu"
    assert [item.verdict for item in driver.view.explanations] == ["✓"]

    driver.step()
    driver.settle()
    assert driver.stop.last is not None and "error" in driver.stop.last
    assert driver.view.explanations == ()

    driver.step()
    driver.step()
    driver.settle()
    assert driver.stop.last is not None and driver.stop.last["name"] == "matmul"
    assert [item.verdict for item in driver.view.explanations] == ["✓"]


def test_a_window_into_a_tensor(driver: Driver, tmp_path: Path) -> None:
    asking(driver, tmp_path)
    driver.goto(3, 2)
    whole = driver.wait(driver.session.window("model.weight", "value", (0, 30), (0, 5)))
    part = driver.wait(driver.session.window("model.weight", "value", (4, 7), (1, 3)))
    state = driver.wait(driver.session.window("model.bias", "state.exp_avg", (0, 1), (0, 30)))
    none = driver.wait(driver.session.window("model.weight", "state.nothing", (0, 1), (0, 1)))

    assert part.values == [row[1:3] for row in whole.values[4:7]]
    assert (whole.shape, whole.dtype) == ((30, 5), "float32")
    assert state.shape == (1, 30) and any(state.values[0])
    assert none.values is None
    with pytest.raises(Refused, match="nowhere"):
        driver.wait(driver.session.window("nowhere", "value", (0, 1), (0, 1)))


def test_other_tensors_of_the_script(driver: Driver, tmp_path: Path) -> None:
    asking(driver, tmp_path)
    driver.goto(3, 2)
    found = {row["name"]: row["value"]["shape"] for row in driver.wait(driver.session.tensors())}

    assert found == {"batch": [3, 5], "loss": []}


def test_the_planned_rates_are_those_that_come(driver: Driver, tmp_path: Path) -> None:
    asking(driver, tmp_path)
    driver.run()
    assert driver.view.plan is None
    used = [point["lrs"][0] for point in driver.view.rates]
    for iteration in (4, 1, 3):
        driver.goto(iteration, 4)
        driver.until(lambda view: view.plan is not None)
        plan = driver.view.plan
        assert plan is not None and plan.scheduler == "StepLR"
        assert [rates[0] for rates in plan.lrs][: 5 - iteration] == used[iteration:]
        driver.run()
        assert driver.view.plan is None


PACED = """\
import torch

w = torch.nn.Parameter(torch.ones(2))
optimizer = torch.optim.SGD([w], lr=1.0)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
for i in range(12):
    optimizer.zero_grad()
    (w * 0.1).sum().backward()
    {before}
    optimizer.step()
    {after}
"""


@pytest.mark.parametrize(
    ("before", "after", "known_from"),
    [
        ("pass", "scheduler.step()", 1),
        ("scheduler.step()", "pass", 2),
        ("pass", "scheduler.step() if i % 3 == 2 else None", 4),
    ],
    ids=["every iteration", "before the optimizer", "every third iteration"],
)
def test_planned_rates_stand_at_the_iterations_that_use_them(
    driver: Driver, tmp_path: Path, before: str, after: str, known_from: int
) -> None:
    path = tmp_path / "paced.py"
    path.write_text(PACED.format(before=before, after=after))
    driver.load(path)
    driver.run()
    used = {point["iteration"]: tuple(point["lrs"]) for point in driver.view.rates}
    driver.goto(known_from, 1)
    while driver.stop.iteration < known_from + 4:
        driver.settle()
        plan, rates = driver.view.plan, driver.view.rates
        assert plan is not None
        coming = max(driver.stop.iteration, rates[-1]["iteration"] + 1 if rates else 1)
        points = dict(points_ahead(plan, coming))
        assert min(points) == coming
        at = f"{driver.stop.iteration}.{driver.stop.number}"
        assert {n: used[n] for n in points if n in used} == {n: points[n] for n in points if n in used}, at
        driver.step()


def test_a_plan_says_that_its_pace_is_assumed_until_the_scheduler_has_stepped(
    driver: Driver, tmp_path: Path
) -> None:
    path = tmp_path / "paced.py"
    path.write_text(PACED.format(before="pass", after="scheduler.step() if i % 3 == 2 else None"))
    driver.load(path)
    for iteration, assumed in ((1, True), (3, True), (4, False)):
        driver.goto(iteration, 1)
        driver.settle()
        plan = driver.view.plan
        assert plan is not None
        assert ("as if it stepped each iteration" in plan.note) == assumed


def test_a_step_of_the_scheduler_that_leaves_the_rate_moves_the_plan_on(
    driver: Driver, tmp_path: Path
) -> None:
    asking(driver, tmp_path)
    driver.goto(3, 4)
    while driver.stop.next is None or driver.stop.next["kind"] != "schedule":
        driver.step("over")
    rate = driver.view.toggles.lr
    driver.settle()
    before = driver.view.plan
    driver.step("over")
    driver.settle()
    assert before is not None and driver.view.toggles.lr == rate == before.lrs[0][0]
    assert driver.view.plan is not None and driver.view.plan.lrs[:9] == before.lrs[1:10]


def test_a_plan_whose_process_was_left_is_asked_for_again(driver: Driver, tmp_path: Path) -> None:
    asking(driver, tmp_path)
    for iteration in (2, 3, 4):
        driver.goto(iteration, 4)
        driver.session.run_of_script.conversation.abandon()
        driver.step()
        driver.until(lambda view: view.plan is not None)

        assert driver.view.plan is not None and driver.view.plan.lrs


LOCAL = """\
import torch
kept = []
def main():
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    kept.append(optimizer)
    for i in range(2):
        optimizer.zero_grad()
        model(torch.ones(1, 2)).sum().backward()
        optimizer.step()
main()
"""


def test_parameters_keep_their_names_when_the_function_that_held_them_has_returned(
    driver: Driver, tmp_path: Path
) -> None:
    path = tmp_path / "local.py"
    path.write_text(LOCAL)
    driver.load(path)
    names = {row["name"] for row in driver.view.parameters}
    assert names == {"model.weight", "model.bias"}
    while driver.status == "stopped":
        driver.step()
    assert driver.status == "finished"
    assert {row["name"] for row in driver.view.parameters} == names


COMPLEX = """\
import torch

w = torch.tensor([0.5 - 2j, 1 + 0.25j], requires_grad=True)
r = torch.tensor([1.0], requires_grad=True)
for i in range(3):
    loss = w.abs().sum() + r.sum()
    loss.backward()
"""


def test_an_element_of_a_complex_tensor_is_set_as_one_number(driver: Driver, tmp_path: Path) -> None:
    path = tmp_path / "complex.py"
    path.write_text(COMPLEX)
    driver.load(path)
    assert driver.values("w") == [[0.5, -2.0], [1.0, 0.25]]
    driver.change("set", {"name": "w", "attr": "value", "index": [1], "to": "0.1-3j"})
    assert driver.view.changes[-1].chip == "w[1] = 0.1-3j"
    assert driver.values("w")[0] == [0.5, -2.0]
    assert driver.values("w")[1] == pytest.approx([0.1, -3.0])
    driver.change("set", {"name": "w", "attr": "value", "index": [0], "to": 5.0})
    assert driver.values("w")[0] == [5.0, 0.0]
    driver.change("set", {"name": "w", "attr": "value", "scale": "1j"})
    assert driver.values("w")[0] == [0.0, 5.0]
    window = driver.wait(driver.session.window("w", "value", (0, 1), (0, 1)))
    assert window.values == [[[0.0, 5.0]]] and window.dtype == "complex64"
    with pytest.raises(Refused, match="A tensor of float32 takes real numbers, not 1j"):
        driver.change("set", {"name": "r", "attr": "value", "index": [0], "to": "1j"})


def test_finite_differences_of_complex_numbers_are_refused_in_a_sentence(
    driver: Driver, tmp_path: Path
) -> None:
    path = tmp_path / "complex.py"
    path.write_text(COMPLEX)
    driver.load(path)
    with pytest.raises(Refused, match="w holds complex numbers: only real ones can be verified"):
        driver.wait(driver.session.difference("w", (0,)))
