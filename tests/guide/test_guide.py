"""The pages that one reader is shown, with a real run behind them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from backprop_tui.debugger.session import How
from backprop_tui.guide.guide import Guide
from backprop_tui.guide.lesson import Lesson
from backprop_tui.guide.progress import Notebook
from support.driving import Driver
from support.reading import lesson_of, open_lesson, read_back, read_through
from support.small_lesson import BEATS, SCRIPT

pytestmark = pytest.mark.xdist_group("guide")

ANSWERS = {1: "3", 3: "0.25", 4: "2", 6: "2"}
"""The right ones, by the number of the beat from 0."""


@pytest.fixture
def lesson(tmp_path: Path) -> Lesson:
    return lesson_of(tmp_path, SCRIPT, BEATS)


@pytest.fixture
def guide(driver: Driver, lesson: Lesson) -> Guide:
    open_lesson(driver, lesson)
    guide = Guide(lesson, driver.session)
    driver.wait(guide.begin())
    return guide


def go_to(driver: Driver, guide: Guide, number: int) -> None:
    """Read on to a beat, counted from 0, with right answers."""
    while guide.page.number <= number:
        if guide.page.asks:
            driver.wait(guide.answer(ANSWERS[guide.page.number - 1]))
        driver.wait(guide.next())


def test_a_story_from_its_beginning_to_its_end(driver: Driver, lesson: Lesson) -> None:
    guide = Guide(lesson, driver.session)

    seen = read_through(driver, guide, lambda number, ask: ANSWERS[number])

    assert [page.text for page in seen.pages] == [
        "w is 1.",
        "`.grad` is None, w is 1.",
        "1 − 0.25 · 3 = 0.25.",
        "It stands in the panes.",
        "The step comes.",
        "From the start, with a rate of 1 instead of 0.25.",
        "To −2, not 0.25.",
        "−8.",
    ]
    assert [page.verdict.sentence for page in seen.after if page.verdict] == [
        "Right: 3.",
        "Right: 0.25.",
        "Right: down.",
        "Right: its gradient.",
    ]
    assert guide.page.last


def test_the_numbers_of_a_question_stay_when_its_answer_leads_on(driver: Driver, guide: Guide) -> None:
    go_to(driver, guide, 1)
    asked = guide.page

    driver.wait(guide.answer("3"))

    assert asked.text == guide.page.text == "`.grad` is None, w is 1."
    assert asked.question == guide.page.question
    assert driver.values("w", "grad") == [3.0]


def test_a_lesson_that_is_resumed_tells_its_earlier_beats_as_they_were(driver: Driver, guide: Guide) -> None:
    driver.wait(guide.resume(4))

    pages = read_back(driver, guide)

    assert [page.number for page in pages] == [5, 4, 3, 2, 1]
    assert [page.text for page in pages][2:4] == ["1 − 0.25 · 3 = 0.25.", "`.grad` is None, w is 1."]
    assert pages[3].verdict is not None
    assert pages[3].verdict.mark == "skipped"


def test_a_resumed_lesson_knows_what_was_kept_before(driver: Driver, guide: Guide) -> None:
    driver.wait(guide.resume(6))

    assert guide.page.text == "To −2, not 0.25."


def test_a_reader_who_goes_away_keeps_the_text_and_is_told(driver: Driver, guide: Guide) -> None:
    go_to(driver, guide, 1)
    page = guide.page

    driver.step()
    moved = guide.follow(driver.view)
    away = guide.page
    driver.wait(guide.rewrite())
    rewritten = guide.page
    driver.wait(guide.previous())

    assert not moved
    assert away == rewritten == replace(page, away=True)
    assert guide.page == page


def test_stepping_back_goes_back_in_the_story(driver: Driver, guide: Guide) -> None:
    go_to(driver, guide, 2)

    driver.back("walk")
    while not guide.follow(driver.view):
        driver.back("walk")
    driver.wait(guide.rewrite())

    assert guide.page.number == 2
    assert guide.page.text == "`.grad` is None, w is 1."


@pytest.mark.parametrize("how", ["walk", "over"])
def test_a_reader_who_walks_past_places_is_told_the_numbers_that_were_there(
    driver: Driver, guide: Guide, how: How
) -> None:
    pages = [guide.page]
    while driver.view.status == "stopped":
        before = driver.stop.time
        driver.step(how)
        stood, seen = driver.view.stop, len(driver.view.records)
        if guide.follow(driver.view):
            driver.wait(guide.refresh())
            pages.append(guide.page)
            assert driver.view.stop is not None and stood is not None
            assert (driver.view.stop.time, len(driver.view.records)) == (stood.time, seen)
        assert driver.view.status != "stopped" or driver.stop.time > before

    assert {3, 5} <= {page.number for page in pages}
    while guide.page.number < 7:
        driver.wait(guide.next())
    assert guide.page.text == "To −2, not 0.25."


def test_a_beat_that_is_walked_past_is_told_with_the_numbers_of_its_place(
    driver: Driver, tmp_path: Path
) -> None:
    beats = """
