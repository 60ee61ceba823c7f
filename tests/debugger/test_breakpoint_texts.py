"""Breakpoints as they are typed and printed, without a debuggee."""

from __future__ import annotations

import pytest

from backprop_tui.debugger.breakpoints import (
    COPIES,
    COSTS,
    FORMS,
    FULL_SPEED,
    OBSERVED,
    RECORDED,
    RESULTS,
    Breakpoint,
    Breakpoints,
    parse,
)
from backprop_tui.debugger.failure import Refused


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.written)
def test_every_form_that_is_offered_is_read_and_printed_again(form) -> None:
    point = parse(form.written, "train.py")

    assert parse(point.text, "other.py") == point
    assert point.cost == form.cost
    assert point.cost in COSTS
    if point.kind != "line":
        assert point.text == form.written


@pytest.mark.parametrize(
    ("typed", "point"),
    [
        ("loss>1e-3", Breakpoint("loss", ">", 0.001)),
        ("  Loss  <  -2 ", Breakpoint("loss", "<", -2.0)),
        ("loss rising 3 x2", Breakpoint("loss", "rising", 3.0, count=2)),
        ("gradient norm > 100", Breakpoint("grad-norm", ">", 100.0)),
        ("nonfinite Gradient", Breakpoint("non-finite", "gradient")),
        ("grad 0 of net.bias", Breakpoint("gradient", ("net.bias", "zero"))),
        ("grad none", Breakpoint("gradient", ("*", "None"))),
        ("unchanged net.*", Breakpoint("unchanged", "net.*")),
        ("op MmBackward0 ×12", Breakpoint("op", "MmBackward0", count=12)),
        ("line /a/b c.py:7", Breakpoint("line", ("/a/b c.py", 7))),
        ("line 7", Breakpoint("line", ("train.py", 7))),
    ],
)
def test_what_is_typed(typed: str, point: Breakpoint) -> None:
    read = parse(typed, "train.py")

    assert (read.kind, read.what, read.text) == (point.kind, point.what, point.text)
    assert parse(read.text, "train.py").text == read.text


@pytest.mark.parametrize("typed", ["", "loss", "loss > ", "relu", "op", "iteration x", "notice"])
def test_what_is_no_breakpoint_is_told_with_every_form(typed: str) -> None:
    with pytest.raises(Refused, match=r"is no breakpoint; there are: loss > 10, .*stale-gradient"):
        parse(typed, "train.py")


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("loss > much", "“much” is not a number"),
        ("loss > nan", "“nan” is not a number"),
        ("iteration 0", "must be 1 or more"),
        ("loss > 1 x0", "first time"),
        ("notice stale", "there is no notice “stale”; there are: stale-gradient,"),
    ],
)
def test_wrong_numbers_and_names(typed: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        parse(typed)


def test_the_cost_of_what_looks_alike_differs() -> None:
    typed = ("non-finite loss", "non-finite forward", "grad None", "frozen changed", "line 3", "notice dtype")
    costs = {text: parse(text, "a.py").cost for text in typed}

    assert costs == {
        "non-finite loss": FULL_SPEED, "non-finite forward": RESULTS, "grad None": FULL_SPEED,
        "frozen changed": COPIES, "line 3": OBSERVED, "notice dtype": RECORDED,
    }  # fmt: skip


def test_a_list_knows_its_lines_and_keeps_one_of_a_kind() -> None:
    points = Breakpoints()
    points.toggle_line("/a.py", 3)
    points.add(parse("loss > 10"))
    points.add(parse("loss > 10 x3"))
    points.add(parse("lr changed"))

    assert [point.text for point in points] == ["line /a.py:3", "loss > 10 x3", "lr changed"]
    assert points.lines == {("/a.py", 3)}
    points.enable(0, False)
    assert points.lines == frozenset()
    assert [point.text for point in points.enabled] == ["loss > 10 x3", "lr changed"]
    points.toggle_line("/a.py", 3)
    points.put(0, None)
    assert [point.text for point in points] == ["lr changed"]


def test_a_list_is_saved_as_text_and_restored() -> None:
    points, others = Breakpoints(), Breakpoints()
    points.toggle_line("/a b.py", 3)
    for text in ("loss > 10 x2", "grad zero of net.bias", "notice dtype"):
        points.add(parse(text))
    points.enable(2, False)
    others.restore([*points.saved(), "gibberish"])

    assert list(others) == list(points)
    assert others.saved() == ("line /a b.py:3", "loss > 10 x2", "off: grad zero of net.bias", "notice dtype")
