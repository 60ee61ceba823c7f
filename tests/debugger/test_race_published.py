"""Races of optimizers from the same place end at the numbers that books and other frameworks print."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from backprop_tui.debugger.futures import parse_futures, starting_line
from backprop_tui.debugger.race import Lane
from support.driving import Driver

pytestmark = pytest.mark.xdist_group("debugger_race")

DESCENT = """\
import torch
x = torch.tensor({start}, dtype=torch.float64, requires_grad=True)
optimizer = torch.optim.SGD([x], lr=0.5)
for i in range(60):
    optimizer.zero_grad()
    loss = {loss}
    loss.backward()
    optimizer.step()
"""
HALF, SQUARE = "(x ** 2 / 2).sum()", "(x ** 2).sum()"
VALLEY = "0.1 * x[0] ** 2 + 2 * x[1] ** 2"
BOWL = "0.5 * (torch.tensor([0.01, 0.1, 1.0], dtype=torch.float64) * x ** 2).sum()"


def race(driver: Driver, folder: Path, start: str, loss: str, iterations: int, *texts: str) -> list[Lane]:
    """The changed futures of a race from the beginning of a descent."""
    path = folder / "descent.py"
    path.write_text(DESCENT.format(start=start, loss=loss))
    driver.load(path)

    async def run() -> list[Lane]:
        futures = starting_line([future for text in texts for future in parse_futures(text)])
        found = await driver.session.race(futures, iterations)
        await found.run()
        return list(found.lanes[1:])

    return driver.wait(asyncio.wait_for(run(), 60))


def losses(lane: Lane) -> list[float]:
    return [float(point["value"]) for point in lane.losses]


def after(driver: Driver, lane: Lane, steps: int) -> list[float]:
    """The parameter after so many steps of the run that a future has become."""
    for kind, value in lane.future.changes:
        driver.change(kind, value)
    driver.goto(steps + 1, 1)
    found: list[float] = driver.values("x")
    driver.goto(1, 1)
    driver.session.run_of_script.undo(lambda entry: False)
    driver.goto(1, 1)
    return found


def test_keras_sgd_with_momentum(driver: Driver, tmp_path: Path) -> None:
    """tf.keras.optimizers.SGD: the first step is 0.1, the second 0.18, "because of momentum"."""
    (lane, plain) = race(
        driver, tmp_path, "[1.0]", HALF, 3, "optimizer=SGD(lr=0.1, momentum=0.9)", "optimizer=SGD(lr=0.1)"
    )
    x = [(2 * loss) ** 0.5 for loss in losses(lane)]
    assert x[0] - x[1] == pytest.approx(0.1)
    assert x[1] - x[2] == pytest.approx(0.18)
    assert (2 * losses(plain)[1]) ** 0.5 == pytest.approx(0.9)
    assert lane.parting is not None and plain.parting is not None
    assert (lane.parting.name, lane.parting.iteration, lane.parting.mine) == ("x", 1, pytest.approx(0.9))
    assert lane.parting.other == 0.5, "as it is, SGD(lr=0.5) goes from 1 to 0.5"


@pytest.mark.parametrize("start", [10.0, 0.001])
def test_the_first_step_of_keras_adam_is_the_learning_rate(
    driver: Driver, tmp_path: Path, start: float
) -> None:
    """tf.keras.optimizers.Adam: "the first step is -learning_rate*sign(grad)"."""
    (lane,) = race(driver, tmp_path, f"[{start}]", HALF, 1, "optimizer=Adam(lr=0.1)")
    assert lane.parting is not None and lane.parting.part == "value"
    assert lane.parting.mine == pytest.approx(start - 0.1, abs=1e-6)


def test_the_optimizers_of_optax(driver: Driver, tmp_path: Path) -> None:
    """The docstrings of optax: sum(p²) from [1, 2, 3], after each of five steps."""
    printed = {
        "optimizer=SGD(lr=0.003)": ["1.38E+01", "1.37E+01", "1.35E+01", "1.33E+01", "1.32E+01"],
        "optimizer=Adam(lr=0.003)": ["1.40E+01", "1.39E+01", "1.39E+01", "1.39E+01", "1.38E+01"],
        "optimizer=AdamW(lr=0.003, weight_decay=0.0001)": [
            "1.40E+01", "1.39E+01", "1.39E+01", "1.39E+01", "1.38E+01",
        ],
        "optimizer=Adagrad(lr=1, initial_accumulator_value=0.1, eps=1e-7)": [
            "5.01E+00", "2.40E+00", "1.25E+00", "6.86E-01", "3.85E-01",
        ],
    }  # fmt: skip
    lanes = race(driver, tmp_path, "[1.0, 2.0, 3.0]", SQUARE, 6, *printed)
    told = {lane.future.text: [f"{loss:.2E}" for loss in losses(lane)[1:]] for lane in lanes}
    assert told == printed


def test_the_rows_of_d2l(driver: Driver, tmp_path: Path) -> None:
    """d2l.ai/chapter_optimization: gd.html (10 steps of x²), momentum.html, adagrad.html (20 of a valley)."""
    steep, diverging = race(driver, tmp_path, "[10.0]", SQUARE, 11, "lr=0.2", "lr=1.1")
    assert f"{losses(steep)[-1] ** 0.5:.6f}" == "0.060466"
    assert f"{losses(diverging)[-1] ** 0.5:.6f}" == "61.917364"
    printed = {
        "lr=0.4": ["-0.943467", "-0.000073"],
        "lr=0.6": ["-0.387814", "-1673.365109"],
        "optimizer=Adagrad(lr=2, eps=1e-6)": ["-0.002295", "-0.000000"],
    }
    lanes = race(driver, tmp_path, "[-5.0, -2.0]", VALLEY, 21, *printed)
    for lane in lanes:
        x = after(driver, lane, 20)
        assert [f"{value:.6f}" for value in x] == printed[lane.future.text]
        assert losses(lane)[-1] == pytest.approx(0.1 * x[0] ** 2 + 2 * x[1] ** 2, rel=1e-12)


def test_the_best_rate_of_distill(driver: Driver, tmp_path: Path) -> None:
    """distill.pub/2017/momentum: with α = 2/(λ₁+λₙ) the first and the last eigenvector shrink alike."""
    best = 2 / 1.01
    texts = (f"lr={best!r}", "lr=1.0", "lr=2.1")
    (lane, slower, too_fast) = race(driver, tmp_path, "[1.0, 1.0, 1.0]", BOWL, 51, *texts)
    x = after(driver, lane, 50)
    assert [f"{abs(value):.6f}" for value in x] == ["0.367867", "0.000016", "0.367867"]
    assert losses(lane)[-1] == pytest.approx(0.5 * (0.01 * x[0] ** 2 + 0.1 * x[1] ** 2 + x[2] ** 2))
    assert (losses(lane)[-1] / losses(lane)[-2]) ** 0.5 == pytest.approx(0.980198, abs=1e-4)
    assert losses(slower)[-1] != losses(lane)[-1] and losses(too_fast)[-1] > losses(too_fast)[0]
