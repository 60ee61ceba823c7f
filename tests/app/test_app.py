"""Keys, clicks and sizes in the running app, over a session that is played."""

from dataclasses import replace

import pytest
from textual.geometry import Region

from backprop_tui.app import BackpropApp
from backprop_tui.debugger.failure import StartFailed
from backprop_tui.panes.operation import OperationPane
from backprop_tui.panes.program import ProgramPane
from backprop_tui.panes.title import MessageLine, Title
from backprop_tui.screens.ask import Ask
from backprop_tui.screens.footer import KeyLine
from backprop_tui.screens.help import HelpScreen
from backprop_tui.screens.main import MainScreen
from backprop_tui.screens.report import Report, Route
from support.fake_session import FakeSession
from support.playing import lines_of, running
from support.update_run import SCRIPT


def marked(app):
    """The rows with a mark in the program pane."""
    return [row.strip() for row in lines_of(app, ProgramPane) if ">" in row]


async def test_space_runs_an_operation_and_backspace_takes_it_back():
    async with running() as (app, pilot, session):
        assert marked(app) == [">27     result = model(input )", "> forward MyNet"]
        assert any("next forward MyNet" in row for row in lines_of(app, OperationPane))

        await pilot.press("space")
        assert marked(app) == [">16         out = self.linear1(inputs)", "> linear1 Linear"]

        await pilot.press("backspace", "backspace")
        assert marked(app)[1] == "> forward MyNet"
        assert lines_of(app, MessageLine) == [" ! This is the start of the run."]
        assert session.asked == [("walk", False), ("walk", True), ("walk", True)]


async def test_a_time_is_asked_for_and_a_wrong_one_told():
    async with running() as (app, pilot, session):
        await pilot.press("g", "9", "enter")
        assert isinstance(app.screen, Ask)
        error = app.screen.query_one("#ask-error").render()
        assert str(error) == "✗ Iteration 9 has no operation 1."

        await pilot.press("backspace", "full_stop", "8", "enter")
        assert isinstance(app.screen, MainScreen)
        assert session.asked[-1] == ("goto", 1, 8)
        assert "operation 8" in lines_of(app, Title)[0]


async def test_an_optimizer_that_does_not_exist_keeps_the_question_open():
    async with running() as (app, pilot, session):
        await app.run_action("screen.optimizer")
        await pilot.pause()
        line = app.screen.query_one("#ask-line")
        assert line.value == "SGD(lr=0.05)"

        line.value = "Foo()"
        await pilot.press("enter")
        assert "There is no optimizer" in str(app.screen.query_one("#ask-error").render())
        assert session.view.changes == ()

        await pilot.press("escape")
        assert isinstance(app.screen, MainScreen)


async def test_of_two_optimizers_the_first_is_asked_for():
    async with running() as (app, pilot, session):
        session.publish(replace(session.view, toggles=replace(session.view.toggles, optimizer="Adam + SGD")))
        await app.run_action("screen.optimizer")
        await pilot.pause()

        assert app.screen.query_one("#ask-line").value == "Adam(lr=0.001)"
        assert any("The first optimizer of 2" in str(one.render()) for one in app.screen.query("Static"))


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=str)
@pytest.mark.parametrize("keys", [["3", "down", "down", "v"], ["h"]], ids=["is it right", "downhill"])
async def test_a_page_shows_the_whole_of_every_line(keys, size):
    async with running(size=size) as (app, pilot, _):
        await pilot.press(*keys)
        await pilot.pause()
        text = app.screen.query_one("Static")
        page = app.screen.query_one("#report").content_region
        assert page.width >= text.region.width > 60

        drawn = [line.text.strip() for line in text.render_lines(Region(0, 0, *text.size))]
        assert " ".join(" ".join(drawn).split()) == " ".join(str(text.render()).split())


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (["1"], "1"),
        (["right", "backspace", "1"], "0.01"),
        (["left", "1"], "10.05"),
        (["backspace"], ""),
    ],
    ids=["typing replaces it", "its end is edited", "its beginning is edited", "it is taken away"],
)
async def test_what_a_question_comes_with_is_replaced_or_edited(keys, text):
    async with running() as (app, pilot, _):
        await pilot.press("r", *keys)

        assert app.screen.query_one("#ask-line").value == text


async def test_a_refusal_does_not_outlive_the_next_change():
    async with running() as (app, pilot, _):
        await pilot.press("ctrl+g")
        await pilot.pause()
        assert "no ghost" in lines_of(app, MessageLine)[0]
        await pilot.press("u")
        await pilot.pause()
        assert "no ghost" not in lines_of(app, MessageLine)[0]


async def test_of_a_long_text_that_a_question_comes_with_the_beginning_is_seen():
    async with running(size=(80, 24)) as (app, pilot, _):
        app.push_screen(Ask("Optimizer", accept=None, value="SGD(momentum=0, " + "dampening=0, " * 9 + ")"))
        await pilot.pause()
        line = app.screen.query_one("#ask-line")
        assert line.render_line(0).text.strip().startswith("SGD(momentum=0")


