"""The program pane as text: which operations are listed where, and what stands beside a line."""

from dataclasses import replace
from pathlib import Path

import pytest

from backprop_tui.debugger.breakpoints import parse
from backprop_tui.debugger.view import Frame, Stop, View
from backprop_tui.explain.explanation import Explanation
from backprop_tui.panes.drawing import program
from backprop_tui.panes.drawing.calls import called_bodies
from backprop_tui.panes.drawing.records import result
from backprop_tui.panes.drawing.stops import line_mark
from backprop_tui.panes.drawing.text import plain
from support.fake_session import FakeSession
from support.update_run import SCRIPT

SOURCE = Path(SCRIPT).read_text(encoding="utf-8").splitlines()


def view_at(position, iterations=1):
    return FakeSession(lambda view: None, iterations=iterations).at(position)


def drawn(view, width=60, height=20):
    """Every row of the pane."""
    layout = program.lay_out(view, SCRIPT, len(SOURCE), width, height)
    rows = []
    for y in range(layout.height):
        row = layout.find(y)
        number = row.line if row.kind == "source" else None
        mark = ">" if number and number == layout.here else " "
        source = ((SOURCE[row.line - 1], ""),)
        pieces = program.draw(row, source, program.Gutter(2, "", mark, number), layout.results, width)
        rows.append(plain(pieces).rstrip())
    return rows


def block(view, line, **size):
    """The rows from a source line to the next one."""
    rows = drawn(view, **size)
    start = next(i for i, row in enumerate(rows) if row[2:4].strip() == str(line))
    end = next(i for i in range(start + 1, len(rows)) if row_number(rows[i]))
    return rows[start:end]


def row_number(row):
    return row[2:4].strip().isdigit()


def test_before_the_first_operation_its_line_is_marked():
    assert block(view_at(0), 27) == [" >27     result = model(input )", "       > forward MyNet"]


def test_inside_a_layer_its_call_is_open_and_the_finished_one_has_results():
    view = view_at(4)

    assert block(view, 17) == [
        " >17         out = self.linear2(out)",
        "         linear2 Linear",
        "       > ├ linear",
        "         ╰ …",
    ]
    assert block(view, 16) == [
        "  16         out = self.linear1(inputs)          [0.85 0.48]",
        "         linear1 Linear                          [0.85 0.48]",
        "         ╰ linear                                [0.85 0.48]",
    ]


def test_backward_lists_the_gradient_that_arrives_and_the_one_passed_on():
    rows = block(view_at(14), 32)

    assert rows[0] == " >32     loss.backward()"
    assert rows[2:5] == [
        "         ├ MeanBackward0                               1 → 1",
        "         ├ AbsBackward0                               1 → −1",
        "         ├ SubBackward0                              −1 → −1",
    ]
    assert rows[5] == "       > ├ SqueezeBackward4"


def test_a_long_list_is_cut_around_the_next_operation_and_counts_what_is_left_out():
    rows = block(view_at(20), 32, height=12)

    assert rows[1].split() == ["backward"], "what is open stays in sight"
    assert rows[2] == "         ┊ 6 more"
    assert "       > ├ MmBackward0" in rows
    assert len(rows) == 8


def test_deep_in_a_model_the_layers_around_the_next_operation_stay_in_sight():
    def row(name, depth, **marks):
        return program.Row("operation", 1, (("│ " * depth + "├ ", "dim"), (name, "")), **marks)

    layers = [row(f"layer {number}", 0) for number in range(20)]
    inside = [row(f"op {number}", 1) for number in range(9)]
    here = row("here", 1, next=True)
    rows = [row("encoder", 0, open=True), *layers, row("last", 0, open=True), *inside, here]

    shown = [plain(row.pieces) for row in program.window(rows, 10)]

    assert shown[:4] == ["├ encoder", "┊ 20 more", "├ last", "│ ┊ 4 more"]
    assert shown[4:] == [f"│ ├ {name}" for name in ("op 4", "op 5", "op 6", "op 7", "op 8", "here")]


def test_kernels_are_listed_only_while_one_is_inside_their_update():
    inside = view_at(25)
    after = view_at(27)

    assert any("add_" in row for row in block(inside, 34))
    assert not any("add_ " in row for row in drawn(after)[: after.stop.next["line"]])


