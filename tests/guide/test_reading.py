"""What is wrong with a guide is told in one sentence: file, line, beat, field, and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from backprop_tui.guide import reading
from backprop_tui.guide.lesson import Look, Place, Slip
from backprop_tui.guide.reading import WrongGuide, read

GUIDE = """\
title = "A title"
question = "A question?"
group = "Gradients"
level = "beginner"
minutes = 3
about = ["kink"]

[source]
title = "A source"
address = "https://example.org"

[printed]
w5 = "0.174"

[[beat]]
title = "First"
say = "w is {w[0] = 1}."
look = "network"
keep = {g = "w.grad[0]"}
check = ["w[0] > 0"]

[[beat]]
title = "Second"
at = {iteration = 2, kind = "accumulate", tensor = "w", when = "before", nth = 3}
look = {pane = "parameters", tensor = "w", attribute = "grad", element = [0, 1]}
say = "Told."
switch = {lr = "0.5", set = "w[0]=1"}

[beat.ask]
kind = "number"
question = "How much is {g}?"
answer = "w[0]"
after = {line = "backward()"}
tolerance = 0.1
slips = [{value = "2 * g", say = "Not {g}."}]
why = "Because."

[[beat]]
title = "Third"
at = "end"
say = "Told."

[beat.ask]
kind = "choice"
question = "Which?"
choices = ["this", "that"]
right = 2
check = "w[0] > 1"
why = "Because."

[[beat]]
title = "Fourth"
again = true
say = "Told."

[beat.ask]
kind = "largest"
question = "Which?"
choices = ["w", "g"]
values = ["w[0]", "g"]
why = "Because."
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "guide.py").write_text("pass\n")
    return tmp_path


def guide_of(folder: Path, text: str) -> Path:
    path = folder / "guide.toml"
    path.write_text(text, encoding="utf-8")
    return path


def changed(old: str, new: str) -> str:
    assert GUIDE.count(old) >= 1, old
    return GUIDE.replace(old, new, 1)


def told(folder: Path, text: str) -> str:
    with pytest.raises(WrongGuide) as caught:
        read(guide_of(folder, text))
    message = str(caught.value)
    assert "\n" not in message
    return message


# what is right
def test_a_whole_guide(folder: Path) -> None:
    lesson = read(guide_of(folder, GUIDE))
    first, second, third, fourth = lesson.beats

    assert (lesson.name, lesson.title, lesson.question) == ("guide", "A title", "A question?")
    assert (lesson.group, lesson.level, lesson.minutes) == ("Gradients", "beginner", 3)
    assert (lesson.source_title, lesson.source_address) == ("A source", "https://example.org")
    assert lesson.script == folder / "guide.py"
    assert (lesson.about, lesson.printed) == (("kink",), {"w5": "0.174"})
    assert (first.at, first.look, first.line) == (None, Look("network"), 15)
    assert (first.keep, first.check) == ((("g", "w.grad[0]"),), ("w[0] > 0",))
    assert second.at == Place(2, "before", "accumulate", tensor="w", nth=3)
    assert second.look == Look("parameters", "w", "grad", (0, 1))
    assert second.switch == (("lr", "0.5"), ("set", "w[0]=1"))
    assert second.ask is not None
    assert (second.ask.answer, second.ask.tolerance) == ("w[0]", 0.1)
    assert second.ask.after == Place(line="backward()")
    assert second.ask.slips == (Slip("2 * g", "Not {g}."),)
    assert third.at == Place(when="end")
    assert third.ask is not None
    assert (third.ask.choices, third.ask.right, third.ask.check) == (("this", "that"), 2, "w[0] > 1")
    assert fourth.again
    assert fourth.ask is not None
    assert fourth.ask.values == ("w[0]", "g")


