"""Brings a session to a place that is described, and makes the changes of a chapter on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backprop_tui.debugger.options import change_of
from backprop_tui.debugger.timeline import time_of
from backprop_tui.debugger.view import View
from backprop_tui.guide.place import described, found_in
from backprop_tui.guide.story import around, in_force, wanted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any, Protocol

    from backprop_tui.guide.lesson import Lesson, Place
    from backprop_tui.protocol import ParameterRow, Record

    class Drivable(Protocol):
        """What is asked of a session."""

        view: View

        async def goto(self, iteration: int, number: int) -> None: ...
        async def restart(self) -> None: ...
        async def change(self, kind: str, value: Any) -> None: ...
        async def finish(self) -> None: ...
        async def walk_until(self, wanted: Callable[[View], bool]) -> None: ...
        def tensors(self) -> Awaitable[list[ParameterRow]]: ...


class NoSuchPlace(Exception):
    """The run has no such operation; the message is one sentence."""


async def bring(session: Drivable, lesson: Lesson, beat: int, place: Place) -> None:
    """Bring the run to a place, with just the changes of a beat in force. Raises NoSuchPlace, Refused."""
    await _enter(session, lesson, beat)
    if place.when == "start":
        if not _at_start(session.view):
            await session.goto(1, 1)
    elif place.when == "end":
        await _finish(session)
    elif not is_at(place, session.view) or not _just_there(session.view, place):
        if not _ahead(session.view, place):
            await session.goto(place.iteration, 1)
            await _enter(session, lesson, beat)  # which going back may have undone
        await _walk_to(session, place)


async def return_to(session: Drivable, view: View) -> None:
    """Bring the run back to where it stood, with what was observed on the way there. Raises Refused."""
    stop = view.stop
    assert stop is not None
    if view.status == "stopped":
        await session.goto(stop.iteration, stop.number)
        return
    await session.goto(stop.iteration, 1)
    if session.view.status == "stopped":
        await session.walk_until(lambda now: now.status != "stopped")


async def _finish(session: Drivable) -> None:
    if session.view.status != "finished":
        await session.finish()
    if session.view.status != "finished":
        raise NoSuchPlace(f"the script does not come to its end: it has {session.view.status}")


async def _walk_to(session: Drivable, place: Place) -> None:
    def there_or_beyond(view: View) -> bool:
        return is_at(place, view) or _beyond(view, place)

    if not there_or_beyond(session.view):
        await session.walk_until(there_or_beyond)
    if not is_at(place, session.view):
        raise NoSuchPlace(f"there is no such operation: {described(place)}")


def _at_start(view: View) -> bool:
    stop = view.stop
    return stop is not None and view.status == "stopped" and (stop.iteration, stop.number) == (1, 1)


def _just_there(view: View, place: Place) -> bool:
    """Whether a place was reached with the last step: not some time ago."""
    if place.when == "before" or view.stop is None or view.stop.last is None:
        return place.when == "before"
    found = found_in(place, view.records)
    return found is not None and time_of(found) == time_of(view.stop.last)


def _ahead(view: View, place: Place) -> bool:
    """Whether walking on from here leads to a place, and all before it in its iteration was seen."""
    stop = view.stop
    if stop is None or view.status != "stopped" or stop.iteration != place.iteration:
        return False
    known = {record["number"] for record in around(view) if record["iteration"] == place.iteration}
    behind = [*view.records, *(stop.open if place.when == "before" else ())]
    return stop.number == 1 or (1 in known and found_in(place, behind) is None)


def _beyond(view: View, place: Place) -> bool:
    return view.status != "stopped" or (view.stop is not None and view.stop.iteration > place.iteration)


def is_at(place: Place, view: View) -> bool:
    """Whether the operation of a place is the next one, or has just run, with all that is inside it."""
    stop = view.stop
    if stop is None:
        return False
    if place.when == "before":
        return stop.next is not None and found_in(place, around(view)) is stop.next
    found = found_in(place, around(view))
    return found is not None and time_of(found) in {time_of(record) for record in view.records}


def operation_of(place: Place, view: View) -> Record | None:
    """The operation that a place is about, if it is known at this stop."""
    return found_in(place, around(view)) if place.when in ("before", "after") else None


async def _enter(session: Drivable, lesson: Lesson, beat: int) -> None:
    """Make the run one in which exactly the changes of a beat are in force."""
    if in_force(session.view) == wanted(lesson.changes_at(beat)):
        return
    await session.restart()
    for number in range(lesson.chapter_of(beat), beat):
        if lesson.beats[number].switch:
            await bring(session, lesson, number, lesson.left_at(number))
            await make(session, lesson.beats[number].switch)


async def make(session: Drivable, changes: tuple[tuple[str, str], ...]) -> None:
    """Make changes where the run stands. Raises Refused."""
    for kind, text in changes:
        await session.change(*change_of(kind, text))
