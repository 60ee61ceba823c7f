"""What is known of the past, and from where to reach it: plain values, no process."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backprop_tui.debugger.timeline import (
    START,
    Digests,
    Place,
    Starts,
    Trail,
    back_target,
    nearest,
    time_of,
    victim,
)
from backprop_tui.protocol import Record

Time = tuple[int, int]


def record(time: Time, depth: int = 0, level: str = "operation", **more: Any) -> Record:
    return {"time": list(time), "depth": depth, "level": level, "iteration": 1, "number": 1, **more}  # type: ignore[typeddict-item]


# One iteration of the lesson in the order of beginning: (depth, level).
SHAPE = [
    (0, "phase"), (1, "operation"), (2, "operation"), (1, "operation"), (0, "phase"), (1, "operation"),
    (1, "operation"), (0, "phase"), (1, "operation"), (2, "kernel"), (2, "kernel"), (1, "operation"),
]  # fmt: skip


def whole_trail() -> Trail:
    trail = Trail()
    trail.add(record((0, index), depth, level) for index, (depth, level) in enumerate(SHAPE))
    return trail


def target_of(how: str, cursor: int, depth: int, from_kernel: bool = False) -> int | None:
    found = back_target(whole_trail(), (0, cursor), depth, how, from_kernel)
    return None if found is None else found["time"][1]


@pytest.mark.parametrize(
    ("how", "cursor", "depth", "expected"),
    [
        ("walk", 11, 1, 8),  # over the kernels, to the update that holds them
        ("into", 11, 1, 10),
        ("over", 11, 1, 8),
        ("out", 11, 1, 7),
        ("over", 7, 0, 4),  # a phase with all that it contains
        ("out", 7, 0, 4),
        ("over", 3, 1, 1),
        ("out", 2, 2, 1),
        ("out", 3, 1, 0),
        ("walk", 1, 1, 0),
        ("walk", 0, 0, None),
        ("over", 0, 0, None),
    ],
)
def test_where_a_step_backwards_leads(how: str, cursor: int, depth: int, expected: int | None) -> None:
    assert target_of(how, cursor, depth) == expected


def test_from_a_kernel_a_step_back_over_goes_to_the_kernel_before() -> None:
    assert target_of("over", 10, 2, from_kernel=True) == 9
    assert target_of("over", 9, 2, from_kernel=True) == 8
    assert target_of("out", 10, 2, from_kernel=True) == 8
    assert target_of("walk", 10, 2, from_kernel=True) == 8


def test_what_is_open_counts_as_begun() -> None:
    """Inside `backward` its first node: before that is `backward` itself, which has not completed."""
    trail = Trail()
    trail.add([record((0, 0))])
    trail.set_open([record((0, 1), 0, "phase")])
    found = back_target(trail, (0, 2), 1, "walk")

    assert found is not None and time_of(found) == (0, 1)


def test_what_is_open_has_not_completed_here() -> None:
    trail = Trail()
    trail.add([record((0, 1)), record((0, 0))])
    trail.set_open([record((0, 0))])

    assert list(trail.records) == [(0, 1)]


def test_before_the_trail_nothing_is_known() -> None:
    trail = Trail()
    trail.reset((5, 0))
    trail.add([record((4, 3)), record((5, 0)), record((5, 1))])

    assert list(trail.records) == [(5, 0), (5, 1)]
    assert back_target(trail, (5, 0), 0, "walk") is None


def test_a_cut_trail_forgets_what_began_later() -> None:
    trail = Trail()
    trail.add([record((0, 1)), record((0, 0)), record((1, 0))])
    trail.cut((0, 1))

    assert list(trail.records) == [(0, 0)]
    assert trail.since == START


def test_a_long_trail_is_thinned_and_says_so() -> None:
    trail = Trail()
    trail.add(record((index, 0)) for index in range(60_001))
    trail.thin()

    assert len(trail.records) == 30_000
    assert trail.since == min(trail.records) == (30_001, 0)


def test_the_length_of_an_iteration_is_its_last_number() -> None:
    trail = Trail()
    trail.add(record((0, index), iteration=1, number=index + 1) for index in (1, 0, 4))

    assert trail.length_of(1) == 5
    assert trail.length_of(2) is None


# checkpoints
times = st.tuples(st.integers(0, 50), st.integers(0, 5))


@given(st.lists(times, unique=True), times)
def test_the_nearest_checkpoint_is_the_newest_that_is_not_later(known: list[Time], target: Time) -> None:
    places = [Place(time, 0, 0) for time in known]
    found = nearest(places, target)
    earlier = [time for time in known if time <= target]

    assert (found.time if found else None) == (max(earlier) if earlier else None)


def keep_at_most(limit: int, arrivals: list[Time]) -> list[Place]:
    """The checkpoints that remain of those that were made on the way."""
    places: list[Place] = []
    for time in arrivals:
        places.append(Place(time, 0, 0))
        while len(places) > limit:
            chosen = victim(places, time)
            assert chosen is not None
            places.remove(chosen)
    return places


def gaps(places: list[Place], end: int) -> list[tuple[int, int]]:
    """(age of a gap's newer end, its length in landmarks), the way from the last one to now included."""
    ends = [*sorted(place.time[0] for place in places), end]
    return [(end - late, late - early) for early, late in pairwise(ends)]


@pytest.mark.parametrize("interval", [100, 700, 5_000])
def test_64_checkpoints_over_a_million_landmarks_leave_short_ways(interval: int) -> None:
    end = 1_000_000
    places = keep_at_most(64, [(landmark, 0) for landmark in range(0, end, interval)])

    assert len(places) == 64
    assert min(place.time[0] for place in places) == 0
    for age, length in gaps(places, end):
        assert length <= interval + 0.15 * (age + 0.02 * end)


def test_what_remains_is_denser_near_the_cursor() -> None:
    places = keep_at_most(64, [(landmark, 0) for landmark in range(0, 1_000_000, 200)])
    newest = [place for place in places if place.time[0] > 900_000]
    oldest = [place for place in places if place.time[0] < 100_000]

    assert len(newest) > 3 * len(oldest)


@given(st.integers(0, 2**32), st.integers(2, 12))
def test_the_earliest_checkpoint_stays_and_what_is_kept_is_never_given_up(seed: int, limit: int) -> None:
    chooser = random.Random(seed)
    arrivals = sorted({(chooser.randrange(1000), chooser.randrange(3)) for _ in range(60)})
    places = keep_at_most(limit, arrivals)

    assert arrivals[0] in {place.time for place in places}
    assert victim(places, arrivals[-1], keep=places) is None


def test_around_a_cursor_in_the_past_the_checkpoints_are_kept() -> None:
    """Going back and looking around must not cost the checkpoints where one looks."""
    places = [Place((landmark, 0), 0, 0) for landmark in range(0, 10_000, 100)]
    while len(places) > 20:
        chosen = victim(places, (3_000, 0))
        assert chosen is not None
        places.remove(chosen)
    near = [place for place in places if abs(place.time[0] - 3_000) <= 1_000]
    far = [place for place in places if place.time[0] >= 8_000]

    assert len(near) > len(far)


# digests
def test_a_digest_that_comes_again_is_compared() -> None:
    digests = Digests()
    assert all(digests.compare(landmark, 10 * landmark) for landmark in (1, 2, 3))

    assert digests.compare(2, 20)
    assert not digests.compare(3, 31)
    assert digests.compare(3, 31)
    assert digests.at(3) == 31


def test_landmarks_that_were_skipped_are_unknown_and_zero_is_a_digest() -> None:
    digests = Digests()
    assert digests.compare(3, 0)

    assert digests.at(1) is None
    assert digests.at(3) == 0
    assert digests.at(4) is None
    assert digests.compare(1, 7)
    assert not digests.compare(3, 2**32 - 1)


def test_after_a_cut_the_future_may_differ() -> None:
    digests = Digests()
    for landmark in (1, 2, 3):
        digests.compare(landmark, landmark)
    digests.cut(1)

    assert digests.compare(2, 99)
    assert not digests.compare(1, 99)


def test_before_everything_nothing_is_known() -> None:
    digests = Digests()
    for landmark in (1, 2, 3):
        digests.compare(landmark, landmark)
    digests.cut(-1)

    assert [digests.at(landmark) for landmark in (1, 2, 3)] == [None, None, None]


# iterations
def test_where_iterations_begin() -> None:
    starts = Starts()
    for iteration, landmark in ((1, 0), (2, 3), (3, 6)):
        starts.enter(iteration, landmark)

    assert [starts.of(iteration) for iteration in (0, 1, 2, 3, 9)] == [START, (0, 0), (3, 0), (6, 0), (6, 0)]
    assert [starts.of_landmark(landmark) for landmark in (0, 2, 3, 5, 6, 99)] == [1, 1, 2, 2, 3, 3]
    assert starts.known(3) and not starts.known(4)


def test_an_iteration_that_begins_again_forgets_what_came_after() -> None:
    starts = Starts()
    for iteration, landmark in ((1, 0), (2, 2), (3, 4), (2, 3)):
        starts.enter(iteration, landmark)

    assert starts.of(2) == (3, 0)
    assert not starts.known(3)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=30), st.integers(0, 100))
def test_every_landmark_lies_in_the_iteration_that_began_last(lengths: list[int], landmark: int) -> None:
    starts, begins = Starts(), []
    for index, length in enumerate(lengths):
        begins.append(sum(lengths[:index]))
        starts.enter(index + 1, begins[-1])
        assert length

    assert starts.of_landmark(landmark) == sum(begin <= landmark for begin in begins)
