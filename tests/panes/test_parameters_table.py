"""The parameter table as text."""

from dataclasses import replace

import pytest

from backprop_tui.debugger.view import Choice, Stop, View
from backprop_tui.explain.explanation import Explanation
from backprop_tui.panes.drawing.canvas import plain_text
from backprop_tui.panes.drawing.grid import Grid, two_dimensions
from backprop_tui.panes.drawing.table import (
    columns_for,
    element_index,
    header_line,
    row_line,
    rows_of,
    table_of,
)
from backprop_tui.panes.drawing.text import width_of
from support.update_views import NAMES, before, big, row, tensor, update_views


def table_text(view, width=100, earlier=None):
    table = table_of(view, earlier)
    columns = columns_for(table, width)
    lines = [header_line(table, columns, width), *(row_line(table, r, columns, width) for r in table.rows)]
    return plain_text(lines)


def line_with(text, part):
    return next(line for line in text.splitlines() if part in line)


def view_with(*rows, **stop):
    return View("stopped", "t.py", Stop((1, 1), 1, 1, "step", **stop), parameters=rows)


def test_a_row_per_element_with_value_and_gradient():
    text = table_text(before("Linear"))

    assert line_with(text, "model.linear1.weight[0,1]").split()[1:3] == ["0.21", "None"]
    assert len(text.splitlines()) == 1 + 6


@pytest.mark.parametrize("width", [80, 100, 120])
def test_titles_of_columns_do_not_touch(width):
    state = {"func_evals": 1250, "n_iter": 1000, "momentum_buffer": 0.5}
    title = table_text(view_with({**row("w", tensor(2.0)), "state": state}), width).splitlines()[0]

    assert title.split()[4:6] == ["lr", "func_eva…"]
    assert "n_iter" in title.split()


def test_what_accumulate_wrote_is_old_and_new():
    views = update_views()
    after = next(v for v in views if v.stop.last and v.stop.last["kind"] == "accumulate")

    line = line_with(table_text(after), "linear2.weight[0,0]")
    assert "*−0.85" in line
    assert "None → −0.85" in line
    assert "→" not in line_with(table_text(after), "linear1.weight[0,0]")


def test_what_the_next_operation_reads_is_marked():
    text = table_text(before(NAMES[0], 2))

    assert "> 0.11" in line_with(text, "linear1.weight[0,0]")
    assert ">−0.28" in line_with(text, "linear1.weight[0,0]")
    assert ">" not in line_with(text, "linear2.weight[0,0]")


def test_an_update_changes_the_value_and_leaves_the_gradient():
    line = line_with(table_text(update_views()[-1]), "linear2.weight[0,1]")

    assert "* 0.174" in line
    assert "0.15 → 0.174" in line
    assert "*−0.48" not in line


def test_a_step_over_a_phase_marks_all_that_happened_in_it():
    views = update_views()
    over = next(v for v in views if v.stop.last and v.stop.last["kind"] == "backward")

    text = table_text(over)

    assert "None → −0.28" in text and "None → −0.85" in text


def test_running_on_shows_the_difference_to_the_view_before():
    start, end = update_views()[0], update_views()[-1]
    unobserved = replace(end, records=(), stop=replace(end.stop, last=None))

    assert "0.11 → 0.124" in table_text(unobserved, earlier=start)
    assert "→" not in table_text(replace(start, records=()), earlier=unobserved), "going back is no change"


def shape_only(shape):
    """As a large tensor of an operation that was stepped over is recorded."""
    return {
        "name": "w",
        "shape": shape,
        "dtype": "float32",
        "values": None,
        "requires_grad": True,
        "leaf": True,
    }


