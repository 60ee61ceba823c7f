"""What a walk finds wrong with a lesson, with a real run behind it."""

from __future__ import annotations

from pathlib import Path

import pytest

from backprop_tui.guide.commands import problems_of
from backprop_tui.guide.handout import handout
from backprop_tui.guide.walking import MOST_LINES, Told, too_long
from support.driving import Driver
from support.reading import lesson_of, told_of
from support.small_lesson import BEATS, SCRIPT

pytestmark = pytest.mark.xdist_group("guide")


@pytest.fixture
def told(driver: Driver, tmp_path: Path):  # type: ignore[no-untyped-def]
    """Walks a lesson with these beats."""

    def walk_it(beats: str, script: str = SCRIPT, head: str = "") -> list[Told]:
        return told_of(driver, lesson_of(tmp_path, script, beats, head))

    return walk_it


def beat(say: str = "Told.", more: str = "", ask: str = "") -> str:
    """One beat at the first update of w."""
    question = f'\n[beat.ask]\nquestion = "How much?"\nwhy = "So."\n{ask}\n' if ask else ""
    at = 'at = {kind = "update", tensor = "w"}'
    return f'\n[[beat]]\ntitle = "T"\n{at}\nsay = """{say}"""\n{more}\n{question}'


def problems(told: list[Told]) -> list[str]:
    return [problem for one in told for problem in one.problems]


def test_a_lesson_that_is_right(told) -> None:  # type: ignore[no-untyped-def]
    found = told(BEATS)

    assert problems(found) == []
    assert [one.number for one in found] == list(range(1, 9))
    assert [one.text for one in found][2:4] == ["1 − 0.25 · 3 = 0.25.", "It stands in the panes."]
    assert [one.answer for one in found if one.answer] == ["3", "0.25", "down", "its gradient"]
    assert found[1].question == "w is 1. What will `.grad` be?"
    assert found[1].why == "It is 3."
    assert found[1].place == "before accumulate of w in iteration 1"


# places
@pytest.mark.parametrize(
    ("at", "place"),
    [
        ('{kind = "loss"}', "after loss in iteration 1"),
        ('{iteration = 9, kind = "update"}', "after update in iteration 9"),
        ('{kind = "update", nth = 2}', "after update number 2 in iteration 1"),
        ('{kind = "update", tensor = "v"}', "after update of v in iteration 1"),
        ('{kind = "op", name = "sum", when = "before", module = "m"}', "before op sum in m in iteration 1"),
        ('{line = "gone"}', "after operation at “gone” in iteration 1"),
        ('{iteration = 0, kind = "loss"}', "after loss in iteration 0"),
    ],
)
def test_a_beat_whose_operation_never_comes(told, at: str, place: str) -> None:  # type: ignore[no-untyped-def]
    found = told(beat() + f'\n[[beat]]\ntitle = "T"\nat = {at}\nsay = "x"\n' + beat("{gone}"))

    assert [one.problems for one in found] == [(), (f"there is no such operation: {place}",)]


def test_an_answer_that_never_comes(told) -> None:  # type: ignore[no-untyped-def]
    found = told(beat(ask='kind = "number"\nanswer = "w[0]"\nafter = {kind = "loss"}'))

    assert problems(found) == ["there is no such operation: after loss in iteration 1"]


def test_a_script_that_does_not_come_to_its_end(told) -> None:  # type: ignore[no-untyped-def]
    found = told('\n[[beat]]\ntitle = "T"\nat = "end"\nsay = "x"\n', SCRIPT + "raise ValueError\n")

    assert problems(found) == ["the script does not come to its end: it has crashed"]


def test_a_switch_that_is_refused(told) -> None:  # type: ignore[no-untyped-def]
    found = told(beat(more='switch = {optimizer = "Nonsense"}') + beat())

    assert len(found) == 2
    assert found[0].problems == ()
    assert "Nonsense" in problems(found)[0]


