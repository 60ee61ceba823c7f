"""Keeping a session for later, over a session that is played."""

import pytest

from backprop_tui.debugger.saved import PREFIX, load
from backprop_tui.panes.title import MessageLine
from backprop_tui.screens.ask import Ask
from backprop_tui.screens.keeping import Refused, _file
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
        _file(name)
