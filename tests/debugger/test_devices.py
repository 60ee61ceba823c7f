"""On a device that is not the CPU autograd runs the nodes in a thread of its own."""

from __future__ import annotations

from typing import Any

import pytest

from support.driving import Driver
from support.scripts import records, script

SCRIPT = script("on_accelerator")
DEVICES = ["cpu", "accel"]


def sights(driver: Driver, device: str) -> list[Any]:
    """Every stop of the second iteration: the operation, whose line it is, who called, what has a name."""
    driver.load(SCRIPT, device)
    driver.goto(2, 1)
    found = []
    while driver.stop.iteration == 2:
        after, place = driver.stop.next, driver.stop
        assert after is not None
        lines = [(frame.function, frame.line) for frame in place.frames]
        names = [row["name"] for row in driver.view.parameters]
        found.append((place.number, after["kind"], after["name"], after["line"], lines, names))
        driver.step("into")
    return found


def test_the_stops_are_those_of_the_cpu(driver: Driver) -> None:
    of_cpu, of_device = (sights(driver, device) for device in DEVICES)

    assert of_device == of_cpu
    assert all(lines and lines[-1][0] == "<module>" for *_, lines, _ in of_device)
    assert {kind for _, kind, *_ in of_device} >= {"backward", "node", "accumulate", "forward", "update"}


def test_the_operations_are_those_of_the_cpu() -> None:
    of_cpu, of_device = (
        [
            (record["iteration"], record["number"], record["kind"], record["name"], record["line"])
            for record in records("on_accelerator", device)
            if record["iteration"]
        ]
        for device in DEVICES
    )

    assert of_device == of_cpu


@pytest.mark.parametrize("number", [20, 26])
def test_going_back_from_within_a_pass(driver: Driver, number: int) -> None:
    driver.load(SCRIPT, "accel")
    driver.goto(2, number)
    before = driver.view.parameters
    driver.step("into")
    driver.back("into")

    assert (driver.stop.iteration, driver.stop.number) == (2, number)
    assert driver.view.parameters == before
    assert any("autograd has a thread for each GPU" in sentence for sentence in driver.messages)


def test_a_run_stops_in_a_pass_and_ends(driver: Driver) -> None:
    driver.load(SCRIPT, "accel")
    driver.session.set_breakpoint("op AccumulateGrad")
    driver.run()
    assert driver.stop.next is not None
    assert driver.stop.next["name"] == "AccumulateGrad"
    driver.session.remove_breakpoint(0)
    driver.run()

    assert driver.status == "finished"
    assert driver.printed == "1.2901\n1.1179\n0.9989\n"
