"""The lessons that come with the program. What reads a guide is imported when one is to be read."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backprop_tui.guide.lesson import Lesson

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
    """A name that no lesson has; the message has the valid names."""

    def __init__(self, name: str, advice: str) -> None:
        super().__init__(f"There is no lesson “{name}”. {advice}")
        self.advice = advice
        """The message without the name."""


def folder() -> Path:
    """Where the lessons lie."""
    return Path(str(files("backprop_tui.lessons")))


@cache
def lessons() -> tuple[Lesson, ...]:
    """Every lesson, group by group, by level and time in a group."""
    from backprop_tui.guide.reading import read

    return tuple(sorted((read(guide) for guide in folder().glob("*.toml")), key=_order))


def _order(lesson: Lesson) -> tuple[int, str, bool, int, int, str]:
    group = GROUPS.index(lesson.group) if lesson.group in GROUPS else len(GROUPS)
    level = ("beginner", "intermediate", "advanced").index(lesson.level)
    return (group, lesson.group, lesson.name != DEFAULT, level, lesson.minutes, lesson.name)


@cache
def find(name: str) -> Lesson:
    """The lesson of this name; no other one is read. Raises UnknownLesson, and WrongGuide."""
    from backprop_tui.guide.reading import read

    return read(guide_of(name))


def script_of(name: str) -> Path:
    """The script of a lesson, without reading its guide. Raises UnknownLesson."""
    return guide_of(name).with_suffix(".py")


def guide_of(name: str) -> Path:
    """The guide of a lesson. Raises UnknownLesson."""
    guide = folder() / f"{name}.toml"
    if name != Path(name).name or not guide.is_file():
        raise UnknownLesson(name, _advice(name, sorted(path.stem for path in folder().glob("*.toml"))))
    return guide


def _advice(name: str, names: list[str]) -> str:
    import difflib

    close = difflib.get_close_matches(name, names, n=2, cutoff=0.5)
    meant = f"Did you mean {' or '.join(close)}? " if close else ""
    return f"{meant}Lessons: {', '.join(names)}."
