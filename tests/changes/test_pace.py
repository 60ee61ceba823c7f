"""When schedulers step, in iterations, and which iteration uses what they set next."""

from __future__ import annotations

from backprop_tui.debuggee.changes.pace import Pace


def test_before_its_first_step_a_scheduler_is_expected_at_the_end_of_the_iteration() -> None:
    pace = Pace()

    assert not pace.known
    assert (pace.every, pace.next_use(1), pace.next_use(7)) == (1, 2, 8)


def test_once_an_iteration_after_the_optimizer() -> None:
    pace = Pace()
    for iteration in (1, 2, 3):
        pace.stepped(iteration, over=True)

    assert pace.every == 1
    assert pace.next_use(3) == 5, (
        "it has stepped in this one: the next use of its next rate is after the next"
    )
    assert pace.next_use(4) == 5


def test_once_an_iteration_before_the_optimizer() -> None:
    pace = Pace()
    pace.stepped(1, over=False)

    assert pace.next_use(1) == 2
    assert pace.next_use(2) == 2, "the step of this iteration will use it already"


def test_once_in_many_iterations() -> None:
    pace = Pace()
    pace.stepped(50, over=True)
    assert (pace.every, pace.next_use(60)) == (50, 101)
    pace.stepped(90, over=True)
    assert (pace.every, pace.next_use(91)) == (40, 131)
    assert pace.next_use(135) == 136, "it is late"


def test_several_schedulers_one_after_the_other_are_one_step() -> None:
    pace = Pace()
    for iteration in (10, 10, 20, 20):
        pace.stepped(iteration, over=True)

    assert (pace.every, pace.next_use(21)) == (10, 31)


def test_before_training() -> None:
    pace = Pace()
    pace.stepped(0, over=False)

    assert pace.every == 1