def test_where_beats_are_and_what_is_in_force_there(folder: Path) -> None:
    lesson = read(guide_of(folder, GUIDE))

    assert [lesson.chapter_of(beat) for beat in range(4)] == [0, 0, 0, 3]
    assert lesson.place_of(0) == Place(when="start")
    assert lesson.left_at(1) == Place(line="backward()")
    assert lesson.place_of(3) == Place(when="start")
    assert lesson.changes_at(1) == ()
    assert dict(lesson.changes_at(2)) == {"lr": "0.5", "set": "w[0]=1"}
    assert lesson.changes_at(3) == ()


def test_a_beat_without_a_place_is_where_the_one_before_it_left_the_run(folder: Path) -> None:
    lesson = read(guide_of(folder, changed('at = "end"\n', "")))

    assert lesson.place_of(2) == Place(line="backward()")


def test_another_script(folder: Path) -> None:
    (folder / "other.py").write_text("pass\n")

    assert read(guide_of(folder, 'script = "other.py"\n' + GUIDE)).script.name == "other.py"


# what is wrong with the file
def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(WrongGuide, match=r"none\.toml cannot be read: No such file or directory"):
        read(tmp_path / "none.toml")


def test_a_huge_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGEST", 2000)

    message = told(folder, GUIDE + "#" * 2000)

    assert message.startswith("guide.toml: a guide has at most 2,000 bytes, not 3,")


def test_the_limit_is_above_any_real_guide() -> None:
    assert reading.LARGEST >= 100_000


def test_no_text(folder: Path) -> None:
    path = folder / "guide.toml"
    path.write_bytes(b'title = "\xff\xfe"')

    with pytest.raises(WrongGuide, match=r"^guide\.toml is not text in UTF-8$"):
        read(path)


@pytest.mark.parametrize("text", ["title = ", "= 1", "[[beat]", 'a = "1"\na = "2"', "a = {", 'a = """'])
def test_no_toml(folder: Path, text: str) -> None:
    message = told(folder, text)

    assert message.startswith("guide.toml is not TOML: ")
    assert "line" in message or "document" in message


def test_no_script(folder: Path) -> None:
    (folder / "guide.py").unlink()

    assert told(folder, GUIDE) == f"guide.toml line 1, “script” names no file: {folder / 'guide.py'}"


