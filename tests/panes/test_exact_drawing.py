"""One number with all its digits."""

import math

import pytest

from backprop_tui.panes.drawing.exact import exact_lines, place_in_matrix, spacing


def test_a_float32_is_not_what_its_short_form_says():
    lines = exact_lines("w[0, 0]", 0.10999999940395355, "float32")

    assert lines[0] == "w[0, 0] = 0.11"
    assert lines[2] == "exactly   0.10999999940395355224609375"
    assert "7.45e-09 away" in lines[4]


@pytest.mark.parametrize("value", [1.0, 0.1, -3.5, 1e300, 5e-324, 2.0**-1022])
def test_the_distance_to_the_next_float64(value):
    assert spacing(value, "float64") == math.nextafter(abs(value), math.inf) - abs(value)


def test_numbers_without_digits_and_whole_numbers():
    assert exact_lines("w", "nan", "float32") == ["w = nan"]
    assert exact_lines("n", 7, "int64")[0] == "n = 7"


@pytest.mark.parametrize(
    ("shape", "index", "place"), [([], (), (0, 0)), ([4], (2,), (0, 2)), ([2, 3, 4], (1, 2, 3), (5, 3))]
)
def test_where_an_element_is_in_the_matrix(shape, index, place):
    assert place_in_matrix(shape, index) == place


def test_a_complex_number_is_two():
    lines = exact_lines("z", [0.5, -2.0], "complex64")
    assert lines[0] == "z = 0.5−2j"
    assert "real part of z = 0.5" in lines and "imaginary part of z = −2" in lines
    assert sum(line.startswith("exactly") for line in lines) == 2