def stepped_over(kind, was, now, recorded_before, key="value"):
    """The views before and after a step over something that wrote w, large, or its gradient."""
    record = {"kind": kind, "level": "operation", "name": "w", "tensor": "w", "parameter": "w"}
    record |= {"before": recorded_before, "after": shape_only([20, 6]), "time": [0, 5], "depth": 0}
    earlier = view_with(row("w", **{"value": big([20, 6], 3.0), key: was}), last=None)
    later = replace(
        view_with(row("w", **{"value": big([20, 6], 3.0), key: now}), last=record), records=(record,)
    )
    return replace(later, stop=replace(later.stop, time=(1, 9))), earlier


def test_what_was_stepped_over_changes_from_norm_to_norm():
    shapes = shape_only([20, 6])
    for kind, was, now, recorded, key, text in [
        ("update", big([20, 6], 11.3), big([20, 6], 1.57), shapes, "value", "‖11.3‖ → ‖1.57‖"),
        ("accumulate", None, big([20, 6], 1.57), None, "grad", "None → ‖1.57‖"),
    ]:
        view, earlier = stepped_over(kind, was, now, recorded, key)
        assert text in line_with(table_text(view, 120, earlier), "w ")


def test_of_what_is_known_on_one_side_only_nothing_is_said():
    view, _ = stepped_over("update", None, big([20, 6], 1.57), shape_only([20, 6]))
    line = line_with(table_text(view, 120), "w ")
    assert "→" not in line and "20×6" not in line
    assert "*‖1.57‖" in line, "it was written all the same"


def test_a_change_too_small_for_the_column_is_told_as_a_difference():
    earlier = view_with(row("w", tensor([-0.31230000, 2.0])))
    later = view_with(row("w", tensor([-0.31160000, 2.0])))
    later = replace(later, stop=replace(later.stop, time=(2, 0)))
    text = table_text(later, 60, earlier)
    assert "by +0.0007" in line_with(text, "w[0]")
    assert "by" not in line_with(text, "w[1]")

    earlier, later = (
        replace(v, parameters=(row("w", big([20, 6], n)),)) for v, n in ((earlier, 11.3), (later, 11.299))
    )
    assert "norm by −0.001" in line_with(table_text(later, 60, earlier), "w ")


def test_none_zero_and_a_number_are_three_words():
    weight = tensor([1.0], "a")
    rows = [row("a", weight), row("b", weight, grad=tensor([0.0])), row("c", weight, grad=tensor([1e-9]))]

    words = [line.split()[2] for line in table_text(view_with(*rows)).splitlines()[1:]]

    assert words == ["None", "0", "1e−9"]


@pytest.mark.parametrize("width", [34, 56, 100])
@pytest.mark.parametrize("value", [1.5652e-4, 0.50554321, -0.00012345, 123456.789, 1e-30])
def test_a_number_that_is_too_long_is_rounded_not_cut(value, width):
    text = table_text(view_with(row("w", tensor([value]), grad=tensor([value]))), width)

    for word in line_with(text, "w[0]").split()[1:3]:
        assert float(word.replace("−", "-")) == pytest.approx(value, rel=0.5), "a cut exponent is off by more"


def test_a_large_zero_gradient_is_zero_too():
    rows = [row("w", big([64, 64], 3.0), grad=big([64, 64], 0.0))]

    assert line_with(table_text(view_with(*rows)), "w ").split()[1:3] == ["‖3‖", "0"]


def test_a_parameter_in_no_optimizer_is_told_on():
    rows = [row("a", tensor([1.0])), row("lost", tensor([2.0]), optimizer=None, lr=None)]
    view = view_with(*rows)

    assert line_with(table_text(view), "lost").startswith("! ")
    assert "in no optimizer" in line_with(table_text(view), "lost")
    assert line_with(table_text(view, 36), "lost").startswith("! ")
    assert table_of(view, None).in_no_optimizer == 1


def test_a_frozen_parameter_in_no_optimizer_is_as_it_should_be():
    """The copy of a model that an exponential moving average keeps, a pretrained backbone."""
    frozen = row("ema.weight", tensor([1.0], requires_grad=False), optimizer=None, lr=None)
    view = view_with(row("a", tensor([1.0])), frozen)

    assert "in no optimizer" not in table_text(view)
    assert table_of(view, None).in_no_optimizer == 0


