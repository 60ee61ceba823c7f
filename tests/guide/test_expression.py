"""Expressions of guides: what they work out, what they refuse, and that they can do nothing else."""

from __future__ import annotations

import math
import os
import sys
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backprop_tui.guide.expression import (
    FUNCTIONS,
    MOST_CHARACTERS,
    Numbers,
    Quantity,
    WrongExpression,
    evaluate,
    is_true,
    parse,
    part,
    same,
)

KNOWN: dict[str, Any] = {
    "w": Numbers([[1.0, -2.0], [3.0, 4.5]], "float32"),
    "model[0].weight": Numbers([7.0], "float32"),
    "model[0].weight.grad": None,
    "loss": Quantity(0.809, "float32"),
    "lr": 0.05,
    "op": {"inputs": Numbers([Numbers([5.0, 6.0]), None]), "value": Quantity(2.0), "state": {"m": 8.0}},
    "bad": Numbers(["nan", "inf", 1.0]),
    "empty": Numbers([]),
    "large": {"norm": 3.0},
}


def value(text: str) -> float:
    return evaluate(text, KNOWN).value


# what there is
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 1),
        ("1.5e-3", 0.0015),
        ("True", 1),
        ("-w[0,1]", 2),
        ("not 0", 1),
        ("not w[0,0]", 0),
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4", 20),
        ("7 // 2", 3),
        ("7 % 4", 3),
        ("1 / 4", 0.25),
        ("2 ** 10", 1024),
        ("2 ** -1", 0.5),
        ("w[0,0]", 1),
        ("w[1][1]", 4.5),
        ("w[-1,-1]", 4.5),
        ("w[len(w) - 3, 0]", 3),
        ("model[0].weight[0]", 7),
        ("model[0].weight", 7),
        ("lr", 0.05),
        ("op.value", 2),
        ("op.inputs[0][1]", 6),
        ("op.state.m", 8),
        ("large.norm", 3),
        ("1 < 2", 1),
        ("2 <= 1", 0),
        ("2 > 1", 1),
        ("2 >= 3", 0),
        ("2 == 2", 1),
        ("2 != 2", 0),
        ("1 and 0", 0),
        ("1 and 2 and 3", 1),
        ("0 or 2", 1),
        ("0 or 0", 0),
        ("model[0].weight.grad is None", 1),
        ("model[0].weight is None", 0),
        ("model[0].weight is not None", 1),
        ("op.inputs[1] is None", 1),
    ],
)
def test_it_is_worked_out(text: str, expected: float) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("abs(-2)", 2),
        ("sqrt(9)", 3),
        ("exp(0)", 1),
        ("log(exp(2))", 2),
        ("sin(0)", 0),
        ("cos(0)", 1),
        ("tanh(0)", 0),
        ("sigmoid(0)", 0.5),
        ("sigmoid(-800)", 0),
        ("sigmoid(800)", 1),
        ("sign(-3)", -1),
        ("sign(0)", 0),
        ("isnan(bad[0])", 1),
        ("isfinite(bad[1])", 0),
        ("isfinite(bad[2])", 1),
        ("round(2.6)", 3),
        ("sum(w)", 6.5),
        ("sum(w, 1, loss - loss)", 7.5),
        ("mean(w)", 1.625),
        ("min(w)", -2),
        ("max(w, 9)", 9),
        ("len(w)", 4),
        ("norm(3, 4)", 5),
    ],
)
def test_every_function(text: str, expected: float) -> None:
    assert value(text) == pytest.approx(expected)


def test_no_function_is_without_a_test() -> None:
    tested = [mark.args[1] for mark in test_every_function.pytestmark if mark.name == "parametrize"]  # type: ignore[attr-defined]

    assert {text.partition("(")[0] for text, _ in tested[0]} == set(FUNCTIONS)


def test_the_longest_name_that_is_known_is_meant() -> None:
    known = {"w": Numbers([1.0]), "w[0]": 5.0, "w.grad": Numbers([2.0])}

    assert [evaluate(text, known).value for text in ("w[0]", "w.grad[0]", "w")] == [5, 2, 1]


def test_a_part_of_a_tensor_is_a_tensor() -> None:
    assert part("w[1]", KNOWN) == Numbers([3.0, 4.5], "float32")
    assert part("model[0].weight.grad", KNOWN) is None


