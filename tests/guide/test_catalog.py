"""Finding lessons by name."""

import pytest

from backprop_tui.guide import catalog


def test_the_default_lesson_exists_with_its_script():
    lesson = catalog.find(catalog.DEFAULT)

    assert lesson.name == "update"
    assert lesson.script.is_file()
    assert lesson.minutes > 0


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


@pytest.mark.parametrize("name", ["../lessons/update", "update.toml", "/etc/passwd", "", "."])
def test_a_name_is_no_path(name):
    with pytest.raises(catalog.UnknownLesson):
        catalog.find(name)


def test_the_list_is_ordered_by_group_and_begins_with_the_default():
    groups = [lesson.group for lesson in catalog.lessons()]
    order = {group: number for number, group in enumerate(catalog.GROUPS)}

    assert catalog.lessons()[0].name == catalog.DEFAULT
    assert groups == sorted(groups, key=order.__getitem__)
