"""Whatever objects the script has: looking at them runs none of its code, and ends nothing."""

from __future__ import annotations

import contextlib

import torch

from backprop_tui.debuggee.describe import in_words, tensors_in
from backprop_tui.debuggee.objects import attributes, items
from backprop_tui.debugger.failure import Refused
from support.driving import Driver
from support.scripts import bare, script


def test_stepping_among_odd_objects_is_the_run_of_python(driver: Driver) -> None:
    driver.load(script("odd_objects"))
    named = set()
    while driver.status == "stopped":
        named |= {row["name"] for row in driver.view.parameters}
        with contextlib.suppress(Refused):
            driver.wait(driver.session.tensors())
        driver.step("into")

    assert driver.status == "finished"
    assert driver.printed == bare("odd_objects", dump=False).output
    assert {"odd_list[0]", "odd_dict['x']", "odd_keys[Color.RED]", "odd_keys[(1, 'a')]"} <= named
    assert {"slots.weight", "pair[0]", "net.inner.linear.weight", "net.lazy.weight"} <= named
    assert any("the parameters cannot be shown: KeyError: 'params'" in text for text in driver.messages)


class Slotted:
    __slots__ = ("later", "weight")

    def __init__(self) -> None:
        self.weight = torch.ones(1)


class Both(Slotted):
    def __init__(self) -> None:
        super().__init__()
        self.other = 3


class Dict(dict[str, torch.Tensor]):
    def values(self) -> object:  # type: ignore[override]
        raise AssertionError


def test_attributes_in_slots_are_found_as_far_as_they_are_set() -> None:
    assert list(attributes(Slotted())) == ["weight"]
    assert list(attributes(Both())) == ["weight", "other"]
    assert attributes(3) == attributes(object()) == {}


def test_a_container_of_a_class_of_its_own_is_looked_into_as_python_would() -> None:
    assert [path for path, _ in items(Dict(a=torch.ones(1)))] == ["['a']"]
    assert len(tensors_in(Dict(a=torch.ones(1)))) == 1


def test_an_exception_that_cannot_be_written_is_named() -> None:
    class Silent(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert in_words(Silent()) == "Silent: <exception str() failed>"
