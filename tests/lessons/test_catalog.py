"""Finding lessons by name."""

import ast

import pytest

from backprop_tui.guide import catalog
from backprop_tui.guide.reading import WrongGuide, read


def test_the_default_lesson_exists_with_its_script():
    lesson = catalog.find(catalog.DEFAULT)

    assert lesson.name == "update"
    assert lesson.script.is_file()
    assert lesson.minutes > 0


@pytest.mark.parametrize("lesson", catalog.lessons(), ids=lambda lesson: lesson.name)
def test_every_lesson_says_what_it_is_for_and_parses(lesson):
    assert lesson.title and lesson.question.endswith("?") and lesson.level
    assert lesson.source_title and lesson.source_address.startswith("https://")
    ast.parse(lesson.script.read_text(encoding="utf-8"))


def test_an_unknown_name_is_told_with_the_close_and_the_valid_ones():
    with pytest.raises(catalog.UnknownLesson) as caught:
        catalog.find("updat")

    names = ", ".join(sorted(lesson.name for lesson in catalog.lessons()))
    assert str(caught.value) == f"There is no lesson “updat”. Did you mean update? Lessons: {names}."


def test_a_name_like_no_other_gets_no_guess():
    with pytest.raises(catalog.UnknownLesson) as caught:
        catalog.find("zzzz")

    assert "Did you mean" not in str(caught.value)
    assert "update" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "field"),
    [("minutes = 10", "minutes"), ('level = "beginner"', "level")],
    ids=["no minutes", "no level"],
)
def test_a_guide_that_lacks_a_field_is_told_on(tmp_path, change, field):
    (tmp_path / "broken.py").write_text("")
    whole = catalog.find("update").script.with_suffix(".toml").read_text(encoding="utf-8")
    guide = tmp_path / "broken.toml"
    guide.write_text(whole.replace(change, ""), encoding="utf-8")

    with pytest.raises(WrongGuide, match=f"broken.toml line 1, “{field}”"):
        read(guide)
