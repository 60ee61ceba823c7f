"""A lesson in the running app: its story, its questions, and the way into another one."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from backprop_tui.app import BackpropApp
from backprop_tui.guide.reading import read
from backprop_tui.panes.guide import AnswerLine, GuidePane
from backprop_tui.panes.operation import OperationPane
from backprop_tui.panes.parameters import ParametersPane
from backprop_tui.screens.catalog import LessonList, fits
from support import snapshot
from support.fake_session import FakeSession
from support.update_run import SCRIPT

GUIDE = f"""\
title = "A story"
question = "What happens?"
level = "beginner"
minutes = 1
script = "{SCRIPT}"
source = {{title = "a test", address = "https://example.org"}}

[[beat]]
title = "The beginning"
look = "network"
say = "The weight is {{linear2.weight[0,0] = 0.14}}. `model` has *two* layers."

[[beat]]
title = "Before the gradient"
at = {{kind = "accumulate", tensor = "linear2.weight", when = "before"}}
look = {{pane = "parameters", tensor = "linear2.weight", attribute = "grad", element = [0, 0]}}
say = "Now it is stored."

[beat.ask]
kind = "number"
question = "What will the gradient be?"
answer = "linear2.weight.grad[0,0]"
after = {{kind = "accumulate", tensor = "linear2.weight"}}
why = "It is {{linear2.weight.grad[0,0] = -0.85}}."

[[beat]]
title = "Its neighbour"
say = "The number beside it is hidden."

[beat.ask]
kind = "number"
question = "And the second one?"
answer = "linear2.weight.grad[0,1]"
why = "Minus the second neuron."

[[beat]]
title = "The step"
at = {{kind = "update", tensor = "linear2.weight", when = "before"}}
say = "A choice."

[beat.ask]
kind = "choice"
question = "Where does it go?"
choices = ["up", "down"]
right = 1
why = "Against the gradient."

[[beat]]
title = "Never"
at = {{kind = "op", name = "nothing"}}
say = "This does not come."
"""


@pytest.fixture(autouse=True)
def _state(tmp_path, monkeypatch):
    """No progress from elsewhere."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@asynccontextmanager
async def told(tmp_path, size=(120, 36)):
    """The app with the story at its first beat."""
    guide = tmp_path / "story.toml"
    guide.write_text(GUIDE, encoding="utf-8")
    sessions = []

    def make(on_view):
        sessions.append(FakeSession(on_view))
        return sessions[0]

    app = BackpropApp(make, lambda: read(guide))
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: "has two layers." in frame(app))
        yield app, pilot, sessions[0]


async def until(pilot, holds):
    for _ in range(100):
        await pilot.pause(0.02)
        if holds():
            return
    raise AssertionError(frame(pilot.app))


def frame(app):
    """The guide: its border and its text."""
    pane = app.screen_stack[0].query(GuidePane)
    return "\n".join([str(pane.first().border_title), *pane.first().text_lines()]) if pane else ""


def text_of(app, widget):
    return "\n".join(app.screen_stack[0].query_one(widget).text_lines())


async def test_enter_goes_on_and_a_number_is_judged_when_the_run_has_it(tmp_path):
    async with told(tmp_path) as (app, pilot, _session):
        assert "The weight is 0.14. model has two layers." in frame(app)
        await pilot.press("enter")
        await until(pilot, lambda: "What will the gradient be?" in frame(app))
        assert "» linear2.weight[0,0]" in text_of(app, ParametersPane)
        # The node before has worked it out already.
        panes = [pane for pane in app.screen.query(".pane") if pane.display]
        assert not [pane for pane in panes if "−0.85" in "\n".join(pane.text_lines())]
        assert app.focused is app.screen.query_one(AnswerLine)

        await pilot.press(*"0.85", "enter")
        await until(pilot, lambda: "Close: it is −0.85. Off by the sign." in frame(app))
        assert "It is −0.85." in frame(app)
        assert "−0.85" in text_of(app, ParametersPane)


async def test_letters_still_step_while_a_number_is_asked_for(tmp_path):
    async with told(tmp_path) as (app, pilot, session):
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.query_one(AnswerLine).display)
        await pilot.press("4", "n", "space")
        await until(pilot, lambda: "The run is elsewhere" in frame(app))
        assert [asked for asked in session.asked if asked[0] in ("over", "walk")][-2:] == [
            ("over", False),
            ("walk", False),
        ]


async def test_the_number_that_is_asked_for_is_nowhere_until_it_is_answered(tmp_path):
    async with told(tmp_path) as (app, pilot, _session):
        for _ in range(3):
            await pilot.press("enter")
        await until(pilot, lambda: "And the second one?" in frame(app))
        everywhere = "\n".join(
            "\n".join(pane.text_lines()) for pane in app.screen.query(".pane") if pane.display
        )
        assert "−0.48" not in everywhere
        assert "?" in text_of(app, ParametersPane) and "?" in text_of(app, OperationPane)

        await pilot.press(*"abc", "enter")  # no number: nothing was typed
        await until(pilot, lambda: "It is −0.48." in frame(app))
        assert "−0.48" in text_of(app, ParametersPane)


async def test_something_that_is_no_answer_is_told_on_and_asked_again(tmp_path):
    async with told(tmp_path) as (app, pilot, _session):
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.query_one(AnswerLine).display)
        await pilot.press(*"1/0.", "minus", "enter")
        await until(pilot, lambda: "a number is asked for" in frame(app))
        assert app.screen.query_one(AnswerLine).display


