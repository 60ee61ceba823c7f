"""The network as text: neurons and weights of a small chain, a list of operations for anything else."""

from dataclasses import replace

import pytest

from backprop_tui.debugger.view import Choice
from backprop_tui.panes.drawing import labels
from backprop_tui.panes.drawing.canvas import Canvas, fitted, plain_text
from backprop_tui.panes.drawing.flow import active_row, flow_line, flow_rows, header_line, widths_for
from backprop_tui.panes.drawing.heat import heat_lines, patch_of
from backprop_tui.panes.drawing.layers import read_chain
from backprop_tui.panes.drawing.marks import mark_chain
from backprop_tui.panes.drawing.neurons import draw_neurons
from backprop_tui.panes.drawing.observed import observe
from backprop_tui.panes.drawing.spots import Element, pointed_element
from backprop_tui.panes.drawing.text import width_of
from support.update_views import Script, before, big, row, tensor, update_script, update_views, view_of


def picture(view, width=78, height=12, example=0):
    seen = observe(view)
    chain = read_chain(view, seen)
    assert chain is not None
    drawing = draw_neurons(chain, mark_chain(view, seen, chain), width, height, example)
    return plain_text(drawing.lines) if drawing else ""


def listing(view, width=78):
    rows = flow_rows(view, observe(view))
    widths = widths_for(rows, width)
    return plain_text([header_line(widths), *(flow_line(row, widths, width) for row in rows)])


def line_with(text, part):
    return next(line for line in text.splitlines() if part in line)


def test_the_lesson_in_the_middle_of_its_forward_pass():
    text = picture(before("Linear", 2))

    assert "inputs ─" in text and "linear1" in text and "linear2" in text
    assert "│ 2 │" in text and "│ 3 │" in text
    assert "┃>0.85" in text and "┃>0.48" in text
    for weight in ("0.11", "0.12", "0.21", "0.08", "0.14", "0.15"):
        assert weight in text
    assert "0.191" not in text and "0.809" not in text
    assert "▷ linear2" in text


def test_the_loss_has_its_target_and_is_marked_as_written():
    text = picture(before("backward"))

    assert "╔target 1═" in text
    assert "*L 0.809" in text
    assert "◀" not in text


def test_the_gradient_arrives_at_the_output_first():
    text = picture(before("SqueezeBackward4"))

    assert ">∂ −1" in text
    assert "∂ −0.14" not in text
    rails = line_with(text, "◀")
    assert rails.index("◁") < rails.index(">") < rails.index("*"), "pending, next, done"


def test_the_gradient_arrives_at_the_hidden_layer_next():
    text = picture(before("SqueezeBackward4", 2))

    assert ">∂ −0.14" in text and ">∂ −0.15" in text
    assert "∂−0.85" in text and "∂−0.48" in text, "the weights of the second layer have theirs"
    assert "∂−0.28" not in text


def test_after_the_update_the_new_weights_are_marked():
    text = picture(update_views()[-1])

    assert "*0.1825" in text and "*0.174" in text
    assert "0.124" in text and "0.1025" in text


def test_a_weight_lies_on_the_line_between_its_neurons():
    lines = picture(before("backward"), 110, 24).splitlines()

    def height(part):
        return next(number for number, line in enumerate(lines) if part in line)

    assert height("0.11") == height("│ 2 │")
    assert height("0.08") == height("│ 3 │")
    assert height("│ 2 │") < height("0.12") < height("│ 3 │")


def test_before_anything_ran_the_weights_are_drawn_from_their_shapes():
    view = update_views()[0]
    empty = replace(view, stop=replace(view.stop, next=None), records=())

    text = picture(empty)

    assert "linear1" in text and "0.11" in text and "·" in text


def one_weight(before_it):
    """A network of one weight of which nothing has run; the last operation that `before_it` adds is next."""
    script = Script()
    before_it(script)
    *done, coming = script.begun
    rows = (row("model.weight", tensor([[0.5]], "model.weight", leaf=True)),)
    return replace(view_of(script, coming, [], done), parameters=rows)


