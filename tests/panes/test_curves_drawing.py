"""Curves: what is kept of many points, and how they look."""

import math
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backprop_tui.panes.drawing.canvas import plain_text
from backprop_tui.panes.drawing.curve import MOST_BLOCKS, Series
from backprop_tui.panes.drawing.history import History
from backprop_tui.panes.drawing.plot import Curve, plot_lines, whole_marks
from backprop_tui.panes.drawing.text import width_of


def series_of(values):
    series = Series()
    for x, y in enumerate(values, start=1):
        series.append(float(x), float(y))
    return series


def points(segments):
    return [point for segment in segments for point in segment]


def test_few_points_are_all_kept():
    assert points(series_of([3, 1, 2]).segments(80)) == [(1, 3), (2, 1), (3, 2)]


def test_of_many_points_every_peak_is_kept():
    values = [1.0] * 10000
    values[1234], values[8765] = 99.0, -99.0

    kept = points(series_of(values).segments(160))

    assert len(kept) <= 322
    assert (1235, 99.0) in kept and (8766, -99.0) in kept


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300), st.integers(1, 40))
def test_extremes_survive_and_order_is_kept(values, buckets):
    kept = points(series_of(values).segments(buckets))

    assert max(y for _, y in kept) == max(values)
    assert min(y for _, y in kept) == min(values)
    assert [x for x, _ in kept] == sorted({x for x, _ in kept})
    assert len(kept) <= 2 * buckets + 2
    assert (kept[0][0], kept[-1][0]) == (1, len(values))


def test_the_axis_ends_where_the_run_does():
    """Of a rate that stays as it was, each bucket keeps the first point."""
    rates = series_of([0.1] * 50 + [0.05] * 10)

    assert points(rates.segments(28))[-1] == (60, 0.05)


def test_a_gap_where_values_are_not_finite():
    series = series_of([1, 2, math.nan, math.inf, 3, 4])

    assert [len(segment) for segment in series.segments(80)] == [2, 2]
    assert len(series.gaps) == 2


def test_a_gap_inside_a_bucket_cuts_too():
    series = series_of([1.0] * 500 + [math.nan] + [1.0] * 499)

    assert len(series.segments(40)) == 2


def test_a_logarithmic_scale_leaves_out_what_is_not_positive():
    series = series_of([1, 0, -2, 4])

    assert points(series.segments(80, positive=True)) == [(1, 1), (4, 4)]
    assert len(series.below) == 2


@given(st.lists(st.floats(-10, 10) | st.just(math.nan), max_size=60), st.integers(0, 60), st.integers(1, 4))
def test_taking_points_off_is_as_if_they_had_never_been(values, length, block):
    length = min(length, len(values))
    cut, fresh = Series(block=2**block), Series(block=2**block)
    for x, y in enumerate(values):
        cut.append(x, y)
    for x, y in enumerate(values[:length]):
        fresh.append(x, y)
    cut.truncate(length)

    assert (cut.lows, cut.highs, cut.gaps, cut.below) == (fresh.lows, fresh.highs, fresh.gaps, fresh.below)
    assert cut.segments(7) == fresh.segments(7)


def test_many_points_take_few_blocks():
    series = series_of(range(3 * MOST_BLOCKS))

    assert len(series.lows) <= MOST_BLOCKS
    assert points(series.segments(10))[-1] == (3 * MOST_BLOCKS, 3 * MOST_BLOCKS - 1)


def losses(count, site="a"):
    return tuple({"iteration": n + 1, "site": site, "value": random.random()} for n in range(count))


def split(point):
    return [(point["site"], point["iteration"], point["value"])]


def test_a_history_only_takes_what_is_new():
    history, old = History(split), losses(50)
    history.update(old)
    before = history.series["a"]

    assert not history.update(old)
    assert history.update((*old, *losses(1, "b")))
    assert history.series["a"] is before
    assert len(history.series["b"]) == 1


