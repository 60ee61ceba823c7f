"""A saved session comes to the same place again, or says that it does not."""

from __future__ import annotations

import contextlib
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backprop_tui.debugger import saved as paper
from backprop_tui.debugger.failure import Refused
from backprop_tui.debugger.saved import Saved
from support.driving import Driver

pytestmark = pytest.mark.xdist_group("debugger_changing")

SCRIPT = """\
import torch
from torch import nn

torch.manual_seed(1)
model = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5), nn.Linear(2, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
x, y = torch.randn(4, 3), torch.randn(4, 1)
for i in range(1, 9):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    scheduler.step()
    print(i, loss.item())
"""
CHANGES: list[tuple[str, Any]] = [
    ("zero_grad", "off"),
    ("zero_grad", "on"),
    ("loss", {"name": "l1", "reduction": None}),
    ("optimizer", "Adam(lr=0.05)"),
    ("lr", 0.01),
    ("scheduler", "off"),
    ("backward_gradient", True),
    ("set", {"name": "model[0].weight", "attr": "value", "index": [0, 1], "to": 0.5}),
]


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "train.py"
    path.write_text(SCRIPT)
    return path


def state(driver: Driver) -> dict[str, Any]:
    """All that a person could see of where the run stands."""
    view = driver.view
    return {
        "status": view.status,
        "time": driver.stop.time if view.status == "stopped" else driver.stop.time[0],
        "place": (driver.stop.iteration, driver.stop.number) if view.status == "stopped" else None,
        "next": driver.stop.next,
        "parameters": view.parameters,
        "losses": view.losses,
        "rates": view.rates,
        "printed": driver.printed,
        "changes": [(change.kind, change.chip, change.time) for change in view.changes],
        "toggles": view.toggles,
        "breakpoints": view.breakpoints,
    }


def wander(driver: Driver, chooser: random.Random, script: Path) -> None:
    """Some steps, jumps and changes."""
    for _ in range(chooser.randrange(3, 9)):
        with contextlib.suppress(Refused):
            what = chooser.random()
            if what < 0.4:
                driver.step(chooser.choice(["walk", "over", "into"]), chooser.random() < 0.3)
            elif what < 0.6:
                driver.goto(chooser.randrange(1, 9), chooser.randrange(1, 12))
            elif what < 0.65:
                driver.run()
            elif what < 0.7:
                driver.session.toggle_breakpoint(str(script), chooser.randrange(10, 15))
            else:
                driver.change(*chooser.choice(CHANGES))


def resume(driver: Driver, session: Saved) -> None:
    driver.wait(driver.session.open(session.program()))
    driver.do(driver.session.resume(session))


@pytest.mark.parametrize(
    "seed", [seed if seed < 8 else pytest.param(seed, marks=pytest.mark.exhaustive) for seed in range(50)]
)
def test_a_walk_that_was_saved_ends_at_the_same_place_when_it_is_resumed(
    driver: Driver, script: Path, seed: int
) -> None:
    driver.load(script)
    wander(driver, random.Random(seed), script)
    session = paper.from_text(paper.to_text(driver.session.saved()), "it")
    before = state(driver)
    resume(driver, session)
    assert state(driver) == before
    assert "resumed" in driver.view.message
    with contextlib.suppress(Refused):
        driver.back()
        driver.step()
        if before["status"] == "stopped" and not any(made[2] == before["time"] for made in before["changes"]):
            assert state(driver)["parameters"] == before["parameters"]


def test_in_another_process_too(driver: Driver, script: Path) -> None:
    driver.load(script)
    driver.goto(3, 2)
    driver.change("optimizer", "Adam(lr=0.05)")
    driver.goto(6, 4)
    session = driver.session.saved()
    before = state(driver)
    other = Driver(str(script))
    try:
        resume(other, session)
        assert state(other) == before
    finally:
        other.close()


def test_a_run_that_is_another_one_says_where_it_differs(driver: Driver, script: Path) -> None:
    driver.load(script)
    driver.goto(5, 2)
    session = driver.session.saved()
    script.write_text(SCRIPT.replace("    loss.backward()", "    (loss * (2 if i == 3 else 1)).backward()"))
    resume(driver, session)
    assert "train.py has changed since the session was saved" in driver.view.message
    assert "it differs at the backward pass of iteration 3" in driver.view.message


def test_with_fewer_digests_it_says_between_which_places(driver: Driver, script: Path) -> None:
    driver.load(script)
    driver.goto(7, 2)
    session = driver.session.saved()
    session = replace(session, digests=paper.fewer(session.digests, 3))
    script.write_text(SCRIPT.replace("torch.manual_seed(1)", "torch.manual_seed(2)"))
    resume(driver, session)
    assert "or before it" in driver.view.message


def test_a_script_that_ends_earlier_now(driver: Driver, script: Path) -> None:
    driver.load(script)
    driver.goto(7, 2)
    session = driver.session.saved()
    script.write_text(SCRIPT.replace("range(1, 9)", "range(1, 4)"))
    resume(driver, session)
    assert driver.status == "finished"
    assert "it differs" in driver.view.message or "does not come" in driver.view.message


def test_a_change_that_cannot_be_made_again_is_told(driver: Driver, script: Path) -> None:
    driver.load(script)
    driver.goto(2, 1)
    driver.change("lr", 0.5)
    driver.goto(4, 1)
    session = driver.session.saved()
    broken = replace(session, entries=(replace(session.entries[0], kind="nonsense"),))
    driver.messages.clear()
    resume(driver, broken)
    assert any("nonsense could not be made again" in message for message in driver.messages)


def test_another_torch_is_told(driver: Driver, script: Path) -> None:
    driver.load(script)
    driver.goto(2, 1)
    resume(driver, replace(driver.session.saved(), torch="2.6.0"))
    assert driver.view.message.startswith("the session was saved with torch 2.6.0, and this is torch 2.")