def test_the_input_of_the_network_is_not_what_a_logging_line_reads():
    view = one_weight(lambda script: script.add("op", "item", 0, inputs=[tensor(36.0, "loss")]))

    text = picture(view)

    assert "36" not in text and "loss ┄" not in text
    assert line_with(text, "input").strip().startswith("input ┄")


def test_the_input_of_the_network_is_not_the_weight_that_is_filled():
    weight = tensor([[1.18e-23]], leaf=True, requires_grad=False)

    def fill(script):
        script.add("op", "uniform_", 0, inputs=[weight], outputs=[tensor([[0.5]])])
        script.add("zero_grad", "zero_grad", 0, "phase")

    view = one_weight(fill)

    assert "e−23" not in picture(view)


def test_the_input_is_known_before_a_matrix_product_of_the_script_s_own():
    inputs = [tensor([[7.0]], "x"), tensor([[0.5]], "model.weight", leaf=True)]
    view = one_weight(lambda script: script.add("op", "matmul", 0, inputs=inputs))

    assert "┃>7 ┃" in picture(view)


def test_the_next_iteration_keeps_the_picture_and_forgets_the_numbers():
    first = update_views()[-1]
    view = update_views(update_script(iteration=2, landmark=2), earlier=first.records)[2]

    text = picture(view)

    assert "┃>2 ┃" in text and "0.85" not in text and "0.809" not in text
    assert "l1_loss" in text


def test_an_iteration_that_has_not_gone_forward_shows_the_one_before():
    last = update_views()[-1]
    clear = {**last.stop.last, "kind": "zero_grad", "name": "SGD", "iteration": 2, "time": [2, 0]}
    view = replace(last, stop=replace(last.stop, iteration=2, next=clear))

    assert observe(view).stale
    assert "0.85" in picture(view)


def test_printing_the_loss_is_no_forward_pass_of_the_next_iteration():
    last = update_views()[-1]
    item = {
        **last.stop.last,
        "kind": "op",
        "name": "item",
        "iteration": 2,
        "time": [2, 0],
        "level": "operation",
    }
    view = replace(last, stop=replace(last.stop, iteration=2, next=item))

    assert observe(view).stale
    assert "0.85" in picture(view) and "item" not in listing(view)


@pytest.mark.parametrize("height", [7, 8, 9, 12, 20, 40])
@pytest.mark.parametrize("width", [58, 60, 78, 110, 180])
def test_the_picture_fits_and_no_number_is_hidden(width, height):
    for view in update_views():
        seen = observe(view)
        chain = read_chain(view, seen)
        drawing = draw_neurons(chain, mark_chain(view, seen, chain), width, height)
        assert drawing is not None
        lines = drawing.lines
        assert len(lines) == height
        assert all(width_of(line) == width for line in lines)
    text = plain_text(lines)
    for number in ("0.85", "0.48", "0.191", "0.809", "0.124", "0.174"):
        assert number in text


def test_a_picture_that_cannot_be_read_is_not_drawn():
    assert picture(before("backward"), 36, 12) == ""
    assert picture(before("backward"), 78, 4) == ""


def xor_view():
    """Two examples through a layer with bias and activation, by hand-written operations."""
    script = Script()
    x = tensor([[0.0, 1.0], [1.0, 1.0]], "x", leaf=True, requires_grad=False)
    weight, bias = tensor([[0.5, -0.5], [1.0, 2.0]], "w", leaf=True), tensor([0.1, -0.2], "b", leaf=True)
    product, pre = [[1.0, 2.0], [1.5, 1.5]], tensor([[1.1, 1.8], [1.6, 1.3]])
    made = script.add("op", "matmul", 0, inputs=[x, weight], outputs=[tensor(product)])
    added = script.add("op", "add", 0, inputs=[tensor(product, source=made), bias], outputs=[pre])
    post = tensor([[0.75, 0.86], [0.83, 0.79]])
    script.add("op", "sigmoid", 0, inputs=[{**pre, "source": added}], outputs=[post])
    rows = (row("w", weight), row("b", bias))
    return replace(view_of(script, None, [], list(script.begun)), parameters=rows)


