"""Make the pictures of the README from the real app: `python tests/screenshots.py [FOLDER]`."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from textual.pilot import Pilot

from backprop_tui.app import BackpropApp
from backprop_tui.debugger.launch import Program
from backprop_tui.debugger.session import Session
from backprop_tui.guide.catalog import DEFAULT, find

ROOT = Path(__file__).parents[1]


async def until(pilot: Pilot[int], condition: Callable[[], bool]) -> None:
    """Let the app work until the condition holds."""
    for _ in range(3000):
        if condition():
            await pilot.pause()
            return
        await pilot.pause(0.01)
    raise TimeoutError("the app did not get there")


async def picture(
    path: Path,
    walk: Callable[[Pilot[int], BackpropApp], Awaitable[None]],
    size: tuple[int, int] = (120, 36),
    guided: bool = False,
) -> None:
    """Open the script of the first lesson, walk somewhere, save what is on the screen as SVG.

    ``guided``: with the lesson's guide.
    """
    # Shown by its name, as in the terminal, wherever the package is installed.
    program = Program(os.fspath(find(DEFAULT).script))
    lesson = (lambda: find(DEFAULT)) if guided else None
    app = BackpropApp(lambda on_view: Session(program, on_view), lesson)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.session.view.status == "stopped")
        await walk(pilot, app)
        path.write_text(app.export_screenshot(title="backprop-tui"), encoding="utf-8")
        print(path)


async def in_the_backward_pass(pilot: Pilot[int], app: BackpropApp) -> None:
    """To the gradient of the last layer's weight, one step at a time, and to why it is what it is."""

    def last_name() -> str:
        stop = app.session.view.stop
        return stop.last.get("name", "") if stop is not None and stop.last is not None else ""

    while last_name() != "MmBackward0":
        before = app.session.view.stop
        await pilot.press("space")
        await until(pilot, lambda before=before: app.session.view.stop is not before)  # type: ignore[misc]
    await until(pilot, lambda: bool(app.session.view.explanations))


async def at_a_question(pilot: Pilot[int], app: BackpropApp) -> None:
    """To the question about the gradient of w5."""
    from backprop_tui.screens.main import MainScreen

    screen = app.screen
    assert isinstance(screen, MainScreen)

    def title() -> str:
        return screen.page.title if screen.page is not None else ""

    while title() != "The gradient of w5":
        before = screen.page
        await until(pilot, lambda: bool(title()))
        await pilot.press("enter")
        await until(pilot, lambda before=before: screen.page is not before)  # type: ignore[misc]
    await until(pilot, lambda: bool(app.session.view.explanations))
    await pilot.pause(0.2)


def main(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    asyncio.run(picture(folder / "update.svg", in_the_backward_pass))
    with tempfile.TemporaryDirectory() as state:  # not the progress of whoever makes the pictures
        os.environ["XDG_STATE_HOME"] = state
        asyncio.run(picture(folder / "lesson.svg", at_a_question, guided=True))


if __name__ == "__main__":
    os.environ.pop("NO_COLOR", None)
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "screenshots")