# what is wrong with a field
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        # missing
        ('title = "A title"\n', "", "guide.toml line 1, “title” is missing"),
        ('question = "A question?"\n', "", "guide.toml line 1, “question” is missing"),
        ('level = "beginner"\n', "", "“level” must be one of beginner, intermediate, advanced"),
        ("minutes = 3\n", "", "“minutes” is missing"),
        ('title = "A source"\n', "", "“source.title” is missing"),
        ('address = "https://example.org"\n', "", "“source.address” is missing"),
        ('title = "Second"\n', "", "line 22, beat 2, “title” is missing"),
        ('say = "Told."\nswitch', "switch", "beat 2, “say” is missing"),
        ('question = "How much is {g}?"\n', "", "beat 2, “question” is missing"),
        (
            'why = "Because."\n\n[[beat]]\ntitle = "Third"',
            '[[beat]]\ntitle = "Third"',
            "beat 2, “why” is missing",
        ),
        ('kind = "number"\n', "", "line 29, beat 2, “kind” must be one of number, choice, largest"),
        ('answer = "w[0]"\n', "", "line 29, beat 2, “answer” is missing"),
        ("right = 2\n", "", "beat 3, “right” is missing"),
        ('choices = ["this", "that"]\n', "", "beat 3, “choices” must be a list of two or more"),
        ('values = ["w[0]", "g"]\n', "", "beat 4, “values” must have an expression for each choice"),
        ('{value = "2 * g", say = "Not {g}."}', '{say = "Not."}', "beat 2, “value” is missing"),
        ('{value = "2 * g", say = "Not {g}."}', '{value = "2"}', "beat 2, “slips” is missing"),
        # empty
        ('title = "First"', 'title = " "', "line 16, beat 1, “title” must be a sentence"),
        # unknown
        (
            "minutes = 3",
            "minutes = 3\nmood = 1",
            "line 6, “mood” is no field here: there are title, question",
        ),
        (
            'title = "First"',
            'title = "First"\nsays = ""',
            "line 17, beat 1, “says” is no field here: there are title, say",
        ),
        (
            "nth = 3",
            "times = 3",
            "line 24, beat 2, “times” is no field here: there are iteration, when, kind",
        ),
        (
            'attribute = "grad"',
            'what = "grad"',
            "“what” is no field here: there are pane, tensor, attribute, element",
        ),
        ("tolerance = 0.1", "precision = 0.1", "“precision” is no field here: there are kind, question, why"),
        ('say = "Not {g}."', 'tell = "Not."', "“tell” is no field here: there are value, say"),
        (
            'level = "beginner"',
            'level = "expert"',
            "line 4, “level” must be one of beginner, intermediate, advanced, not 'expert'",
        ),
        (
            'kind = "number"',
            'kind = "guess"',
            "line 30, beat 2, “kind” must be one of number, choice, largest, not 'guess'",
        ),
        (
            'kind = "accumulate"',
            'kind = "acumulate"',
            "line 24, beat 2, “kind” must be one of zero_grad, forward, loss",
        ),
        ('when = "before"', 'when = "while"', "beat 2, “when” must be one of before, after, not 'while'"),
        ('look = "network"', 'look = "net"', "beat 1, “pane” must be one of program, network, parameters"),
        ('attribute = "grad"', 'attribute = "data"', "“attribute” must be one of value, grad, not 'data'"),
        (
            'at = "end"',
            'at = "finish"',
            "line 40, beat 3, “at” must be “start”, “end” or a table, not 'finish'",
        ),
        # wrong type
        ("minutes = 3", 'minutes = "3"', "line 5, “minutes” must be a whole number, 1 or more"),
        ("minutes = 3", "minutes = 0", "“minutes” must be a whole number, 1 or more"),
        ("minutes = 3", "minutes = true", "“minutes” must be a whole number, 1 or more"),
        ('title = "A title"', "title = 5", "line 1, “title” must be a sentence"),
        ('about = ["kink"]', 'about = "kink"', "line 6, “about” must be a list of texts"),
        ('about = ["kink"]', "about = [1]", "line 6, “about” must be a list of texts"),
        ('w5 = "0.174"', "w5 = 0.174", "line 12, “printed” must be a table of names and texts"),
        ('w5 = "0.174"', 'w5 = "much"', "line 13, “w5” must be a number in quotes, not 'much'"),
        (
            '[source]\ntitle = "A source"\naddress = "https://example.org"',
            'source = "x"',
            "line 8, “source” must be a table",
        ),
        (
            'keep = {g = "w.grad[0]"}',
            "keep = {g = 1}",
            "line 19, beat 1, “keep” must be a table of names and texts",
        ),
        ('check = ["w[0] > 0"]', "check = 1", "line 20, beat 1, “check” must be a list of texts"),
        ("again = true", "again = 1", "beat 4, “again” must be true or false"),
        ("element = [0, 1]", "element = 0", "beat 2, “element” must be a list of whole numbers"),
        ("element = [0, 1]", "element = [0.5]", "beat 2, “element” must be a list of whole numbers"),
        ("iteration = 2", "iteration = -1", "beat 2, “iteration” must be a whole number, 0 or more"),
        ("nth = 3", "nth = 0", "beat 2, “nth” must be a whole number, 1 or more"),
        ("tolerance = 0.1", "tolerance = 1.5", "beat 2, “tolerance” must be a number from 0 to 1"),
        ("tolerance = 0.1", 'tolerance = "0.1"', "beat 2, “tolerance” must be a number from 0 to 1"),
        (
            'slips = [{value = "2 * g", say = "Not {g}."}]',
            "slips = 1",
            "beat 2, “slips” must be a list of tables",
        ),
        ('slips = [{value = "2 * g", say = "Not {g}."}]', "slips = [1]", "beat 2, “slips” must be a table"),
        ("right = 2", "right = 3", "beat 3, “right” must be a number from 1 to 2"),
        (
            'choices = ["w", "g"]',
            'choices = ["w", "g", "h"]',
            "beat 4, “values” must have an expression for each choice",
        ),
        ('after = {line = "backward()"}', "after = 1", "beat 2, “after” must be a table"),
        ('look = "network"', "look = 1", "beat 1, “look” must be a table"),
        # a place that is none
        (
            'kind = "accumulate", tensor = "w", ',
            "",
            "line 24, beat 2, “at” names no operation: give kind, name, tensor, module, line",
        ),
        # expressions
        ("{w[0] = 1}", "{w[0 = 1}", "beat 1, “say” cannot be worked out: “w[0” is not an expression"),
        (
            'keep = {g = "w.grad[0]"}',
            'keep = {g = "w."}',
            "beat 1, “keep” cannot be worked out: “w.” is not an expression",
        ),
        ('check = ["w[0] > 0"]', 'check = ["w >"]', "beat 1, “check” cannot be worked out"),
        ('answer = "w[0]"', 'answer = "w["', "beat 2, “answer” cannot be worked out"),
        ('value = "2 * g"', 'value = "2 *"', "beat 2, “slips” cannot be worked out"),
        ('check = "w[0] > 1"', 'check = ">"', "beat 3, “check” cannot be worked out"),
        ('values = ["w[0]", "g"]', 'values = ["w[0]", "g g"]', "beat 4, “values” cannot be worked out"),
        # switches
        ('lr = "0.5"', 'rate = "0.5"', "beat 2, “switch” knows no rate: choose from zero_grad, loss"),
        ('lr = "0.5"', 'lr = "fast"', "beat 2, “lr” cannot be: lr must be a number, 0 or more, not 'fast'."),
        ('lr = "0.5"', 'loss = "l3"', "beat 2, “loss” cannot be: There is no loss 'l3': choose from l1, mse"),
        ('set = "w[0]=1"', 'set = "w[0]"', "beat 2, “set” cannot be: A value is set like"),
        ('lr = "0.5", set = "w[0]=1"', "lr = 0.5", "beat 2, “switch” must be a table of names and texts"),
    ],
)
def test_a_wrong_field_is_named(folder: Path, old: str, new: str, message: str) -> None:
    found = told(folder, changed(old, new))

    assert found.startswith("guide.toml line ")
    assert message in found


