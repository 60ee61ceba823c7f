"""Which panes are on the screen at which size."""

import pytest

from backprop_tui.screens.arrangement import arrangement, strip, too_small, visible


@pytest.mark.parametrize(
    ("size", "name"),
    [
        ((59, 40), "tiny"), ((200, 15), "tiny"), ((60, 16), "compact"), ((80, 24), "compact"),
        ((120, 36), "normal"), ((200, 60), "wide"), ((200, 36), "normal"), ((80, 60), "compact"),
    ],
)  # fmt: skip
def test_sizes(size, name):
    assert arrangement(*size) == name


def test_the_compact_arrangement_has_program_operation_and_one_more():
    assert visible("compact", "loss", None) == {"program", "operation", "loss"}


def test_all_seven_are_there_where_there_is_room():
    assert len(visible("normal", "loss", None)) == len(visible("wide", "loss", None)) == 7


def test_a_maximised_pane_is_alone():
    assert visible("normal", "loss", "network") == {"network"}


def test_nothing_is_drawn_where_nothing_fits():
    assert visible("tiny", "loss", "network") == frozenset()
    assert too_small(50, 10) == "50×10 is too small: 60×16 is the least"


def test_the_strip_says_which_panes_there_are_and_which_is_shown():
    assert strip("loss") == "2 network  3 parameters  ‹5 loss›  6 rate  7 output"
