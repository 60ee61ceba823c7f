"""Digits that are honest: they round-trip, and nothing that is not zero is shown as zero."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backprop_tui.explain.numbers import (
    FORMATS,
    elements,
    fit,
    gradient_word,
    norm_of,
    rounded,
    short_values,
    shortest,
    significant,
    torch_style,
)

finite32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


def digits(text):
    """How many significant digits a numeral has."""
    return len(text.lower().partition("e")[0].replace(".", "").replace("-", "").strip("0"))


@given(finite32)
def test_float32_round_trips_in_the_fewest_digits(value):
    text = shortest(value, "float32")

    assert np.float32(text) == np.float32(value)
    assert digits(text) <= digits(np.format_float_scientific(np.float32(value), unique=True))


def test_every_float16_round_trips_in_the_fewest_digits():
    for bits in range(0, 0x7C00, 7):
        value = np.uint16(bits).view(np.float16)
        text = shortest(float(value), "float16")

        assert np.float16(text) == value
        assert digits(text) <= digits(np.format_float_scientific(value, unique=True))


@pytest.mark.parametrize("power", range(-149, 128))
def test_a_power_of_two_is_short_too(power):
    value = np.float32(2.0**power)

    assert digits(shortest(float(value), "float32")) <= digits(np.format_float_scientific(value, unique=True))


@given(st.integers(0, 0x7F7F))
def test_bfloat16_round_trips(bits):
    value = float(np.uint32(bits << 16).view(np.float32))

    assert rounded(float(shortest(value, "bfloat16")), "bfloat16") == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_float64_round_trips(value):
    assert float(shortest(value, "float64")) == value


@pytest.mark.parametrize("dtype", FORMATS)
def test_rounding_is_idempotent(dtype):
    once = rounded(0.1, dtype)

    assert once != 0.1
    assert rounded(once, dtype) == once


@pytest.mark.parametrize(
    ("value", "dtype", "text"),
    [
        (0.10999999940395355, "float32", "0.11"),
        (0.19099999964237213, "float32", "0.191"),
        (0.1, "float64", "0.1"),
        (0.30000000000000004, "float64", "0.30000000000000004"),
        (1.0, "float32", "1"),
        (-0.0, "float32", "-0"),
        (1e10, "float32", "1e10"),
        (16777216.0, "float32", "16777216"),
        (1e-45, "float32", "1e-45"),
        ("nan", "float32", "nan"),
        (math.inf, "float32", "inf"),
        (True, "bool", "True"),
        (7, "int64", "7"),
        (3, "float32", "3"),
        ([1.0, -2.0], "complex64", "1-2j"),
        (1 + 2j, "complex128", "1+2j"),
    ],
)
def test_shortest(value, dtype, text):
    assert shortest(value, dtype) == text


@given(st.floats(allow_nan=False, allow_infinity=False).filter(bool), st.integers(1, 12))
def test_a_rounded_number_fits_and_is_not_zero(value, width):
    text = fit(value, "float64", width)

    assert len(text) <= width
    assert text.strip("#") == "" or float(text.replace("−", "-")) != 0


@pytest.mark.parametrize(
    ("value", "width", "text"),
    [
        (1.23456789e-8, 6, "1.2e−8"),
        (123.456, 5, "123.5"),
        (-0.000001234, 6, "−1e−6"),
        (-1e-10, 3, "###"),
        (0.85, 8, "0.85"),
    ],
)
def test_fit(value, width, text):
    assert fit(value, "float64", width) == text


def test_significant_digits_keep_whole_numbers_whole():
    assert significant(0.80900001525, "float32", 3) == "0.809"
    assert significant(1234567.0, "float32", 3) == "1.23e6"
    assert significant(12345.67, "float64", 3) == "12346"
    assert significant(-0.28, "float64", 3) == "−0.28"


def info(values, shape, dtype="float32", **more):
    return {"name": None, "shape": shape, "dtype": dtype, "values": values, **more}


def test_short_values():
    assert short_values(info([0.85, 0.48], [2], "float64"), 20) == "[0.85 0.48]"
    assert short_values(info(None, [128, 784]), 20) == "float32 [128, 784]"
    assert short_values(info(None, [128, 784], norm=12.345), 40) == "float32 [128, 784] norm 12.3"
    assert short_values(info([[1.0, 2.0], [3.0, 4.0]], [2, 2]), 8) == "[2, 2]"
    assert short_values(None, 8) == "None"


def test_no_gradient_and_a_zero_gradient_are_different_words():
    assert gradient_word(None, 10) == "None"
    assert gradient_word(info([0.0, 0.0], [2]), 10) == "0"
    assert gradient_word(info([0.0, 1e-30], [2]), 10) != "0"


def test_norm():
    assert norm_of(info([3.0, -4.0], [2])) == 5
    assert norm_of(info(None, [1000], norm=2.5)) == 2.5
    assert norm_of(info(None, [1000])) is None


def test_as_torch_prints():
    assert torch_style([[0.11, 0.21], [0.12, 0.08]], "float32") == "[[0.1100, 0.2100], [0.1200, 0.0800]]"
    assert torch_style([2.0, 3.0], "float32") == "[2., 3.]"
    assert torch_style([1e-5, 2.0], "float32") == "[1.0000e-05, 2.0000e+00]"


@pytest.mark.parametrize(
    ("width", "text"), [(20, "0.4018747−0.7669j"), (12, "0.402−0.767j"), (8, "0.4−0.8j"), (7, "#######")]
)
def test_a_complex_number_loses_digits_in_both_parts(width, text):
    assert fit([0.4018747, -0.7669], "complex64", width) == text
    assert fit(0.4018747 - 0.7669j, "complex64", width) == text


def test_elements_of_a_complex_tensor_are_complex_numbers():
    info = {"shape": [1, 2], "dtype": "complex64", "values": [[[1.0, -2.0], [0.5, "inf"]]]}
    assert elements(info) == [1 - 2j, complex(0.5, math.inf)]
    assert norm_of({**info, "values": [[[3.0, 4.0], [0.0, 12.0]]]}) == 13