async def test_what_can_be_typed_is_said_once():
    async with running() as (app, pilot, _):
        await pilot.press("g")
        hint = app.screen.query_one("#ask-hint")
        assert "for example 2.1" in str(hint.render())
        await pilot.press("a", "enter")
        assert "for example 2.1" in str(app.screen.query_one("#ask-error").render())
        assert "for example" not in str(hint.render()) and "Esc closes" in str(hint.render())
        await pilot.press("b")
        assert "for example 2.1" in str(hint.render())


async def test_an_entry_of_the_list_is_edited_where_it_ends():
    async with running() as (app, pilot, session):
        await pilot.press("o", "A", "down", "down", "down", "enter")
        line = app.screen.query_one("#ask-line")
        assert line.value == "AdamW(lr=0.001)"

        await pilot.press("backspace", "backspace", "5", ")", "enter")
        assert session.asked[-1] == ("optimizer", "AdamW(lr=0.005)")


async def test_the_loss_that_the_script_has_anyway_is_no_change():
    """A change would cut off the future that is known."""
    async with running() as (app, pilot, session):
        await pilot.press("l", "down", "enter")
        await pilot.pause()

        assert ("loss", {"name": None, "reduction": None}) not in session.asked
        assert "the loss is as the script has it already" in lines_of(app, MessageLine)[0]


async def test_a_question_is_answered_on_a_page_of_its_own():
    async with running() as (app, pilot, _):
        await pilot.press("3", "down", "down", "v")
        await pilot.pause()
        assert isinstance(app.screen, Report)
        assert "autograd   ∂L/∂w                  = −0.86" in str(app.screen.query_one("Static").render())

        await pilot.press("escape", "h")
        await pilot.pause()
        assert "uphill!" in str(app.screen.query_one("Static").render())

        await pilot.press("q")
        assert isinstance(app.screen, MainScreen)


async def test_a_factor_of_the_chain_rule_is_a_way_to_its_operation():
    async with running() as (app, pilot, session):
        await pilot.press("3", "down", "i")
        await pilot.pause()
        assert isinstance(app.screen, Route)
        await pilot.press("down", "enter")
        await pilot.pause()
        assert session.asked[-1] == ("goto", 1, 16)


async def test_at_80_columns_a_number_chooses_the_third_pane_and_x_maximises_it():
    async with running(size=(80, 24)) as (app, pilot, _):
        screen = app.screen
        await pilot.press("5")
        assert screen.on_screen == {"program", "operation", "loss"}
        assert "‹5 loss›" in str(screen.pane("loss").border_title)

        await pilot.press("x")
        assert [pane.id for pane in screen.query(".pane") if pane.display] == ["loss"]

        await pilot.press("escape")
        assert screen.on_screen == {"program", "operation", "loss"}


async def test_a_terminal_that_is_too_small_says_so_and_comes_back():
    async with running() as (app, pilot, _):
        await pilot.resize_terminal(50, 10)
        await pilot.pause()
        assert app.screen.query_one("#too-small").display
        assert not app.screen.query_one("#panes").display

        await pilot.resize_terminal(120, 36)
        await pilot.pause()
        assert not app.screen.query_one("#too-small").display
        assert len(app.screen.on_screen) == 7
        assert marked(app)


async def test_a_file_that_fits_is_shown_from_its_first_line_without_a_scrollbar():
    async with running(position=26) as (app, pilot, _):
        assert not lines_of(app, ProgramPane)[0].startswith("   1 "), "the pane has scrolled"
        await pilot.resize_terminal(200, 80)
        await pilot.pause()

        assert lines_of(app, ProgramPane)[0].startswith("   1 ")
        assert not any(pane.show_vertical_scrollbar for pane in app.screen.query(".pane"))


async def test_clicks_are_keys_and_breakpoints():
    async with running() as (app, pilot, session):
        column = "".join(lines_of(app, KeyLine)).index("over")
        await pilot.click(KeyLine, offset=(column, 0))
        assert session.asked == [("over", False)]

        rows = lines_of(app, ProgramPane)
        y = next(y for y, row in enumerate(rows) if "for epoch in range" in row)
        await pilot.click(ProgramPane, offset=(1, y + 1))
        await pilot.pause()
        assert session.view.breakpoints == {(SCRIPT, 26)}
        assert lines_of(app, ProgramPane)[y].startswith("● 26")

        app.screen.query_one(ProgramPane).cursor = 14  # a blank line
        await pilot.press("b")
        assert session.view.breakpoints == {(SCRIPT, 26)}
        assert "line 14 has no code" in "".join(lines_of(app, MessageLine))


async def test_help_is_about_the_focused_pane():
    async with running() as (app, pilot, _):
        await pilot.press("4", "f1")
        assert isinstance(app.screen, HelpScreen)
        assert app.screen.query_one("#help").border_title == "help: this operation"
        await pilot.press("escape")
        assert isinstance(app.screen, MainScreen)


