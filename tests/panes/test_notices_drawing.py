"""What looks like a mistake, as text."""

from dataclasses import replace

import pytest

from backprop_tui.debugger.view import Stop, View
from backprop_tui.explain.explanation import Explanation
from backprop_tui.explain.notices.notice import Notice
from backprop_tui.panes.drawing import notices, operation
from backprop_tui.panes.drawing.text import plain
from backprop_tui.panes.drawing.title import hint, title
from support.fake_session import FakeSession

SESSION = FakeSession(lambda view: None)


def view_with_notice():
    view = SESSION.at(26)
    last = view.stop.last
    notice = Notice(
        "stale-gradient", "w.grad still holds 0.39.", "It was never cleared.", "Look at pane 3.",
        tuple(last["time"]), last["iteration"], last["line"], last["file"],
    )  # fmt: skip
    return replace(view, notices=(notice,)), notice


def test_a_notice_stands_at_its_operation_first():
    view, _ = view_with_notice()
    shown = [plain(line).rstrip() for line in operation.draw(view, 60, 20)]

    assert shown[0].startswith("done ")
    assert shown[1] == "! w.grad still holds 0.39."
    assert shown[2] == "It was never cleared. Look at pane 3."


def test_in_little_room_the_formula_comes_before_the_notice():
    view, notice = view_with_notice()
    long = replace(notice, text="w.grad still holds a gradient. " * 5)
    item = Explanation("w − lr·g", "1 − 0.1·2", "0.8", "✓")
    crowded = replace(view, notices=(long,), explanations=(item,))
    shown = [plain(line).rstrip() for line in operation.draw(crowded, 38, 8)]

    assert shown[1] == "w − lr·g = 1 − 0.1·2 = 0.8 ✓"
    assert shown[2].startswith("! w.grad still holds")
    assert "never cleared" not in " ".join(shown)


def test_it_is_told_in_the_message_line_and_counted_in_the_title():
    view, _ = view_with_notice()

    assert hint(view) == ("! w.grad still holds 0.39.", "warn")
    assert "! 1 notice" in plain(title(view, 160, 1)[0])
    assert "notice" not in plain(title(SESSION.at(26), 160, 1)[0])


def test_its_line_is_marked_and_the_list_leads_there():
    view, notice = view_with_notice()
    (line, why) = notices.notice_lines(view)

    assert notices.marked_lines(view, notice.file) == {notice.line}
    number = view.stop.last["number"]
    assert line.text == f"! 1.{number} line {notice.line}: w.grad still holds 0.39."
    assert line.goto == (notice.iteration, view.stop.last["number"])
    assert why.text.strip() == "It was never cleared."


def told(view):
    return " ".join(line.text for line in notices.notice_lines(view))


def stopped(iteration, number, *records, reason="step"):
    """A stop before an operation, and those that are known as (iteration, number)."""
    known = tuple(
        {"time": [iteration, number], "iteration": iteration, "number": number}
        for iteration, number in records
    )
    stop = Stop((2 * iteration, number - 1), iteration, number, reason)
    return View("stopped", "a.py", stop, known)


NOTHING = "Nothing that looks like a mistake was seen"


def test_an_empty_list_names_the_iterations_that_were_looked_at():
    assert told(SESSION.at(26)) == f"{NOTHING} in iteration 1 and before it."
    assert told(stopped(9, 3, (8, 1), (8, 2), (9, 1), (9, 2))) == f"{NOTHING} in iterations 8 and 9."
    assert told(stopped(9, 1, (8, 1), (8, 2))) == f"{NOTHING} in iteration 8."
    assert told(stopped(1, 1, (0, 1))) == f"{NOTHING} before iteration 1."
    assert told(stopped(0, 1)) == told(View("starting", "a.py")) == "No operation has run."


@pytest.mark.parametrize("reason", ["finished", "crashed"])
def test_what_ran_at_full_speed_was_not_looked_at(reason):
    text = told(stopped(1500, 1, reason=reason))

    assert text.startswith("What ran in iterations 1,499 and 1,500 was not observed: at full speed")
    assert text.endswith("Stepping back (backspace) observes it.")
    assert "in iteration 1 and before it was not observed" in told(stopped(1, 10, reason=reason))


def test_an_iteration_that_was_observed_in_part_is_not_called_clean():
    assert told(stopped(9, 3, (9, 1), (9, 2))).startswith(
        f"{NOTHING} in iteration 9. What ran in iteration 8"
    )
    assert told(stopped(9, 3, (9, 2))).startswith("What ran in iterations 8 and 9 was not observed")
    assert told(stopped(9, 1)).startswith("What ran in iteration 8 was not observed")


def test_a_crash_at_full_speed_is_told_with_what_was_not_observed():
    view, notice = view_with_notice()

    lines = notices.notice_lines(replace(view, records=()))

    assert notice.text in lines[0].text
    assert lines[3].text.startswith("What ran in iteration 1 and before it was not observed")