def test_without_any_optimizer_nothing_is_forgotten():
    assert "!" not in table_text(view_with(row("a", tensor([1.0]), optimizer=None)))


def test_rate_and_state_where_there_is_room():
    state = {"step": 3, "exp_avg": tensor([0.5, 0.25])}
    view = view_with(row("w", tensor([1.0, 2.0]), lr=0.001, state=state))

    wide = table_text(view, 120)

    assert "exp_avg" in wide and "step" in wide and "lr" in wide
    assert line_with(wide, "w[1]").split()[-3:] == ["0.001", "3", "0.25"]
    assert "exp_avg" not in table_text(view, 60)


def test_a_large_tensor_has_one_row():
    assert len(rows_of([row("w", big([256, 64]))])) == 1
    assert len(rows_of([row("w", tensor([[0.0] * 8] * 8))])) == 1
    assert len(rows_of([row("w", tensor([[0.0] * 3] * 3))])) == 9


def test_not_finite_is_said():
    assert "nan/inf!" in table_text(view_with(row("w", big([64], 1.0, nonfinite=2))))


@pytest.mark.parametrize("width", [18, 34, 36, 56, 60, 100, 200])
def test_no_line_is_too_long(width):
    names = [f"model.encoder.layers.{n}.self_attn.in_proj_weight" for n in range(12)]
    rows = [row(name, big([192, 64], 12.3)) for name in names]
    for view in [view_with(*rows), *update_views()]:
        table = table_of(view, None)
        columns = columns_for(table, width)
        assert all(width_of(row_line(table, r, columns, width)) <= width for r in table.rows)


def test_beside_a_guide_at_80_columns_the_new_weight_is_not_rounded():
    text = table_text(update_views()[-1], 39)

    assert "[0,0] *0.1825 −0.85" in " ".join(text.replace("* ", "*").split())


def test_a_narrow_table_keeps_the_end_of_the_names_and_both_numbers():
    after = next(v for v in update_views() if v.stop.last and v.stop.last["kind"] == "accumulate")

    line = line_with(table_text(after, 36), "2.weight[0,1]")

    assert "0.15" in line and "*−0.48" in line


@pytest.mark.parametrize(("element", "index"), [(0, (0, 0, 0)), (5, (0, 1, 1)), (23, (1, 2, 3))])
def test_the_index_of_an_element(element, index):
    assert element_index([2, 3, 4], element) == index


def grid(rows=5000, columns=2000):
    return Grid("w", (rows, columns), "float32", ("value", "grad"))


def numbers(rows, columns):
    return [[float(r * 10000 + c) for c in range(*columns)] for r in range(*rows)]


def test_a_grid_asks_for_what_is_seen_only():
    opened = grid()

    rows, columns = opened.missing(0, 20, 80)

    assert rows == (0, 32) and columns[0] == 0 and columns[1] <= 32
    assert "···" in plain_text([opened.line(0, 80)])


def test_a_grid_shows_what_has_arrived():
    opened = grid()
    opened.move(3000, 1500, 80)
    rows, columns = opened.missing(2990, 20, 80)
    opened.take("value", rows, columns, numbers(rows, columns), "float32")

    assert opened.missing(2990, 20, 80) is None
    line = plain_text([opened.line(3000, 80)])
    assert line.split()[0] == "3000"
    assert line.split()[-1] == "30001500", "the cursor's column is the last one seen"
    assert "1500" in plain_text([opened.columns_line(80)])


def test_a_new_stop_reads_again_and_shows_the_old_numbers_meanwhile():
    opened = grid(4, 4)
    opened.take("value", (0, 4), (0, 4), numbers((0, 4), (0, 4)), "float32")
    opened.outdate()

    assert opened.missing(0, 4, 80) == ((0, 4), (0, 4))
    assert opened.number(1, 2) == (10002.0, True)