def test_what_is_read_is_exact_and_what_is_worked_out_is_not() -> None:
    assert evaluate("loss", KNOWN) == Quantity(0.809, "float32", exact=True)
    assert evaluate("-loss", KNOWN).exact
    assert not evaluate("loss * 2", KNOWN).exact
    assert not evaluate("mean(w)", KNOWN).exact


def test_a_result_has_the_coarser_precision() -> None:
    known = {"a": Quantity(1.0, "bfloat16"), "b": Quantity(1.0, "float32")}

    assert evaluate("a + b", known).dtype == "bfloat16"
    assert evaluate("b + 1", known).dtype == "float32"
    assert evaluate("sum(1, b)", known).dtype == "float32"


# equality, in the precision of the coarser side
@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("a == 0.1", True),
        ("a != 0.1", False),
        ("a == 0.1000001", False),
        ("d == 0.1", True),
        ("d == 0.1000000001", False),
        ("a + d == 0.2", True),
        ("n == n", True),
        ("n == 1", False),
        ("i == i", True),
        ("i == 1", False),
        ("i == -i", False),
    ],
)
def test_equality_is_that_of_the_dtype(text: str, holds: bool) -> None:
    known = {"a": Quantity(0.10000000149011612, "float32"), "d": Quantity(0.1), "n": Quantity(math.nan)}
    known["i"] = Quantity(math.inf)

    assert is_true(text, known) is holds


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["float32", "float64", "bfloat16"]))
def test_a_number_is_the_same_as_itself_and_not_as_its_double(number: float, dtype: str) -> None:
    one = Quantity(number, dtype)

    assert same(one, one)
    assert same(one, Quantity(2 * number, dtype)) is (number == 0 or 2 * number == number)


# division by zero
@pytest.mark.parametrize("text", ["1 / 0", "1 // 0", "1 % 0", "0 ** -1", "mean(empty)", "1 + 1 / 0"])
def test_what_cannot_be_divided_is_nan(text: str) -> None:
    assert math.isnan(value(text))


@pytest.mark.parametrize("text", ["1 / 0", "1 / 0 > 5", "1 / 0 < 5", "1 / 0 == 1", "mean(empty)"])
def test_nan_is_never_true(text: str) -> None:
    assert not is_true(text, KNOWN)


# refusals
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "“” is not an expression"),
        ("1 +", "“1 +” is not an expression"),
        ("1; 2", "is not an expression"),
        ("x = 1", "is not an expression"),
        ("import os", "is not an expression"),
        ("\0", "is not an expression"),
        ("(" * 240 + "1" + ")" * 240, "is not an expression"),
        ("1" * (MOST_CHARACTERS + 1), "at most 500 characters"),
        ("gone", "“gone”: nothing is called gone here"),
        ("op.gone", "nothing is called op.gone here"),
        ("gone.gone", "nothing is called gone.gone here"),
        ("w.T", "nothing is called w.T here"),
        ("w", "“w” is not one number"),
        ("w + 1", "“w” is not one number"),
        ("w[0]", "is not one number"),
        ("large", "“large” is not one number"),
        ("op", "“op” is not one number"),
        ("model[0].weight.grad", "is None"),
        ("model[0].weight.grad[0]", "is None"),
        ("op.inputs[1] + 1", "is None"),
        ("w[2,0]", "there is no element [2, 0]"),
        ("w[0,0,0]", "there is no element [0, 0, 0]"),
        ("w[0.5,0]", "an index is a whole number"),
        ("w[bad[0],0]", "an index is a whole number"),
        ("w[bad[1],0]", "an index is a whole number"),
        ("loss[0]", "loss has no elements"),
        ("w[0:1]", "0:1 cannot stand in an expression"),
        ("w[...]", "Ellipsis is not a number"),
        ("'text'", "'text' is not a number"),
        ("1j", "1j is not a number"),
        ("None", "None is not a number"),
        ("1 & 2", "an expression has + - * / // % ** and comparisons"),
        ("1 << 2", "an expression has + - * / // % ** and comparisons"),
        ("w @ w", "an expression has + - * / // % ** and comparisons"),
        ("~1", "~1 cannot stand in an expression"),
        ("+1", "+1 cannot stand in an expression"),
        ("1 < 2 < 3", "cannot stand in an expression"),
        ("1 in w", "a comparison is == != < <= > >= or “is None”"),
        ("w is 1", "“is” is followed by None"),
        ("1 if 1 else 2", "cannot stand in an expression"),
        ("lambda: 1", "cannot stand in an expression"),
        ("[x for x in w]", "cannot stand in an expression"),
        ("[1, 2]", "cannot stand in an expression"),
        ("{1: 2}", "cannot stand in an expression"),
        ("(x := 1)", "cannot stand in an expression"),
        ("f'{w}'", "cannot stand in an expression"),
        ("max(*w)", "cannot stand in an expression"),
        ("max(w, key=abs)", "cannot stand in an expression"),
        ("open('x')", "there is no function open: there are abs, sqrt"),
        ("abs()", "there is no function abs"),
        ("abs(1, 2)", "there is no function abs"),
        ("sum()", "there is no function sum"),
        ("sqrt(-1)", "“sqrt(-1)”: math domain error"),
        ("exp(1000)", "“exp(1000)”: math range error"),
        ("(-8) ** 0.5", "a root of a negative number"),
        ("2 ** 1001", "a power is at most 1000"),
        ("10 ** 999", "“10 ** 999”: "),
        ("9" * 400, "too large"),
        ("min(empty)", "“min(empty)”: "),
        ("round(bad[0])", "“round(bad[0])”: "),
    ],
)
def test_it_is_refused_with_a_sentence(text: str, message: str) -> None:
    with pytest.raises(WrongExpression) as caught:
        evaluate(text, KNOWN)

    assert message in str(caught.value)


