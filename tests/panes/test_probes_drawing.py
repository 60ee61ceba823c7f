"""What was tried in copies, as text."""

from dataclasses import replace

import pytest

from backprop_tui.debugger.probing import Difference, Downhill
from backprop_tui.panes.drawing.probes import difference_lines, downhill_lines

FOUND = Difference("w", (0, 1), 3, 0.5, 0.005, 0.1, 0.2, 0.3, 20.0, "float32")
STEP = Downhill(2, 1.0, -0.1, 0.3, 0.05, ((0.1, -0.01, -0.0099), (1.0, -0.1, -0.08), (10.0, -1.0, 0.5)))


def test_a_numeric_derivative_is_shown_with_all_that_it_is_made_of():
    text = "\n".join(difference_lines(FOUND))

    assert "w = w[0,1] moved by ±h" in text
    assert "(L(w+h) − L(w−h)) / 2h = 20" in text
    assert "autograd   ∂L/∂w                  = 20" in text
    assert "agrees" in text


@pytest.mark.parametrize(
    ("autograd", "middle", "word"),
    [
        (-20.0, 0.2, "probably not"),
        (20.1, 0.2, "uncomfortable"),
        (10.0, 0.1, "kink"),
        (20.001, 0.2, "agrees"),
    ],
)
def test_the_verdict_is_that_of_the_thresholds(autograd, middle, word):
    assert word in replace(FOUND, autograd=autograd, middle=middle).verdict


def test_losses_that_hardly_differ_allow_no_better_verdict_than_their_digits():
    flat = replace(FOUND, low=1.0, middle=1.0, high=1.0 + 2.0**-20, autograd=1e-4)

    assert flat.error > 1e-2
    assert "as far as float32 can tell" not in replace(flat, autograd=-3.0).verdict
    assert "as far as float32 can tell" in replace(flat, autograd=flat.numeric * 1.2).verdict


def test_predicted_and_measured_stand_side_by_side():
    lines = downhill_lines(STEP)

    assert any(line.split() == ["0.1×Δw", "−0.01", "−0.0099", "as", "predicted"] for line in lines)
    assert any(line.split() == ["1×Δw", "−0.1", "−0.08", "20%", "off"] for line in lines)
    assert any(line.endswith("uphill!") for line in lines)
    assert "10 times the learning rate would go uphill" in lines[-1]


def test_several_backward_passes_are_told_of():
    assert "L is the sum of the losses of its 4 backward passes." in difference_lines(
        replace(FOUND, passes=4)
    )
    assert (
        "Iteration 2: the losses of 4 backward passes add up to 1,"
        in downhill_lines(replace(STEP, passes=4))[0]
    )
    assert not any("passes" in line for line in (*difference_lines(FOUND), *downhill_lines(STEP)))


def test_a_step_that_does_not_follow_the_gradient_is_said_to():
    assert "does not go against the gradient" in downhill_lines(replace(STEP, slope=0.1))[-1]


def test_a_prediction_that_is_wrong_for_the_shortest_step_too_is_said_to_be():
    wrong = replace(STEP, rows=((0.1, -0.01, -0.033), (1.0, -0.1, -0.33)))

    conclusion = downhill_lines(wrong)[-1]
    assert "The shorter the step, the better" not in conclusion
    assert "even for 0.1×Δw" in conclusion and "v compares" in conclusion
