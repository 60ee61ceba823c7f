"""A lesson as plain values: the script, and the beats of the story that is told about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

PANES = ("program", "network", "parameters", "operation", "loss", "rate", "output")
"""Panes that a beat can point at."""


@dataclass(frozen=True)
class Place:
    """An operation of the run, described and not counted, so that it survives an edit of the script."""

    iteration: int = 1
    """0: before the training loop."""
    when: Literal["before", "after", "start", "end"] = "after"
    """start: before the first operation of the training loop; end: when the script has finished."""
    kind: str | None = None
    """As in `trace`: op, loss, node, accumulate, update, ..."""
    name: str | None = None
    tensor: str | None = None
    """The leaf of an accumulate, the parameter of an update."""
    module: str | None = None
    line: str | None = None
    """Part of the text of the script's line."""
    nth: int = 1
    """Which of those of the iteration that match."""


@dataclass(frozen=True)
class Look:
    """Where on the screen to look."""

    pane: str
    tensor: str | None = None
    attribute: str = "value"
    """value or grad"""
    element: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Slip:
    """A wrong answer that is worth a sentence of its own."""

    value: str
    """Expression of the number that the slip leads to."""
    say: str


@dataclass(frozen=True)
class Ask:
    """A question. What it asks for is hidden in all panes until it is answered or skipped."""

    kind: Literal["number", "choice", "largest"]
    question: str
    why: str
    """Told after the answer, whatever it was."""
    answer: str = ""
    """number: the expression of the right answer."""
    tolerance: float = 0.005
    """number: how far from it counts as right, as a part of it."""
    slips: tuple[Slip, ...] = ()
    choices: tuple[str, ...] = ()
    """choice and largest: what can be chosen."""
    right: int = 0
    """choice: the right one, from 1."""
    check: str = ""
    """choice: an expression that is true in the run if the right one is right."""
    values: tuple[str, ...] = ()
    """largest: an expression for each choice; the largest is right."""
    after: Place | None = None
    """Where the answer can be seen: the guide goes there when the question is answered."""


@dataclass(frozen=True)
class Beat:
    """One moment of the story: a place in the run, and what there is to say about it."""

    title: str
    say: str
    at: Place | None = None
    """None: where the beat before it is."""
    look: Look | None = None
    ask: Ask | None = None
    switch: tuple[tuple[str, str], ...] = ()
    """(kind, text) of changes that are made on the way to the next beat, as on the command line."""
    again: bool = False
    """The script begins again, without the changes that were made."""
    keep: tuple[tuple[str, str], ...] = ()
    """(name, expression): numbers that later beats speak of, taken where this one leaves the run."""
    check: tuple[str, ...] = ()
    """Expressions that must be true here: what the text claims in words."""
    line: int = 0
    """Where it begins in its file."""


@dataclass(frozen=True)
class Lesson:
    """One lesson. `script` runs alone under plain Python."""

    name: str
    title: str
    question: str
    """What its reader should be able to answer afterwards."""
    group: str
    level: str
    minutes: int
    """How long a first walk through it takes."""
    source_title: str
    source_address: str
    """Where its script or its numbers come from."""
    script: Path
    guide: Path
    beats: tuple[Beat, ...] = ()
    about: tuple[str, ...] = ()
    """Notices that its script gives on purpose."""
    printed: dict[str, str] = field(default_factory=dict)
    """Numbers as its source prints them, by name."""

    def chapter_of(self, index: int) -> int:
        """The beat with which the run began that beat `index` is told about."""
        return max(number for number in range(index + 1) if number == 0 or self.beats[number].again)

    def changes_at(self, index: int) -> tuple[tuple[str, str], ...]:
        """Changes that were made before a beat: the switches of the beats before it in its chapter."""
        before = self.beats[self.chapter_of(index) : index]
        return tuple(change for beat in before for change in beat.switch)

    def place_of(self, index: int) -> Place:
        """Where a beat is: its own place, or that of the last beat before it that has one."""
        own = self.beats[index].at
        if own is not None:
            return own
        return self.left_at(index - 1) if index > self.chapter_of(index) else Place(when="start")

    def left_at(self, index: int) -> Place:
        """Where a beat leaves the run: its place, or where the answer to its question can be seen."""
        ask = self.beats[index].ask
        return ask.after if ask is not None and ask.after is not None else self.place_of(index)
