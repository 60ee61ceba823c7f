"""Right, close and wrong answers, and what is no answer at all."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from backprop_tui.guide.answer import (
    check_form,
    factors,
    judge,
    read_choice,
    read_number,
    right_answer,
    sizes,
)
from backprop_tui.guide.expression import Numbers, Quantity, WrongExpression
from backprop_tui.guide.lesson import Ask, Slip

KNOWN: dict[str, Any] = {
    "g": Quantity(0.06),
    "lr": Quantity(0.05),
    "z": Quantity(0.0),
    "n": Quantity(math.nan),
}
KNOWN["x"] = Numbers([[1.0] * 3] * 4, "float32")
KNOWN["losses"] = Numbers([1.0] * 7)
KNOWN["op"] = {"inputs": Numbers([Numbers([1.0] * 5), None])}


def number(answer: str = "g", **more: Any) -> Ask:
    return Ask("number", "How much?", "It is {g}.", answer=answer, **more)


CHOICE = Ask("choice", "Which?", "So it is.", choices=("this", "that", "none"), right=2)
LARGEST = Ask("largest", "Which?", "So it is.", choices=("a", "b"), values=("g", "lr"))


def mark(ask: Ask, given: str) -> str:
    return judge(ask, given, KNOWN).mark


# right
@pytest.mark.parametrize("given", ["0.06", "0,06", "6e-2", "3/50", "0.0601", ".06", " 0.06 "])
def test_a_right_number(given: str) -> None:
    verdict = judge(number(), given, KNOWN)

    assert (verdict.mark, verdict.sentence, verdict.why) == ("right", "Right: 0.06.", "It is 0.06.")


def test_how_far_off_is_still_right_is_the_question_s_to_say() -> None:
    assert mark(number(tolerance=0.05), "0.062") == "right"
    assert mark(number(tolerance=0.005), "0.062") == "close"
    assert mark(number(tolerance=0.0), "0.06") == "right"


def test_zero_and_nan_are_answers() -> None:
    assert mark(number("z"), "0") == "right"
    assert mark(number("z"), "0.001") == "wrong"
    assert mark(number("n"), "0") == "wrong"
    assert mark(number(), "0/0") == "wrong"
    assert mark(number("n"), "0/0") == "right"


# close
@pytest.mark.parametrize(
    ("given", "remark"),
    [
        ("-0.06", "Off by the sign."),
        ("−0.06", "Off by the sign."),
        ("0.12", "Twice as large."),
        ("0.03", "Half of it."),
        ("-0.12", "Off by the sign and a factor of 2."),
        ("-0.03", "Off by the sign and a factor of 2."),
        ("1.2", "Multiply by the learning rate, 0.05."),
        ("0.003", "The learning rate, 0.05, does not belong in it."),
        ("-1.2", "Multiply by the learning rate, 0.05, and mind the sign."),
        ("0.18", "3 times as large: is there a mean over 3?"),
        ("0.02", "1/3 of it: is there a sum over 3?"),
        ("0.24", "4 times as large: is there a mean over 4?"),
        ("0.72", "12 times as large: is there a mean over 12?"),
        ("0.3", "5 times as large: is there a mean over 5?"),
        ("0.005", "1/12 of it: is there a sum over 12?"),
        ("0.065", "That is within a tenth of it."),
    ],
)
def test_a_close_number_is_told_how(given: str, remark: str) -> None:
    verdict = judge(number(), given, KNOWN)

    assert verdict.mark == "close"
    assert verdict.sentence == f"Close: it is 0.06. {remark}"


def test_a_slip_of_the_question_is_told_first_and_with_its_numbers() -> None:
    ask = number(slips=(Slip("-g", "Not {g}, but against it."), Slip("7", "Not 7.")))

    assert judge(ask, "-0.06", KNOWN).sentence == "Close: it is 0.06. Not 0.06, but against it."
    assert judge(ask, "7.02", KNOWN).sentence == "Close: it is 0.06. Not 7."


def test_a_slip_that_is_right_is_right() -> None:
    assert mark(number(slips=(Slip("g", "No."),)), "0.06") == "right"


def test_without_a_rate_nobody_has_forgotten_it() -> None:
    assert judge(number(), "1.234", {"g": Quantity(0.06)}).mark == "wrong"
    assert judge(number(), "1.2", {"g": Quantity(0.06), "lr": Quantity(0.0)}).mark == "wrong"
    assert "learning rate" not in judge(number(), "1.2", {"g": Quantity(0.06), "lr": None}).sentence


def test_only_sizes_that_there_are_may_have_been_forgotten() -> None:
    assert sizes(KNOWN) == {3, 4, 5, 12}
    assert judge(number(), "0.18", {"g": Quantity(0.06)}).mark == "wrong"


def test_a_rate_of_two_is_the_factor_of_two() -> None:
    known = {"g": Quantity(0.06), "lr": Quantity(2.0)}

    assert judge(number(), "0.12", known).sentence == "Close: it is 0.06. Twice as large."


# wrong
@pytest.mark.parametrize("given", ["8", "-7.77", "1000000", "0.0001", "0", "0.42", "6"])
def test_a_wrong_number(given: str) -> None:
    verdict = judge(number(), given, KNOWN)

    assert (verdict.mark, verdict.sentence) == ("wrong", "No: it is 0.06.")


@given(st.floats(1e-6, 1e6), st.sampled_from([-1, 1]), st.floats(-1e7, 1e7))
def test_what_is_right_depends_on_the_distance_alone(right: float, sign: int, given: float) -> None:
    right *= sign
    known = {"g": Quantity(right)}
    off = abs(given - right) / abs(right)
    assume(abs(off - 0.005) > 1e-9)

    assert (judge(number(), repr(given), known).mark == "right") is (off < 0.005)


@given(st.floats(1e-3, 1e3), st.floats(120, 1e6))
def test_what_is_far_off_is_never_close(right: float, factor: float) -> None:
    assert judge(number(), repr(right * factor), {"g": Quantity(right)}).mark == "wrong"


# skipped
def test_a_skipped_question_is_told() -> None:
    verdict = judge(number(), None, KNOWN)

    assert (verdict.mark, verdict.sentence, verdict.why) == ("skipped", "It is 0.06.", "It is 0.06.")
    assert judge(CHOICE, None, KNOWN).sentence == "The answer: that."


# choices
def test_a_choice() -> None:
    assert judge(CHOICE, "2", KNOWN).sentence == "Right: that."
    assert (mark(CHOICE, "1"), judge(CHOICE, "1", KNOWN).sentence) == ("wrong", "Not “this”: that.")


def test_the_largest_is_worked_out() -> None:
    assert mark(LARGEST, "1") == "right"
    assert judge(LARGEST, "1", {**KNOWN, "lr": Quantity(1.0)}).mark == "wrong"
    assert right_answer(LARGEST, {**KNOWN, "lr": Quantity(1.0)}) == 2


def test_two_that_are_largest_are_no_answer() -> None:
    with pytest.raises(WrongExpression, match="several of g, lr are largest"):
        right_answer(LARGEST, {"g": Quantity(1.0), "lr": Quantity(1.0)})


# no answer at all
@pytest.mark.parametrize(
    "given", ["", "three", "1 2", "g", "__import__('os')", "1 = 1", "9**9**9**9", "None"]
)
def test_what_is_no_number_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match=r"^a number is asked for, as in 0\.5 or −1/3, not "):
        check_form(number(), given)
    with pytest.raises(ValueError, match="a number is asked for"):
        judge(number(), given, KNOWN)


@pytest.mark.parametrize("given", ["", "0", "4", "-1", "this", "1.0", "²", "1 2"])
def test_what_is_no_choice_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match=r"^choose from 1 to 3, not "):
        check_form(CHOICE, given)
    with pytest.raises(ValueError, match="choose from 1 to 3"):
        read_choice(CHOICE, given)


@pytest.mark.parametrize(
    ("text", "value"),
    [("−1/3", -1 / 3), ("1,5", 1.5), ("2*3", 6), ("log(exp(1) + 2) - 1", 0.5514447), ("1\u2009000", 1000)],
)
def test_a_number_may_be_written_as_it_was_worked_out(text: str, value: float) -> None:
    assert read_number(text) == pytest.approx(value)


def test_a_question_without_an_answer_in_the_run_is_told() -> None:
    with pytest.raises(WrongExpression, match="nothing is called gone here"):
        judge(number("gone"), "1", KNOWN)


def test_a_tensor_without_elements_is_no_factor() -> None:
    known = {"empty": Numbers([]), "rows": Numbers([[1.0], [2.0], [3.0]])}
    assert 3.0 in factors(known) and 0.0 not in factors(known)