async def test_a_digit_chooses_and_the_story_goes_both_ways(tmp_path):
    async with told(tmp_path) as (app, pilot, _session):
        for _ in range(5):
            await pilot.press("enter")
        await until(pilot, lambda: "Where does it go?" in frame(app))
        assert "1–2 answers" in frame(app)
        await pilot.press("2")
        await until(pilot, lambda: "✗ Not “down”: up." in frame(app))

        await pilot.press("comma")
        await until(pilot, lambda: "Its neighbour" in frame(app))
        await pilot.press("backspace")
        await until(pilot, lambda: "Before the gradient" in frame(app))
        await pilot.press("space")
        await until(pilot, lambda: "elsewhere" not in frame(app) and "Before the gradient" in frame(app))


async def test_a_beat_whose_operation_never_comes_is_told_and_the_app_goes_on(tmp_path):
    async with told(tmp_path) as (app, pilot, _session):
        for words in ("What will", "It is −0.85", "second one", "It is −0.48", "Where", "The answer: up"):
            await pilot.press("enter")
            await until(pilot, lambda words=words: words in frame(app))
        await pilot.press("enter")
        await until(pilot, lambda: "there is no such operation: after op nothing" in frame(app))
        await pilot.press("comma")
        await until(pilot, lambda: "there is no such" not in frame(app))


async def test_progress_is_kept_and_taken_up_again(tmp_path):
    async with told(tmp_path) as (app, pilot, _session):
        await pilot.press("enter")
        await until(pilot, lambda: "What will" in frame(app))
    async with told_again(tmp_path) as (app, pilot, _session):
        await until(pilot, lambda: "2/5" in frame(app))


@asynccontextmanager
async def told_again(tmp_path):
    sessions = []

    def make(on_view):
        sessions.append(FakeSession(on_view))
        return sessions[0]

    app = BackpropApp(make, lambda: read(tmp_path / "story.toml"))
    async with app.run_test(size=(80, 24)) as pilot:
        yield app, pilot, sessions


@pytest.mark.parametrize("size", [(80, 24), (200, 60)], ids=["80x24", "200x60"])
async def test_what_is_asked_about_is_on_the_screen(tmp_path, size):
    async with told(tmp_path, size) as (app, pilot, _session):
        await pilot.press("enter")
        await until(pilot, lambda: "What will the gradient be?" in frame(app))
        assert "» linear2.weight[0,0]" in text_of(app, ParametersPane)


async def test_the_program_can_be_gone_to_from_a_network_that_is_alone(tmp_path):
    async with told(tmp_path, (80, 24)) as (app, pilot, _session):
        await pilot.press("2")
        assert app.screen.on_screen == {"network", "guide"}
        await pilot.press("1")
        assert app.screen.focused_pane == "program"
        assert app.screen.on_screen == {"program", "guide"}
        await pilot.press("3", "1")
        assert app.screen.on_screen == {"program", "parameters", "guide"}


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=["80x24", "120x36"])
async def test_a_maximised_guide_has_the_whole_screen(tmp_path, size):
    async with told(tmp_path, size) as (app, pilot, _session):
        pane = app.screen.query_one(GuidePane)
        before = pane.outer_size.height
        await pilot.press("0", "x")
        await pilot.pause()
        assert pane.outer_size.height >= size[1] - 4
        await pilot.press("x")
        await pilot.pause()
        assert pane.outer_size.height == before


async def test_in_the_smallest_terminal_the_guide_leaves_room_for_the_panes(tmp_path):
    async with told(tmp_path, (60, 16)) as (app, pilot, _session):
        await pilot.press("3", "0")
        assert "ight[0,1]" in text_of(app, ParametersPane)


async def test_the_list_is_searched_and_opens_a_lesson(tmp_path):
    async with told(tmp_path) as (app, pilot, session):
        await pilot.press("ctrl+o")
        await until(pilot, lambda: isinstance(app.screen, LessonList))
        await pilot.press(*"weights hmkcode")
        await pilot.press("enter")
        await until(pilot, lambda: ("open", SCRIPT) in session.asked)
        await until(pilot, lambda: "1/13" in frame(app))


@pytest.mark.parametrize("size", [(80, 24), (60, 16)], ids=["80x24", "60x16"])
async def test_each_lesson_has_one_line_with_its_minutes(tmp_path, size):
    async with told(tmp_path, size) as (app, pilot, _session):
        await pilot.press("ctrl+o")
        await until(pilot, lambda: isinstance(app.screen, LessonList))
        entries = app.screen.query_one("#catalog-list")
        await until(pilot, lambda: bool(entries.virtual_size.height))
        assert entries.virtual_size.height == entries.option_count
        first = "".join(segment.text for segment in entries.render_line(1))
        assert "update         10 min  How the weights" in first


def test_every_word_that_is_typed_must_be_in_a_lesson(tmp_path):
    guide = tmp_path / "story.toml"
    guide.write_text(GUIDE, encoding="utf-8")
    lesson = read(guide)
    assert fits(lesson, "") and fits(lesson, "STORY hap")
    assert not fits(lesson, "story nothing")


BEATS = {
    "number-80x24": ((80, 24), 1, "What will the gradient be?"),
    "answer-120x36": ((120, 36), 2, "It is −0.85"),
    "choice-120x36": ((120, 36), 5, "Where does it go?"),
}


@pytest.mark.parametrize("name", BEATS)
async def test_pictures_of_three_beats(tmp_path, name):
    size, enters, words = BEATS[name]
    async with told(tmp_path, size) as (app, pilot, _session):
        for _ in range(enters):
            page = app.screen.guide.page
            await pilot.press("enter")
            await until(pilot, lambda page=page: app.screen.guide.page != page)
        await until(pilot, lambda: words in frame(app))
        await pilot.pause(0.1)
        snapshot.check(app, Path(__file__).parent / "snapshots" / f"{name}.svg")