def test_an_accumulate_from_none_says_so():
    rows = drawn(view_at(19))

    assert any("accumulate linear2.weight  None → [[−0.85 −0.48]]" in row for row in rows)


def test_lines_that_are_done_keep_their_results():
    rows = drawn(view_at(14))

    assert any(row.endswith("0.191") and "model(input )" in row for row in rows)
    assert any(row.endswith("0.809") and "loss_function" in row for row in rows)
    assert any(row.endswith("2 grad → None") and "zero_grad()" in row for row in rows)


HELPED = """\
def nll(mu, y):
    return ((mu - y) ** 2).mean()

def half(x):
    return x / 2

loss = nll(model(x), y[i])
loss = half(loss) + 1
other = nll
"""


def helped(*lines, upcoming=None):
    """The results of the lines on which operations ran, one after another."""
    out = {"shape": [], "dtype": "float32", "values": 7.0}
    records = [
        {
            "time": [0, at], "iteration": 1, "number": at + 1, "depth": 0, "level": "operation", "kind": "op",
            "name": f"op{at}", "file": "a.py", "line": line, "outputs": [out],
        }
        for at, line in enumerate((*lines, *([upcoming] if upcoming else [])))
    ]  # fmt: skip
    done = records[: len(lines)]
    stop = Stop(
        (0, len(lines)), 1, len(lines) + 1, "step", next=records[-1] if upcoming else None, last=done[-1]
    )
    view = View("stopped", "a.py", stop, tuple(done))
    return program.lay_out(view, "a.py", 9, 80, 20, called_bodies(HELPED)).results


def test_what_went_into_a_function_of_the_script_is_not_shown_as_what_came_out_of_it():
    """The last operation of the line is y[i]: beside `loss =` its value would be read as the loss."""
    assert sorted(helped(7, 7, 2, 2, 2, 8)) == [2, 8]
    assert sorted(helped(7, 7, upcoming=2)) == []
    assert sorted(helped(7, 7)) == [7]


def test_what_is_no_python_calls_nothing():
    assert called_bodies("def f(:\nf(1)\n") == {}


def test_what_a_line_computes_after_the_call_is_its_result():
    assert sorted(helped(5, 8)) == [5, 8]
    assert sorted(helped(5, 8, upcoming=2)) == [5, 8], "another function, which it does not call"


@pytest.mark.parametrize("width", [44, 52, 70])
def test_in_a_narrow_pane_the_result_gives_way_to_the_name_of_the_tensor(width):
    big = {"shape": [16, 8], "dtype": "float32", "values": None, "norm": 0.0992}
    record = {
        "kind": "accumulate", "name": "AccumulateGrad", "tensor": "model.temb[0].weight",
        "level": "operation", "before": None, "added": big, "after": big,
    }  # fmt: skip
    (row,) = program.tree_rows(program.Branch(record, []), 3, lead="│ ", last=True)

    drawn = plain(program.draw(row, (), program.Gutter(2), {}, width))

    assert "0].weight" in drawn or "…" + "model.temb[0].weight"[-8:] in drawn
    assert "16×8" in drawn and "……" not in drawn and len(drawn) <= width


def branch(kind, *inside):
    return program.Branch({"kind": kind}, [program.Branch(record, []) for record in inside])


def test_a_step_counts_the_parameters_it_changed_and_not_all_that_ran_inside():
    kernel = {"kind": "kernel", "name": "zeros_like"}
    first, second = ({"kind": "update", "parameter": name} for name in ("w", "b"))

    assert program.summary(branch("step", kernel, kernel, first, kernel, second), 20) == "2 updated"
    assert program.summary(branch("step", first, first), 20) == "1 updated", "LBFGS changes it many times"
    assert program.summary(branch("step", kernel), 20) == ""
    assert program.summary(
        branch("step", {**first, "parameter": None}, {**first, "parameter": None}), 20
    ) == ("2 updated"), "two without a name are two"


def test_a_phase_counts_the_gradients_it_made_or_cleared():
    kernel = {"kind": "kernel", "name": "zero_"}
    clears = [{"kind": "clear", "tensor": name, "after": None} for name in ("w", "b")]

    assert program.summary(branch("zero_grad", kernel, *clears, kernel), 20) == "2 grad → None"
    assert program.summary(branch("zero_grad", {**clears[0], "after": {"shape": [1]}}), 20) == "1 grad → 0"
    adds = [{"kind": "accumulate", "tensor": name} for name in ("w", "b", "w")]
    assert program.summary(branch("backward", {"kind": "node"}, *adds), 20) == "2 grad"


