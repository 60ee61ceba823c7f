"""What the script printed, as lines."""

from backprop_tui.debugger.view import OutputChunk
from backprop_tui.panes.drawing.output import Line, draw, tail
from backprop_tui.panes.drawing.text import plain


def chunk(text, stream="out"):
    return OutputChunk((0, 0), stream, text)


def test_lines_go_on_over_chunks():
    shown = tail([chunk("one\ntw"), chunk("o\n")])

    assert [line.text for line in shown.lines] == ["one", "two"]


def test_the_other_stream_starts_its_own_line_and_is_marked():
    shown = tail([chunk("half"), chunk("warning\n", "err")])

    assert shown.lines == (Line("out", "half"), Line("err", "warning"))
    assert plain(draw(shown.lines[1], 20)) == "! warning"


def test_a_progress_bar_leaves_its_last_state():
    shown = tail([chunk("10 %\r"), chunk("50 %\r90 %\n")])

    assert [line.text for line in shown.lines] == ["90 %"]


def test_only_the_last_lines_are_kept_and_the_others_counted():
    chunks = [chunk("".join(f"{n}\n" for n in range(start, start + 100))) for start in range(0, 1000, 100)]

    shown = tail(chunks, keep=30)

    assert [line.text for line in shown.lines] == [str(n) for n in range(970, 1000)]
    assert shown.above == 970


def test_control_characters_move_no_cursor():
    assert plain(draw(Line("out", "a\x1b[2Jb\x07"), 20)) == "  a␛[2Jb␇"


def test_a_long_line_is_cut_to_the_width_of_the_pane():
    assert plain(draw(Line("out", "x" * 500), 10)) == "  xxxxxxx…"
