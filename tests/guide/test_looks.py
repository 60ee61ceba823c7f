"""Every beat of every lesson on the smallest screen and on a usual one: what it speaks of can be seen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual.pilot import Pilot

from backprop_tui.app import BackpropApp
from backprop_tui.debugger.launch import Program
from backprop_tui.debugger.session import Session
from backprop_tui.guide.catalog import find, lessons
from backprop_tui.guide.guide import Page
from backprop_tui.panes.guide import GuidePane, GuideText
from backprop_tui.screens.main import MainScreen

NAMES = [lesson.name for lesson in lessons()]
QUICK = ("update",)
SECONDS = 60

pytestmark = pytest.mark.xdist_group("lessons-looks")


@asynccontextmanager
async def reading(name: str, size: tuple[int, int]) -> AsyncIterator[tuple[Pilot[Any], MainScreen]]:
    """The app at the first beat of a lesson, over the real script."""
    lesson = find(name)
    app = BackpropApp(lambda on_view: Session(Program(str(lesson.script)), on_view), lambda: lesson)
    async with app.run_test(size=size) as pilot:
        screen = app.screen
        assert isinstance(screen, MainScreen)
        await until(pilot, lambda: screen.page is not None and bool(screen.page.title))
        yield pilot, screen


async def until(pilot: Pilot[Any], holds: Any) -> None:
    for _ in range(SECONDS * 50):
        if holds():
            await pilot.pause(0.1)
            return
        await pilot.pause(0.02)
    raise AssertionError("the app did not get there")


def unseen(screen: MainScreen, page: Page) -> list[str]:
    """What the page speaks of and the screen does not show."""
    found = []
    words = screen.query_one(GuidePane).query_one(GuideText)
    if words.virtual_size.height > words.size.height:
        found.append(f"{words.virtual_size.height} lines of text in {words.size.height} rows")
    look = page.look
    if look is None or page.away:
        return found
    if look.pane not in screen.on_screen:
        found.append(f"the pane {look.pane}")
    elif (
        look.tensor is not None and look.pane in ("parameters", "network") and not _points(screen, look.pane)
    ):
        found.append(f"{look.tensor}{list(look.element or ())}")
    return found


def _points(screen: MainScreen, pane: str) -> bool:
    """Whether something glows in a pane, in the rows that are on the screen."""
    widget: Any = screen.pane(pane)
    width, top = widget.scrollable_content_region.width, widget.scroll_offset.y
    rows = range(top, top + widget.scrollable_content_region.height)
    return any(style == "glow" for y in rows for _, style in widget.pieces_at(y, width))


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=["80x24", "120x36"])
@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.exhaustive) for name in NAMES]
)
async def test_what_a_beat_speaks_of_is_on_the_screen(
    name: str, size: tuple[int, int], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    wrong: dict[str, list[str]] = {}
    async with reading(name, size) as (pilot, screen):
        while True:
            page = screen.page
            assert page is not None and not page.trouble, page
            if missing := unseen(screen, page):
                wrong[f"{page.number} {page.title}"] = missing
            if page.last and not page.asks:
                break
            await pilot.press("enter")
            await until(pilot, lambda page=page: screen.page is not page and not screen.blind)
    assert wrong == {}
