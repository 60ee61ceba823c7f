"""Which panes are on the screen at which size."""

import pytest

from backprop_tui.screens.arrangement import (
    PANES,
    arrangement,
    named_at,
    strip,
    third_for,
    too_small,
    visible,
)


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


@pytest.mark.parametrize("guided", [False, True])
@pytest.mark.parametrize("third", ["network", "parameters", "loss"])
@pytest.mark.parametrize("how", ["compact", "normal", "wide"])
def test_a_pane_that_is_asked_for_is_on_the_screen(how, third, guided):
    for pane in PANES[:-1]:
        chosen = third_for(pane.name, third, how, guided)
        shown = visible(how, chosen, None, guided)
        assert pane.name in shown
        assert len(shown) >= 2
        assert how != "compact" or all(
            other.name in shown or f"{other.number} {other.short}" in strip(chosen, guided=guided)
            for other in PANES[:-1]
        )


def test_above_a_guide_the_program_takes_the_place_of_the_network_that_was_there_alone():
    assert third_for("program", "network", "compact", guided=True) == "program"
    assert visible("compact", "program", None, guided=True) == {"program", "guide"}
    assert strip("program", guided=True).startswith("‹1 program›  2 network  3 parameters")
    assert third_for("program", "loss", "compact", guided=True) == "loss", "it is there already"


def test_all_seven_are_there_where_there_is_room():
    assert len(visible("normal", "loss", None)) == len(visible("wide", "loss", None)) == 7


def test_a_maximised_pane_is_alone():
    assert visible("normal", "loss", "network") == {"network"}


def test_nothing_is_drawn_where_nothing_fits():
    assert visible("tiny", "loss", "network") == frozenset()
    assert too_small(50, 10) == "50×10 is too small: 60×16 is the least"


def test_the_strip_says_which_panes_there_are_and_which_is_shown():
    assert strip("loss") == "2 network  3 parameters  ‹5 loss›  6 rate  7 output"


def test_every_name_in_the_strip_can_be_pointed_at():
    text = strip("rate", "learning rate 0.1 · StepLR")

    found = [named_at(text, column) for column in range(len(text))]
    assert [name for name in dict.fromkeys(found) if name] == [
        "network",
        "parameters",
        "loss",
        "rate",
        "output",
    ]
    assert found[text.index("StepLR")] == "rate" and found[text.index("  7")] == ""


def test_in_little_room_the_strip_still_has_every_number():
    text = strip("parameters", width=36, guided=True)

    assert text == "2  ‹3 parameters›  4  5  6  7"
    assert named_at(text, 0) == "network" and named_at(text, text.index("5")) == "loss"