[[beat]]
title = "The product"
at = {kind = "op", name = "mul"}
keep = {product = "op.outputs[0][0]"}
say = "It is {op.outputs[0][0] = 3}."

[[beat]]
title = "The loss"
at = {kind = "op", name = "sum"}
say = "The loss is {op.outputs[0] = 3}, as {product = 3}, and w is still {w[0] = 1}."
"""
    lesson = lesson_of(tmp_path, SCRIPT, BEATS.partition('[[beat]]\ntitle = "The gradient"')[0] + beats)
    open_lesson(driver, lesson)
    guide = Guide(lesson, driver.session)
    driver.wait(guide.begin())
    while driver.stop.iteration == 1:
        driver.step("over")
        if driver.stop.iteration == 2:
            guide.follow(driver.view)
            driver.wait(guide.refresh())

    assert driver.values("w") == [0.25]
    assert guide.page.away
    assert (guide.page.title, guide.page.text) == ("The loss", "The loss is 3, as 3, and w is still 1.")


def test_enter_on_an_open_question_tells_the_answer(driver: Driver, guide: Guide) -> None:
    go_to(driver, guide, 1)

    driver.wait(guide.next())

    assert guide.page.number == 2
    assert guide.page.verdict is not None
    assert (guide.page.verdict.mark, guide.page.verdict.sentence) == ("skipped", "It is 3.")


def test_what_is_no_answer_is_refused_and_changes_nothing(driver: Driver, guide: Guide) -> None:
    go_to(driver, guide, 1)
    stop = driver.stop

    driver.wait(guide.answer("three"))

    assert guide.page.refused == "a number is asked for, as in 0.5 or −1/3, not 'three'"
    assert guide.page.asks
    assert driver.stop is stop


def test_a_number_is_hidden_until_it_is_answered(driver: Driver, guide: Guide) -> None:
    go_to(driver, guide, 3)

    before = guide.page.hidden
    driver.wait(guide.answer("123.4"))

    assert before == {0.25}
    assert guide.page.hidden == frozenset()
    assert guide.page.verdict is not None
    assert guide.page.verdict.mark == "wrong"


def test_a_switch_is_made_when_the_story_goes_on_and_undone_when_it_goes_back(
    driver: Driver, guide: Guide
) -> None:
    go_to(driver, guide, 5)
    before = driver.view.changes
    driver.wait(guide.next())
    during = driver.view.changes
    driver.wait(guide.previous())

    assert before == ()
    assert [(change.kind, change.value) for change in during] == [("lr", 1.0)]
    assert driver.view.changes == ()


def test_two_values_may_be_set_in_one_run(driver: Driver, tmp_path: Path) -> None:
    beats = """
    [[beat]]
    title = "One"
    switch = {set = "w[0]=5"}
    say = "w is {w[0] = 1}."
    [[beat]]
    title = "Another"
    at = {kind = "op", name = "sum"}
    switch = {set = "w[0]=7"}
    say = "w is {w[0] = 5}."
    [[beat]]
    title = "Both"
    at = {kind = "update", tensor = "w"}
    say = "w was {op.before[0] = 7}."
    """
    guide = Guide(lesson_of(tmp_path, SCRIPT, beats), driver.session)

    seen = read_through(driver, guide, lambda number, ask: "")

    assert [(page.text, page.away) for page in seen.pages] == [
        ("w is 1.", False),
        ("w is 5.", False),
        ("w was 7.", False),
    ]


def test_a_refused_switch_leaves_the_reader_where_he_was(driver: Driver, tmp_path: Path) -> None:
    lesson = lesson_of(tmp_path, SCRIPT, BEATS.replace('{lr = "1"}', '{optimizer = "Nonsense"}'))
    open_lesson(driver, lesson)
    guide = Guide(lesson, driver.session)
    driver.wait(guide.begin())
    go_to(driver, guide, 5)

    driver.wait(guide.next())

    assert guide.page.number == 6
    assert "Nonsense" in guide.page.trouble


def test_progress_is_kept(driver: Driver, lesson: Lesson, tmp_path: Path) -> None:
    notebook = Notebook(tmp_path / "progress.json")
    guide = Guide(lesson, driver.session, notebook)

    read_through(driver, guide, lambda number, ask: "1" if ask.kind != "number" else "-3")

    kept = Notebook(tmp_path / "progress.json").of("story")
    assert kept.done
    assert kept.answers == {"1": "close", "3": "wrong", "4": "wrong", "6": "wrong"}
