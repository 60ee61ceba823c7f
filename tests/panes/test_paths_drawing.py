"""The chain rule for one element, as text."""

from dataclasses import replace

from backprop_tui.explain.chain import Chain, Factor, Path
from backprop_tui.explain.layered import Layer, Layered, Neighbour, Part, Pass
from backprop_tui.panes.drawing.paths import answer_lines, chain_lines


def factor(value, number, index=(0,)):
    return Factor(value, "MmBackward0", (0, number), 2, number, index)


FOUND = Chain(
    "w", (1, 0), (Path((factor(-1.0, 3), factor(0.15, 4)), -0.15), Path((factor(2.0, 5),), 0.05)), 3, 0.2,
    0.1, 0.1, "float32",
)  # fmt: skip


def texts(found):
    return [line.text for line in answer_lines(found)]


def test_each_path_is_a_product_and_all_are_summed():
    lines = texts(FOUND)

    assert lines[0] == "∂L/∂w for w = w[1,0]: 5 paths, the largest first"
    assert "1.  (−1) · 0.15 = −0.15" in lines
    assert "+ 3 more, together 0.2" in lines
    assert lines[-1] == "∂L/∂w = (−0.15) + 0.05 + 0.2 = 0.1 ✓"


def test_a_factor_leads_to_the_operation_that_it_came_from():
    found = [line for line in chain_lines(FOUND) if line.goto]

    assert [line.goto for line in found] == [(2, 3), (2, 4), (2, 5)]
    assert found[0].text.split() == ["−1", "MmBackward0", "at", "[0]", "2.3"]


def test_a_sum_that_is_not_autograds_says_so():
    assert texts(replace(FOUND, autograd=0.2))[-1].endswith("✗ autograd: 0.2")


def test_a_single_path_is_not_summed():
    alone = replace(FOUND, paths=FOUND.paths[:1], more=0, rest=0.0, total=-0.15, autograd=-0.15)

    assert texts(alone)[0].endswith("one path")
    assert texts(alone)[-1] == "∂L/∂w = −0.15 ✓"


def layer(**more):
    given = {
        "name": "AddmmBackward0", "place": (2, 7), "shape": (64, 256),
        "above": (Neighbour("ReluBackward0", (2, 6)),), "below": (),
        "parts": (Part((10, 3), -0.5, 2.0), Part((11, 3), 0.25, 1.0)),
        "more": 1021, "rest": 0.125, "besides": 0.0, "ways": 0, "size": 1.5,
    }  # fmt: skip
    return Layer(**{**given, **more})


def wide(*layers, autograd=-0.625):
    return Layered("w", (3, 5), (Pass(layers, autograd, "float32"),))


def wide_texts(found):
    return [line.text for line in answer_lines(found)]


def test_a_wide_operation_is_a_sum_of_its_largest_parts_and_the_rest():
    lines = wide_texts(wide(layer()))

    assert lines[0] == "∂L/∂w for w = w[3,5]"
    assert lines[1].startswith("Too many paths to write out")
    start = next(number for number, line in enumerate(lines) if line.startswith("AddmmBackward0"))
    assert [" ".join(line.split()) for line in lines[start:]] == [
        "AddmmBackward0: 64×256, 1,023 with a part 2.7",
        "∂L/∂a from ReluBackward0 2.6",
        "∂a/∂w computed from w itself",
        "−1 = (−0.5) · 2 at [10,3]",
        "0.25 = 0.25 · 1 at [11,3]",
        "+ 1,021 more, together 0.125",
        "= −0.625 ✓",
        "",
        "∂L/∂w = −0.625 ✓ at every operation",
    ]


def test_what_goes_past_a_wide_operation_is_part_of_its_sum():
    lines = wide_texts(wide(layer(besides=0.5, ways=1), layer(besides=0.5, ways=3), autograd=-0.125))

    assert "  + 0.5 on another way, past this operation" in lines
    assert "  + 0.5 on 3 other ways, past this operation" in lines
    assert lines[-1] == "∂L/∂w = −0.125 ✓ at every operation"


def test_a_sum_of_a_wide_operation_that_is_not_autograds_says_so():
    lines = wide_texts(wide(layer(), layer(rest=0.2)))

    assert "  = −0.55 ✗ autograd: −0.625" in lines
    assert lines[-1] == "∂L/∂w = −0.625 ✗ at 1 of 2 operations"


def test_the_factors_of_a_wide_operation_lead_to_where_they_came_from():
    found = [
        line for line in answer_lines(wide(layer(below=(Neighbour("TanhBackward0", (2, 9)),)))) if line.goto
    ]

    assert [line.goto for line in found] == [(2, 7), (2, 6), (2, 9), (2, 7), (2, 7)]


def test_of_very_many_operations_the_first_and_the_last_are_told():
    lines = wide_texts(wide(*(layer(place=(1, number)) for number in range(100))))

    assert "… 40 operations between …" in lines
    told = [line.split()[-1] for line in lines if line.startswith("AddmmBackward0")]
    assert told == [f"1.{number}" for number in (*range(30), *range(70, 100))]


def test_each_backward_pass_has_its_own_sums_and_an_element_that_is_not_reached_says_so():
    one = wide(layer()).passes[0]
    lines = wide_texts(Layered("w", (3, 5), (one, Pass((), 0.0, "float32"))))

    assert "backward pass 1 of 2" in lines and "backward pass 2 of 2" in lines
    assert lines[-3:] == ["No wide operation on the way depends on it.", "", "∂L/∂w = 0"]
