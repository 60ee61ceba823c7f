"""The story follows the cursor of a real run, whichever way it goes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backprop_tui.debugger.timeline import time_of
from backprop_tui.debugger.view import Change, View
from backprop_tui.guide.lesson import Lesson, Place
from backprop_tui.guide.story import Story, in_force, wanted
from backprop_tui.guide.travel import is_at
from support.driving import Driver
from support.reading import lesson_of, open_lesson
from support.small_lesson import SCRIPT

BEATS = """
[[beat]]
title = "0: the start"
say = "."

[[beat]]
title = "1: before the loss"
at = {kind = "op", name = "sum", when = "before"}
say = "."

[[beat]]
title = "2: after the gradient"
at = {kind = "accumulate", tensor = "w"}
say = "."

[[beat]]
title = "3: the same place"
say = "."

[[beat]]
title = "4: after backward, whose last operation the gradient is"
at = {kind = "backward"}
say = "."

[[beat]]
title = "5: the second update"
at = {iteration = 2, kind = "update", tensor = "w"}
say = "."

[[beat]]
title = "6: the end"
at = "end"
say = "."

[[beat]]
title = "7: another run"
again = true
say = "."
"""


@dataclass
class Recorded:
    """A run, stop by stop."""

    lesson: Lesson
    views: list[View]
    expected: list[int]
    """The beat that is told at each stop, where the story came there one step at a time."""

    def __repr__(self) -> str:
        return f"a run of {len(self.views)} stops"


@pytest.fixture(scope="module")
def recorded(driver: Driver, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    lesson = lesson_of(tmp_path_factory.mktemp("story"), SCRIPT, BEATS)
    open_lesson(driver, lesson)
    views = [driver.view]
    while driver.status == "stopped":
        driver.step()
        views.append(driver.view)
    return Recorded(lesson, views, [reached(lesson, views[: n + 1]) for n in range(len(views))])


def reached(lesson: Lesson, views: list[View]) -> int:
    """The rule, told another way: the last beat whose place was come to on the way, of several the first."""
    found, seen = 0, {0}
    for view in views:
        new = [beat for beat in range(1, 7) if beat not in seen and is_there(lesson.place_of(beat), view)]
        found = new[0] if new else found
        seen.update(new)
    return found


def is_there(place: Place, view: View) -> bool:
    return view.status == "finished" if place.when == "end" else is_at(place, view)


def told(recorded: Recorded, path: list[int]) -> list[int]:
    """The beat at each stop of a way through the run that begins at its start."""
    story = Story(recorded.lesson)
    story.arrive(0, recorded.views[0])
    beats = []
    for position in path:
        story.follow(recorded.views[position])
        beats.append(story.beat)
    return beats


def first_there(beat: int) -> int:
    """Beats 2 to 4 are told at one stop; coming from behind, the last of them is the nearest."""
    return 2 if beat in (3, 4) else beat


def test_every_beat_is_met_on_the_way_forwards(recorded: Recorded) -> None:
    forwards = told(recorded, list(range(len(recorded.views))))

    assert forwards == recorded.expected
    assert set(forwards) == {0, 1, 2, 5, 6}


def test_on_the_way_back_each_stop_has_the_beat_that_it_had(recorded: Recorded) -> None:
    there = list(range(len(recorded.views)))
    back = told(recorded, [*there, *reversed(there)])[len(there) :]

    assert [first_there(beat) for beat in reversed(back)] == recorded.expected
    assert 4 in back


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(turns=st.lists(st.integers(0, 200), min_size=1, max_size=8))
def test_steps_in_both_directions(recorded: Recorded, turns: list[int]) -> None:
    """Stepping to and fro, one operation at a time, tells at each stop what belongs to it."""
    path = [0]
    for turn in turns:
        target = turn % len(recorded.views)
        path += range(path[-1] + 1, target + 1) if target > path[-1] else range(path[-1] - 1, target - 1, -1)

    for position, beat in zip(path, told(recorded, path), strict=True):
        assert first_there(beat) == recorded.expected[position], position


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(jumps=st.lists(st.integers(0, 200), min_size=1, max_size=8))
def test_jumps_never_tell_what_has_not_happened(recorded: Recorded, jumps: list[int]) -> None:
    path = [jump % len(recorded.views) for jump in jumps]

    for position, beat in zip(path, told(recorded, path), strict=True):
        place = recorded.lesson.place_of(beat)
        now = recorded.views[position]
        assert now.stop is not None
        if place.when == "end":
            assert now.status == "finished"
        elif place.when != "start":
            begun = next(
                time_of(view.stop.next)
                for view in recorded.views
                if view.stop is not None and view.stop.next is not None
                and view.stop.next["kind"] == place.kind
                and view.stop.iteration == place.iteration
                and place.name in (None, view.stop.next["name"])
            )  # fmt: skip
            assert now.stop.time > begun or (place.when == "before" and now.stop.time == begun)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_it_stands_where_it_has_arrived_and_nowhere_else(recorded: Recorded, data: st.DataObject) -> None:
    story = Story(recorded.lesson)
    position = data.draw(st.integers(0, len(recorded.views) - 1))
    other = data.draw(st.integers(0, len(recorded.views) - 1))
    story.arrive(data.draw(st.integers(0, 6)), recorded.views[position])

    assert story.stands_at(recorded.views[position])
    assert story.stands_at(recorded.views[other]) is (other == position)


def test_a_change_of_the_reader_s_own_disturbs_it(recorded: Recorded) -> None:
    story = Story(recorded.lesson)
    story.arrive(2, recorded.views[12])
    changed = replace(recorded.views[12], changes=(Change("lr", "lr 1", (0, 0), 1.0),))

    assert story.undisturbed(recorded.views[12])
    assert not story.undisturbed(changed)
    assert not story.stands_at(changed)


def test_with_a_change_the_beats_without_it_are_not_met(recorded: Recorded) -> None:
    story = Story(recorded.lesson)
    story.arrive(0, recorded.views[0])
    for view in recorded.views[1:]:
        story.follow(replace(view, changes=(Change("lr", "lr 1", (0, 0), 1.0),)))

    assert story.beat == 0


def test_while_it_runs_nothing_moves(recorded: Recorded) -> None:
    story = Story(recorded.lesson)
    story.arrive(0, recorded.views[0])

    assert not story.follow(replace(recorded.views[-1], status="running"))
    assert not story.follow(replace(recorded.views[-1], stop=None))
    assert story.beat == 0


def test_another_run_has_beats_of_its_own(recorded: Recorded) -> None:
    story = Story(recorded.lesson)
    story.arrive(7, recorded.views[0])
    for view in recorded.views:
        story.follow(view)

    assert story.beat == 7


# changes
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ((), []),
        ((("lr", "0.5"),), [("lr", 0.5)]),
        ((("lr", "0.5"), ("lr", "1")), [("lr", 1.0)]),
        ((("zero_grad", "off"), ("zero_grad", "on")), []),
        (
            (("reduction", "sum"),),
            [("loss", {"name": None, "reduction": "sum"})],
        ),
        (
            (("set", "w[0]=1"), ("set", "w[1]=2"), ("set", "w[0]=1")),
            [
                ("set", {"name": "w", "attr": "value", "index": [0], "to": 1.0}),
                ("set", {"name": "w", "attr": "value", "index": [1], "to": 2.0}),
            ],
        ),
    ],
)
def test_of_each_kind_the_last_change_counts(
    changes: tuple[tuple[str, str], ...], expected: list[tuple[str, object]]
) -> None:
    assert sorted(wanted(changes), key=repr) == sorted(expected, key=repr)


def test_changes_compare_in_any_order() -> None:
    one = Change("lr", "lr 1", (0, 0), 1.0)
    other = Change("zero_grad", "zero_grad off", (0, 3), "off")
    view = View("stopped", "x.py", changes=(one, other))

    assert (
        in_force(view)
        == in_force(replace(view, changes=(other, one)))
        == wanted((("zero_grad", "off"), ("lr", "1")))
    )