# numbers
@pytest.mark.parametrize(
    ("say", "problem"),
    [
        ("{w[0] = 0.26}", "the text says 0.26 for “w[0]”, which is 0.25"),
        ("{w.grad[0] = -3}", "the text says -3 for “w.grad[0]”, which is 3"),
        ("{v[0]}", "“v[0]”: nothing is called v here"),
        ("{w[1]}", "“w[1]”: there is no element [1]"),
        ("{op.loss}", "“op.loss”: nothing is called op.loss here"),
        ("It is 0.25.", "the number 0.25 is not worked out from the run: write {expression = 0.25}"),
        ("It is −1.5e-3.", "the number 1.5e-3 is not worked out from the run: write {expression = 1.5e-3}"),
        ("`0.75` is it", "the number 0.75 is not worked out from the run: write {expression = 0.75}"),
        ("{0.25 = 0.25}", "the number 0.25 is not worked out from the run: name what it is"),
        ("{7}", "the number 7 is not worked out from the run: name what it is"),
    ],
)
def test_a_number_that_is_not_the_run_s(told, say: str, problem: str) -> None:  # type: ignore[no-untyped-def]
    assert problems(told(beat(say))) == [problem]


@pytest.mark.parametrize(
    "say",
    [
        "3 or 10 steps",
        "`lr=0.25` as in the script",
        "{{0}} braces",
        "{w[0] = 0.25}",
        "torch 2.13.0",
        "w[0.5]",
    ],
)
def test_a_number_that_may_stand(told, say: str) -> None:  # type: ignore[no-untyped-def]
    assert problems(told(beat(say))) == []


@pytest.mark.parametrize(
    "ask",
    [
        'kind = "number"\nanswer = "w[0]"\nslips = [{value = "-w[0]", say = "Not 0.25."}]',
        'kind = "choice"\nright = 1\nchoices = ["a", "b"]\nquestion = "Is it 0.25?"',
        'kind = "choice"\nright = 1\nchoices = ["a", "b"]\nwhy = "It is 0.25."',
    ],
)
def test_loose_numbers_are_found_in_every_text(told, ask: str) -> None:  # type: ignore[no-untyped-def]
    fields = {line.partition(" ")[0] for line in ask.splitlines()}
    others = [
        line for line in ('question = "How much?"', 'why = "So."') if line.partition(" ")[0] not in fields
    ]
    text = beat() + "\n[beat.ask]\n" + "\n".join([ask, *others])

    assert problems(told(text)) == [
        "the number 0.25 is not worked out from the run: write {expression = 0.25}"
    ]


# claims in words
@pytest.mark.parametrize(
    ("check", "problem"),
    [
        ("w[0] > 1", "“w[0] > 1” is not so: 0.25 and 1"),
        ("w.grad is None", "“w.grad is None” is not so"),
        ("w[0] / 0 > 1", "“w[0] / 0 > 1” is not so: nan and 1"),
        ("v > 1", "“v > 1”: nothing is called v here"),
        ("w > 1", "“w > 1” is not so: 0.25 and 1"),
    ],
)
def test_a_claim_that_is_false(told, check: str, problem: str) -> None:  # type: ignore[no-untyped-def]
    assert problems(told(beat(more=f'check = ["w[0] == 0.25", "{check}"]'))) == [problem]


def test_what_is_kept_must_be_there(told) -> None:  # type: ignore[no-untyped-def]
    found = told(beat(more='keep = {a = "w[0]", b = "v[0]"}') + beat("{a = 0.25}{b}"))

    assert problems(found) == ["keep b: “v[0]”: nothing is called v here", "“b”: nothing is called b here"]


def test_what_is_kept_is_taken_where_the_answer_is(told) -> None:  # type: ignore[no-untyped-def]
    first = """
    [[beat]]
    title = "T"
    at = {kind = "update", tensor = "w", when = "before"}
    keep = {new = "w[0]"}
    say = "{w[0] = 1}"
    [beat.ask]
    kind = "number"
    question = "?"
    answer = "w[0]"
    after = {kind = "update", tensor = "w"}
    why = "{new = 0.25}"
    """

    assert problems(told(first + beat("{new = 0.25}"))) == []


