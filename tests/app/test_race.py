"""From the key `w` to a future that becomes the run, over a session that is played."""

from contextlib import asynccontextmanager

import pytest

from backprop_tui.app import BackpropApp
from backprop_tui.panes.race import RaceCurves, RaceTable
from backprop_tui.screens.help import HelpScreen
from backprop_tui.screens.main import MainScreen
from backprop_tui.screens.race import RaceScreen
from backprop_tui.screens.race_setup import RaceSetup
from support.fake_session import FakeSession


@asynccontextmanager
async def asking(size=(120, 36), **more):
    """The app with the question for futures open."""
    made = []

    def make(on_view):
        made.append(FakeSession(on_view))
        vars(made[0]).update(more)
        return made[0]

    app = BackpropApp(make)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        await pilot.press("w")
        await until(pilot, lambda: isinstance(app.screen, RaceSetup))
        yield app, pilot, made[0]


async def until(pilot, condition):
    for _ in range(200):
        if condition():
            await pilot.pause()
            return
        await pilot.pause(0.01)
    raise AssertionError("this did not come about")


def shown(app):
    return str(app.screen.query_one("#race-futures").render())


def error(app):
    return str(app.screen.query_one("#ask-error").render())


async def add(app, pilot, text):
    app.screen.query_one("#ask-line").value = text
    await pilot.press("enter")


async def race(app, pilot, *texts):
    for text in texts:
        await add(app, pilot, text)
    await pilot.press("enter")
    await until(pilot, lambda: isinstance(app.screen, RaceScreen))


async def test_futures_are_collected_taken_away_and_wrong_ones_told():
    async with asking() as (app, pilot, session):
        assert shown(app) == "a  as it is"
        await add(app, pilot, "lr=0.1")
        await add(app, pilot, "seed 1..2, 2 points")
        assert shown(app).splitlines()[1:] == ["b  lr=0.1", "c  seed=1", "d  seed=2"]

        await add(app, pilot, "speed=3")
        assert error(app).startswith("✗ There is no change 'speed': choose from")
        app.screen.query_one("#ask-line").value = ""
        await pilot.press("backspace", "backspace")
        assert shown(app).splitlines() == ["a  as it is", "b  lr=0.1"]

        await add(app, pilot, "lr 1e-4..1, 8 points, log")
        assert error(app) == "✗ A race has at most 8 changes, not 9."
        await pilot.press("escape")
        assert isinstance(app.screen, MainScreen) and session.races == []


async def test_a_race_needs_a_change_and_a_number_of_iterations():
    async with asking() as (app, pilot, session):
        await pilot.press("enter")
        assert "at least one change" in error(app)
        await add(app, pilot, "lr=0.1")
        await pilot.press("tab", "tab")
        line = app.screen.query_one("#race-iterations")
        assert line.has_focus
        line.value = "many"
        await pilot.press("enter")
        assert error(app) == "✗ A race runs 1 to 1000000 iterations, not 'many'."
        line.value = "7"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, RaceScreen))
        (found,) = session.races
        assert found.iterations == 7
        assert [item.future.text for item in found.lanes] == ["as it is", "lr=0.1"]


async def test_an_entry_of_the_list_comes_into_the_line():
    async with asking() as (app, pilot, _):
        await pilot.press("a", "d", "a", "m", "down", "enter")
        assert app.screen.query_one("#ask-line").value == "optimizer=Adam(lr=0.001)"
        await pilot.press("enter")
        assert shown(app).endswith("b  optimizer=Adam(lr=0.001)")


async def test_a_future_becomes_the_run():
    async with asking() as (app, pilot, session):
        await race(app, pilot, "lr=0.1; zero_grad=off", "seed=3")
        session.races[0].go.set()
        await until(pilot, lambda: "0.8" in "".join(app.screen.query_one("#race-loss").text_lines()))
        table = app.screen.query_one(RaceTable).text_lines()
        assert any("model.weight[0,0] after the step of iteration 1" in row for row in table)
        plots = ["".join(plot.text_lines()) for plot in app.screen.query(RaceCurves)]
        assert "b" in plots[0] and "c" in plots[0], "each future has a letter of its own"

        await pilot.press("down", "enter")
        await until(pilot, lambda: ("zero_grad", "off") in session.asked)
        assert isinstance(app.screen, MainScreen)
        assert session.asked[-2:] == [("lr", 0.1), ("zero_grad", "off")]
        message = app.screen.query_one("#message").text_lines()
        assert message == [" ! this is the run from here on: lr=0.1; zero_grad=off"]

        await pilot.press("w")
        await until(pilot, lambda: isinstance(app.screen, RaceSetup))
        assert len(shown(app).splitlines()) == 3, "the next race begins with the changes of the last one"