def test_bias_activation_and_batch():
    first, second = picture(xor_view(), 90, 16), picture(xor_view(), 90, 16, example=1)

    assert "sigmoid" in first
    assert "b 0.1" in first and "b −0.2" in first
    assert "1.1" in first and "0.75" in first and "0.83" not in first
    assert "1.6" in second and "0.83" in second
    assert "−0.5" in first, "the weight from the first input to the second neuron, held as (in, out)"


def test_where_there_is_little_room_bias_and_the_value_before_the_activation_go_first():
    text = picture(xor_view(), 42, 8)

    assert "0.75" in text and "0.86" in text
    assert "b 0.1" not in text and "1.1" not in text
    assert all(weight in text for weight in ("0.5", "−0.5", "1", "2"))


def test_the_search_for_places_is_not_repeated_at_the_next_step():
    first = picture(before("MeanBackward0"), 79, 13)
    searched = labels._slots.cache_info().misses
    second = picture(before("SqueezeBackward4"), 79, 13)

    assert first != second
    assert labels._slots.cache_info().misses == searched


def test_two_paths_that_meet_are_no_chain():
    script = Script()
    x = tensor([1.0, 2.0], "x", leaf=True, requires_grad=False)
    a, b = tensor([[1.0, 0.0]], "a", leaf=True), tensor([[0.0, 1.0]], "b", leaf=True)
    one = script.add("op", "linear", 0, inputs=[x, a], outputs=[tensor([1.0])])
    two = script.add("op", "linear", 0, inputs=[x, b], outputs=[tensor([2.0])])
    both = [tensor([1.0], source=one), tensor([2.0], source=two)]
    script.add("op", "add", 0, inputs=both, outputs=[tensor([3.0])])
    view = view_of(script, None, [], list(script.begun))

    assert read_chain(view, observe(view)) is None
    assert "← 1, 2" in listing(view, 120)


def conv_script():
    script = Script()
    x = big([1, 1, 28, 28], 10.0, "x", leaf=True, requires_grad=False)
    kernel = big([8, 1, 3, 3], 1.5, "net.conv.weight", leaf=True)
    script.add("module", "Conv2d", 0, module="net.conv", inputs=[x])
    result = big([1, 8, 26, 26], 12.3)
    made = script.add("op", "conv2d", 1, module="net.conv", inputs=[x, kernel], outputs=[result])
    script.add("op", "relu", 0, inputs=[big([1, 8, 26, 26], source=made)], outputs=[big([1, 8, 26, 26], 9.9)])
    script.add("node", "ConvolutionBackward0", 0, origin=made, grad_outputs=[big([1, 8, 26, 26], 0.125)])
    return script


def conv_view(position):
    view = update_views(conv_script())[position]
    return replace(view, parameters=(row("net.conv.weight", big([8, 1, 3, 3], 1.5)),))


def test_a_convolution_is_a_list_of_operations():
    view = conv_view(2)

    assert read_chain(view, observe(view)) is None
    text = listing(view, 130)
    assert "Conv2d" in line_with(text, "conv ") and "‖12.3‖" in line_with(text, "conv ")
    assert "1×8×26×26" in text
    assert line_with(text, "relu").startswith("▶")
    assert ">‖12.3‖" in line_with(text, "conv "), "the next operation reads it"
    assert "weight 8×1×3×3 ∂ None" in text


def test_the_gradient_stands_beside_the_value():
    coming, done = listing(conv_view(3), 110), listing(conv_view(4), 110)

    assert line_with(coming, "conv ").startswith("◀")
    assert ">‖0.125‖" in line_with(coming, "conv ")
    assert "‖0.125‖" in line_with(done, "conv ")


def test_the_row_of_the_next_operation_is_the_one_to_be_seen():
    view = conv_view(2)

    assert active_row(flow_rows(view, observe(view))) == 1


