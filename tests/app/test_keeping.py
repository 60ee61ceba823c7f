"""Keeping a session for later, over a session that is played."""

import pytest

from backprop_tui.debugger.saved import PREFIX, load
from backprop_tui.panes.title import MessageLine
from backprop_tui.screens.ask import Ask
from backprop_tui.screens.exporting import Refused, file_named
from backprop_tui.screens.report import Report
from support.playing import lines_of, running


async def test_a_session_is_written_where_it_was_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with running(position=3) as (app, pilot, session):
        await pilot.press("ctrl+s")
        assert isinstance(app.screen, Ask)
        await pilot.press("enter")
        await pilot.pause(0.2)
        assert load(str(tmp_path / "update.session.json")) == session.saved()
        assert "backprop-tui resume update.session.json" in lines_of(app, MessageLine)[0]


async def test_a_place_that_cannot_be_written_keeps_the_question_open(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with running() as (app, pilot, _session):
        await pilot.press("ctrl+s")
        await pilot.press("home", *"nowhere/", "enter")
        await pilot.pause(0.1)
        error = str(app.screen.query_one("#ask-error").render())
        assert error == "✗ there is no directory nowhere"


async def test_the_string_to_share_is_shown_whole(tmp_path):
    async with running(position=2) as (app, pilot, session):
        await pilot.press("ctrl+y")
        await pilot.pause(0.2)
        assert isinstance(app.screen, Report)
        (word,) = [line for line in app.screen._lines if line.startswith(PREFIX)]
        assert load(word) == session.saved()


@pytest.mark.parametrize("name", ["", "."])
def test_a_name_that_is_none_is_told(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Refused):
        file_named(name)


async def export(pilot, kind, *keys):
    """Choose what to export, and answer what is asked."""
    await pilot.press("ctrl+e")
    await pilot.press(*kind, "enter")
    for key in keys:
        await pilot.pause(0.1)
        await pilot.press(*key)
    await pilot.pause(0.3)


async def test_the_curves_and_the_values_are_tables(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with running(position=-1) as (_app, pilot, _session):
        await export(pilot, "curves", ["enter"])
        assert (tmp_path / "update.curves.csv").read_text().splitlines() == [
            "landmark,iteration,curve,value",
            "0,1,loss update.py:32,0.809",
            "0,1,lr 0.0,0.05",
        ]
        await export(pilot, "values", ["enter"])
        assert "linear2.weight,0 0,0.1825,-0.85" in (tmp_path / "update.values.csv").read_text()


async def test_operations_are_of_the_iterations_that_were_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with running(position=-1) as (_app, pilot, session):
        await export(pilot, "operations", ["enter"], ["enter"])
        lines = (tmp_path / "update.trace.jsonl").read_text().splitlines()
        assert len(lines) == len(session.recording.records)


async def test_a_number_is_followed_over_the_iterations(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with running(position=-1) as (_app, pilot, session):
        await pilot.press("3", "down")
        await export(pilot, "element", ["enter"], ["enter"])
        assert session.asked[-1] == ("element", "linear1.weight", "value", (0, 1))
        assert (
            tmp_path / "update.element.csv"
        ).read_text() == """iteration,"linear1.weight[0, 1]"\n1,0.5\n"""


async def test_the_picture_is_of_the_panes_and_not_of_the_question(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with running(position=3) as (_app, pilot, _session):
        await export(pilot, "picture", ["enter"])
        text = (tmp_path / "update.svg").read_text()
        assert "parameters" in text and "Into" not in text