async def test_as_it_is_changes_nothing():
    async with asking() as (app, pilot, session):
        await race(app, pilot, "lr=0.1")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MainScreen))
        assert app.screen.query_one("#message").text_lines() == [" ! the run stays as it is"]
        assert session.view.changes == ()
        assert session.races[0].cancelled


async def test_esc_cancels_first_and_then_closes():
    async with asking() as (app, pilot, session):
        await race(app, pilot, "lr=0.1")
        assert "Esc cancels" in str(app.screen.query_one("#race-keys").render())
        await pilot.press("escape")
        await until(pilot, lambda: session.races[0].cancelled)
        assert isinstance(app.screen, RaceScreen)
        await until(pilot, lambda: "Esc closes" in str(app.screen.query_one("#race-keys").render()))
        await pilot.press("escape")
        assert isinstance(app.screen, MainScreen)


async def test_help_says_what_the_columns_mean():
    async with asking() as (app, pilot, session):
        await race(app, pilot, "lr=0.1")
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        await pilot.press("escape")
        assert isinstance(app.screen, RaceScreen) and not session.races[0].cancelled


async def test_quitting_gives_the_race_up():
    async with asking() as (app, pilot, session):
        await race(app, pilot, "lr=0.1")
        await pilot.press("ctrl+q")
    assert session.races[0].cancelled and session.closed


async def test_a_race_that_cannot_be_is_told():
    async with asking(race_refusal="the training loop has not begun yet") as (app, pilot, _):
        await add(app, pilot, "lr=0.1")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MainScreen) and message(app) != [""])
        assert message(app) == [" ! the training loop has not begun yet"]


def message(app):
    return [line.rstrip() for line in app.screen_stack[0].query_one("#message").text_lines()]


@pytest.mark.parametrize("size", [(80, 24), (200, 60)], ids=str)
async def test_everything_is_on_the_screen_in_any_size(size):
    async with asking(size) as (app, pilot, session):
        await add(app, pilot, "lr 1e-4..1, 8 points, log")
        for name in ("#ask-line", "#race-iterations", "#ask-hint"):
            region = app.screen.query_one(name).region
            assert region.height >= 1 and region.bottom < size[1], name
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, RaceScreen))
        session.races[0].go.set()
        await until(pilot, lambda: session.races[0].over)
        await pilot.press("down")
        await pilot.pause(0.2)
        rows = app.screen.query_one(RaceTable).text_lines()
        assert sum(row[1:2] in "abcdefghi" and row[1:2] != "" for row in rows) >= 9
        assert any("the first number that differs is" in row for row in rows)
        assert all(plot.size.height >= 6 for plot in app.screen.query(RaceCurves))


async def test_ghosts_are_dismissed_with_a_key():
    from dataclasses import replace

    from backprop_tui.debugger.view import Ghost

    async with asking() as (app, pilot, session):
        await pilot.press("escape", "ctrl+g")
        assert "there is no ghost" in message(app)[0]
        losses = tuple(
            {"landmark": n, "iteration": n, "site": "a.py:1", "value": 1.0 / n} for n in range(1, 9)
        )
        session.publish(replace(session.view, ghosts=(Ghost("zero_grad off", 3, losses),)))
        loss = app.screen.query_one("#loss")
        await until(pilot, lambda: ":::" in "".join(loss.text_lines()))
        assert "zero_grad off" in "".join(loss.text_lines())
        await pilot.press("ctrl+g")
        await until(pilot, lambda: ":::" not in "".join(loss.text_lines()))
        assert session.view.ghosts == ()


async def test_the_number_of_iterations_is_typed_over():
    async with asking() as (app, pilot, _):
        await pilot.press("tab", "tab", "7")

        assert app.screen.query_one("#race-iterations").value == "7"


async def test_a_seed_is_asked_for():
    async with asking() as (app, pilot, session):
        await pilot.press("escape", "ctrl+n")
        app.screen.query_one("#ask-line").value = "minus one"
        await pilot.press("enter")
        assert "A seed is a whole number from 0 to 4294967295" in error(app)
        app.screen.query_one("#ask-line").value = "12"
        await pilot.press("enter")
        assert session.asked[-1] == ("seed", 12)