def test_a_rate_with_many_digits_is_rounded_so_that_the_one_after_it_is_seen():
    record = {"kind": "schedule", "level": "phase", "name": "LambdaLR"}
    two = {
        **record,
        "lr_before": [0.0018090169943749473, 0.0006],
        "lr_after": [0.0019635254915624212, 0.00065],
    }
    four = {**record, "lr_before": [0.1] * 4, "lr_after": [0.0123456789] * 4}

    assert result(two, 60) == "lr 0.001809, 0.0006 → 0.001964, 0.00065"
    assert result(four, 50) == "lr 0.1, 0.1 +2 → 0.01235, 0.01235 +2"
    assert result({**record, "lr_before": [0.123456], "lr_after": [0.1]}, 30) == "lr 0.123456 → 0.1"


def test_a_new_iteration_has_no_results_of_the_old_one():
    first_of_second = next(
        index
        for index, moment in enumerate(FakeSession(lambda view: None, iterations=2).recording.moments)
        if moment.next and moment.next["iteration"] == 2
    )
    at_start = drawn(view_at(first_of_second, iterations=2))
    a_step_later = drawn(view_at(first_of_second + 1, iterations=2))

    assert any(row.endswith("0.809") for row in at_start)
    assert not any(row.endswith("0.809") for row in a_step_later)


def test_a_crash_stands_under_its_line_in_full():
    view = view_at(14)
    error = 'Traceback (most recent call last):\n  File "a.py", line 3\nRuntimeError: it went wrong here'
    crashed = View(
        "crashed", SCRIPT, Stop(view.stop.time, 1, 14, "crashed", frames=view.stop.frames, error=error)
    )

    rows = block(crashed, 32)

    assert rows[1] == "     ✗ RuntimeError: it went wrong here"
    assert rows[2] == "     Traceback (most recent call last):"


def test_a_crash_after_a_thousand_operations_leaves_its_line_on_the_screen():
    many = [
        {"kind": "op", "name": "mul", "level": "operation", "file": SCRIPT, "line": 9, "iteration": 1,
         "depth": 0, "outputs": []}
        for _ in range(1000)
    ]  # fmt: skip
    stop = Stop((0, 1000), 1, 1001, "crashed", last=many[-1], frames=(Frame(SCRIPT, 9, "f"),), error="E: no")
    layout = program.lay_out(View("crashed", SCRIPT, stop, tuple(many)), SCRIPT, 40, 60, 18)

    assert layout.row_of_next() - layout.row_of_line(9) < 18


def test_nested_rows_keep_line_numbers_and_rows_in_step():
    layout = program.lay_out(view_at(14), SCRIPT, len(SOURCE), 60, 20)

    for line in range(1, len(SOURCE) + 1):
        row = layout.find(layout.row_of_line(line))
        assert (row.kind, row.line) == ("source", line)
    assert layout.find(layout.height) is None
    assert layout.find(layout.row_of_next()).next


@pytest.mark.parametrize("room", [4, 5, 8, 20])
@pytest.mark.parametrize("at", [0, 1, 7, 28, 29])
def test_a_window_never_exceeds_its_room_and_holds_the_next_row(room, at):
    rows = [program.Row("operation", 1, ((str(i), ""),), next=i == at) for i in range(30)]

    shown = program.window(rows, room)

    assert len(shown) <= room
    assert any(row.next for row in shown)
    hidden = sum(int(plain(row.pieces).split()[1]) for row in shown if row.kind == "more")
    assert hidden + sum(row.kind == "operation" for row in shown) == 30


def test_a_long_line_can_be_scrolled_to_its_end():
    source = (("result = ", ""), ("'漢字'", "string"), (" + the_end", ""))
    row, gutter = program.Row("source", 3), program.Gutter(2, number=3)

    shown = [plain(program.draw(row, source, gutter, {}, 20, shift)) for shift in (0, 8, 12)]

    assert shown[0][5:] == "result = '漢字…"
    assert shown[1][5:] == "‹'漢字' + the_…"
    assert shown[2][5:] == "‹ ' + the_end", "half of a wide character is not shown"


