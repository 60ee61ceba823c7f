"""Where in the story we are: follows the cursor of the run both ways. Pure logic over views."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from backprop_tui.debugger.log import chip_of
from backprop_tui.debugger.options import change_of
from backprop_tui.debugger.timeline import time_of
from backprop_tui.debugger.view import View
from backprop_tui.guide.lesson import Lesson, Place
from backprop_tui.guide.place import found_in
from backprop_tui.protocol import Record, Time


class Story:
    """The present beat, and when the others were met.

    A beat is met when its operation has run (or is about to, if it is told before it). Stepping back
    to before it goes back in the story; stepping over the next one goes on. Only beats of the present
    chapter count, and only while just its changes are in force.
    """

    def __init__(self, lesson: Lesson) -> None:
        self.lesson = lesson
        self.beat = 0
        self.answered: set[int] = set()
        """Beats whose question is behind us."""
        self._met: dict[tuple[int, Place], Time] = {}
        """By chapter and place: the time of the stop, as it was when we stood there."""
        self._begun: dict[tuple[int, Place], Time] = {}
        """By chapter and place: the earliest time of a stop there."""

    @property
    def place(self) -> Place:
        """Where the present beat is told: after the question, where its answer can be seen."""
        return self.place_of(self.beat)

    def place_of(self, beat: int) -> Place:
        """Where a beat is told."""
        return self.lesson.left_at(beat) if beat in self.answered else self.lesson.place_of(beat)

    def stands_at(self, view: View) -> bool:
        """Whether the run is where the present beat is told, before or after its question."""
        if view.stop is None or not self.undisturbed(view):
            return False
        return any(self._met.get(key) == view.stop.time for key in self._keys(self.beat))

    def undisturbed(self, view: View) -> bool:
        """Whether exactly the changes of the present beat are in force."""
        return in_force(view) == wanted(self.lesson.changes_at(self.beat))

    def arrive(self, beat: int, view: View) -> None:
        """The run has been brought to where a beat is told."""
        self.beat = beat
        if view.stop is not None:
            self._met[self.lesson.chapter_of(beat), self.place_of(beat)] = view.stop.time

    def follow(self, view: View) -> bool:
        """The cursor has moved; whether the present beat is another one now."""
        if view.stop is None or view.status in ("running", "starting") or self.stands_at(view):
            return False
        self._look_around(view)
        before, self.beat = self.beat, self._beat_at(view)
        return self.beat != before

    def _beat_at(self, view: View) -> int:
        """The beat that was reached last. Of several in one place the present one, else the nearest to it."""
        reached = {beat: self._reached(beat, view) for beat in self._chapter()}
        times = [time for time in reached.values() if time is not None]
        if not times:
            first = self.lesson.chapter_of(self.beat)
            return first if self._before(first, view) else self.beat
        there = [beat for beat, time in reached.items() if time == max(times)]
        return min(there, key=lambda beat: abs(beat - self.beat))

    def _chapter(self) -> Iterable[int]:
        """The beats of the present chapter."""
        chapter = self.lesson.chapter_of(self.beat)
        for beat in range(chapter, len(self.lesson.beats)):
            if self.lesson.chapter_of(beat) != chapter:
                return
            yield beat

    def _before(self, beat: int, view: View) -> bool:
        """Whether the run stands before a beat that was met."""
        met = [self._met[key] for key in self._keys(beat) if key in self._met]
        return bool(met) and view.stop is not None and view.stop.time < min(met)

    def _reached(self, beat: int, view: View) -> Time | None:
        """The time of the beat's operation if the run is there or beyond, with the changes of the beat."""
        if view.stop is None or in_force(view) != wanted(self.lesson.changes_at(beat)):
            return None
        times = (self._met.get(key, self._begun.get(key)) for key in self._keys(beat))
        return max((time for time in times if time is not None and time <= view.stop.time), default=None)

    def _look_around(self, view: View) -> None:
        """Find the operations of beats among those that have just been run."""
        operations = around(view)
        for key in {key for beat in self._chapter() for key in self._keys(beat)} - self._met.keys():
            time = _time_at(key[1], view, operations)
            if time is not None:
                self._begun[key] = time

    def _keys(self, beat: int) -> set[tuple[int, Place]]:
        """Chapter and places of a beat: where it is told, and where its answer was seen."""
        return {
            (self.lesson.chapter_of(beat), place)
            for place in (self.lesson.place_of(beat), self.place_of(beat))
        }


def _time_at(place: Place, view: View, operations: list[Record]) -> Time | None:
    """The earliest time of a stop at a place, if the run has just come by it: by one of ``operations``."""
    assert view.stop is not None
    if place.when == "end" and view.status == "finished":
        return view.stop.time
    found = found_in(place, operations) if place.when in ("before", "after") else None
    if found is None:
        return None
    done = [time_of(record) for record in view.records]
    if (time_of(found) in done) != (place.when == "after"):
        return None
    if place.when == "before":
        return time_of(found)
    # What is inside of it has been completed before it, and after the last of that the run stops.
    landmark, operation = max(done[: done.index(time_of(found)) + 1])
    return landmark, operation + 1


def around(view: View) -> list[Record]:
    """All operations of this iteration and the one before that are known, the next one among them."""
    stop = view.stop
    if stop is None:
        return list(view.records)
    known = {time_of(record): record for record in (*view.records, *stop.open)}
    if stop.next is not None:
        known[time_of(stop.next)] = stop.next
    return list(known.values())


def in_force(view: View) -> list[tuple[str, Any]]:
    """The changes that are in force, in a comparable form."""
    return sorted(((change.kind, change.value) for change in view.changes), key=repr)


def wanted(changes: Iterable[tuple[str, str]]) -> list[tuple[str, Any]]:
    """A guide's changes in the form of `in_force`: of each kind the last, unless it is the script's own.

    Of values that are set, each one.
    """
    last: dict[str, tuple[str, Any]] = {}
    for kind, text in changes:
        changed = change_of(kind, text)
        chip = chip_of(*changed)
        last[changed[0] if changed[0] != "set" else chip] = changed
    return sorted((changed for changed in last.values() if chip_of(*changed)), key=repr)
