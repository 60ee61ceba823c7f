"""The lessons that come with the program, and a person's own."""

from __future__ import annotations

import difflib
from functools import cache
from importlib.resources import files
from pathlib import Path

from backprop_tui.guide.lesson import Lesson
from backprop_tui.guide.reading import read

DEFAULT = "update"
"""The lesson that opens when nothing is asked for."""

GROUPS = (
    "First steps",
    "Gradients",
    "Losses",
    "Optimizers",
    "Learning rates",
    "Worked examples",
    "What goes wrong",
)
"""The groups of the list, in order; others follow by name."""


class UnknownLesson(LookupError):
    """A name that no lesson has; the message is one sentence with the valid names."""


def folder() -> Path:
    """Where the lessons lie."""
    return Path(str(files("backprop_tui.lessons")))


@cache
def lessons() -> tuple[Lesson, ...]:
    """Every lesson, group by group, by level and time in a group."""
    return tuple(sorted((read(guide) for guide in folder().glob("*.toml")), key=_order))


def _order(lesson: Lesson) -> tuple[int, str, bool, int, int, str]:
    group = GROUPS.index(lesson.group) if lesson.group in GROUPS else len(GROUPS)
    level = ("beginner", "intermediate", "advanced").index(lesson.level)
    return (group, lesson.group, lesson.name != DEFAULT, level, lesson.minutes, lesson.name)


@cache
def find(name: str) -> Lesson:
    """The lesson of this name; no other one is read. Raises UnknownLesson, and WrongGuide."""
    guide = folder() / f"{name}.toml"
    if name != Path(name).name or not guide.is_file():
        raise UnknownLesson(_unknown(name, sorted(path.stem for path in folder().glob("*.toml"))))
    return read(guide)


def _unknown(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names, n=2, cutoff=0.5)
    meant = f" Did you mean {' or '.join(close)}?" if close else ""
    return f"There is no lesson “{name}”.{meant} Lessons: {', '.join(names)}."
