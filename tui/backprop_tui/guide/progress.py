"""How far a person has come in each lesson, kept between runs in the platform's folder for state.

One JSON file, written whole or not at all. A file that cannot be read or written costs the progress,
never the lesson.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from platformdirs import user_state_path

from backprop_tui.debugger.whole_file import write_whole
from backprop_tui.guide.answer import Mark

_LARGEST = 1_000_000
"""Bytes."""


@dataclass(frozen=True)
class Progress:
    """How far one lesson was read."""

    beat: int = 0
    """The furthest beat, from 0."""
    done: bool = False
    answers: dict[str, Mark] = field(default_factory=dict)
    """The first verdict on each question, by the number of its beat."""


def default_file() -> Path:
    """Where progress is kept."""
    return user_state_path("backprop-tui", appauthor=False) / "progress.json"


class Notebook:
    """The progress in all lessons."""

    def __init__(self, file: Path | None = None) -> None:
        self.file = file or default_file()
        self._known = _read(self.file)

    def of(self, name: str) -> Progress:
        """The progress in one lesson."""
        return self._known.get(name, Progress())

    def reached(self, name: str, beat: int, last: int) -> None:
        """A beat was reached; ``last`` is the lesson's last one. Both from 0."""
        old = self.of(name)
        self._set(name, replace(old, beat=max(old.beat, beat), done=old.done or beat >= last))

    def answered(self, name: str, beat: int, mark: Mark) -> None:
        """A question was answered: the first answer counts."""
        old = self.of(name)
        self._set(name, replace(old, answers={str(beat): mark, **old.answers}))

    def reset(self, name: str | None = None) -> None:
        """Forget the progress in one lesson, or in all."""
        self._known = {} if name is None else {key: v for key, v in self._known.items() if key != name}
        self._write()

    def _set(self, name: str, progress: Progress) -> None:
        if progress != self.of(name):
            self._known = {**_read(self.file), name: progress}
            self._write()

    def _write(self) -> None:
        text = json.dumps({name: asdict(progress) for name, progress in self._known.items()}, indent=1)
        with contextlib.suppress(OSError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.file, text)


def _read(file: Path) -> dict[str, Progress]:
    try:
        if file.stat().st_size > _LARGEST:
            return {}
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    entries = data.items() if isinstance(data, dict) else ()
    return {name: _progress(entry) for name, entry in entries if isinstance(entry, dict)}


def _progress(entry: dict[str, Any]) -> Progress:
    beat, answers = entry.get("beat", 0), entry.get("answers", {})
    marks = ("right", "close", "wrong", "skipped")
    known = (
        {str(key): mark for key, mark in answers.items() if mark in marks}
        if isinstance(answers, dict)
        else {}
    )
    whole = isinstance(beat, int) and not isinstance(beat, bool)
    return Progress(max(0, beat) if whole else 0, entry.get("done") is True, known)
