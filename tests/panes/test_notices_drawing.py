"""What looks like a mistake, as text."""

from dataclasses import replace

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


def test_an_empty_list_says_so():
    (line,) = notices.notice_lines(SESSION.at(26))

    assert line.text.startswith("Nothing that looks like a mistake")
