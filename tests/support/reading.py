"""Reads lessons as a person does: answers questions, goes on, goes back."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backprop_tui.debugger.launch import Program
from backprop_tui.guide.answer import Verdict, judge
from backprop_tui.guide.catalog import find
from backprop_tui.guide.expression import evaluate
from backprop_tui.guide.guide import Guide, Page
from backprop_tui.guide.lesson import Ask, Lesson
from backprop_tui.guide.reading import read
from backprop_tui.guide.walking import Told, walk
from support.driving import Driver

HEAD = """\
title = "A story"
question = "What happens?"
level = "beginner"
minutes = 1
source = {title = "a test", address = "https://example.org"}
"""


def lesson_of(folder: Path, script: str, beats: str, head: str = "") -> Lesson:
    """A lesson with this script and these beats."""
    (folder / "story.py").write_text(script, encoding="utf-8")
    guide = folder / "story.toml"
    guide.write_text(head + HEAD + beats, encoding="utf-8")
    return read(guide)


def open_lesson(driver: Driver, lesson: Lesson) -> None:
    """Run the script of a lesson from its beginning, without any changes."""
    driver.do(driver.session.open(Program(str(lesson.script))))


def told_of(driver: Driver, lesson: Lesson) -> list[Told]:
    """Every beat of a lesson as `walk` tells it."""

    async def collect() -> list[Told]:
        return [told async for told in walk(lesson, driver.session)]

    open_lesson(driver, lesson)
    return driver.wait(collect())


@functools.cache
def walked(driver: Driver, name: str) -> tuple[Told, ...]:
    """The beats of one of the program's lessons: walked once for all tests."""
    return tuple(told_of(driver, find(name)))


@dataclass
class Reading:
    """What one reader saw."""

    pages: list[Page] = field(default_factory=list)
    """Each beat when it was first told."""
    after: list[Page] = field(default_factory=list)
    """Each beat when it was left, with the verdict on the answer."""
    slips: dict[int, list[tuple[str, Verdict]]] = field(default_factory=dict)
    """What each slip of a question comes to, and the verdict on it; by the number of the beat from 0."""


Answers = Callable[[int, Ask], str]


def read_through(driver: Driver, guide: Guide, answers: Answers) -> Reading:
    """Read a lesson from its first beat to its last, where the guide stays."""
    seen = Reading()
    open_lesson(driver, guide.lesson)
    driver.wait(guide.begin())
    for number, beat in enumerate(guide.lesson.beats):
        seen.pages.append(guide.page)
        if beat.ask is not None and guide.page.asks:
            driver.wait(guide.answer(answers(number, beat.ask)))
            seen.slips[number] = list(slips_of(beat.ask, driver.wait(guide._known())))
        seen.after.append(guide.page)
        driver.wait(guide.next())
    return seen


def slips_of(ask: Ask, known: Mapping[str, Any]) -> Iterator[tuple[str, Verdict]]:
    """Each slip as it would be typed, and what is said to it."""
    for slip in ask.slips:
        typed = repr(evaluate(slip.value, known).value)
        yield typed, judge(ask, typed, known)


def read_back(driver: Driver, guide: Guide) -> list[Page]:
    """Go back to the first beat; every page on the way, the present one first."""
    pages = [guide.page]
    while guide.page.number > 1:
        driver.wait(guide.previous())
        pages.append(guide.page)
        assert len(pages) <= len(guide.lesson.beats), guide.page
    return pages
