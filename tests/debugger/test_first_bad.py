"""From NaN or infinity straight to the operation that made it."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from support.driving import Driver
from support.scripts import environment, python, script
from support.sessions import open_session

pytestmark = pytest.mark.xdist_group("debugger_first_bad")

HUNT = """\
import torch

torch.manual_seed(0)
x = torch.rand(8, 2) + 0.5
y = x.sum(1, keepdim=True)
net = torch.nn.Linear(2, 1)
net.register_buffer("seen", torch.ones(1))
optimizer = {optimizer}
{setup}
for i in range({count}):
    bad = i == {count} - {left}
    optimizer.zero_grad()
    out = net(x)
    {body}
    loss = ((out - y) ** 2).mean()
    loss.backward()
    optimizer.step()
    {then}
"""
SGD = "torch.optim.SGD(net.parameters(), lr=1e-4)"
MASKED = "if bad: out = torch.where(out == out, out, (out - out) / (out - out))"


def hunt(folder: Path, body: str = "pass", **changes: object) -> Path:
    usual = {"optimizer": SGD, "setup": "", "then": "pass", "count": 80, "left": 12}
    path = folder / "hunt.py"
    path.write_text(HUNT.format(body=body, **(usual | changes)))
    return path


def first_bad(driver: Driver) -> Any:
    driver.do(driver.session.first_bad())
    return driver.stop.next


CASES: dict[str, tuple[dict[str, str], str, str]] = {
    "0/0 masked by where": ({"body": MASKED}, "div", "NaN"),
    "an infinite slope, which anomaly mode is silent about": (
        {"body": "if bad: out = out + ((out - out) + 0 * net.weight.sum()).sqrt()"}, "SqrtBackward0",
        "infinity",
    ),
    "an overflow that is divided away": (
        {"body": "if bad: out = out + 1 / torch.exp(out.abs() * 1e4 + 100)"}, "exp", "infinity",
    ),
    "a victim of an in-place operation": (
        {"body": "if bad: out = out * torch.ones(1).div_(torch.zeros(1))"}, "div_", "infinity",
    ),
    "a row that is masked whole": (
        {"body": "mask = torch.full((8, 1), -torch.inf if bad else 0.0)\n    "
                 "out = out * (out.detach() * 0 + mask).softmax(0) * 8"}, "softmax", "NaN",
    ),
    "an update": ({"then": "if bad: optimizer.param_groups[0]['lr'] = float('inf')"}, "SGD", "infinity"),
    "a buffer": (
        {"body": "if bad: net.seen.mul_(0).log_()", "then": "if i > 75: x = x * net.seen"},
        "log_", "infinity",
    ),
    "a state that is carried on": (
        {"setup": "carried = torch.zeros(8, 1)",
         "body": "carried = carried / 2 if not bad else (carried - carried) / (carried - carried)",
         "then": "if i > 75: x = x + carried"},
        "div",
        "NaN",
    ),
    "the usual infinities before": (
        {"body": "usual = torch.zeros(1).log(); out = out + usual.exp()\n    " + MASKED}, "div", "NaN",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_guilty_operation_is_found(driver: Driver, tmp_path: Path, case: str) -> None:
    changes, name, what = CASES[case]
    driver.load(hunt(tmp_path, **changes))
    driver.run()
    following = first_bad(driver)

    assert following is not None, driver.view.message
    assert (following["name"], following["iteration"] - ("then" in changes and name == "SGD")) == (name, 69)
    assert f"{name}, makes {what} of finite numbers" in driver.view.message
    driver.step("over")
    made = driver.stop.last
    assert made is not None and made["name"] == name, "its result is there to be explained"


def test_from_where_the_first_gradient_is_bad(driver: Driver, tmp_path: Path) -> None:
    driver.load(hunt(tmp_path, MASKED))
    driver.session.set_breakpoint("non-finite")
    stop = driver.run()
    assert (stop.iteration, driver.view.message) == (69, "non-finite: the gradient of net.weight is NaN")
    following = first_bad(driver)

    assert (following["name"], following["iteration"]) == ("div", 69)
    assert all(set(flat(info["values"])) == {0.0} for info in following["inputs"]), "its inputs: 0/0"


def flat(values: Any) -> list[Any]:
    return [item for value in values for item in flat(value)] if isinstance(values, list) else [values]


def test_numbers_that_came_in_bad(driver: Driver, tmp_path: Path) -> None:
    setup = "import numpy; given = numpy.full((8, 2), numpy.nan, dtype='float32')"
    driver.load(hunt(tmp_path, "if bad: out = net(torch.from_numpy(given))", setup=setup))
    driver.run()
    following = first_bad(driver)

    assert following is not None and following["iteration"] == 69
    assert "NaN" in driver.view.message


def test_nothing_is_bad(driver: Driver, tmp_path: Path) -> None:
    """Infinities of a mask are meant."""
    driver.load(hunt(tmp_path, setup="net.register_buffer('mask', torch.full((3,), -torch.inf))"))
    driver.run()
    here = driver.stop.time
    driver.do(driver.session.first_bad())

    assert driver.stop.time == here
    assert "was NaN or infinite up to here" in driver.view.message


def test_a_real_program_has_no_bad_value(driver: Driver) -> None:
    """Its attention mask is full of infinities."""
    driver.load(script("char_transformer"))
    driver.goto(4, 3)
    driver.do(driver.session.first_bad())

    assert "was NaN or infinite up to here" in driver.view.message


@pytest.mark.benchmark
@pytest.mark.parametrize(
    "case", ["0/0 masked by where", "an infinite slope, which anomaly mode is silent about"]
)
async def test_a_hunt_through_100_000_iterations(tmp_path: Path, case: str) -> None:
    """From the start to the guilty operation: at most 3 times the bare run and 2 seconds."""
    changes, name, _ = CASES[case]
    path = hunt(tmp_path, **changes, count=100_000, left=50)
    begun = time.perf_counter()
    subprocess.run(python(str(path)), check=True, env=environment())
    bare = time.perf_counter() - begun
    async with open_session(str(path)) as session:
        session.set_breakpoint("non-finite")
        begun = time.perf_counter()
        for command in (session.run, session.first_bad):
            await command()
            await session.until("stopped", seconds=600)
        took = time.perf_counter() - begun
        following = session.view.stop.next

    assert (following["name"], following["iteration"]) == (name, 99_951)
    assert took <= 3 * bare + 2, f"{took:.1f} s against {bare:.1f} s, {os.getloadavg()[0]:.1f} busy"