# nothing else can be done
@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "__import__",
        "().__class__.__bases__[0].__subclasses__()",
        "w.__class__",
        "op.__class__.__mro__",
        "op.inputs.values.append",
        "op.__init__",
        "op.get('value')",
        "lr.__class__",
        "abs.__self__",
        "eval('1')",
        "exec('1')",
        "getattr(w, 'values')",
        "globals()['__builtins__']",
        "print(1)",
        "(lambda: 1)()",
        "[].append(1)",
        "w.values",
        "w['values']",
        "op['value']",
        "yield_",
        "breakpoint()",
    ],
)
def test_no_code_can_be_run(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def called(*args: Any, **kwargs: Any) -> None:
        raise AssertionError(f"{text} was run")

    monkeypatch.setattr(os, "system", called)
    monkeypatch.setattr(sys, "breakpointhook", called)

    with pytest.raises(WrongExpression):
        evaluate(text, KNOWN)


@pytest.mark.parametrize(
    "text",
    [
        "9 ** 9 ** 9 ** 9",
        "9 ** (9 ** 9)",
        "(9 ** 999) ** 999",
        "10 ** 300 * 10 ** 300",
        "-" * 490 + "1",
        "not " * 120 + "1",
        "1" + "+1" * 240,
        "(" * 100 + "1" + ")" * 100,
        "w" + "[0]" * 160,
        "a" + ".a" * 240,
        "abs(" * 120 + "1" + ")" * 120,
        "1 and " * 80 + "1",
        "sum(" + "w," * 240 + "w)",
    ],
)
def test_it_ends_soon_and_without_another_exception(text: str) -> None:
    """Also where the stack is already deep, as it is in the app."""
    done: list[Any] = []

    def deep(levels: int) -> None:
        if levels:
            return deep(levels - 1)
        try:
            done.append(evaluate(text, KNOWN))
        except WrongExpression as error:
            done.append(error)

    thread = threading.Thread(target=deep, args=(sys.getrecursionlimit() // 2,), daemon=True)
    thread.start()
    thread.join(5)

    assert len(done) == 1


@given(st.text(max_size=60))
def test_any_text_is_a_number_or_refused(text: str) -> None:
    try:
        found = evaluate(text, KNOWN)
    except WrongExpression:
        return
    assert isinstance(found.value, float)


_pieces = st.sampled_from(
    [*"0123456789.()[],+-*/%<>=!", "w", "op", ".", "inputs", " and ", " is None", "abs(", "**", "==", " "]
)


@given(st.lists(_pieces, max_size=14))
def test_any_pieces_are_a_number_or_refused(pieces: list[str]) -> None:
    try:
        found = part("".join(pieces), KNOWN)
    except WrongExpression:
        return
    assert found is None or isinstance(found, (Quantity, Numbers, float, dict))


def test_reading_an_expression_works_nothing_out() -> None:
    parse("gone + 1 / 0")
    with pytest.raises(WrongExpression):
        parse("1 +")
