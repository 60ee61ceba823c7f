"""The app over a session that is played, with a pilot."""

from contextlib import asynccontextmanager

from backprop_tui.app import BackpropApp
from support.fake_session import FakeSession


@asynccontextmanager
async def running(position=0, size=(120, 36)):
    """The app, its pilot and its session, at a moment of the lesson `update`."""
    made = []

    def make(on_view):
        made.append(FakeSession(on_view))
        made[0].position = position
        return made[0]

    app = BackpropApp(make)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        while any(not pane.size for pane in app.screen.query(".pane") if pane.display):
            await pilot.pause()
        await pilot.pause(0.1)  # what was mounted last has been drawn
        yield app, pilot, made[0]


def lines_of(app, widget):
    return app.screen_stack[0].query_one(widget).text_lines()
