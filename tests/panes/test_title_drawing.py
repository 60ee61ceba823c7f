"""The top line and the message line."""

from dataclasses import replace

import pytest

from backprop_tui.debugger.view import Change, Stop, View
from backprop_tui.panes.drawing.text import plain
from backprop_tui.panes.drawing.title import hint, title
from support.fake_session import FakeSession


def view_at(position, **changes):
    return replace(FakeSession(lambda view: None).at(position), **changes)


def test_one_line_says_where_and_how():
    (line,) = title(view_at(14, iteration_length=27), 120, 1)

    assert plain(line).split("  ")[0] == " backprop-tui "[:-1]
    assert "update.py  stopped  iteration 1 · operation 15 of 27 · backward" in plain(line)
    assert plain(line).endswith("zero_grad on · L1Loss · SGD · lr 0.05 ")


def test_changes_are_marked_without_colour():
    made = (Change("optimizer", "Adam(lr=0.1)", (0, 0)), Change("set", "w[0] = 2", (0, 0)))
    changed = view_at(14, changes=made)

    text = plain(title(changed, 140, 1)[0])

    assert "zero_grad on · L1Loss · *Adam(lr=0.1) · lr 0.05 · *w[0] = 2" in text


def test_what_was_changed_stays_when_there_is_little_room():
    made = tuple(Change("set", f"w[{index}] = 2", (0, 0)) for index in range(4))

    text = plain(title(view_at(14, changes=made), 110, 1)[0])

    assert "w[0] = 2 · *w[1] = 2 · *w[2] = 2 · *w[3] = 2" in text
    assert "zero_grad on" not in text and "…" not in text


@pytest.mark.parametrize(
    ("iteration", "kinds", "chip"),
    [
        (1, ("backward", "step"), "zero_grad on"),
        (2, ("backward", "step"), "no zero_grad"),
        (2, ("zero_grad", "backward", "step"), "zero_grad on"),
        (2, ("backward", "step", "clear"), "zero_grad on"),
        (2, (), "zero_grad on"),
    ],
)
def test_a_zero_grad_that_is_never_called_is_not_on(iteration, kinds, chip):
    view = view_at(14)
    records = tuple({**view.records[0], "kind": kind} for kind in kinds)
    shown = replace(view, stop=replace(view.stop, iteration=iteration), records=records)

    assert plain(title(shown, 120, 1)[0]).endswith(f"{chip} · L1Loss · SGD · lr 0.05 ")


def test_a_learning_rate_is_short_in_the_title():
    toggles = replace(view_at(14).toggles, lr=0.1 + 0.2)

    assert "lr 0.3 " in plain(title(view_at(14, toggles=toggles), 120, 1)[0])


def test_a_narrow_screen_has_two_lines_that_fit():
    lines = [plain(line) for line in title(view_at(14), 60, 2)]

    assert all(len(line) <= 60 for line in lines)
    assert "iteration 1 · operation 15 · backward" in lines[0]
    assert lines[1].strip() == "zero_grad on · L1Loss · SGD · lr 0.05"


def test_while_running_no_operation_is_claimed():
    text = plain(title(view_at(14, status="running", iteration=812), 120, 1)[0])

    assert "running  iteration 812" in text
    assert "operation" not in text


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (View("starting", "a.py"), "torch is being imported"),
        (View("running", "a.py"), "p pauses"),
        (View("died", "a.py"), "has died"),
        (View("finished", "a.py", Stop((1, 0), 1, 1, "finished", exit_status=3)), "exit status 3"),
        (View("crashed", "a.py", Stop((1, 0), 1, 1, "crashed", error="x\nKeyError: 'w'")), "✗ KeyError: 'w'"),
        (View("stopped", "a.py", Stop((0, 0), 1, 1, "start")), "space runs it"),
    ],
    ids=lambda item: item.status if isinstance(item, View) else "",
)
def test_the_message_line_says_the_state_and_the_way_on(view, words):
    assert words in hint(view)[0]


@pytest.mark.parametrize("reason", ["crashed", "finished", "died"])
def test_the_way_back_is_offered_where_there_is_one(reason):
    def told(time):
        return hint(View(reason, "a.py", Stop(time, 1, 1, reason, error="EOFError: no")))[0]

    assert "backspace goes back" in told((0, 1))
    assert "backspace" not in told((0, 0)) and "^r starts it again" in told((0, 0))


@pytest.mark.parametrize(
    ("optimizers", "told"),
    [
        ("Adam + Adam", "Adam + Adam"),
        ("Adam + Adam + Adam + Adam + SGD", "4 Adam + SGD"),
        ("SGD + Adam + SGD", "SGD + Adam + SGD"),
    ],
)
def test_many_optimizers_that_are_alike_are_told_by_their_number(optimizers, told):
    view = view_at(14)
    shown = replace(view, toggles=replace(view.toggles, optimizer=optimizers))

    assert f" · {told} · lr" in plain(title(shown, 140, 1)[0])
