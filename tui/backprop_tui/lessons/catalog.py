"""The lessons that come with the program: each a plain PyTorch script and a file that says what it is for."""

from __future__ import annotations

import difflib
import sys
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DEFAULT = "update"
"""The lesson that opens when nothing is asked for."""


class UnknownLesson(LookupError):
    """A name that no lesson has; the message is one sentence with the valid names."""


@dataclass(frozen=True)
class Lesson:
    """One lesson. `script` runs alone under plain Python."""

    name: str
    title: str
    question: str
    """What its reader should be able to answer afterwards."""
    level: str
    minutes: int
    """How long a first walk through it takes."""
    source_title: str
    source_address: str
    """Where its script comes from."""
    script: Path


def _folder() -> Path:
    return Path(str(files(__package__)))


def _text(data: dict[str, Any], key: str, where: Path) -> str:
    value = data.get(key)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{where.name}: “{key}” must be a sentence")
    return value


def read(guide: Path) -> Lesson:
    """The lesson that a ``NAME.toml`` describes. Raises ValueError if a field is missing or wrong."""
    data = tomllib.loads(guide.read_text(encoding="utf-8"))
    minutes = data.get("minutes")
    if not isinstance(minutes, int) or minutes < 1:
        raise ValueError(f"{guide.name}: “minutes” must be a whole number")
    source = data.get("source", {})
    return Lesson(
        name=guide.stem,
        title=_text(data, "title", guide),
        question=_text(data, "question", guide),
        level=_text(data, "level", guide),
        minutes=minutes,
        source_title=_text(source, "title", guide),
        source_address=_text(source, "address", guide),
        script=guide.with_suffix(".py"),
    )


@cache
def lessons() -> tuple[Lesson, ...]:
    """Every lesson, by name."""
    return tuple(read(guide) for guide in sorted(_folder().glob("*.toml")))


def find(name: str) -> Lesson:
    """The lesson of this name. Raises UnknownLesson."""
    for lesson in lessons():
        if lesson.name == name:
            return lesson
    raise UnknownLesson(_unknown(name, [lesson.name for lesson in lessons()]))


def _unknown(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names, n=2, cutoff=0.5)
    meant = f" Did you mean {' or '.join(close)}?" if close else ""
    return f"There is no lesson “{name}”.{meant} Lessons: {', '.join(names)}."