@pytest.mark.parametrize("width", [18, 36, 60, 80, 120, 200])
def test_no_line_of_the_list_is_too_long(width):
    for view in [*update_views(), *(conv_view(position) for position in range(5))]:
        rows = flow_rows(view, observe(view))
        widths = widths_for(rows, width)
        assert all(width_of(flow_line(row, widths, width)) <= width for row in rows)


def test_the_list_of_the_lesson_names_value_and_gradient():
    text = listing(before("SqueezeBackward4", 2))

    assert "[0.85 0.48]" in line_with(text, "linear1")
    assert ">[−0.14 −0.15]" in line_with(text, "linear1")
    assert "[−1]" in line_with(text, "linear2")


def test_shades_say_sign_and_size():
    patch = patch_of(tensor([[1.0, -0.5], [0.0, "nan"]]))

    lines = plain_text(heat_lines(patch, "w", 40, 8)).splitlines()

    assert "█ = 1" in lines[0]
    assert "+█" in lines[1] and "−▓" in lines[1]
    assert " 0" in lines[2] and "!!" in lines[2]


def test_shades_of_a_part_say_which_part():
    patch = patch_of(tensor([[float(n) for n in range(30)] for _ in range(9)]))

    lines = plain_text(heat_lines(patch, "w", 60, 4)).splitlines()

    assert "rows 0–3 of 9" in lines[0] and "of 30" in lines[0]
    assert len(lines) == 5


def test_text_covers_lines_on_a_canvas():
    canvas = Canvas(6, 1)
    canvas.line((0, 2), (11, 2))
    canvas.put(2, 0, "ab")

    assert plain_text(canvas.lines()) == "⠤⠤ab⠤⠤"


def test_blank_ends_are_not_cut_with_an_ellipsis():
    assert plain_text([fitted([("ab   ", ""), ("   ", "")], 4)]) == "ab"
    assert plain_text([fitted([("abcdef", "")], 4)]) == "abc…"


# choosing a number in the picture

W1, W2 = "model.linear1.weight", "model.linear2.weight"


def drawing(view, chosen=None, width=78, height=12):
    seen = observe(view)
    chain = read_chain(view, seen)
    return draw_neurons(chain, mark_chain(view, seen, chain), width, height, 0, chosen)


def at_each(found, down, right, start):
    """Where single moves lead, until they lead nowhere new."""
    places = [start]
    while (following := found.moved(places[-1], down, right)) != places[-1]:
        places.append(following)
    return places


def test_every_weight_can_be_chosen_and_stands_where_it_is_drawn():
    found = drawing(before("SqueezeBackward4", 2))
    text = plain_text(found.lines).splitlines()

    names = {(spot.element.name, spot.element.place, spot.element.attribute) for spot in found.spots}
    assert names == {(W1, n, "value") for n in range(4)} | {
        (W2, n, attribute) for n in range(2) for attribute in ("value", "grad")
    }
    values = {
        (W1, 0): "0.11",
        (W1, 1): "0.21",
        (W1, 2): "0.12",
        (W1, 3): "0.08",
        (W2, 0): "0.14",
        (W2, 1): "0.15",
    }
    for spot in found.spots:
        assert text[spot.y][spot.x : spot.x + len(spot.text)] == spot.text
        if spot.element.attribute == "value":
            assert values[spot.element.name, spot.element.place] in spot.text


@pytest.mark.parametrize("size", [(58, 8), (78, 12), (110, 20)])
def test_the_chosen_number_is_marked_by_glyphs_and_nothing_else_moves(size):
    view = before("SqueezeBackward4", 2)
    plain = plain_text(drawing(view, None, *size).lines)
    for spot in drawing(view, None, *size).spots:
        marked = plain_text(drawing(view, spot.element, *size).lines)
        assert f"▸{spot.text}◂" in marked
        assert marked.count("▸") == marked.count("◂") == 1
        for one, other in zip(plain.splitlines(), marked.splitlines(), strict=True):
            changed = [new for old, new in zip(one.ljust(200), other.ljust(200), strict=True) if old != new]
            assert set(changed) <= {"▸", "◂"}


