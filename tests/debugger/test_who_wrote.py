"""Who wrote a value: against every value, taken down at every operation on the way forwards."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import pytest

from backprop_tui.protocol import Time
from support.driving import Driver
from support.scripts import script

pytestmark = pytest.mark.xdist_group("debugger_who_wrote")

REAL = ("toy", "mlp_784", "cnn_digits", "lstm", "gan", "lbfgs", "accumulate", "no_optimizer",
        "dropout_digest", "custom_function", "char_transformer")  # fmt: skip
Element = tuple[str, str, tuple[int, ...]]


def elements(driver: Driver, count: int, chooser: random.Random) -> list[Element]:
    """Random elements of parameters, buffers, gradients and optimizer state."""
    found: list[Element] = []
    for row in driver.view.parameters:
        name, shape = row["name"], row["value"]["shape"]
        index = tuple(chooser.randrange(size) for size in shape)
        if name is None or 0 in shape:
            continue
        found += [(name, "value", index), (name, "grad", index)]
        for key, value in row["state"].items():
            if isinstance(value, dict) and value["shape"] == shape:
                found.append((name, f"state.{key}", index))
    return chooser.sample(found, min(count, len(found)))


def value(driver: Driver, element: Element) -> Any:
    name, attribute, index = element
    (shape,) = [row["value"]["shape"] for row in driver.view.parameters if row["name"] == name]
    columns = shape[-1] if shape else 1
    place = 0
    for at, size in zip(index, shape, strict=True):
        place = place * size + at
    row, column = (0, place) if len(shape) < 2 else divmod(place, columns)
    window = driver.wait(driver.session.window(name, attribute, (row, row + 1), (column, column + 1)))
    return None if window.values is None else repr(window.values[0][0])


@dataclass(frozen=True)
class Moment:
    """One stop, and what the watched elements were there."""

    time: Time
    place: tuple[int, int]
    values: list[Any]


def record(driver: Driver, watched: list[Element], steps: int) -> list[Moment]:
    """The values of some elements before every operation."""
    found = []
    for _ in range(steps):
        stop = driver.stop
        values = [value(driver, element) for element in watched]
        found.append(Moment(stop.time, (stop.iteration, stop.number), values))
        driver.step()
        if driver.status != "stopped":
            break
    return found


def expected(recorded: list[Moment], number: int, before: int) -> Time | None:
    """The operation that last changed an element before the operation of a stop; None: none of these."""
    for place in range(before - 1, -1, -1):
        if recorded[place].values[number] != recorded[place + 1].values[number]:
            return recorded[place].time
    return None


def check(driver: Driver, name: str, questions: int, steps: int) -> None:
    chooser = random.Random(name)
    driver.load(script(name))
    driver.goto(2, 1)  # by then there is a state to choose from
    watched = elements(driver, 12, chooser)
    recorded = record(driver, watched, steps)
    for _ in range(questions):
        number, before = chooser.randrange(len(watched)), chooser.randrange(1, len(recorded))
        driver.goto(*recorded[before].place)
        assert driver.stop.time == recorded[before].time
        answer = expected(recorded, number, before)
        driver.do(driver.session.who_wrote(*watched[number]))
        if answer is not None:
            assert driver.stop.time == answer, (watched[number], recorded[before].place, driver.view.message)
        else:
            unchanged = driver.stop.time == recorded[before].time
            assert driver.stop.time < recorded[0].time or unchanged
            assert not unchanged or "no operation has changed" in driver.view.message


@pytest.mark.parametrize("name", ["toy", "gan", "custom_function"])
def test_a_fair_sample(driver: Driver, name: str) -> None:
    check(driver, name, questions=5, steps=80)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", REAL)
def test_two_hundred_random_elements_and_times(driver: Driver, name: str) -> None:
    check(driver, name, questions=19, steps=300)