def test_a_switch_that_nothing_follows(folder: Path) -> None:
    message = told(folder, GUIDE + '\n[[beat]]\ntitle = "x"\nsay = "x"\nswitch = {lr = "1"}\n')

    assert "beat 5, “switch” has no effect: no beat of the same run comes after it" in message


def test_a_switch_before_a_new_run(folder: Path) -> None:
    message = told(folder, changed('at = "end"\n', 'at = "end"\nswitch = {lr = "1"}\n'))

    assert "beat 3, “switch” has no effect" in message


@pytest.mark.parametrize("text", ["beat = 1", "beat = {title = 'x'}", "[beat]\ntitle = 'x'"])
def test_beats_that_are_no_list(folder: Path, text: str) -> None:
    head = GUIDE.partition("[source]")[0]
    source = 'source = {title = "x", address = "y"}\n'

    assert "“beat” is written [[beat]]" in told(folder, head + source + text)


def test_no_beats(folder: Path) -> None:
    assert told(folder, GUIDE.partition("[[beat]]")[0]) == "guide.toml has no [[beat]]"


def test_a_beat_that_is_no_table(folder: Path) -> None:
    head = GUIDE.partition("[source]")[0]

    message = told(folder, head + 'beat = [1]\nsource = {title = "x", address = "y"}\n')

    assert "beat 1, “beat” must be a table" in message


def test_the_line_is_that_of_the_field_in_its_own_beat(folder: Path) -> None:
    """Many beats have a title; the one that is wrong is meant."""
    lines = GUIDE.splitlines()
    line = lines.index('title = "Third"')
    lines[line] = "title = 3"

    assert told(folder, "\n".join(lines)) == f"guide.toml line {line + 1}, beat 3, “title” must be a sentence"