def test_arrows_go_down_a_layer_and_across_the_layers_and_stay_at_the_ends():
    found = drawing(before("SqueezeBackward4", 2))
    first = found.moved(None, 1, 0)

    down = at_each(found, 1, 0, first)
    assert {(element.name, element.place) for element in down} == {(W1, n) for n in range(4)}
    rows = [found.shown(element).y for element in down]
    assert rows == sorted(rows)
    assert at_each(found, -1, 0, down[-1]) == down[::-1]
    across = found.moved(first, 0, 1)
    assert across.name == W2
    assert found.moved(across, 0, 1) == across
    assert found.moved(across, 0, -1).name == W1


def test_a_gradient_is_chosen_where_there_is_one():
    found = drawing(before("SqueezeBackward4", 2))

    assert found.turned(Element(W2, 1)) == Element(W2, 1, "grad")
    assert found.turned(Element(W2, 1, "grad")) == Element(W2, 1)
    assert found.turned(Element(W1, 1)) == Element(W1, 1), "it has none yet"
    assert found.moved(Element(W2, 0, "grad"), 1, 0).attribute == "grad"
    assert found.moved(Element(W2, 0, "grad"), 0, -1).attribute == "value"
    assert found.shown(Element(W1, 1, "grad")).element == Element(W1, 1)
    assert found.shown(Element("another", 1)) is None


def test_a_click_means_the_label_or_the_line_under_it():
    found = drawing(before("SqueezeBackward4", 2))

    for spot in found.spots:
        assert found.hit(spot.x, spot.y) == found.hit(spot.x + len(spot.text) - 1, spot.y) == spot.element
    labels = {(x, spot.y) for spot in found.spots for x in range(spot.x - 1, spot.x + len(spot.text) + 1)}
    for spot in found.spots:
        alone = spot.way - labels - {cell for one in found.spots if one.way != spot.way for cell in one.way}
        assert all(found.hit(*cell) == replace(spot.element, attribute="value") for cell in alone)
    assert found.hit(0, 0) is None


def test_biases_can_be_chosen_too():
    found = drawing(xor_view(), None, 110, 24)
    biases = [spot for spot in found.spots if spot.column % 2]

    assert biases
    for spot in biases:
        text = plain_text(drawing(xor_view(), spot.element, 110, 24).lines)
        assert f"▸{spot.text}◂" in text and spot.text.startswith("b ")
    weight = next(spot.element for spot in found.spots if spot.column == 0)
    assert found.shown(found.moved(weight, 0, 1)).column == 1


def test_weights_held_as_in_out_are_chosen_by_their_place_in_the_parameter():
    found = drawing(xor_view(), None, 110, 24)
    texts = {(spot.element.name, spot.element.place): spot.text for spot in found.spots}

    flat = {("w", 0): "0.5", ("w", 1): "−0.5", ("w", 2): "1", ("w", 3): "2"}
    assert texts == {**flat, ("b", 0): "b 0.1", ("b", 1): "b −0.2"}
    first, second = (found.shown(Element("w", place)).way for place in (0, 1))
    assert min(y for _, y in first) == min(y for _, y in second), "both begin at the first input"


def test_the_weight_that_a_guide_points_at_glows():
    view = before("Linear", 2)
    view = replace(view, pointer=Choice(W1, "value", (1, 0)))
    element = pointed_element(view)
    assert element == Element(W1, 2)
    seen = observe(view)
    chain = read_chain(view, seen)
    picture = draw_neurons(chain, mark_chain(view, seen, chain), 78, 12, 0, None, element)
    assert [text for line in picture.lines for text, style in line if style == "glow"] == ["0.12"]


def test_a_guide_that_points_at_nothing_here_points_at_nothing():
    view = before("Linear", 2)
    for pointer in (None, Choice("nothing", "value", (0,)), Choice(W1), Choice(W1, "value", (0,))):
        assert pointed_element(replace(view, pointer=pointer)) is None