# questions
@pytest.mark.parametrize(
    ("ask", "problem"),
    [
        ('kind = "number"\nanswer = "v[0]"', "“v[0]”: nothing is called v here"),
        (
            'kind = "number"\nanswer = "w.grad[0]"',
            "3 cannot be hidden, it is everywhere: ask for it before it is there",
        ),
        (
            'kind = "number"\nanswer = "w[0]"\nslips = [{value = "w[0]", say = "x"}]',
            "the slip “w[0]” counts as right",
        ),
        (
            'kind = "number"\nanswer = "w[0]"\nslips = [{value = "v[0]", say = "x"}]',
            "“v[0]”: nothing is called v here",
        ),
        (
            'kind = "choice"\nright = 1\nchoices = ["a", "b"]\ncheck = "w[0] > 1"',
            "“w[0] > 1” is not so, but the answer to “How much?” rests on it",
        ),
        (
            'kind = "largest"\nchoices = ["a", "b"]\nvalues = ["w[0]", "w[0]"]',
            "several of w[0], w[0] are largest",
        ),
        (
            'kind = "largest"\nchoices = ["a", "b"]\nvalues = ["w[0]", "v[0]"]',
            "“v[0]”: nothing is called v here",
        ),
    ],
)
def test_a_question_that_does_not_work(told, ask: str, problem: str) -> None:  # type: ignore[no-untyped-def]
    assert problems(told(beat(ask=ask))) == [problem]


# lengths
def test_a_text_that_needs_scrolling_is_too_long(told) -> None:  # type: ignore[no-untyped-def]
    line = "x" * 70

    assert problems(told(beat("\n".join([line] * MOST_LINES)))) == []
    assert problems(told(beat("\n".join([line] * (MOST_LINES + 2))))) == [
        f"the text takes {MOST_LINES + 2} lines, {MOST_LINES} of 76 columns are the most"
    ]


def test_the_choices_and_the_reason_take_lines_too(tmp_path: Path) -> None:
    choices = ", ".join(f'"{n}"' for n in range(MOST_LINES))
    ask = f'kind = "choice"\nright = 1\nchoices = [{choices}]'
    long = beat(ask=ask).replace('why = "So."', f'why = "{"so " * 200}"')
    (only,) = lesson_of(tmp_path, SCRIPT, long).beats

    assert list(too_long(only)) == [
        "“why” takes 10 lines, 9 of 76 columns are the most",
        f"the text takes {MOST_LINES + 3} lines, {MOST_LINES} of 76 columns are the most",
    ]


# what is told of it
def test_problems_are_told_with_file_line_and_beat(tmp_path: Path) -> None:
    lesson = lesson_of(tmp_path, SCRIPT, beat() + beat("{w[0] = 9}"))
    line = lesson.beats[1].line

    assert problems_of(lesson) == [
        f"story.toml line {line}, beat 2 “T”: the text says 9 for “w[0]”, which is 0.25"
    ]
    assert lesson.guide.read_text().splitlines()[line - 1] == "[[beat]]"


def test_a_handout_has_questions_and_their_answers_apart(told, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    found = told(BEATS)
    lesson = lesson_of(tmp_path, SCRIPT, BEATS)

    text = handout(lesson, found)
    story, _, answers = text.partition("## Answers")

    assert "optimizer.step()" in story
    assert "**Question 2.** w is 1. What will `.grad` be?" in story
    assert "It is 3." not in story
    assert "**Switch:** lr → 1" in story
    assert "1. up\n2. down" in story
    assert "**2.** 3. It is 3." in answers
    assert "**5.** down. To −0.5." in answers
    assert "{" not in text.replace('print(f"', "")
