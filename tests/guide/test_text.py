"""Sentences with the numbers of a run in them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backprop_tui.guide.expression import Numbers, Quantity, WrongExpression
from backprop_tui.guide.text import Hole, WrongClaim, agrees, fill, hole_of, holes, number_text, without_holes

KNOWN = {
    "x": Quantity(0.1824999749660492, "float32"),
    "d": Quantity(0.1825),
    "g": Numbers([[-0.85, 0.48]], "float32"),
    "big": Quantity(12345678.0),
    "zero": Quantity(-0.0),
    "nan": Quantity(math.nan),
    "inf": Quantity(-math.inf),
    "none": None,
    "mixed": Numbers([Numbers([1.0, 2.0], "float32"), None, Quantity(0.5)]),
}


# what stands between braces
@pytest.mark.parametrize(
    ("inside", "hole"),
    [
        ("x", Hole("x")),
        (" x + 1 ", Hole("x + 1")),
        ("x:.3f", Hole("x", ".3f")),
        ("x:+.2e", Hole("x", "+.2e")),
        ("x:.2%", Hole("x", ".2%")),
        ("x:5", Hole("x", "5")),
        ("x = 0.191", Hole("x", claim="0.191")),
        ("g[0,1] * 2 = -1.5e-3", Hole("g[0,1] * 2", claim="-1.5e-3")),
        ("x = −0.5", Hole("x", claim="−0.5")),
        ("x == 1", Hole("x == 1")),
        ("x <= 1", Hole("x <= 1")),
        ("x != 1", Hole("x != 1")),
        ("x:.99999f", Hole("x:.99999f")),
    ],
)
def test_what_a_hole_says(inside: str, hole: Hole) -> None:
    assert hole_of(inside) == hole


def test_holes_are_found_and_doubled_braces_are_none() -> None:
    assert list(holes("{x} and {{d}} and {d:.1f}")) == [Hole("x"), Hole("d", ".1f")]


def test_a_text_without_its_holes() -> None:
    assert without_holes("a {x} b {{c}}") == "a  b {c}"


# numbers in texts
@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("w is {x}.", "w is 0.18249997."),
        ("{d}", "0.1825"),
        ("{x:.2f}", "0.18"),
        ("{-x:.2f}", "−0.18"),
        ("{x * 2}", "0.365"),
        ("{d * 2 / 3}", "0.121667"),
        ("{x = 0.1825}", "0.1825"),
        ("{x = 0.18}", "0.18"),
        ("{g[0,0] = -0.85}", "−0.85"),
        ("{g[0,0] = −0.85}", "−0.85"),
        ("{g}", "[[−0.85 0.48]]"),
        ("{g[0]}", "[−0.85 0.48]"),
        ("{none}", "None"),
        ("{mixed}", "[[1 2] None 0.5]"),
        ("{nan}", "nan"),
        ("{inf}", "−inf"),
        ("{zero}", "−0"),
        ("{big}", "12345678"),
        ("{{x}} is {d}", "{x} is 0.1825"),
        ("nothing", "nothing"),
        ("{x > 0}", "1"),
    ],
)
def test_it_is_filled_in(text: str, filled: str) -> None:
    assert fill(text, KNOWN) == filled
    assert fill(text, KNOWN, strict=True) == filled


@pytest.mark.parametrize("text", ["{gone}", "{g}{gone[0]}", "{none + 1}", "{g:.2f}", "{}", "{x:.99999f}"])
def test_what_is_not_known_is_a_question_mark(text: str) -> None:
    assert fill(text, KNOWN).endswith("?")
    with pytest.raises(WrongExpression):
        fill(text, KNOWN, strict=True)


@pytest.mark.parametrize(
    ("text", "told", "filled"),
    [
        ("{x = 0.184}", "the text says 0.184 for “x”, which is 0.18249997", "0.18249997"),
        ("{d = 0.1824}", "the text says 0.1824 for “d”, which is 0.1825", "0.1825"),
        ("{-d = 0.1825}", "the text says 0.1825 for “-d”, which is −0.1825", "−0.1825"),
        ("{nan = 1}", "the text says 1 for “nan”, which is nan", "nan"),
        ("{inf = -1e300}", "the text says -1e300 for “inf”, which is −inf", "−inf"),
    ],
)
def test_a_false_claim_is_told_and_the_true_number_is_shown(text: str, told: str, filled: str) -> None:
    with pytest.raises(WrongClaim) as caught:
        fill(text, KNOWN, strict=True)

    assert str(caught.value) == told
    assert fill(text, KNOWN) == filled


# claims
@pytest.mark.parametrize(
    ("claim", "holds"),
    [
        ("0.2", True),
        ("0.18", True),
        ("0.182", True),
        ("0.183", False),
        ("0.184", False),
        ("0.1825", True),
        ("0.18250", True),
        ("0.18251", False),
        ("1.825e-1", True),
        ("1.8e-1", True),
        ("1.9e-1", False),
        ("0", True),
        ("1", False),
        ("-0.1825", False),
    ],
)
def test_a_claim_holds_to_the_digits_that_are_written(claim: str, holds: bool) -> None:
    assert agrees(Quantity(0.1825), claim) is holds


def test_a_half_may_be_rounded_either_way() -> None:
    assert agrees(Quantity(0.125), "0.12")
    assert agrees(Quantity(0.125), "0.13")


def test_a_float32_may_be_off_by_its_own_rounding() -> None:
    assert agrees(Quantity(0.1824999749660492, "float32"), "0.18250000")
    assert not agrees(Quantity(0.1824999749660492, "float64"), "0.18250000")


@pytest.mark.parametrize("claim", ["1-2", "e5", ".", "1.2.3", ""])
def test_a_claim_that_is_no_number_is_refused(claim: str) -> None:
    with pytest.raises(WrongExpression, match="is not a number"):
        agrees(Quantity(1.0), claim)


@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.integers(1, 9))
def test_every_number_agrees_with_itself_rounded(number: float, digits: int) -> None:
    assert agrees(Quantity(number, "float32"), f"{number:.{digits}e}")


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=1e-300, max_value=1e300), st.integers(1, 9))
def test_no_number_agrees_with_two_units_of_the_last_digit_more(number: float, digits: int) -> None:
    mantissa, _, exponent = f"{number:.{digits}e}".partition("e")
    off = f"{float(mantissa) + 2 * 10**-digits:.{digits}f}e{exponent}"

    assert not agrees(Quantity(number), off)


# digits
def test_a_number_that_was_read_has_all_its_digits_and_a_computed_one_six() -> None:
    assert number_text(Quantity(0.1824999749660492, "float32")) == "0.18249997"
    assert number_text(Quantity(0.1824999749660492, "float32", exact=False)) == "0.1825"
    assert number_text(Quantity(1 / 3, exact=False)) == "0.333333"


@given(st.text(max_size=40))
def test_any_text_can_be_filled_in(text: str) -> None:
    assert isinstance(fill(text, KNOWN), str)
