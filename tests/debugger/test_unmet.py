"""A change from the command line to what the script does not have is told at the end of the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backprop_tui.debuggee.changes.unmet import SENTENCES
from backprop_tui.debugger.failure import Refused
from support.driving import Driver

BY_HAND = """\
import torch
w = torch.ones(1, requires_grad=True)
for _ in range(2):
    loss = (3 * w - 1).square().mean()
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
        {clear}
"""

WHOLE = """\
import torch
w = torch.ones(1, requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.1)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
for _ in range(2):
    optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(3 * w, torch.zeros(1))
    loss.backward()
    optimizer.step()
    scheduler.step()
"""

CHANGES: list[tuple[str, Any]] = [
    ("loss", {"name": "l1", "reduction": None}),
    ("optimizer", "Adam(lr=0.1)"),
    ("lr", 3.0),
    ("scheduler", "off"),
    ("zero_grad", "off"),
    ("zero_grad", "zero"),
    ("backward_gradient", True),
    ("set", {"name": "w", "index": [0], "to": 2.0}),
    ("seed", 3),
]


def told(driver: Driver, path: Path, text: str, *changes: tuple[str, Any]) -> list[str]:
    """The sentences about changes that met nothing, after a whole run."""
    path.write_text(text)
    if driver.load(path, changes=changes).reason != "finished":
        driver.run()
    assert driver.status == "finished"
    return [message for message in driver.messages if message in SENTENCES.values()]


@pytest.mark.parametrize(("kind", "value"), CHANGES, ids=str)
def test_a_change_that_the_script_gives_no_occasion_to_is_told(
    driver: Driver, tmp_path: Path, kind: str, value: Any
) -> None:
    empty = "import torch\ntorch.ones(2).sum()\n"

    assert told(driver, tmp_path / "empty.py", empty, (kind, value)) == [SENTENCES[kind]]


@pytest.mark.parametrize(("kind", "value"), CHANGES, ids=str)
def test_a_change_that_is_made_is_not(driver: Driver, tmp_path: Path, kind: str, value: Any) -> None:
    assert told(driver, tmp_path / "whole.py", WHOLE, (kind, value)) == []


@pytest.mark.parametrize("clear", ["w.grad = None", "w.grad.zero_()"])
@pytest.mark.parametrize("mode", ["off", "zero"])
def test_a_gradient_that_is_cleared_by_hand_counts(
    driver: Driver, tmp_path: Path, clear: str, mode: str
) -> None:
    assert told(driver, tmp_path / "hand.py", BY_HAND.format(clear=clear), ("zero_grad", mode)) == []
    never = BY_HAND.format(clear="pass")
    assert told(driver, tmp_path / "never.py", never, ("zero_grad", mode)) == [SENTENCES["zero_grad"]]


def test_what_leaves_all_as_the_script_has_it_is_not_told(driver: Driver, tmp_path: Path) -> None:
    changes = (("zero_grad", "on"), ("scheduler", "on"), ("backward_gradient", False))

    assert told(driver, tmp_path / "empty.py", "import torch\ntorch.ones(2).sum()\n", *changes) == []


def test_a_scheduler_that_was_not_made_cannot_be_switched_off(driver: Driver, tmp_path: Path) -> None:
    path = tmp_path / "hand.py"
    path.write_text(BY_HAND.format(clear="w.grad = None"))
    driver.load(path)

    with pytest.raises(Refused, match="the script has made no scheduler"):
        driver.change("scheduler", "off")
    assert driver.view.changes == ()
