"""A number that is asked for stands nowhere in what the panes show; everything else stays."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backprop_tui.debugger.view import Change, OutputChunk, Plan, View
from backprop_tui.explain.numbers import Hidden, display, fit, shortest, torch_style
from backprop_tui.guide.hiding import hidden, hidden_text, hidden_values
from support.driving import Driver
from support.fake_session import FakeSession
from support.reading import lesson_of, open_lesson
from support.small_lesson import BEATS, SCRIPT

ASKED = {-0.85: ("0.85",), 0.191: ("0.191",), 0.1825: ("0.1825",), 0.809: ("0.809",)}
"""Numbers of the lesson `update`, and their digits."""


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every plain value in a view, with where it is."""
    if is_dataclass(value) and not isinstance(value, type):
        for item in fields(value):
            yield from leaves(getattr(value, item.name), f"{path}.{item.name}")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(item, f"{path}[{key!r}]")
    elif isinstance(value, (list, tuple, set, frozenset)):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}[{index}]")
    else:
        yield path, value


def views() -> list[View]:
    """Every stop of a recorded run."""
    session = FakeSession(lambda view: None)
    return [
        replace(
            session.at(position),
            message="The loss is 0.8090, the output 0.191.",
            changes=(Change("lr", "lr 0.05", (0, 0), 0.05),),
            plan=Plan(((0.1825,), (0.05,)), "StepLR"),
        )
        for position in range(session.end + 1)
    ]


@pytest.mark.parametrize("number", ASKED)
def test_it_is_in_no_field(number: float) -> None:
    met = 0
    for view in views():
        met += sum(item == number for _, item in leaves(view) if isinstance(item, float))
        for path, item in leaves(hidden(view, frozenset({number}))):
            if isinstance(item, float) and item == number:
                assert isinstance(item, Hidden), path
            elif isinstance(item, str) and not path.endswith(".script"):
                for digits in ASKED[number]:
                    assert not re.search(rf"(?<![\d.]){re.escape(digits)}0*(?!\d)", item), path
    assert met > 5, "the number was never there"


@pytest.mark.parametrize("number", ASKED)
def test_everything_else_stays(number: float) -> None:
    for view in views():
        before, after = list(leaves(view)), list(leaves(hidden(view, frozenset({number}))))

        assert [path for path, _ in before] == [path for path, _ in after]
        for (path, old), (_, new) in zip(before, after, strict=True):
            if isinstance(old, str):
                assert len(new) <= len(old), path
                assert not set(re.sub(r"[-−\d.]", "", old)) - set(new) - {"e", "?"}, path
            elif not isinstance(new, Hidden):
                assert new == old or new is old, path


def test_without_a_question_the_view_is_the_very_same() -> None:
    view = views()[10]

    assert hidden(view, frozenset()) is view


def test_places_are_no_values() -> None:
    """Iteration 1.0 is not hidden because the answer is 1."""
    view = views()[12]
    masked = hidden(view, frozenset({1.0, 2.0, 12.0}))

    for old, new in zip(view.records, masked.records, strict=True):
        for key in ("time", "iteration", "number", "depth", "line", "kind", "name"):
            assert old[key] == new[key]  # type: ignore[literal-required]
            assert not isinstance(new[key], Hidden)  # type: ignore[literal-required]


def test_a_hidden_number_is_written_as_a_question_mark_everywhere() -> None:
    (masked,) = hidden_values([0.85], frozenset({0.85}))

    written = [shortest(masked, "float32"), fit(masked, "float32", 6), torch_style([masked], "float32")]
    assert written == ["?", "?", "[?]"]
    assert f"{masked}{masked:.3f}{masked!r}" == "???"


def test_what_the_script_has_printed_is_hidden_too(driver: Driver, tmp_path: Any) -> None:
    """The real thing: a run that has printed w = 0.25 and computed with it."""
    open_lesson(driver, lesson_of(tmp_path, SCRIPT, BEATS))
    driver.goto(2, 4)
    view = driver.view
    masked = hidden(view, frozenset({0.25}))

    assert "0.25" in "".join(chunk.text for chunk in view.output)
    assert "".join(chunk.text for chunk in masked.output) == "?\n"
    assert driver.values("w") == [0.25]
    assert all(isinstance(row["value"]["values"][0], Hidden) for row in masked.parameters)  # type: ignore[index]
    assert isinstance(masked.toggles.lr, Hidden)


# texts
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("0.8531", "?"),
        ("−0.8531", "−0.8531"),
        ("0.85310", "?"),
        ("0.853", "?"),
        ("0.85", "0.85"),  # too short to be this number alone
        ("8.531e-1", "?"),
        ("loss: 0.8531, lr 0.05", "loss: ?, lr 0.05"),
        ("tensor([0.8531, 0.48])", "tensor([?, 0.48])"),
        ("0.8532", "0.8532"),
        ("10.8531", "10.8531"),
        ("0.8531.weight", "0.8531.weight"),
        ("v0.8531", "v0.8531"),
        ("no number", "no number"),
    ],
)
def test_numerals_that_are_the_number(text: str, shown: str) -> None:
    assert hidden_text(text, frozenset({0.8531})) == shown


def test_a_number_with_few_digits_is_hidden_where_it_stands_alone() -> None:
    assert hidden_text("0.5 0.50 0.501 5", frozenset({0.5})) == "? ? 0.501 5"


@given(st.floats(-1e6, 1e6, width=32), st.integers(4, 8))
def test_no_rounding_of_it_can_be_read(number: float, digits: int) -> None:
    text = display(f"{number:.{digits}e}")

    assert hidden_text(f"w = {text};", frozenset({number})) == "w = ?;"


@given(st.text(max_size=60), st.floats(allow_nan=False, allow_infinity=False))
def test_any_text_can_be_hidden_in(text: str, number: float) -> None:
    assert isinstance(hidden_text(text, frozenset({number})), str)


def test_output_keeps_its_lines() -> None:
    chunk = OutputChunk((1, 2), "out", "a 0.8531\nb 1\n")

    assert hidden_values(chunk, frozenset({0.8531})) == OutputChunk((1, 2), "out", "a ?\nb 1\n")


def test_the_shortest_name_of_a_float32_is_the_very_number() -> None:
    number = struct.unpack("f", struct.pack("f", -0.85))[0]

    assert number != -0.85
    assert hidden_text("g = [[−0.85] [−0.48]] ✓", frozenset({number})) == "g = [[?] [−0.48]] ✓"
    assert (
        hidden_text("a neuron of 0.85, a rate of 0.8", frozenset({number}))
        == "a neuron of 0.85, a rate of 0.8"
    )