def test_a_grid_changes_between_value_and_gradient():
    opened = grid(4, 4)
    opened.take("value", (0, 4), (0, 4), numbers((0, 4), (0, 4)), "float32")
    opened.next_attribute()

    assert opened.attribute == "grad"
    assert opened.number(0, 0) == (None, False)


@pytest.mark.parametrize(("shape", "seen"), [([], (1, 1)), ([5], (1, 5)), ([2, 3, 4], (6, 4))])
def test_leading_dimensions_are_flattened(shape, seen):
    assert two_dimensions(shape) == seen


def test_what_stands_in_the_formula_of_the_last_operation_is_marked():
    view = before("Linear", 2)
    used = Explanation("x · Wᵀ", "", "", "✓", operands=("model.linear1.weight",))
    shown = table_text(replace(view, explanations=(used,)))

    assert line_with(shown, "linear1.weight[0,0]").split()[1:3] == ["=", "0.11"]
    assert "=" not in table_text(view)


def glowing(view):
    """(label, text) of what glows in the table."""
    table = table_of(view, None)
    found = []
    for entry in table.rows:
        line = row_line(table, entry, columns_for(table, 80), 80)
        found += [(plain_text([line]).split()[1], text.strip()) for text, style in line if style == "glow"]
    return found


def test_the_number_that_a_guide_points_at_glows_and_has_a_glyph_beside_it():
    view = replace(before(NAMES[0], 2), pointer=Choice(NAMES[1], "grad", (0, 1)))
    assert glowing(view) == [(f"{NAMES[1]}[0,1]", "−0.48")]
    rows = [row for row in table_text(view).splitlines() if row.startswith("»")]
    assert len(rows) == 1 and f"{NAMES[1]}[0,1]" in rows[0]


def test_without_an_index_all_of_a_tensor_glows():
    view = replace(before(NAMES[0], 2), pointer=Choice(NAMES[1]))
    assert [text for _, text in glowing(view)] == ["0.14", "0.15"]


def complex_tensor(*numbers):
    """Numbers as they are sent: pairs."""
    pairs = [[number.real, number.imag] for number in numbers]
    return {**tensor([0.0] * len(numbers)), "dtype": "complex64", "values": pairs}


@pytest.mark.parametrize("width", [34, 56, 100])
def test_an_element_of_a_complex_tensor_is_one_complex_number(width):
    grad = complex_tensor(1 + 2j, -1e-9 - 0.5j)
    text = table_text(
        view_with(row("w", complex_tensor(0.4019 - 0.7669j, -0.989 + 0.2852j), grad=grad)), width
    )
    assert len(text.splitlines()) == 3
    first, second = (line_with(text, name).split()[1:3] for name in ("w[0]", "w[1]"))
    if width > 50:
        assert first == ["0.402−0.767j" if width > 70 else "0.4−0.77j", "1+2j"]
        assert second == ["−0.99+0.29j", "−1e−9−0.5j"]
    else:
        assert [complex(word.replace("−", "-")) for word in (first[0], second[0])] == [0.4 - 0.8j, -1 + 0.3j]


def test_a_complex_number_that_changed_shows_what_it_is():
    earlier = view_with(row("w", complex_tensor(1 + 2j, 3 - 1j)))
    later = view_with(row("w", complex_tensor(1 + 2j, 5 - 1j)))
    later = replace(later, stop=replace(later.stop, time=(2, 0)))
    text = table_text(later, 100, earlier)
    assert "→ 5−1j" in line_with(text, "w[1]")
    assert "→" not in line_with(text, "w[0]")


def test_a_grid_of_complex_numbers_has_one_in_a_cell():
    opened = Grid("w", (1, 2), "complex64", ("value",))
    opened.take("value", (0, 1), (0, 2), [[[0.4018747, -0.7669], [-0.989, 0.2852]]], "complex64")
    assert plain_text([opened.line(0, 80)]).split() == ["0", "0.4018747−0.7669j", "−0.989+0.2852j"]
    assert plain_text([opened.columns_line(80)]).split() == ["0", "1"]
