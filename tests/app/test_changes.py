"""Reading what was typed into a question."""

import pytest

from backprop_tui.debugger.failure import Refused
from backprop_tui.debugger.view import Stop, View
from backprop_tui.screens.changes import loss_choices, read_loss, read_rate, read_time

VIEW = View("stopped", "a.py", Stop((4, 2), 3, 5, "step"), iteration=3, iteration_length=27)


@pytest.mark.parametrize(
    ("text", "time"), [("2.7", (2, 7)), ("2 7", (2, 7)), ("4", (4, 1)), (".9", (3, 9))], ids=str
)
def test_times(text, time):
    assert read_time(text, VIEW) == time


@pytest.mark.parametrize("text", ["x", "1.2.3", "-1", "2.0"])
def test_what_is_not_a_time_is_told_with_what_is(text):
    with pytest.raises(Refused, match=r"The run is in iteration 3; an iteration has 27 operations\."):
        read_time(text, VIEW)


def test_rates():
    assert read_rate(" 1e-3 ") == 0.001
    assert read_rate("0") == 0


@pytest.mark.parametrize("text", ["", "fast", "-0.1", "nan", "inf"])
def test_what_is_not_a_rate_is_refused(text):
    with pytest.raises(Refused):
        read_rate(text)


@pytest.mark.parametrize("choice", loss_choices(["l1", "half_mse"]))
def test_every_loss_choice_is_read_back(choice):
    read = read_loss(choice)

    assert read["name"] in (None, "l1", "half_mse")
    assert read["reduction"] in (None, "mean", "sum")
