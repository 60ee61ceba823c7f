"""The keys of breakpoints, of who wrote a value, and of edits."""

from dataclasses import replace

import pytest
from textual.widgets import Input, Label, OptionList

from app.test_app import running
from backprop_tui.debugger.breakpoints import parse
from backprop_tui.panes.drawing.stops import form_lines, stop_lines
from backprop_tui.screens.changes import future_lost


def listed(app):
    entries = app.screen.query_one("#stops-list", OptionList)
    return [str(entries.get_option_at_index(number).prompt) for number in range(entries.option_count)]


async def test_breakpoints_are_typed_edited_switched_off_and_removed():
    async with running() as (app, pilot, session):
        await pilot.press("B")
        line = app.screen.query_one("#stops-line", Input)
        for text in ("loss > 10", "lr changed"):
            line.value = text
            await pilot.press("enter")
        assert [point.text for point in session.view.stops] == ["loss > 10", "lr changed"]
        await pilot.press("tab", "down", "space")
        assert [point.enabled for point in session.view.stops] == [True, False]
        assert listed(app)[1].startswith("○ lr changed")
        await pilot.press("up", "enter")
        assert (line.value, line.has_focus) == ("loss > 10", True)
        line.value = "loss > 20 x2"
        await pilot.press("enter")
        assert [point.text for point in session.view.stops] == ["loss > 20 x2", "lr changed"]
        await pilot.press("tab", "d", "d", "escape")
        assert session.view.stops == ()
        assert not app.screen.query("#stops-list")


async def test_what_is_no_breakpoint_stays_in_the_line_with_a_sentence():
    async with running() as (app, pilot, session):
        await pilot.press("B", "x", "enter")
        assert "“x” is no breakpoint; the forms are below" in str(
            app.screen.query_one("#stops-error", Label).render()
        )
        assert app.screen.query_one("#stops-line", Input).value == "x"
        assert session.view.stops == ()


async def test_a_form_is_copied_into_the_line():
    async with running() as (app, pilot, _):
        await pilot.press("B", "tab", "enter")
        assert app.screen.query_one("#stops-line", Input).value == "loss > 10"


async def test_a_line_means_the_file_in_the_program_pane():
    async with running() as (_, pilot, session):
        await pilot.press("B", *"line", "space", "7", "enter")
        (point,) = session.view.stops
        assert point.what == (session.view.script, 7)


async def test_who_wrote_asks_for_the_chosen_element():
    async with running(position=5) as (_, pilot, session):
        await pilot.press("3", "down", "W")
        assert session.asked[-1] == ("who", "linear1.weight", "value", (0, 1))
        await pilot.press("ctrl+f")
        assert session.asked[-1] == "first bad"


@pytest.mark.parametrize(
    ("keys", "kind", "value"),
    [
        ("*0.5", "set", {"name": "linear1.weight", "attr": "value", "scale": 0.5}),
        ("=1/4", "set", {"name": "linear1.weight", "attr": "value", "index": [0, 1], "to": 0.25}),
        ("lr = 0.5", "lr", 0.5),
        ("linear2.weight.grad fill 1", "set", {"name": "linear2.weight", "attr": "grad", "fill": 1.0}),
    ],
)
async def test_e_takes_every_form_of_edit(keys, kind, value):
    async with running(position=5) as (app, pilot, session):
        await pilot.press("3", "down", "e")
        app.screen.query_one(Input).value = keys
        await pilot.press("enter")
        assert session.asked[-1] == (kind, value)


async def test_a_change_says_first_what_future_is_lost():
    async with running(position=5) as (app, pilot, session):
        session.publish(replace(session.view, future=57))
        await pilot.pause()
        await pilot.press("r")
        title = str(app.screen.query_one("#ask-title").render())
        assert title.startswith("Learning rate")
        assert "what is known up to iteration 57 will be forgotten" in title
        assert future_lost(replace(session.view, future=None)) == ""


def test_every_form_has_a_line_that_fits_into_80_columns():
    assert all(len(line) <= 68 for _, line in form_lines())
    assert {parse(written, "a.py").text for written, _ in form_lines() if written} >= {"loss > 10", "op relu"}


def test_a_breakpoint_is_listed_with_its_cost_and_without_folders():
    lines = stop_lines([parse("line /very/long/path/train.py:16"), replace(parse("loss > 1"), enabled=False)])

    assert lines == [f"● {'line train.py:16':<27} observed", f"○ {'loss > 1':<27} full speed"]


async def test_down_leads_from_the_line_to_the_breakpoints_or_to_what_can_be_typed():
    async with running() as (app, pilot, session):
        await pilot.press("B", "down")
        assert app.focused is not None and app.focused.id == "stops-forms"
        line = app.screen.query_one("#stops-line", Input)
        line.focus()
        line.value = "lr changed"
        await pilot.press("enter", "down", "space")
        assert [point.enabled for point in session.view.stops] == [False]
