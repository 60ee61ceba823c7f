"""Every lesson is walked, read with right answers and with others, and read backwards."""

from __future__ import annotations

import ast
import functools
import re

import pytest

from backprop_tui.guide.answer import everywhere
from backprop_tui.guide.catalog import GROUPS, find, lessons
from backprop_tui.guide.guide import Guide, Page
from backprop_tui.guide.lesson import Ask, Lesson
from backprop_tui.guide.walking import Told
from support.driving import Driver
from support.reading import Reading, read_back, read_through, walked

every = pytest.mark.parametrize(
    "name",
    # What one lesson is read for is read once: its tests stay together in one worker.
    [pytest.param(lesson.name, marks=pytest.mark.xdist_group(lesson.name)) for lesson in lessons()],
)
NAMES = [lesson.name for lesson in lessons()]
OTHERWISE, BACKWARDS = set(NAMES[::7]), set(NAMES[5::7])
"""What is read by default with other answers than the right ones, and backwards too; all are, exhaustively:
what a slip is told is looked at in all of them anyway."""


def fair(names: set[str]) -> pytest.MarkDecorator:
    """Some lessons by default, the others exhaustively."""
    parameters = [
        pytest.param(
            name,
            marks=[
                pytest.mark.xdist_group(name),
                *([] if name in names else [pytest.mark.exhaustive]),
            ],
        )
        for name in NAMES
    ]
    return pytest.mark.parametrize("name", parameters)


FAR_OFF = "123456.789"
"""The answer to nothing."""


@functools.cache
def read_right(driver: Driver, name: str, back: bool = False) -> tuple[Reading, tuple[Page, ...]]:
    """A reading with right answers, and the way back if it is asked for here or by default."""
    guide = Guide(find(name), driver.session)
    told = walked(driver, name)
    seen = read_through(driver, guide, lambda number, ask: right(told[number], ask))
    return seen, tuple(read_back(driver, guide)) if back or name in BACKWARDS else ()


def right(told: Told, ask: Ask) -> str:
    """What a reader types who knows the answer."""
    return told.answer if ask.kind == "number" else str(ask.choices.index(told.answer) + 1)


def wrong(told: Told, ask: Ask) -> str:
    """What a reader types who does not."""
    if ask.kind == "number":
        return FAR_OFF
    return next(str(n) for n, choice in enumerate(ask.choices, 1) if choice != told.answer)


def marks(seen: Reading) -> dict[int, str]:
    """The mark on each answer, by the number of the beat from 0."""
    return {n: page.verdict.mark for n, page in enumerate(seen.after) if page.verdict is not None}


def questions(lesson: Lesson) -> dict[int, Ask]:
    return {n: beat.ask for n, beat in enumerate(lesson.beats) if beat.ask is not None}


# what a lesson says of itself
@every
def test_it_says_what_it_is_for(name: str) -> None:
    lesson = find(name)

    assert lesson.question.endswith("?")
    assert lesson.group in GROUPS
    assert len(lesson.title) <= 50
    assert re.match(r"https?://\S+\.\S+", lesson.source_address)
    assert 1 <= lesson.minutes <= 60
    assert 5 <= len(lesson.beats) <= 20
    assert questions(lesson), "a lesson without a question"
    assert all(len(beat.title) <= 50 for beat in lesson.beats)
    ast.parse(lesson.script.read_text(encoding="utf-8"))


# forwards
@every
def test_the_run_is_as_the_lesson_says(driver: Driver, name: str) -> None:
    told = walked(driver, name)

    assert [(beat.number, beat.problems) for beat in told if beat.problems] == []
    assert len(told) == len(find(name).beats)


@every
def test_right_answers_are_right_and_no_beat_is_out_of_reach(driver: Driver, name: str) -> None:
    seen, _ = read_right(driver, name)

    assert [page.trouble for page in seen.after if page.trouble] == []
    assert [page.title for page in seen.pages] == [beat.title for beat in find(name).beats]
    assert marks(seen) == dict.fromkeys(questions(find(name)), "right")


@every
def test_the_pages_have_the_numbers_of_the_walk(driver: Driver, name: str) -> None:
    seen, _ = read_right(driver, name)
    told = walked(driver, name)

    assert [(page.text, page.question) for page in seen.pages] == [
        (beat.text, beat.question) for beat in told
    ]
    assert [page.verdict.why for page in seen.after if page.verdict] == [
        beat.why for beat in told if beat.why
    ]


@every
def test_an_answer_does_not_change_what_was_said_before_it(driver: Driver, name: str) -> None:
    seen, _ = read_right(driver, name)

    for before, after in zip(seen.pages, seen.after, strict=True):
        assert (before.text, before.question) == (after.text, after.question)


@every
def test_every_slip_is_close_and_gets_its_sentence(driver: Driver, name: str) -> None:
    seen, _ = read_right(driver, name)
    for number, ask in questions(find(name)).items():
        for slip, (_, verdict) in zip(ask.slips, seen.slips[number], strict=True):
            begins = slip.say.partition("{")[0]

            assert verdict.mark == "close", (number + 1, slip)
            assert re.match(rf"Close: it is \S+\. {re.escape(begins)}", verdict.sentence), verdict.sentence


@fair(OTHERWISE)
def test_the_story_goes_on_after_any_answer(driver: Driver, name: str) -> None:
    """Slips are typed where there are some, else what is wrong."""
    told, slips = walked(driver, name), read_right(driver, name)[0].slips
    guide = Guide(find(name), driver.session)

    def answer(number: int, ask: Ask) -> str:
        return slips[number][-1][0] if slips[number] else wrong(told[number], ask)

    seen = read_through(driver, guide, answer)

    assert [page.trouble for page in seen.after if page.trouble] == []
    assert marks(seen) == {number: "close" if found else "wrong" for number, found in slips.items()}
    assert [page.text for page in seen.pages] == [beat.text for beat in told]
    assert guide.page.last


@every
def test_what_is_asked_for_is_hidden_and_only_then(driver: Driver, name: str) -> None:
    seen, _ = read_right(driver, name)

    for page, told in zip(seen.pages, walked(driver, name), strict=True):
        hides = (
            told.beat.ask is not None
            and told.beat.ask.kind == "number"
            and not everywhere(number_of(told.answer))
        )
        assert len(page.hidden) == hides
    assert all(not page.hidden for page in seen.after)


def number_of(answer: str) -> float:
    """An answer as it is told."""
    return float(answer.replace("−", "-"))


# backwards
@fair(BACKWARDS)
def test_going_back_tells_the_same_story(driver: Driver, name: str) -> None:
    seen, back = read_right(driver, name, name not in BACKWARDS)

    for page, before in zip(back, reversed(seen.after), strict=True):
        assert (page.trouble, page.away) == ("", False)
        assert (page.number, page.title) == (before.number, before.title)
        assert (page.text, page.question) == (before.text, before.question)
        assert page.verdict == before.verdict
