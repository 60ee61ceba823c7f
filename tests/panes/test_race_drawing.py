"""A race as text."""

import math
from dataclasses import replace

import pytest

from backprop_tui.debugger.parting import Parting
from backprop_tui.debugger.race import Lane
from backprop_tui.panes.drawing.canvas import plain_text
from backprop_tui.panes.drawing.curve import Series
from backprop_tui.panes.drawing.race import (
    LETTERS,
    apart,
    detail_lines,
    foot,
    lowest,
    marker_of,
    parting_text,
    table_lines,
    time_text,
)
from backprop_tui.panes.drawing.text import plain, width_of
from backprop_tui.panes.race import far_apart
from support.fake_session import lane

PARTED = Parting(1, "model.0.weight", "value", (0, 0), 0.18250000476837158, 0.17440000176429749, "float32")
LANES = (
    lane("", 0.8, 0.5, 0.25),
    lane("optimizer=Adam(lr=0.1)", 0.8, 0.4, 0.125, parting=PARTED),
    lane("loss=l1", 0.5, 0.1, 0.0625, parting=replace(PARTED, name="loss", part="loss", index=None)),
    lane("lr=0.1", 0.7, state="running"),
    lane("seed=1", state="waiting"),
    lane("optimizer=Foo()", state="refused", note="torch.optim has no Foo."),
    lane("zero_grad=off", 0.8, 0.5, 0.25),
)


def table(*lanes: Lane, width: int | None = None, cursor: int = -1) -> list[str]:
    return plain_text(table_lines(lanes, 3, width, cursor)).splitlines()


TABLE = """\
     future                  iterations     loss    time  parts in  first number that differs
 a ⠒ as it is                       3/3    0.25   0.25 s            none: all numbers are equal
>b   optimizer=Adam(lr=0.1)         3/3   0.125*  0.25 s         1  model.0.weight[0,0] after the step of …
 c   loss=l1                        3/3  0.0625   0.25 s         1  loss of iteration 1: 0.1825 against 0.…
 d   lr=0.1                         1/3     0.7   0.25 s
 e   seed=1                       waits
 f   optimizer=Foo()            refused                             torch.optim has no Foo.
 g   zero_grad=off                  3/3    0.25   0.25 s            none: all numbers are equal"""


def test_the_table():
    assert "\n".join(table(*LANES, width=107, cursor=1)) == TABLE
    assert table(*LANES)[2].endswith("step of iteration 1: 0.1825 against 0.1744"), (
        "whole, where there is room"
    )


@pytest.mark.parametrize("width", [30, 60, 78, 118, 198])
def test_no_line_is_wider_than_the_pane(width: int):
    assert all(width_of(line) <= width for line in table_lines(LANES, 3, width, 2))
    assert all(width_of(line) <= width for item in LANES for line in detail_lines(item, "b", width))


def test_in_80_columns_a_future_can_still_be_told_from_the_others():
    texts = [row[5:20] for row in table(*LANES, width=78)[1:]]
    assert len(set(texts)) == len(LANES)


def test_a_loss_that_was_not_swapped_is_not_another_one():
    """The script works its loss out by hand: there is no function to swap."""
    lanes = (lane("", 1.0, 0.5), lane("loss=l1", 1.0, 0.5), lane("lr=0.1", 1.0, 0.75, parting=PARTED))

    assert foot(lanes) == [
        "* the lowest last loss",
        "b: no number differs; a loss worked out by hand cannot be swapped",
    ]
    running = replace(lanes[1], state="running", compared=False)
    assert foot((lanes[0], running)) == [
        "b: another loss is measured, which does not compare with the others"
    ]


def test_the_lowest_of_what_can_be_compared():
    assert lowest(LANES) == 1, "another loss, and what still runs, do not count"
    assert lowest(LANES[:1]) is None
    assert lowest((lane("", 1.0), lane("lr=9", math.nan), lane("lr=2", math.inf))) is None
    assert foot(LANES) == [
        "* the lowest last loss",
        "c: another loss is measured, which does not compare with the others",
    ]
    assert foot(LANES[:1]) == []


@pytest.mark.parametrize(
    ("parting", "steps", "text"),
    [
        (PARTED, True, "model.0.weight[0,0] after the step of iteration 1: 0.1825 against 0.1744"),
        (PARTED, False, "model.0.weight[0,0] after iteration 1: 0.1825 against 0.1744"),
        (
            replace(PARTED, part="grad", mine=-0.56, other=-0.28),
            True,
            "model.0.weight.grad[0,0] of iteration 1: −0.56 against −0.28",
        ),
        (
            replace(PARTED, part="grad", index=None, mine="None", other="float32 [2, 2]", dtype=""),
            True,
            "model.0.weight.grad of iteration 1: None against float32 [2, 2]",
        ),
        (
            replace(PARTED, name="norm.running_mean", part="buffer", index=(3,), mine=1.0, other=2.0),
            True,
            "norm.running_mean[3] of iteration 1: 1 against 2",
        ),
        (
            replace(PARTED, name="loss", part="loss", index=None, mine="nan", other=None),
            True,
            "loss of iteration 1: nan against none",
        ),
    ],
)
def test_where_two_futures_part(parting: Parting, steps: bool, text: str):
    assert parting_text(parting, steps) == text


def test_two_numbers_get_the_digits_that_tell_them_apart():
    assert apart(0.5, 0.25, "float32") == ("0.5", "0.25")
    assert apart(0.60934525, 0.60934521, "float64") == ("0.60934525", "0.60934521")
    mine, other = apart(1.0 + 2**-52, 1.0, "float64")
    assert float(mine) == 1.0 + 2**-52 and other == "1"
    assert apart(-0.0, 0.0, "float32") == ("−0", "0")


def test_a_future_in_whole_sentences():
    text = " ".join(plain(line) for line in detail_lines(LANES[1], "b", 60))
    assert text == (
        "b optimizer=Adam(lr=0.1): the first number that differs is model.0.weight[0,0] after the step of"
        " iteration 1: 0.1825 against 0.1744 as it is"
    )
    assert "no loss, gradient, buffer or parameter differs" in plain(detail_lines(LANES[6], "g", 200)[0])
    assert plain(detail_lines(LANES[5], "f", 200)[1]) == "torch.optim has no Foo."


def test_every_curve_has_a_sign_of_its_own():
    assert len({marker_of(number) for number in range(len(LETTERS))}) == len(LETTERS) == 9


def test_times():
    assert [time_text(seconds) for seconds in (0.042, 1.5, 12.34)] == ["0.04 s", "1.50 s", "12.3 s"]


def test_a_diverging_future_asks_for_a_logarithmic_scale():
    def series(*ys: float) -> Series:
        found = Series()
        for x, y in enumerate(ys):
            found.append(x, y)
        return found

    assert far_apart([series(2.0, 1e-9), series(2.0, 1e12, math.nan)])
    assert not far_apart([series(2.0, 1e-9), series(3.0, 1.0)])
    assert not far_apart([series(), series(0.0), series(math.nan)])