async def test_views_that_come_too_fast_are_skipped_but_for_the_last():
    async with running() as (app, pilot, session):
        shown = []
        screen = app.screen
        screen.show = shown.append
        for iteration in range(100):
            session.publish(replace(session.view, status="running", iteration=iteration))
        await pilot.pause()

        assert [view.iteration for view in shown] == [99]


async def test_a_refusal_stays_while_a_running_script_brings_views():
    async with running() as (app, pilot, session):
        session.publish(replace(session.view, status="running"))
        await pilot.pause()
        app.screen.say("the script is running: p pauses it")
        for iteration in range(5):
            session.publish(replace(session.view, iteration=iteration))
            await pilot.pause()
        assert "p pauses it" in lines_of(app, MessageLine)[0]

        session.show()
        await pilot.pause()
        assert "p pauses it" not in lines_of(app, MessageLine)[0]


async def test_a_step_draws_the_lines_that_changed_and_no_others():
    async with running(position=12) as (app, pilot, _):
        screen = app.screen
        drawn = []
        for pane in screen.query(".pane"):
            line = pane.render_line
            pane.render_line = lambda y, name=pane.id, line=line: drawn.append((name, y)) or line(y)
        before = {pane.id: pane.text_lines() for pane in screen.query(".pane")}
        await pilot.press("space")
        await pilot.pause()

        changed = {
            (name, y)
            for name, lines in before.items()
            for y, (old, new) in enumerate(zip(lines, screen.pane(name).text_lines(), strict=True))
            if old != new
        }
        assert changed <= set(drawn)
        rows = sum(len(lines) for lines in before.values())
        assert len(drawn) < rows / 2, "half of the screen is the same as before"
        assert not any(name in ("output", "rate") for name, _ in drawn)


async def test_e_sets_the_number_under_the_cursor():
    async with running(position=5) as (app, pilot, session):
        await pilot.press("3", "down", "e")
        assert "linear1.weight[0, 1]" in str(app.screen.query_one("#ask-title").render())
        await pilot.press("2", "enter")
        kind, value = session.asked[-1]
        assert kind == "set" and value["index"] == [0, 1] and value["to"] == 2.0


async def test_the_message_line_tells_the_next_operation_when_no_pane_does():
    async with running() as (app, pilot, _):
        assert lines_of(app, MessageLine)[0].strip() == ""
        await pilot.press("x")
        assert lines_of(app, MessageLine)[0].startswith(" next: forward MyNet. Calls the model")


async def test_the_message_line_tells_the_next_operation_when_its_pane_has_no_room_for_it():
    async with running(size=(80, 24), position=13) as (app, pilot, _):
        told = " next: SubBackward0. Gets the gradient"
        await pilot.pause()
        assert not lines_of(app, MessageLine)[0].startswith(told)
        await pilot.resize_terminal(80, 16)
        await pilot.pause()
        assert lines_of(app, MessageLine)[0].startswith(told)


async def test_a_click_on_a_name_in_the_border_leads_to_that_pane():
    async with running(size=(80, 24)) as (app, pilot, _):
        shown = app.screen.query_one("#parameters")
        at = str(shown.border_title).index("5 loss")
        await pilot.click(offset=(shown.region.x + 1 + at, shown.region.y))
        assert app.screen.focused_pane == "loss"
        assert "loss" in app.screen.on_screen


async def test_quitting_closes_the_session():
    async with running() as (app, pilot, session):
        await pilot.press("q")
    assert session.closed
    assert app.return_code == 0


async def test_a_debuggee_that_cannot_start_ends_the_app_with_a_sentence():
    class Broken(FakeSession):
        async def start(self):
            raise StartFailed("/usr/bin/python3 has no torch")

    app = BackpropApp(Broken)
    async with app.run_test() as pilot:
        await pilot.pause()

    assert app.return_code == 1


@pytest.mark.parametrize("theme", ["textual-dark", "textual-light", "ansi-dark"])
async def test_every_cell_of_the_text_panes_has_a_background(theme):
    async with running(position=14) as (app, pilot, _):
        app.theme = theme
        await pilot.pause()
        program = app.screen.query_one(ProgramPane)
        for y in range(program.size.height):
            assert all(segment.style and segment.style.bgcolor for segment in program.render_line(y))


async def test_questions_are_about_the_number_chosen_last_in_the_network_or_in_the_table():
    async with running(position=24) as (app, pilot, session):
        await pilot.press("2", "down", "right")
        assert session.asked[-1] == ("choose", "linear2.weight", (0, 0))
        await pilot.press("1", "v")
        assert "linear2.weight" in str(app.screen.query_one("Static").render())
        await pilot.press("escape", "3", "v")
        assert "linear1.weight" in str(app.screen.query_one("Static").render())
        await pilot.press("escape", "2", "e")
        assert "linear2.weight[0, 0]" in str(app.screen.query_one("#ask-title").render())