def test_a_narrow_pane_cuts_the_source_and_not_the_result():
    rows = drawn(view_at(14), width=36)

    assert all(len(row) <= 36 for row in rows)
    assert any("…" in row and row.endswith("0.809") for row in rows)


# what stands in the formula of the last operation


def explained(view, *operands, made=()):
    return replace(view, explanations=(Explanation("", "", "", "✓", operands=operands, made=made),))


def used_lines(view):
    return sorted(program.lay_out(view, SCRIPT, len(SOURCE), 60, 20).used)


def at(name):
    """The view after the first operation of a name; the layers' operations say what they read."""
    session = FakeSession(lambda view: None)
    views = (session.at(position) for position in range(session.end + 1))
    view = next(view for view in views if view.stop.last and view.stop.last["name"] == name)
    weights = {16: "model.linear1.weight", 17: "model.linear2.weight"}
    records = tuple(
        {**record, "inputs": [{"name": weights[record["line"]]}]}
        if record["kind"] == "op" and record["line"] in weights
        else record
        for record in view.records
    )
    return replace(view, records=records)


def test_the_line_that_made_an_operand_is_marked_and_so_is_its_operation():
    view = at("AbsBackward0")
    maker = next(record for record in view.records if record["name"] == "MeanBackward0")
    shown = explained(view, made=(("", tuple(maker["time"])),))

    assert used_lines(view) == []
    assert used_lines(shown) == [maker["line"]]
    rows = [row for row in drawn(shown) if "Mean" in row or "AbsBackward0" in row]
    assert rows[0].startswith("       = ├ MeanBackward0")
    assert not any("=" in row[:9] for row in rows[1:])


def test_a_parameter_is_marked_where_its_layer_read_it():
    view = at("MmBackward0")

    assert used_lines(explained(view, "model.linear2.weight")) == [17]
    assert used_lines(explained(view, "model.linear1.weight", "model.linear2.weight")) == [16, 17]
    assert used_lines(explained(view, "nothing")) == []


def test_an_operand_that_is_known_by_its_maker_is_not_marked_where_it_was_read():
    view = at("MmBackward0")
    maker = next(record for record in view.records if record["kind"] == "loss")
    shown = explained(view, "model.linear2.weight", made=(("model.linear2.weight", tuple(maker["time"])),))

    assert used_lines(shown) == [maker["line"]]


def test_the_gradient_of_an_update_is_marked_where_it_was_added_up():
    session = FakeSession(lambda view: None)
    updated = next(
        view
        for view in (session.at(position) for position in range(session.end + 1))
        if view.stop.last and view.stop.last["kind"] == "update"
    )
    name = updated.stop.last["parameter"]

    assert used_lines(explained(updated, name)) == [16, 32], "the weight, and its gradient"


def test_the_mark_stands_in_the_gutter_in_its_own_style():
    gutter = program.Gutter(2, "", program.USED, 17)

    assert gutter.pieces()[1] == ("=", "used")
    assert program.Gutter(2, "", ">", 17).pieces()[1] == (">", "mark")


@pytest.mark.parametrize(
    ("texts", "off", "mark"),
    [
        ((), (), ("", (" ", "warn"))),
        (("line a.py:3",), (), ("●", ("●", "bad"))),
        (("line a.py:3",), (0,), ("○", ("○", "dim"))),
        (("line a.py:3", "line a.py:3 x2"), (1,), ("●", ("●", "bad"))),
        (("line a.py:4", "line b.py:3", "loss > 3"), (0, 1, 2), ("", (" ", "warn"))),
    ],
)
def test_a_breakpoint_that_is_switched_off_has_a_hollow_mark(texts, off, mark):
    points = [replace(parse(text), enabled=place not in off) for place, text in enumerate(texts)]
    on = frozenset(point.what for point in points if point.enabled and point.kind == "line")
    view = View("stopped", "a.py", breakpoints=on, stops=tuple(points))

    found = line_mark(view, "a.py", 3)
    assert (found, program.Gutter(2, found).pieces()[0]) == mark


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (0.1**3, 0.1**4, "lr 0.001 → 0.0001"),
        (0.1, 0.1, "lr 0.1 → 0.1"),
        (0.1, 0.1000001, "lr 0.1 → 0.1000001"),
    ],
)
def test_beside_a_line_the_rates_are_rounded_unless_that_hides_the_change(before, after, text):
    assert result({"kind": "schedule", "lr_before": [before], "lr_after": [after]}, 40) == text
