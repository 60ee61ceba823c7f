"""The chain rule for one element, as text."""

from dataclasses import replace

from backprop_tui.explain.chain import Chain, Factor, Path
from backprop_tui.panes.drawing.paths import chain_lines


def factor(value, number, index=(0,)):
    return Factor(value, "MmBackward0", (0, number), 2, number, index)


FOUND = Chain(
    "w", (1, 0), (Path((factor(-1.0, 3), factor(0.15, 4)), -0.15), Path((factor(2.0, 5),), 0.05)), 3, 0.2,
    0.1, 0.1, "float32",
)  # fmt: skip


def texts(found):
    return [line.text for line in chain_lines(found)]


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
