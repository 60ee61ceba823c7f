"""Numeric derivatives and predicted steps, in copies: right, and without a trace in the run itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backprop_tui.debugger.failure import Refused
from support.driving import Driver
from support.scripts import script

pytestmark = pytest.mark.xdist_group("debugger_running")

TRAINING = """\
import torch
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(),
                            torch.nn.Dropout(0.2), torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
x, y = torch.randn(8, 3).double().float(), torch.randn(8, 1)
log = open({log!r}, "a")
for i in range(6):
    optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    scheduler.step()
    print(i, loss.item(), file=log, flush=True)
print("end")
"""


def training(folder: Path) -> Path:
    path = folder / "train.py"
    path.write_text(TRAINING.format(log=str(folder / "log.txt")))
    return path


def ask(driver: Driver, work: Any) -> Any:
    return driver.wait(work)


@pytest.mark.parametrize("place", [(1, 1), (4, 1), (4, 12), (4, 25)])
def test_finite_differences_agree_with_autograd_from_anywhere_in_the_iteration(
    driver: Driver, tmp_path: Path, place: tuple[int, int]
) -> None:
    driver.load(training(tmp_path))
    driver.goto(*place)
    before = (driver.stop, driver.view.parameters, (tmp_path / "log.txt").read_text())
    found = ask(driver, driver.session.difference("model[0].weight", (2, 1)))
    assert found.iteration == place[0]
    assert found.error < 1e-2
    assert "agrees" in found.verdict
    assert found.autograd != 0
    assert before == (driver.stop, driver.view.parameters, (tmp_path / "log.txt").read_text())


def test_the_lesson_has_the_derivative_that_its_author_printed(driver: Driver) -> None:
    driver.load(Path("tui/backprop_tui/lessons/update.py").resolve())
    found = ask(driver, driver.session.difference("model.linear2.weight", (0, 0)))
    assert found.autograd == pytest.approx(-0.85)
    assert found.numeric == pytest.approx(-0.85, rel=1e-3)
    assert found.middle == pytest.approx(0.809)


def test_the_loss_goes_down_as_predicted_for_small_steps_and_parts_for_large_ones(
    driver: Driver, tmp_path: Path
) -> None:
    driver.load(training(tmp_path))
    driver.goto(3, 1)
    found = ask(driver, driver.session.downhill())
    times, predicted, measured = zip(*found.rows, strict=True)
    assert found.slope < 0
    assert found.lr == pytest.approx(0.025)
    assert predicted == pytest.approx([found.slope * t for t in times])
    parted = [abs(m - p) / abs(p) for p, m in zip(predicted, measured, strict=True)]
    assert parted[0] < 0.02
    assert parted[-1] > 10 * parted[0]


def test_a_probe_that_makes_no_sense_is_refused(driver: Driver, tmp_path: Path) -> None:
    driver.load(training(tmp_path))
    with pytest.raises(Refused, match="no tensor of the script is called 'nothing'"):
        ask(driver, driver.session.difference("nothing", (0,)))
    with pytest.raises(Refused, match="gets no gradient"):
        ask(driver, driver.session.difference("x", (0, 0)))
    driver.load(script("no_torch"))
    with pytest.raises(Refused):
        ask(driver, driver.session.downhill())


def test_the_chain_of_the_lesson(driver: Driver) -> None:
    driver.load(Path("tui/backprop_tui/lessons/update.py").resolve())
    found = ask(driver, driver.session.chain("model.linear1.weight", (1, 0)))
    (path,) = found.paths
    assert [factor.value for factor in path.factors] == pytest.approx([-1.0, 0.15, 2.0])
    assert found.agrees
    first = path.factors[0]
    driver.goto(first.iteration, first.number)
    assert driver.stop.next is not None and driver.stop.next["name"] == "AbsBackward0"


def test_the_chain_of_a_wider_net_is_summed_and_checked(driver: Driver, tmp_path: Path) -> None:
    driver.load(training(tmp_path))
    driver.goto(2, 4)
    found = ask(driver, driver.session.chain("model[0].weight", (2, 1)))
    assert found.agrees and found.autograd != 0
    assert len(found.paths) == 8, "one for each example of the batch"
    with pytest.raises(Refused, match="no gradient came to nothing"):
        ask(driver, driver.session.chain("nothing", (0,)))
