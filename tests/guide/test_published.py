"""What the sources of the lessons print stands in the lessons, with the digits that they print.

A numeral in a lesson is either worked out from the run or one of the guide's `[printed]` table
(test_every_lesson.py checks it), so that a printed number is either torch's too or called the source's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from backprop_tui.guide.catalog import find, lessons
from backprop_tui.guide.walking import Told
from support.driving import Driver
from support.reading import walked

PUBLISHED: dict[str, Any] = {
    entry["id"]: entry for entry in json.loads(Path(__file__).with_name("published.json").read_text("utf-8"))
}
"""By id: address, setup, and the numbers that are printed there."""

LESSONS = {
    "mazur": ["mazur-2-2-2-step1", "mazur-2-2-2-after-update", "mazur-2-2-2-sequential-variant"],
    "hmkcode": ["hmkcode-2-2-1"],
    "circuits": ["cs231n-circuit-(x+y)z", "cs231n-sigmoid-2d-neuron"],
    "micrograd": ["micrograd-readme"],
    "momentum": [
        "d2l-momentum-eta0.4",
        "d2l-momentum-eta0.6-diverges",
        "keras-SGD-momentum",
        "distill-gd-closed-form",
    ],
    "adam": ["keras-Adam-first-step", "optax-sgd", "optax-adam", "optax-adamw", "optax-adagrad"],
    "schedules": [
        "sched-StepLR",
        "sched-MultiStepLR",
        "sched-ConstantLR",
        "sched-LinearLR",
        "sched-ChainedScheduler",
    ],
    "saturation": ["nielsen-ch3-slow-neuron"],
}
"""The entries that each lesson has all numbers of."""

NUMERAL = re.compile(r"(?<![\w.])[-−]?\d+(?:\.\d+)?(?:[eE][-+−]?\d+)?(?!\w|\.\d)")

here = pytest.mark.parametrize(
    ("name", "entry"),
    [
        pytest.param(lesson.name, entry, marks=pytest.mark.xdist_group(lesson.name))
        for lesson in lessons()
        for entry in LESSONS.get(lesson.name, ())
    ],
)
with_printed = pytest.mark.parametrize(
    "name",
    [
        pytest.param(lesson.name, marks=pytest.mark.xdist_group(lesson.name))
        for lesson in lessons()
        if lesson.printed
    ],
)


def numerals(told: tuple[Told, ...]) -> set[Decimal]:
    """Every number in the texts of a lesson."""
    texts = " ".join(text for beat in told for text in (beat.text, beat.question, beat.answer, beat.why))
    return {Decimal(numeral.replace("−", "-")) for numeral in NUMERAL.findall(texts)}


def printed(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from printed(item)
    else:
        yield value


@here
def test_every_published_number_is_told(driver: Driver, name: str, entry: str) -> None:
    have = numerals(walked(driver, name))
    wanted = [
        (what, text)
        for what, expected in PUBLISHED[entry]["expected"].items()
        for text in printed(expected["printed"])
    ]

    assert wanted
    assert [(what, text) for what, text in wanted if Decimal(text) not in have] == []


@with_printed
def test_every_number_of_the_source_is_spoken_of(driver: Driver, name: str) -> None:
    have = numerals(walked(driver, name))

    assert [key for key, text in find(name).printed.items() if Decimal(text) not in have] == []


def test_each_entry_is_some_lesson_s() -> None:
    assert sorted(PUBLISHED) == sorted(entry for entries in LESSONS.values() for entry in entries)


def test_an_entry_is_what_the_source_says_and_nothing_else() -> None:
    for entry in PUBLISHED.values():
        assert set(entry) == {"id", "source_url", "setup", "expected"}
        assert re.match(r"https?://", entry["source_url"])
        for expected in entry["expected"].values():
            assert set(expected) == {"value", "printed", "tolerance"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("w is −0.034 and 1.38E+01.", {"-0.034", "13.8"}),
        ("0.10 · 3 = x1 (2.5)", {"0.1", "3", "2.5"}),
        ("a − 0.5", {"0.5"}),
        ("v1.2 and 1.2.3", set()),
    ],
)
def test_the_numerals_of_a_text(text: str, found: set[str]) -> None:
    told: Any = (Told(None, 1, text=text),)  # type: ignore[arg-type]

    assert numerals(told) == {Decimal(numeral) for numeral in found}
