"""Who wrote a value: against every value, taken down at every operation on the way forwards."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from backprop_tui.explain.numbers import display, shortest
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


@pytest.mark.parametrize(("name", "questions", "steps"), [("toy", 3, 60), ("gan", 3, 60)])
def test_a_fair_sample(driver: Driver, name: str, questions: int, steps: int) -> None:
    check(driver, name, questions, steps)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", REAL)
def test_two_hundred_random_elements_and_times(driver: Driver, name: str) -> None:
    check(driver, name, questions=19, steps=300)


SCRIPT = """\
import torch

torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 1))
net[0].weight.requires_grad_(False)
kept = []
w = torch.nn.Parameter(torch.randn(3))
optimizer = torch.optim.Adam([*net.parameters(), w], lr=0.01)
scale = torch.ones(4)
scale[2] = 5.0
x = torch.randn(8, 2)
for i in range(9):
    optimizer.zero_grad()
    h = net[1](net[0](x)) + w
    h.relu_()
    if i == 4:
        with torch.no_grad():
            scale[1:3].mul_(2)
    loss = net[2](h).square().mean()
    loss.backward()
    optimizer.step()
"""


@pytest.fixture
def written(driver: Driver, tmp_path: Path) -> Driver:
    path = tmp_path / "written.py"
    path.write_text(SCRIPT)
    driver.load(path)
    return driver


def test_what_wrote_the_parts_of_a_model(written: Driver) -> None:
    cases = [
        (("net[2].weight", "value", (0, 1)), "update", 9),
        (("net[2].weight", "grad", (0, 1)), "accumulate", 9),
        (("net[2].bias", "state.exp_avg", (0,)), "update", 9),
        (("net[1].running_mean", "value", (2,)), "op", 9),
        (("scale", "value", (2,)), "op", 5),
        (("net[0].weight", "value", (1, 0)), "op", 0),
        (("h", "value", (0, 0)), "op", 9),
    ]
    names = []
    for element, kind, iteration in cases:
        written.run()
        assert written.status == "finished"
        written.do(written.session.who_wrote(*element))
        following = written.stop.next
        assert following is not None, written.view.message
        assert (following["kind"], following["iteration"]) == (kind, iteration), element
        names.append(following["name"])
    assert names[3:6] == ["batch_norm", "mul_", "kaiming_uniform_"]
    assert names[6] in ("relu_", "add"), "where it was not negative, relu_ left it as it was"


def test_a_frozen_weight_was_written_when_it_was_initialised(written: Driver) -> None:
    """Not by what initialised another tensor just before the model got its name."""
    written.goto(3, 1)
    written.do(written.session.who_wrote("net[0].weight", "value", (1, 0)))
    following = written.stop.next
    assert following is not None
    assert (following["name"], following["inputs"][0]["shape"]) == ("kaiming_uniform_", [3, 2])


def test_your_own_edit_is_told_as_such(written: Driver) -> None:
    written.goto(4, 2)
    written.change("set", {"name": "scale", "attr": "value", "index": [3], "to": 7.0})
    there = written.stop.time
    written.goto(7, 1)
    written.do(written.session.who_wrote("scale", "value", (3,)))

    assert written.stop.time == there
    assert written.view.message.startswith("scale[3]: 1 → 7 was your change scale[3] = 7.0")


def test_what_has_not_been_written_since_the_beginning(written: Driver) -> None:
    written.goto(2, 1)
    here = written.stop.time
    written.do(written.session.who_wrote("nothing", "value", (0,)))

    assert (written.stop.time, written.status) == (here, "stopped")
    assert written.view.message == "no operation has changed nothing[0] since the script began"


def test_the_sentence_has_the_digits_of_the_dtype(written: Driver) -> None:
    written.goto(3, 1)
    before = written.values("w")[1]
    written.do(written.session.who_wrote("w", "value", (1,)))

    assert f"→ {display(shortest(before, 'float32'))} is what the next" in written.view.message
    assert "the update by Adam" in written.view.message