def test_going_back_takes_points_off_and_another_future_replaces_them():
    old = losses(50)
    history, fresh = History(split), History(split)
    history.update((*old, *losses(5, "b")))
    future = (*old[:20], *losses(7, "c"))
    history.update(future)
    fresh.update(future)

    assert history.series.keys() == fresh.series.keys() == {"a", "c"}
    assert history.series["a"].ys == fresh.series["a"].ys


def test_a_new_point_among_100000_takes_no_time():
    old = losses(100_000)
    history = History(split)
    history.update(old)
    more = (*old, *losses(1))

    began = time.perf_counter()
    history.update(more)
    history.series["a"].segments(160)
    took = time.perf_counter() - began

    assert took < 0.1, "a few milliseconds on a quiet machine; reading all points again takes longer"


def curve(values, marker="braille"):
    return Curve(series_of(values).segments(160), marker, "read")


@pytest.mark.parametrize("height", [3, 4, 12, 60])
@pytest.mark.parametrize("width", [16, 20, 36, 60, 200])
@pytest.mark.parametrize("values", [[0.809], [1, 1, 1], [3, 2, 1.5], [1e-30, 1e30], [-5, 5]], ids=str)
def test_a_plot_has_the_size_it_was_given(values, width, height):
    lines = plot_lines([curve(values)], width, height)

    assert len(lines) <= height
    assert all(width_of(line) <= width for line in lines)
    assert any("⠀" < char <= "⣿" for char in plain_text(lines))


def test_a_falling_curve_falls():
    rows = plain_text(plot_lines([curve([8, 4, 2, 1])], 40, 10)).splitlines()
    dots = [[n for n, char in enumerate(row) if "⠀" < char <= "⣿"] for row in rows]

    assert max(dots[0]) < min(dots[-2])


def test_labels_are_the_data():
    text = plain_text(plot_lines([curve([0.809, 0.5, 0.25])], 60, 12))

    assert "0.809" in text and "0.25" in text
    assert text.splitlines()[-1].split() == ["1", "2", "3"]


def test_a_logarithmic_axis_is_labelled_in_values():
    text = plain_text(plot_lines([curve([1000, 10, 0.1])], 60, 12, log=True))

    assert "1000" in text and "0.1" in text and "10" in text


def test_curves_differ_without_colour_and_have_their_styles():
    other = Curve(series_of([5, 6, 7]).segments(99), "x", "positive")

    lines = plot_lines([curve([1, 2, 3]), other], 40, 10)

    assert {style for line in lines for text, style in line if "x" in text} == {"positive"}
    assert "\x1b" not in plain_text(lines)


def test_nothing_is_drawn_without_room_or_points():
    assert plot_lines([curve([1, 2])], 10, 10) == []
    assert plot_lines([curve([1, 2])], 40, 2) == []
    assert plot_lines([Curve([], "x", "read")], 40, 10) == []


@given(st.integers(-1000, 10**6), st.integers(0, 10**6), st.integers(2, 8))
def test_whole_marks_are_few_and_inside(left, span, count):
    marks = whole_marks(left, left + span, count)

    assert marks == sorted(set(marks))
    assert left <= marks[0] and marks[-1] <= left + span
    assert len(marks) <= count + 1
    assert len(marks) > 1 or not span, "one mark alone gives no scale"


@pytest.mark.parametrize(("last", "width"), [(1504, 28), (12, 28), (99_999, 18), (1504, 80)])
def test_a_plot_shows_where_it_begins_and_where_it_ends(last, width):
    series = Series()
    for x in range(3, last + 1):
        series.append(float(x), 1.0 / x)

    text = plain_text(plot_lines([Curve(series.segments(2 * width), "braille", "read")], width, 9))
    marks = [int(word) for word in text.splitlines()[-1].split()]

    assert len(marks) > 1 and marks[0] < last / 3 and marks[-1] > last / 2


def test_a_curve_begins_and_ends_where_its_data_do():
    series = Series()
    for x in range(1, 1001):
        series.append(x, 0.1)

    (segment,) = series.segments(20)
    assert (segment[0][0], segment[-1][0]) == (1, 1000)
